"""Classification and poses in turns: classify a few cycles, let the poses follow, go on.

A round is a classification with fixed poses, started from the posteriors of the round before.
Between rounds every particle is refined against its class, and class maps that have drifted are
brought back onto a scaffold, their particles with them (docs/decisions/0010). The last round runs
to convergence. Without --refine-poses and --scaffold there is one round.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from cryofocus.consensus.ground import Allocate
from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.data.images import ImageReader
from cryofocus.data.particles import ParticleSet
from cryofocus.execution.contract import Executor
from cryofocus.execution.monitor import Advance, Arrays, Monitor
from cryofocus.inference.classifier import FocusedClassifier
from cryofocus.inference.result import ClassificationResult
from cryofocus.inference.settings import AUTO
from cryofocus.kernels.contract import SliceKernels
from cryofocus.maths.masks import resample_mask
from cryofocus.maths.shells import shell_resolution_angstrom
from cryofocus.poses.by_class import ClassReferences, Membership, refine_by_class
from cryofocus.poses.prior import PosePrior
from cryofocus.poses.result import Poses, moved_share
from cryofocus.poses.rounds import SETTLED, RoundSettings, refine_in_rounds
from cryofocus.poses.scaffold import fit_to_scaffold, move_by_class
from cryofocus.workflows.classify.inputs import Inputs
from cryofocus.workflows.classify.request import ClassifyRequest

logger = logging.getLogger(__name__)

# Class maps that move by less are on the scaffold.
LEAST_TURN_DEGREES, LEAST_SHIFT_VOXELS = 0.1, 0.1


@dataclass(frozen=True, eq=False)
class Round:
    """What a round starts from; a run resumed from it goes on as if never stopped.

    Attributes:
        number: From 0.
        is_last: Whether it runs to convergence.
        rotation: `(particle, 3, 3)` rotations of the poses.
        shift_angstrom: `(particle, 2)` shifts of the poses.
        errors: `(particle, 2)` expected errors in degrees and Å; none if poses were not refined.
        widths: Learnt standard deviations of the given poses' rotations (radians) and shifts (Å).
        starts: `(run, particle, n_classes)` posteriors; no run in the first round.
    """

    number: int
    is_last: bool
    rotation: Float64[np.ndarray, "particle 3 3"]
    shift_angstrom: Float64[np.ndarray, "particle 2"]
    errors: Float64[np.ndarray, "particle 2"]
    widths: tuple[float, float]
    starts: Float64[np.ndarray, "run particle n_classes"]

    @property
    def is_only(self) -> bool:
        """Whether poses stay as they were given."""
        return self.number == 0 and self.is_last

    def pack(self) -> dict[str, np.ndarray]:
        """Return plain arrays, nothing rounded."""
        return {
            "round_number": np.array(self.number),
            "round_is_last": np.array(self.is_last),
            "round_rotation": self.rotation,
            "round_shift_angstrom": self.shift_angstrom,
            "round_errors": self.errors,
            "round_widths": np.array(self.widths),
            "round_starts": self.starts,
        }

    @classmethod
    def unpack(cls, arrays: Mapping[str, np.ndarray]) -> Round:
        """Return the round that `pack` packed."""
        angle, shift = arrays["round_widths"].tolist()
        return cls(
            int(arrays["round_number"]),
            bool(arrays["round_is_last"]),
            arrays["round_rotation"],
            arrays["round_shift_angstrom"],
            arrays["round_errors"],
            (angle, shift),
            arrays["round_starts"],
        )


@dataclass(frozen=True)
class RoundMonitor:
    """`Monitor` that keeps the round with the state of its runs."""

    monitor: Monitor
    current: Round

    def stage(
        self, name: str, n_steps: int, *, at_most: bool = False
    ) -> AbstractContextManager[Advance]:
        """Show a stage."""
        number = self.current.number
        name = name if number == 0 else f"{name}, round {number}"
        return self.monitor.stage(name, n_steps, at_most=at_most)

    def save(self, arrays: Arrays) -> None:
        """Keep the state of all runs, and the round unless it is the only one."""
        self.monitor.save(arrays if self.current.is_only else {**arrays, **self.current.pack()})

    def load(self) -> Arrays | None:
        """Return the state of this round's runs, if that is what was kept."""
        kept = self.monitor.load()
        if kept is None or self.current.is_only:
            return kept
        return kept if int(kept["round_number"]) == self.current.number else None


