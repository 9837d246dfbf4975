"""The images of a subtracted set in cryoSPARC's fields, and the way back to the intact ones.

`blob/path` and `blob/idx` are the subtracted image. Fields `cryofocus_intact/...` keep what the
fields of the image said of the intact particle, and where images were cut around a mask also its
pose and defocus; a set that is subtracted again keeps the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from cryofocus.data.abilities import SubtractedRows
from cryofocus.data.cryosparc.dataset import CsDataset
from cryofocus.data.cryosparc.fields import IMAGE_FIELDS, Fields, say_in_fields
from cryofocus.data.labels import HALF_SET_LABEL
from cryofocus.data.stack_paths import ImagePlaces, parse_image_names
from cryofocus.errors import ParticleError

SCALE_FIELD = "cryofocus/subtraction_scale"
MOVED_FIELDS = (
    *("alignments3D/pose", "alignments3D/shift", "alignments3D/psize_A"),
    *("ctf/df1_A", "ctf/df2_A"),
)
INTACT_FIELDS = {
    name: "cryofocus_intact/" + name.replace("/", "_") for name in (*IMAGE_FIELDS, *MOVED_FIELDS)
}
"""Where each field keeps what it said of the intact particle."""
PATH_FIELD, INDEX_FIELD = INTACT_FIELDS["blob/path"], INTACT_FIELDS["blob/idx"]


@dataclass(frozen=True, eq=False)
class CryosparcSubtracted:
    """The images of a job's particles; a `SubtractedInTable`."""

    dataset: CsDataset

    stack_suffix = ".mrc"

    @property
    def are_cut(self) -> bool:
        """Whether its images were cut around a mask."""
        return self.dataset.has(INTACT_FIELDS["alignments3D/shift"])

    def require_place_for_pixel_size(self) -> None:
        """Do nothing: every particle says its own pixel size; see `SubtractedInTable`."""

    def write(self, path: Path, rows: SubtractedRows) -> None:
        """Write the particles with their new images; see `SubtractedInTable`."""
        dataset, n = self.dataset, self.dataset.n_rows
        places = parse_image_names(rows.names, path)
        fields: Fields = {
            "blob/path": _as_bytes(places.stacks)[places.stack_of_particle],
            "blob/idx": places.slice_of_particle,
            "blob/shape": np.full((n, 2), rows.box),
            "blob/psize_A": np.full(n, rows.pixel_size_angstrom),
            SCALE_FIELD: rows.scale,
        }
        halves = {HALF_SET_LABEL: rows.half_set}
        fields |= say_in_fields(dataset, halves | dict(rows.moved), None)[0]
        for name in (*IMAGE_FIELDS, *(MOVED_FIELDS if rows.moved else ())):
            # What an earlier subtraction put there leads further back.
            if dataset.has(name) and not dataset.has(INTACT_FIELDS[name]):
                fields[INTACT_FIELDS[name]] = dataset.column(name)
        dataset.write(path, fields, None)

    def write_intact(self, path: Path) -> None:
        """Write the particles with their intact images; see `SubtractedInTable`."""
        dataset = self.dataset
        if not dataset.has(PATH_FIELD):
            raise ParticleError(
                f"{dataset.path}: no field {PATH_FIELD}, so nothing says which intact particles "
                "these images were made from. Give a table that 'cryofocus subtract' wrote, or "
                "one made from it."
            )
        kept = {name: intact for name, intact in INTACT_FIELDS.items() if dataset.has(intact)}
        fields = {name: dataset.column(intact) for name, intact in kept.items()}
        dataset.write(path, fields, None, drop=(*kept.values(), SCALE_FIELD))

    def intact_names(self) -> list[str] | None:
        """Name the intact image of each particle as RELION does; None if the set is intact."""
        dataset = self.dataset
        if not dataset.has(PATH_FIELD):
            return None
        stacks, stack_of_particle = dataset.texts(PATH_FIELD)
        index: Int[np.ndarray, " n"] = dataset.numbers(INDEX_FIELD).astype(np.int64)
        places = ImagePlaces(
            tuple(stack.removeprefix(">") for stack in stacks), stack_of_particle, index
        )
        return [places.name(row) for row in range(dataset.n_rows)]


def _as_bytes(texts: tuple[str, ...]) -> Shaped[np.ndarray, " k"]:
    return np.array([text.encode("utf-8", "surrogateescape") for text in texts])
