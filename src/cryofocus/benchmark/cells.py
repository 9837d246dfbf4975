"""The cells of the humanoid benchmark: what is run, what came out, what was published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cryofocus.errors import FormatError
from cryofocus.inference.settings import StrategyName
from cryofocus.inference.strategies import STRATEGIES
from cryofocus.inference.strategy import MapPrior, Start
from cryofocus.simulate.settings import HumanoidSettings
from cryofocus.workflows.run.writing import write_text

Kind = Literal["focus", "leg", "noise"]
PoseSource = Literal["exact", "perturbed", "refined", "searched"]

SNRS = (0.100, 0.050, 0.025, 0.013, 0.006)
NOISE_SNR = 0.025
"""The noise of a set without signal is that of some SNR; which one hardly matters."""
STANDARD_CYCLES = 30
"""Bound on the cycles of a run that a cell's name does not mention."""


def _by_snr(*kappas: tuple[float, float]) -> dict[float, tuple[float, float]]:
    return dict(zip(SNRS, kappas, strict=True))


PUBLISHED: dict[tuple[Kind, int], dict[float, tuple[float, float]]] = {
    ("focus", 1): _by_snr((0.99, 0.91), (0.96, 0.85), (0.87, 0.74), (0.72, 0.57), (0.47, 0.36)),
    ("focus", 2): _by_snr((0.85, 0.70), (0.73, 0.56), (0.42, 0.41), (0.21, 0.17), (0.09, 0.08)),
    ("focus", 3): _by_snr((0.87, 0.71), (0.75, 0.61), (0.46, 0.39), (0.21, 0.17), (0.08, 0.09)),
    ("leg", 1): _by_snr((0.23, -0.01), (0.11, 0.00), (0.01, 0.01), (0.00, 0.01), (0.00, 0.00)),
    ("noise", 1): {NOISE_SNR: (-0.01, 0.00)},
}
"""Published kappa with a 2-D and a 3-D mask by region, scenario and SNR; poses exact."""

PUBLISHED_PROTOCOL: Mapping[str, Mapping[str, str | None]] = {
    "mask2d": {"start": None, "prior": "consensus"},
    "mask3d": {"start": "random", "prior": "none"},
}
"""Start and prior of the publication's strategies: random occupancies, maps as reconstructed."""
OWN_PROTOCOL: Mapping[str, str | None] = {"start": None, "prior": "consensus"}
"""Those of `classify`: the strategy's own start, and its prior where it has one."""

PERTURB_DEGREES, PERTURB_ANGSTROM = 4.0, 13.1
"""Published standard deviations of the errors per Euler angle and per axis (2.5 pixels)."""

PUBLISHED_REFINED: dict[int, dict[float, tuple[float, float]]] = {
    1: _by_snr((0.97, 0.91), (0.94, 0.86), (0.81, 0.72), (0.58, 0.54), (0.23, 0.24)),
    2: _by_snr((0.81, 0.67), (0.68, 0.53), (0.24, 0.21), (0.15, 0.15), (0.03, 0.02)),
    3: _by_snr((0.81, 0.67), (0.64, 0.55), (0.24, 0.22), (0.16, 0.16), (0.02, 0.01)),
}
"""The same by scenario and SNR, poses refined after perturbation (Supplementary Table 1)."""