@dataclass(frozen=True)
class ClassificationRounds:
    """Everything that rounds have in common.

    Attributes:
        request: Settings; how often poses follow.
        inputs: Particles at the given poses, region and maps.
        kernels: Slice kernels.
        threads: Threads.
        executor: Where passes over the images are made and statistics stay.
        monitor: Progress and checkpoints.
        allocate: Called once per round, returns what makes the round's large arrays.
    """

    request: ClassifyRequest
    inputs: Inputs
    kernels: SliceKernels
    threads: int
    executor: Executor
    monitor: Monitor
    allocate: Callable[[], Allocate]

    def run(self) -> tuple[ClassificationResult, Round]:
        """Do all rounds; return the result of the last, and its poses."""
        kept = self.monitor.load()
        if kept is not None and "round_number" in kept:
            current = Round.unpack(kept)
        else:
            current = self._first()
        while True:
            result = self._classify(current)
            if current.is_last:
                return result, current
            current = self._next(current, result)

    @property
    def _cycles_a_round(self) -> int:
        """Cycles after which poses are looked at."""
        request = self.request
        return request.refine_poses or request.scaffold_every

    @property
    def _rounds_a_realignment(self) -> int:
        """Rounds after which class maps are brought back onto the scaffold."""
        return max(1, round(self.request.scaffold_every / self._cycles_a_round))

    def _first(self) -> Round:
        """Start with the given poses, refined against the consensus where poses are to follow."""
        request, particles = self.request, self.inputs.particles
        rotation = np.asarray(particles.rotation, np.float64)
        shift = np.asarray(particles.shift_angstrom, np.float64)
        nothing = np.zeros((0, len(particles), request.settings.least_classes))
        is_last = request.refine_poses is None and self.inputs.scaffold is None
        first = Round(
            0, is_last, rotation, shift, np.zeros((len(particles), 2)), (0.0, 0.0), nothing
        )
        if request.refine_poses is None:
            return first
        settings = request.settings
        half_set, _ = assign_half_sets(particles, settings.seed)
        images = open_images(particles, settings.invert, threads=self.threads)
        rounds = RoundSettings(settings.max_resolution_angstrom, reach=settings.reach)
        n_steps = rounds.max_rounds * len(particles)
        with self.monitor.stage("poses", n_steps, at_most=True) as advance:
            refined = refine_in_rounds(images, half_set, self.kernels, rounds, advance=advance)
        prior = refined.prior
        return replace(
            _moved(first, refined.poses), widths=(prior.angle_sd_radians, prior.shift_sd_angstrom)
        )

    def _classify(self, current: Round) -> ClassificationResult:
        """Classify at the round's poses."""
        settings = self.request.settings
        if len(current.starts):
            # The first round has found the number of classes, if it was to be found.
            settings = settings.model_copy(update={"n_classes": current.starts.shape[2]})
        if not current.is_last:
            few = min(self._cycles_a_round, settings.max_cycles)
            if settings.n_classes != AUTO:
                settings = settings.model_copy(update={"max_cycles": few})
            later = {"control_maps": False, "asks_half_sets": False, "keep_all_classes": True}
            settings = settings.model_copy(update=later)
        inputs = self.inputs
        classifier = FocusedClassifier(
            settings,
            self.kernels,
            self.threads,
            executor=self.executor,
            solvent=inputs.solvent,
            references=inputs.references,
        )
        particles = self._at(current)
        return classifier.fit(
            particles,
            ImageReader(particles),
            inputs.mask,
            monitor=RoundMonitor(self.monitor, current),
            allocate=self.allocate(),
            starts=list(current.starts),
        )

    def _next(self, current: Round, result: ClassificationResult) -> Round:
        """Let the poses follow the classes."""
        number, is_last = current.number + 1, True
        after = replace(
            current, number=number, starts=np.stack([run.posteriors for run in result.runs])
        )
        if self.request.refine_poses is not None:
            poses = self._refine(current, result)
            is_last &= moved_share(self._at(current), poses) < SETTLED
            after = _moved(after, poses)
        if self.inputs.scaffold is not None and number % self._rounds_a_realignment == 0:
            after, is_settled = self._realign(after, result)
            is_last &= is_settled
        is_last |= number * self._cycles_a_round >= self.request.settings.max_cycles
        return replace(after, is_last=is_last)

    def _refine(self, current: Round, result: ClassificationResult) -> Poses:
        """Refine every particle against its class."""
        particles, settings = self.inputs.particles, self.request.settings
        is_whole = settings.method.compares_whole_maps
        references = ClassReferences.around_consensus(
            result.consensus,
            result.maps,
            None if is_whole else self.inputs.mask.data,
            result.n_shells,
        )
        prior = PosePrior(
            np.asarray(particles.rotation, np.float64),
            np.asarray(particles.shift_angstrom, np.float64),
            *current.widths,
        )
        with self.monitor.stage(f"poses, round {current.number + 1}", len(particles)) as advance:
            return refine_by_class(
                result.consensus,
                references,
                Membership(result.labels, result.half_set),
                prior,
                self.kernels,
                advance=advance,
            )

    def _realign(self, current: Round, result: ClassificationResult) -> tuple[Round, bool]:
        """Bring class maps back onto the scaffold of the consensus, particles with them."""
        assert self.inputs.scaffold is not None
        particles = result.consensus.images.particles
        voxel = particles.pixel_size_angstrom
        scaffold = self.inputs.scaffold.data
        if particles.box < len(scaffold):
            scaffold = resample_mask(scaffold, particles.box)
        resolution = shell_resolution_angstrom(result.n_shells, particles.box, voxel)
        transforms = fit_to_scaffold(
            [estimate.full for estimate in result.maps],
            result.consensus.map.full,
            scaffold,
            voxel,
            resolution,
        )
        for number, transform in enumerate(transforms, start=1):
            logger.info(
                "class %d moved onto the scaffold by %.2f degrees and %.2f Å",
                number,
                transform.angle_degrees,
                float(np.linalg.norm(transform.shift_angstrom)),
            )
        rotation, shift = move_by_class(
            current.rotation, current.shift_angstrom, result.labels, transforms
        )
        is_settled = all(
            t.angle_degrees < LEAST_TURN_DEGREES
            and float(np.linalg.norm(t.shift_angstrom)) < LEAST_SHIFT_VOXELS * voxel
            for t in transforms
        )
        return replace(current, rotation=rotation, shift_angstrom=shift), is_settled

    def _at(self, current: Round) -> ParticleSet:
        """Return the particles at the round's poses."""
        return replace(
            self.inputs.particles,
            rotation=current.rotation,
            shift_angstrom=current.shift_angstrom,
        )


def _moved(current: Round, poses: Poses) -> Round:
    errors = np.stack([poses.angle_error_degrees, poses.shift_error_angstrom], axis=1)
    return replace(
        current, rotation=poses.rotation, shift_angstrom=poses.shift_angstrom, errors=errors
    )
