"""Are regions that vary together found, and those that do not left alone?

Usage: ``python benchmarks/covariance.py FOLDER [PARTICLES]``. Simulates humanoid sets into FOLDER
(those that are there are used again) and prints, for 10,000 particles unless told:

1. correlations over particles, scenario 3, and scenario 2 with constant and with random feet;
2. correlations over the classes of three runs with different seeds, on the same sets;
3. coupling of the units of an expanded set, scenario 1, simulated with coupling 0, 0.5 and 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from cryofocus import HumanoidSettings, classify, covary, expand, simulate_humanoid
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.workflows.classify_request import make_request
from cryofocus.workflows.covary_files import CovaryRecord, read_record

REGIONS = ("near_hand", "near_foot", "far_foot")
SNRS = (0.1, 0.025)


def main(folder: Path, particles: int) -> None:
    for snr in SNRS:
        for scenario, random_feet in ((3, False), (2, False), (2, True)):
            name = f"s{scenario}{'_random_feet' if random_feet else ''}_{snr:g}"
            settings = HumanoidSettings(
                scenario=scenario, snr=snr, particles=particles, random_feet=random_feet
            )
            data = simulated(folder / name, settings)
            runs = [classified(data / "particles.star", data, 4, seed) for seed in (1, 2, 3)]
            print_levels(name, compared(runs, data, folder / f"{name}_covary"))
        for coupling in (0.0, 0.5, 1.0):
            name = f"units_{coupling:g}_{snr:g}"
            settings = HumanoidSettings(
                scenario=1, snr=snr, particles=particles, coupling=coupling
            )
            data = simulated(folder / name, settings)
            table = data / "expanded.star"
            if not table.exists():
                expand(data / "particles.star", OperatorSet.point_group("C2"), table)
            record = compared([classified(table, data, 2, 1)], data, folder / f"{name}_covary")
            (unit,) = record.unit_level
            error = f"{unit.coupling:.3f} ± {unit.coupling_error:.3f}"
            print(f"{name}: coupling {error}, p {unit.p_value:.2g}", flush=True)


def simulated(folder: Path, settings: HumanoidSettings) -> Path:
    if not folder.exists():
        simulate_humanoid(folder, settings)
    return folder


def classified(table: Path, data: Path, n_classes: int, seed: int) -> Path:
    output = data.with_name(f"{data.name}_run{seed}")
    sphere = yaml.safe_load((data / "dataset.yaml").read_text())["focus_sphere"]
    request = make_request(
        {
            "particles": table,
            "focus": tuple(float(number) for number in sphere.split(",")),
            "settings": {"n_classes": n_classes, "n_runs": 1, "seed": seed},
        }
    )
    if not (output / "job.json").exists():
        classify(request, output, overwrite=output.exists())
    return output


def compared(runs: list[Path], data: Path, output: Path) -> CovaryRecord:
    if output.exists():
        return read_record(output)
    return covary(runs, {name: data / "masks" / f"{name}.mrc" for name in REGIONS}, output).record


def print_levels(name: str, record: CovaryRecord) -> None:
    for level in (record.class_level, record.particle_level):
        assert level is not None
        print(f"{name}: over {'classes' if level is record.class_level else 'particles'}")
        for first, second in ((0, 1), (0, 2), (1, 2)):
            value, low, high = (
                matrix[first][second] for matrix in (level.correlation, level.low, level.high)
            )
            shown = "undetermined" if value is None else f"{value:.3f} ({low}, {high})"
            print(f"  {REGIONS[first]} - {REGIONS[second]}: {shown}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)