class Cell(BaseModel):
    """One classification of the benchmark.

    Attributes:
        kind: "focus" the sphere that holds all that moves; "leg" a sphere that holds nothing that
            does; "noise" the focus sphere on images without signal.
        scenario: Of the simulated set.
        snr: Of the simulated set.
        particles: Number in the simulated set.
        seed: Of the simulated set and of the classification.
        box: Of the simulated set.
        pixel_size_angstrom: Of the simulated set.
        n_runs: Independent runs.
        strategy: How classes are focused.
        max_cycles: Bound on the cycles of a run.
        poses: "exact"; "perturbed" by errors of published size; these "refined"; or "searched"
            with a map made from the perturbed ones.
        start: Where runs start; None where the strategy does in `classify`.
        prior: What holds class maps back, where the strategy has a choice.
        radius_angstrom: Of the sphere, where it is not the set's.
        edge_angstrom: Of the sphere, where it is not the strategy's own.
    """

    model_config = ConfigDict(frozen=True)

    kind: Kind
    scenario: int
    snr: float
    particles: int
    seed: int
    n_runs: int
    box: int = 80
    pixel_size_angstrom: float = 5.24
    strategy: StrategyName = "residual"
    max_cycles: int = STANDARD_CYCLES
    poses: PoseSource = "exact"
    start: Start | None = None
    prior: MapPrior = "consensus"
    radius_angstrom: float | None = None
    edge_angstrom: float | None = None

    @property
    def set_name(self) -> str:
        """Name of the simulated set, shared by cells on the same images."""
        kind = "_noise" if self.kind == "noise" else ""
        kind += "_perturbed" if self.is_perturbed else ""
        return (
            f"scenario{self.scenario}_snr{format_snr(self.snr)}_seed{self.seed}"
            f"_n{self.particles}_box{self.box}{kind}"
        )

    @property
    def name(self) -> str:
        """Name of the cell, unique among all cells; what is usual is not mentioned."""
        words = [self.set_name, self.kind]
        if self.strategy != "residual":
            words.append(self.strategy)
        if self.start is not None:
            words.append(self.start)
        if self.prior != "consensus":
            words.append("noprior")
        if self.poses not in ("exact", "perturbed"):
            words.append(self.poses)
        if self.max_cycles != STANDARD_CYCLES:
            words.append(f"cycles{self.max_cycles}")
        if self.radius_angstrom is not None:
            words.append(f"radius{self.radius_angstrom:g}")
        if self.edge_angstrom is not None:
            words.append(f"edge{self.edge_angstrom:g}")
        return "_".join([*words, f"runs{self.n_runs}"])

    @property
    def is_perturbed(self) -> bool:
        """Whether the poses of the set's table are off."""
        return self.poses != "exact"

    @property
    def protocol(self) -> tuple[Start, MapPrior]:
        """Where runs start, and what holds class maps back."""
        return self.start or STRATEGIES[self.strategy].start, self.prior

    @property
    def is_usual_protocol(self) -> bool:
        """Whether they start, and maps are held back, as in the main tables."""
        usual = usual_protocol(self.strategy)
        return {"start": self.start, "prior": self.prior} == dict(usual)

    @property
    def label(self) -> str:
        """The strategy, and its start and prior where they are not those of the main tables."""
        if self.is_usual_protocol:
            return self.strategy
        return describe_protocol(self.strategy, *self.protocol)

    @property
    def is_titration(self) -> bool:
        """Whether the sphere differs from the benchmark's."""
        return self.radius_angstrom is not None or self.edge_angstrom is not None

    @property
    def usual(self) -> Cell:
        """The same with the benchmark's own sphere."""
        return self.model_copy(update={"radius_angstrom": None, "edge_angstrom": None})

    @property
    def n_classes(self) -> int:
        """Number of states of the unit in focus."""
        return self.simulation().states().n_classes

    @property
    def published(self) -> tuple[float, float] | None:
        """Published kappa with a 2-D and a 3-D mask."""
        if self.poses == "refined":
            return PUBLISHED_REFINED[self.scenario].get(self.snr)
        if self.poses != "exact":
            return None
        return PUBLISHED.get((self.kind, self.scenario), {}).get(self.snr)

    def simulation(self) -> HumanoidSettings:
        """Return the settings of the simulated set."""
        return HumanoidSettings(
            scenario=self.scenario,
            snr=self.snr,
            particles=self.particles,
            seed=self.seed,
            box=self.box,
            pixel_size_angstrom=self.pixel_size_angstrom,
            noise_only=self.kind == "noise",
            perturb_angle_degrees=PERTURB_DEGREES if self.is_perturbed else 0.0,
            perturb_shift_angstrom=PERTURB_ANGSTROM if self.is_perturbed else 0.0,
        )


