"""The files of a directory of subtracted particles: their names, and what each is for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from cryofocus.data.atomic import atomic_file
from cryofocus.workflows.run.new_directory import DirectoryKind
from cryofocus.workflows.run.reading import explain_damage

STEM = "particles"
"""Of the table and of its stack; how they end is their format's."""
KEEP_MASK = "keep_mask.mrc"
SUBTRACTED_MAPS = ("subtracted_half1.mrc", "subtracted_half2.mrc")
POWER, REPORT = "residual_power.npz", "report.html"
DESCRIPTION, LOG, README = "subtraction.yaml", "run.log", "README.txt"
KIND = DirectoryKind("directory of subtracted particles", DESCRIPTION)

PURPOSES = {
    "TABLE": "your particle table with the subtracted images in place of its own",
    "STACK": "the subtracted images, sign and normalisation as they were",
    KEEP_MASK: "the region that was kept, on the grid of the subtracted images",
    "subtracted_half1.mrc ...": "the density that was subtracted from each half set",
    REPORT: "how well the subtraction fits: power before and after, against the noise",
    POWER: "the numbers behind that page, NumPy",
    DESCRIPTION: "what was subtracted from what, grey scale and intensities, time and memory",
    LOG: "what happened, line by line",
    README: "this list",
}


@dataclass(frozen=True, eq=False)
class PowerRecord:
    """Numbers of how well a subtraction fits; power over that of the noise model.

    The three rows are the images before, after the subtraction, and what the latter should show
    (noise and the density that is kept).

    Attributes:
        frequency: `(n_shells,)` 1/Å.
        shells: `(3, n_shells)` of Fourier coefficients.
        pictures: `(3, box, box)` of pixels, centred on the middle of the mask.
        inside: `(3,)` of pixels inside the mask's projection.
        outside: `(3,)` of pixels outside.
        pixel_size_angstrom: Å per pixel of the pictures.
        mask_radius_angstrom: Of the mask around its middle.
        n_images: Images that were averaged.
    """

    frequency: Float64[np.ndarray, " n_shells"]
    shells: Float64[np.ndarray, "stage n_shells"]
    pictures: Float64[np.ndarray, "stage box box"]
    inside: Float64[np.ndarray, " stage"]
    outside: Float64[np.ndarray, " stage"]
    pixel_size_angstrom: float
    mask_radius_angstrom: float
    n_images: int

    def write(self, folder: Path) -> None:
        """Write into a directory of subtracted particles.

        Raises:
            OutputError: Disk full, no permission.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        with atomic_file(folder / POWER) as handle:
            np.savez(handle, **values)

    @classmethod
    def read(cls, folder: Path) -> PowerRecord:
        """Read from a directory of subtracted particles.

        Raises:
            FormatError: When the file is missing or damaged.
        """
        path = folder / POWER
        remedy = "Give a directory that 'cryofocus subtract' wrote, or subtract again."
        with (
            explain_damage(path, remedy),
            path.open("rb") as file,
            np.load(file, allow_pickle=False) as stored,
        ):
            arrays = {field.name: stored[field.name] for field in fields(cls)}
        values = {name: a if a.ndim else a.item() for name, a in arrays.items()}
        return cls(**values)


def readme_text(table: Path, stack: Path) -> str:
    """Compose README.txt: one line a file."""
    named = {"TABLE": table.name, "STACK": stack.name}
    purposes = {named.get(name, name): purpose for name, purpose in PURPOSES.items()}
    # Formats without columns for it say by a further table what images were made from.
    for other in sorted(table.parent.glob(f"*_{STEM}{table.suffix}")):
        purposes[other.name] = "the table that was subtracted from, row by row, for the way back"
    width = max(map(len, purposes)) + 2
    lines = [f"{name:<{width}}{purpose}" for name, purpose in purposes.items()]
    back = (
        "The way back to the intact particles, with whatever was found since:\n"
        f"  cryofocus subtract TABLE --revert -o INTACT{table.suffix}\n"
        f"where TABLE is {table.name} or any table made from it."
    )
    return "\n".join(["Particles written by cryofocus subtract", "", *lines, "", back, ""])
