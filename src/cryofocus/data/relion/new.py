"""A new STAR file, as RELION 3.1 and later write it, from particles of any format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from cryofocus.data.labels import (
    CLASS_LABEL,
    DEFOCUS_LABELS,
    EXPANSION_LABELS,
    HALF_SET_LABEL,
    IMAGE_LABEL,
    MAX_POSTERIOR_LABEL,
    MICROGRAPH_LABEL,
    PHASE_SHIFT_LABEL,
    POSTERIOR_LABEL,
    pose_columns,
)
from cryofocus.data.optics import OpticsGroup
from cryofocus.data.particle_table import Classes, ParticleColumns, describe_lost_weights
from cryofocus.data.relion.optics import CTF_LABELS
from cryofocus.data.star.document import write_star

Cells = Shaped[np.ndarray, "n ..."] | list[str]


def write_relion(path: Path, columns: ParticleColumns, classes: Classes | None) -> list[str]:
    """Write particles as a STAR file with an optics table; return what the format cannot hold.

    Raises:
        OutputError: Disk full, no permission.
    """
    write_star(
        path,
        {"optics": _optics_table(columns.optics), "particles": _particle_table(columns, classes)},
    )
    lost = []
    if columns.protein_sign < 0:
        lost.append(
            "the contrast: protein is dark in the images, by what the source says or the habit of "
            "its program, and RELION expects it bright. Invert the images if that is so"
        )
    renamed = [stack for stack in columns.places.stacks if as_relion_stack(stack) != stack]
    if renamed:
        first = renamed[0]
        lost.append(
            f"the names of {len(renamed)} image stack{'s' if len(renamed) > 1 else ''} as they "
            "are: RELION takes .mrc for volumes, so that the table says .mrcs. Link each under "
            f"that name before RELION reads it: ln -s {Path(first).name} "
            f"{as_relion_stack(first)}. cryofocus finds them without"
        )
    return [*lost, *describe_lost_weights(columns)]


def as_relion_stack(name: str) -> str:
    """Return the name of a stack as RELION has to see it, which takes .mrc for volumes."""
    return name + "s" if name.endswith(".mrc") else name


def _optics_table(optics: Sequence[OpticsGroup]) -> dict[str, Cells]:
    def of(get: Callable[[OpticsGroup], float]) -> Cells:
        return np.array([get(group) for group in optics], np.float64)

    microscopes = [group.microscope for group in optics]
    table: dict[str, Cells] = {
        "rlnOpticsGroup": np.array([group.number for group in optics]),
        "rlnOpticsGroupName": [group.name for group in optics],
        "rlnVoltage": of(lambda g: g.microscope.voltage_kilovolt),
        "rlnSphericalAberration": of(lambda g: g.microscope.spherical_aberration_mm),
        "rlnAmplitudeContrast": of(lambda g: g.microscope.amplitude_contrast),
        "rlnImagePixelSize": of(lambda g: g.pixel_size_angstrom),
        "rlnImageDimensionality": np.full(len(optics), 2),
    }
    if all(group.box for group in optics):
        table["rlnImageSize"] = np.array([group.box for group in optics])
    if any(group.ctf_premultiplied for group in optics):
        table["rlnCtfDataAreCtfPremultiplied"] = np.array(
            [int(group.ctf_premultiplied) for group in optics]
        )
    for label, shown in CTF_LABELS.items():
        if any(group.ctf_shown == shown for group in optics):
            table[label] = np.array([int(group.ctf_shown == shown) for group in optics])
    if any(any(m.beam_tilt_mrad) for m in microscopes):
        table["rlnBeamTiltX"] = of(lambda g: g.microscope.beam_tilt_mrad[0])
        table["rlnBeamTiltY"] = of(lambda g: g.microscope.beam_tilt_mrad[1])
    if any(any(m.odd_zernike) for m in microscopes):
        table["rlnOddZernike"] = [_vector(m.odd_zernike) for m in microscopes]
    if any(any(m.even_zernike) for m in microscopes):
        table["rlnEvenZernike"] = [_vector(m.even_zernike) for m in microscopes]
    matrices = np.array([m.magnification_matrix for m in microscopes])
    if (matrices != np.eye(2)).any():
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            table[f"rlnMagMat{i}{j}"] = matrices[:, i, j]
    return table


def _vector(coefficients: Sequence[float]) -> str:
    return "[" + ",".join(f"{c:.12g}" for c in coefficients) + "]"


def _particle_table(columns: ParticleColumns, classes: Classes | None) -> dict[str, Cells]:
    numbers = np.array([group.number for group in columns.optics])
    ctf, places = columns.ctf, columns.places
    pairs = zip(places.slice_of_particle.tolist(), places.stack_of_particle.tolist(), strict=True)
    stacks = [as_relion_stack(stack) for stack in places.stacks]
    defocus = (ctf.defocus_u_angstrom, ctf.defocus_v_angstrom, ctf.defocus_angle_degrees)
    table: dict[str, Cells] = {
        IMAGE_LABEL: [f"{image + 1:06d}@{stacks[stack]}" for image, stack in pairs],
        **pose_columns(columns.rotation, columns.shift_angstrom),
        **dict(zip(DEFOCUS_LABELS, defocus, strict=True)),
        PHASE_SHIFT_LABEL: ctf.phase_shift_degrees,
        "rlnCtfBfactor": ctf.b_factor_square_angstrom,
        "rlnCtfScalefactor": ctf.ctf_scale,
        "rlnOpticsGroup": numbers[columns.optics_of_particle],
    }
    if columns.micrographs is not None:
        table[MICROGRAPH_LABEL] = columns.micrographs.column()
    if columns.half_set.all():
        table[HALF_SET_LABEL] = columns.half_set
    if classes is not None:
        table[CLASS_LABEL] = classes.class_index + 1
        if classes.posterior is not None:
            table[MAX_POSTERIOR_LABEL] = classes.posterior.max(axis=1)
            table[POSTERIOR_LABEL] = classes.posterior
    if columns.expansion is not None:
        parent, operator = EXPANSION_LABELS
        table[parent] = columns.expansion.parent_of_particle + 1
        table[operator] = columns.expansion.operator_of_particle + 1
    return table