class PoseFigures(BaseModel):
    """How good the poses of a cell were, and could be.

    Attributes:
        angle_degrees: Median error of angles, up to the two-fold axis.
        shift_angstrom: Median error of shifts.
        bound_angle_degrees: The Cramér-Rao bound on the error of angles.
        bound_shift_angstrom: That on the error of shifts.
        seconds: That it took to make the poses.
    """

    model_config = ConfigDict(frozen=True)

    angle_degrees: float
    shift_angstrom: float
    bound_angle_degrees: float
    bound_shift_angstrom: float
    seconds: float


class CellResult(BaseModel):
    """What one cell gave.

    Attributes:
        kappa: Of the best run.
        oracle_kappa: Of the Bayes classifier on the same images.
        oracle_focused_kappa: Of the focused Bayes classifier on them.
        mean_posterior: Equal to `fraction_correct` when posteriors mean what they say.
        fraction_correct: Fraction of particles classified correctly.
        bin_posterior: Mean posteriors of the reliability curve.
        bin_fraction_correct: Its fractions correct.
        bin_particles: Particles in each of its bins.
        classes_found: The run's own verdict.
        run_agreement: Mean agreement of the runs; None for a single run.
        cycles: Of the best run.
        kappa_by_cycle: Of every run, the best first; empty in cells of earlier versions.
        poses: Of cells whose poses are not exact; None for others.
        seconds: Of the classification, from table to run directory.
        cpu_seconds: Processor time of the cell, without simulating the set; None in cells of
            earlier versions.
        peak_memory_gb: Of the same.
    """

    model_config = ConfigDict(frozen=True)

    cell: Cell
    kappa: float
    oracle_kappa: float
    oracle_focused_kappa: float
    mean_posterior: float
    fraction_correct: float
    bin_posterior: tuple[float | None, ...]
    bin_fraction_correct: tuple[float | None, ...]
    bin_particles: tuple[int, ...]
    classes_found: bool
    run_agreement: float | None
    cycles: int
    kappa_by_cycle: tuple[tuple[float, ...], ...] = ()
    poses: PoseFigures | None = None
    seconds: float
    cpu_seconds: float | None = None
    peak_memory_gb: float
    machine: str = Field(description="Processor and cores.")
    date: str

    @property
    def ratio(self) -> float | None:
        """Kappa over the oracle's, where there is something to find."""
        has_signal = self.cell.kind == "focus" and self.oracle_kappa > 0
        return self.kappa / self.oracle_kappa if has_signal else None

    @property
    def calibration_gap(self) -> float:
        """Mean highest posterior minus fraction correct; positive means too sure."""
        return self.mean_posterior - self.fraction_correct


def usual_protocol(strategy: str) -> Mapping[str, Any]:
    """Return start and prior of a strategy in the main tables."""
    return PUBLISHED_PROTOCOL.get(strategy, OWN_PROTOCOL)


def describe_protocol(strategy: str, start: Start, prior: MapPrior) -> str:
    """Say in a few words how a strategy starts, and whether it has a prior of maps."""
    words = [strategy, f"{start} start"]
    if STRATEGIES[strategy].without_prior is not None:
        words.append("no prior" if prior == "none" else "prior")
    return ", ".join(words)


def format_snr(snr: float) -> str:
    """Write an SNR with three decimals, or as many as it has."""
    return f"{snr:.3f}" if round(snr, 3) == snr else f"{snr:g}"


def write_result(folder: Path, result: CellResult) -> None:
    """Keep the result of a finished cell.

    Raises:
        OutputError: Disk full, no permission.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{result.cell.name}.json", result.model_dump_json(indent=2) + "\n")


def read_results(folder: Path) -> list[CellResult]:
    """Read the results of all finished cells, in the order of their names.

    Raises:
        FormatError: When one is damaged.
    """
    results = []
    for path in sorted(folder.glob("*.json")):
        try:
            results.append(CellResult.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            raise FormatError(
                f"{path}: not the result of a benchmark cell ({error.error_count()} errors). "
                "Delete it, and the cell is run again."
            ) from error
    return results


def edge_option(strategy: str) -> str:
    """Name the setting that is the edge of a strategy's sphere: the circle's where it has one."""
    option = "circle_edge_angstrom"
    return option if option in STRATEGIES[strategy].options else "soft_edge_angstrom"
