"""`cryofocus classify`: from a particle table and a focus region to a finished run directory."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cryofocus.consensus.ground import Allocate
from cryofocus.data.images import ImageReader
from cryofocus.data.particles import ParticleSet
from cryofocus.errors import ClusterError, DeviceError, InputError, Interrupted, SettingError
from cryofocus.inference.classifier import ClassificationResult
from cryofocus.poses.accuracy import measure_accuracy
from cryofocus.version import __version__
from cryofocus.workflows.classify.findings import (
    judge,
    judge_memory,
    judge_poses,
    log_findings,
)
from cryofocus.workflows.classify.inputs import Inputs, read_inputs
from cryofocus.workflows.classify.monitor import RunMonitor
from cryofocus.workflows.classify.outputs import result_bytes, write_results
from cryofocus.workflows.classify.record import Circumstances, compose_record
from cryofocus.workflows.classify.request import ClassifyRequest, read_config
from cryofocus.workflows.classify.rounds import ClassificationRounds, Round
from cryofocus.workflows.classify.statistics_store import StatisticsStore
from cryofocus.workflows.machine.cluster import open_machine
from cryofocus.workflows.machine.hardware import StageClock, peak_memory_gb
from cryofocus.workflows.machine.progress import Progress, SilentProgress
from cryofocus.workflows.machine.resources import Resources, use_process
from cryofocus.workflows.run.checkpoint import fingerprint_run
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.job import Finding
from cryofocus.workflows.run.log import LOG_ONLY, record_log
from cryofocus.workflows.run.writing import require_free_space, write_text

logger = logging.getLogger(__name__)

# Stacks whose content proves that a resumed run reads the same images; the table names them all.
STACKS_IN_FINGERPRINT = 8
IMAGES_AT_ONCE = 256


def classify(
    request: ClassifyRequest,
    output: Path | str,
    *,
    overwrite: bool = False,
    resume: bool = False,
    command: str = "cryofocus.classify (Python)",
    progress: Progress | None = None,
) -> RunDirectory:
    """Classify particles by what a focus region shows and write the run directory.

    All input is checked before anything is written. The page for people is made from the
    finished directory by `cryofocus.report.run.page.write_report`.

    Args:
        request: Input files, region, settings and resources.
        output: Run directory.
        overwrite: Replace the run that is there.
        resume: Finish the run that is there, to the result it would have had uninterrupted.
        command: What the user typed, for command.txt.
        progress: Display; silent by default.

    Returns:
        The finished run: job.json is there.

    Raises:
        InputError: When particles, images, region or settings cannot be used.
        DeviceError: When the device is missing, or its memory too small.
        ClusterError: When workers cannot be reached or are lost; after the state was saved for
            `resume`.
        OutputError: When the directory exists (without `overwrite` or `resume`), belongs to
            something else or cannot be written.
        Interrupted: On Ctrl-C, after the state was saved for `resume`.
    """
    started, clock = datetime.now(UTC), StageClock()
    # Refuses a device that is missing, before anything is read.
    use_process(request.machine.here)
    RunDirectory.require_usable(Path(output), overwrite=overwrite, resume=resume)
    with clock.stage("reading"):
        inputs = read_inputs(request)
        stacks = inputs.particles.stack_paths[:STACKS_IN_FINGERPRINT]
        fingerprint = fingerprint_run(request.lasting_settings(), [*request.input_files, *stacks])
    _require_room(Path(output), request, inputs)
    progress = progress or SilentProgress()
    if overwrite and Path(output).exists():
        with clock.stage("checking images"):
            _require_sound_pixels(inputs.particles, progress)
    is_finished = resume and RunDirectory(Path(output)).job.is_file()
    # A finished run needs no workers.
    machine = request.machine.here if is_finished else request.machine
    with open_machine(machine) as resources:
        directory = RunDirectory.create(Path(output), overwrite=overwrite, resume=resume)
        with directory.locked(), record_log(directory.log) as warnings:
            if directory.job.is_file():
                _require_same(directory, request)
                directory.remove_checkpoint()
                logger.info("%s: this run is finished already; nothing was done", directory.path)
                return directory
            monitor = RunMonitor(directory, fingerprint, progress, clock)
            # Refuses changed settings before hours of reading, and before config.yaml says them.
            monitor.load()
            logger.info("cryofocus %s: %s", __version__, command)
            if request.machine.cluster is not None:
                logger.info("computing on %s", resources.place)
            write_text(directory.config, request.to_yaml())
            write_text(directory.command, command + "\n")
            result, last, findings = _fit_and_write(request, inputs, directory, monitor, resources)
            circumstances = Circumstances(
                command,
                started.isoformat(timespec="seconds"),
                clock,
                tuple(warnings),
                resources.cluster,
            )
            record = compose_record(request, inputs, result, last, findings, circumstances)
            logger.info("%s", record.verdict, extra=LOG_ONLY)
            directory.write_job(record)
            directory.remove_checkpoint()
    return directory


def _fit_and_write(
    request: ClassifyRequest,
    inputs: Inputs,
    directory: RunDirectory,
    monitor: RunMonitor,
    resources: Resources,
) -> tuple[ClassificationResult, Round, list[Finding]]:
    """Do the work; Ctrl-C or a fault at any moment leaves a directory that can be resumed."""
    stores: list[StatisticsStore] = []

    def allocate() -> Allocate:
        stores.append(StatisticsStore(directory.path, resources.memory_gb))
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
    try:
        result, last = rounds.run()
        findings = judge(result, inputs.particles, inputs.mask, request.settings.invert)
        if last.is_only:
            accuracy = measure_accuracy(result.consensus, result.n_shells, resources.kernels)
            findings += judge_poses(accuracy)
        log_findings(findings)
        with monitor.stage("writing", request.settings.n_classes) as advance:
            write_results(directory, inputs, result, last, advance)
    except KeyboardInterrupt as interruption:
        monitor.flush()
        raise Interrupted(
            f"{directory.path}: stopped; run the same command with --resume to finish it."
        ) from interruption
    except (ClusterError, DeviceError, InputError):
        monitor.flush()
        raise
    if request.machine.cluster is None:
        on_disk_gb = max((store.on_disk_gb for store in stores), default=0.0)
        exceeded = [*judge_memory(peak_memory_gb() - on_disk_gb, request.machine.memory_gb)]
        log_findings(exceeded)
        findings += exceeded
    return result, last, findings


def _require_room(output: Path, request: ClassifyRequest, inputs: Inputs) -> None:
    """Refuse before any work what would not fit on the disk."""
    existing = next(folder for folder in (output, *output.absolute().parents) if folder.is_dir())
    require_free_space(existing, result_bytes(inputs.particles, request.settings))


def _require_sound_pixels(particles: ParticleSet, progress: Progress) -> None:
    """Read every image before a former run is deleted for a set that cannot be classified."""
    reader, everything = ImageReader(particles), np.arange(len(particles))
    with progress.task("checking images", len(particles)) as advance:
        for start in range(0, len(particles), IMAGES_AT_ONCE):
            chosen = everything[start : start + IMAGES_AT_ONCE]
            reader.read(chosen)
            advance(len(chosen))


def _require_same(directory: RunDirectory, request: ClassifyRequest) -> None:
    """Refuse to take a finished run for the result of other settings."""
    before = read_config(directory.config).lasting_settings()
    changes = [
        f"{name} was {before.get(name)}, now {value}"
        for name, value in request.lasting_settings().items()
        if before.get(name) != value
    ]
    if changes:
        raise SettingError(
            f"{directory.path}: this run is finished, but {'; '.join(changes)}. Replace it with "
            "--overwrite, or choose another place with -o."
        )
