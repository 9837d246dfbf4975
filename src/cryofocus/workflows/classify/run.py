"""`cryofocus classify`: from a particle table and a focus region to a finished run directory."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryofocus.consensus.ground import Allocate
from cryofocus.inference.expected_memory import cycle_gb
from cryofocus.inference.result import ClassificationResult
from cryofocus.inference.settings import AUTO
from cryofocus.maths.copies import filled_classes
from cryofocus.poses.accuracy import measure_accuracy
from cryofocus.version import __version__
from cryofocus.workflows.classify.findings import (
    Judgement,
    judge,
    judge_memory,
    judge_poses,
    judge_stacks,
)
from cryofocus.workflows.classify.groundwork import Groundwork
from cryofocus.workflows.classify.inputs import Inputs, read_inputs
from cryofocus.workflows.classify.monitor import RunMonitor
from cryofocus.workflows.classify.origin import Origin
from cryofocus.workflows.classify.outputs import require_room, write_results
from cryofocus.workflows.classify.proposed_region import judge_region, propose_region
from cryofocus.workflows.classify.record import Circumstances, compose_record
from cryofocus.workflows.classify.related_classes import find_identical_classes
from cryofocus.workflows.classify.request import ClassifyRequest
from cryofocus.workflows.classify.rounds import ClassificationRounds, Round
from cryofocus.workflows.classify.statistics_store import StatisticsStore
from cryofocus.workflows.classify.verdict import describe_result
from cryofocus.workflows.machine.hardware import describe_hardware, peak_memory_gb
from cryofocus.workflows.machine.progress import Progress, SilentProgress
from cryofocus.workflows.machine.resources import Resources, open_machine, use_process
from cryofocus.workflows.run.checkpoint import Checkpoint
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import FindingCode
from cryofocus.workflows.run.log import LOG_ONLY, log_findings, record_log
from cryofocus.workflows.run.stack_watch import StackWatch
from cryofocus.workflows.run.table_findings import judge_table
from cryofocus.workflows.run.writing import write_text

logger = logging.getLogger(__name__)


def classify(  # noqa: PLR0913  # as of the command, and what it found before
    request: ClassifyRequest,
    output: Path | str,
    *,
    overwrite: bool = False,
    resume: bool = False,
    command: str = "cryofocus.classify (Python)",
    progress: Progress | None = None,
    groundwork: Groundwork | None = None,
) -> RunDirectory:
    """Classify particles by what a focus region shows and write the run directory.

    Input is checked before anything is written; what only the consensus can tell, such as whether
    there is density in the region, leaves no directory behind where it is refused, and a run that
    would have been replaced as it was. The page for
    people is made from the finished directory by `cryofocus.report.run.page.write_report`.

    Args:
        request: Input files, region, settings and resources; its region is a place, found if
            need be by `cryofocus.workflows.found_region`.
        output: Run directory.
        overwrite: Replace an existing run.
        resume: Finish the run that is there, to the result it would have had uninterrupted.
        command: What the user typed, for command.txt.
        progress: Display; silent by default.
        groundwork: What was read and found out about the region before.

    Raises:
        InputError: When particles, images, region or settings cannot be used.
        DeviceError: When the device is missing, or its memory too small.
        ClusterError: When workers cannot be reached or are lost; after the state was saved for
            `resume`.
        OutputError: When the directory exists (without `overwrite` or `resume`), belongs to
            something else or cannot be written.
        Interrupted: On Ctrl-C, after the state was saved for `resume`.
    """
    started, groundwork = datetime.now(UTC), groundwork or Groundwork()
    clock, known = groundwork.clock, groundwork.findings
    assert request.focus != AUTO
    # Refuses a device that is missing, before anything is read.
    use_process(request.machine.here)
    RunDirectory.require_usable(Path(output), overwrite=overwrite, resume=resume)
    with clock.stage("reading"):
        inputs = read_inputs(request, groundwork)
        config = request.to_yaml(Origin.here(Path(output)))
        stacks = StackWatch.begin(inputs.particles)
        fingerprint = request.fingerprint(stacks.states)
    require_room(Path(output), inputs.particles, request.settings)
    is_finished = resume and RunDirectory(Path(output)).job.is_file()
    # A finished run needs no workers.
    machine = request.machine.here if is_finished else request.machine
    with open_machine(machine) as resources:
        is_new = not Path(output).exists()
        directory = RunDirectory.create(Path(output), overwrite=overwrite, resume=resume)
        checkpoint = Checkpoint(directory.checkpoint, fingerprint)
        with (
            directory.forgotten_when_refused(is_new=is_new),
            directory.locked(),
            directory.replacing(
                overwrite=overwrite, by_search=_by_search(request, directory, groundwork)
            ),
            record_log(directory.log) as warnings,
        ):
            if directory.job.is_file():
                request.require_same(directory.config)
                directory.remove_states()
                finished = directory.read_job()
                clock.follow(finished.seconds, finished.n_processes)
                logger.info("%s: this run is finished already; nothing was done", directory.path)
                return directory
            monitor = RunMonitor(checkpoint, progress or SilentProgress(), clock)
            # Refuses changed settings before hours of reading, and before config.yaml says them.
            monitor.begin()
            logger.info("cryofocus %s: %s", __version__, command)
            if resources.cluster is not None:
                logger.info("computing on %s", resources.place)
            write_text(directory.config, config)
            write_text(directory.command, command + "\n")
            log_findings(known)
            result, last, judgement = _fit_and_write(
                request, inputs, stacks, directory, monitor, resources
            )
            judgement = replace(judgement, findings=(*judgement.findings, *known))
            circumstances = Circumstances(
                command,
                started.isoformat(timespec="seconds"),
                clock,
                describe_hardware(resources.machine.device),
                tuple(warnings),
                resources.cluster,
                monitor.cycles_before,
            )
            record = compose_record(request, inputs, result, last, judgement, circumstances)
            logger.info("%s", record.verdict, extra=LOG_ONLY)
            directory.write_job(record)
            directory.remove_states()
    return directory


def _by_search(request: ClassifyRequest, run: RunDirectory, groundwork: Groundwork) -> bool:
    """Tell whether what a search for the region left in the run directory is needed."""
    folder = run.regions.absolute()
    masks = (path for path in request.input_files if folder in path.absolute().parents)
    return groundwork.was_searched or any(masks)


def _fit_and_write(
    request: ClassifyRequest,
    inputs: Inputs,
    stacks: StackWatch,
    directory: RunDirectory,
    monitor: RunMonitor,
    resources: Resources,
) -> tuple[ClassificationResult, Round, Judgement]:
    """Do the work; Ctrl-C or a fault at any moment leaves a directory that can be resumed."""
    stores: list[StatisticsStore] = []

    def allocate() -> Allocate:
        needed_later_gb = cycle_gb(len(inputs.particles), request.settings)
        stores.append(StatisticsStore(directory.path, resources.memory_gb, needed_later_gb))
        return stores[-1].allocate

    rounds = ClassificationRounds(
        request,
        inputs,
        resources.kernels,
        resources.threads,
        resources.executor,
        monitor,
        allocate,
    )
    with monitor.keeping(directory.path):
        result, last = rounds.run()
        with monitor.stage("class maps compared", 2) as advance:
            filled = filled_classes(result.posteriors)
            pairs = find_identical_classes(result, inputs.mask.data, filled)
            advance()
            same = tuple((pair.first, pair.second) for pair in pairs)
            result = replace(result, same_maps=same)
            proposed = propose_region(result, inputs.mask, request.settings)
            advance()
        findings = judge(result, inputs.particles, inputs.mask, request.settings.invert)
        if last.is_only:
            with monitor.stage("poses judged", 1) as advance:
                accuracy = measure_accuracy(
                    result.consensus, result.half_set, result.n_shells, resources.kernels
                )
                advance()
            findings += judge_poses(accuracy)
        checked = (result.consensus, result.match, result.half_set)
        findings += judge_table(*checked, resources.kernels, monitor)
        findings += judge_region(proposed, directory.proposed_region)
        log_findings(findings)
        with monitor.stage("writing", len(result.maps)) as advance:
            write_results(directory, inputs, result, last, proposed, advance)
    late = [*judge_stacks(stacks.complaint())]
    if resources.cluster is None:
        on_disk_gb = max((store.on_disk_gb for store in stores), default=0.0)
        late += judge_memory(peak_memory_gb() - on_disk_gb, request.machine.memory_gb)
    log_findings(late)
    is_ball = any(one.code == FindingCode.VIEWS_ALIKE for one in findings)
    verdict = describe_result(
        result,
        is_focused=not (inputs.mask.path is None and inputs.mask.radius_angstrom is None),
        is_cut=proposed is not None,
        is_ball=is_ball,
    )
    return result, last, Judgement(verdict, (*findings, *late))
