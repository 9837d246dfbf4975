"""A new .cs file from particles of any format; for the conventions see `cryosparc`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from cryofocus.data.cryosparc.dataset import write_fields
from cryofocus.data.cryosparc.fields import Fields, mark_copies, mix_uids, rotation_vectors
from cryofocus.data.cryosparc.optics import (
    anisomag,
    describe_lost_aberrations,
    tilt_angstrom,
    trefoil_angstrom,
)
from cryofocus.data.optics import describe_shown_ctf
from cryofocus.data.particle_table import Classes, ParticleColumns, describe_lost_weights
from cryofocus.data.stack_paths import ImagePlaces
from cryofocus.errors import ParticleError

# Fields of the alignment that other programs have no word for, as a refinement starts with them.
ALIGNMENT_DEFAULTS = {
    **dict.fromkeys(("error", "error_min", "resid_pow", "slice_pow", "image_pow"), 0.0),
    **dict.fromkeys(("cross_cor", "weight", "pose_ess", "shift_ess"), 0.0),
    **dict.fromkeys(("alpha", "alpha_min", "class_posterior", "class_ess"), 1.0),
}


def write_cryosparc(path: Path, columns: ParticleColumns, classes: Classes | None) -> list[str]:
    """Write particles as a .cs file in the NUMPY container.

    Uids are made from image and operator: the same images get the same uids every time.

    Returns:
        What the format cannot hold.

    Raises:
        ParticleError: If the box of the images is not known, or a particle occurs twice.
        OutputError: Disk full, no permission.
    """
    if not all(group.box for group in columns.optics):
        raise ParticleError(
            f"{path}: a .cs file gives the box of the images, which this table does not, and the "
            "images were not found. Give the folder that holds them with --datadir."
        )
    fields: Fields = {"uid": _image_uids(columns.places)}
    if columns.expansion is not None:
        fields |= mark_copies(
            fields["uid"], columns.expansion.operator_of_particle.astype(np.uint64)
        )
    if len(np.unique(fields["uid"])) != len(fields["uid"]):
        raise ParticleError(
            f"{path}: an image stands in several rows that no operator tells apart; cryoSPARC "
            "expects every particle once. Remove the duplicates."
        )
    fields |= _blob_fields(columns) | _ctf_fields(columns) | _alignment_fields(columns, classes)
    if columns.micrographs is not None:
        texts = _as_bytes(columns.micrographs.texts)
        fields["location/micrograph_path"] = texts[columns.micrographs.of_particle]
    write_fields(path, list(fields.items()))
    lost = [
        what for group in columns.optics for what in describe_lost_aberrations(group.microscope)
    ]
    if any(group.ctf_premultiplied for group in columns.optics):
        lost.append("that images are multiplied by their CTF")
    lost += describe_shown_ctf(columns.optics)
    lost += describe_lost_weights(columns)
    return list(dict.fromkeys(lost))


def _image_uids(places: ImagePlaces) -> Shaped[np.ndarray, " n"]:
    digests = [
        hashlib.blake2b(s.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        for s in places.stacks
    ]
    stacks = np.frombuffer(b"".join(digests), "<u8")
    return mix_uids(stacks[places.stack_of_particle], places.slice_of_particle.astype(np.uint64))


def _blob_fields(columns: ParticleColumns) -> Fields:
    places, group = columns.places, columns.optics_of_particle
    box = np.array([g.box for g in columns.optics], "<u4")
    pixel = np.array([g.pixel_size_angstrom for g in columns.optics], "<f4")
    return {
        "blob/path": _as_bytes(places.stacks)[places.stack_of_particle],
        "blob/idx": places.slice_of_particle.astype("<u4"),
        "blob/shape": np.stack([box, box], axis=1)[group],
        "blob/psize_A": pixel[group],
        "blob/sign": np.full(len(group), columns.protein_sign, "<f4"),
        "blob/import_sig": np.zeros(len(group), "<u8"),
    }


def _ctf_fields(columns: ParticleColumns) -> Fields:
    ctf, group = columns.ctf, columns.optics_of_particle
    microscopes = [g.microscope for g in columns.optics]
    per_group = {
        "ctf/accel_kv": [m.voltage_kilovolt for m in microscopes],
        "ctf/cs_mm": [m.spherical_aberration_mm for m in microscopes],
        "ctf/amp_contrast": [m.amplitude_contrast for m in microscopes],
        "ctf/tilt_A": [tilt_angstrom(m) for m in microscopes],
        "ctf/trefoil_A": [trefoil_angstrom(m) for m in microscopes],
        "ctf/tetra_A": [(0.0,) * 4 for _ in microscopes],
        "ctf/shift_A": [(0.0,) * 2 for _ in microscopes],
        "ctf/anisomag": [anisomag(m) for m in microscopes],
        "ctf/scale_const": [0.0 for _ in microscopes],
    }
    per_particle = {
        "ctf/df1_A": ctf.defocus_u_angstrom,
        "ctf/df2_A": ctf.defocus_v_angstrom,
        "ctf/df_angle_rad": np.radians(ctf.defocus_angle_degrees),
        "ctf/phase_shift_rad": np.radians(ctf.phase_shift_degrees),
        "ctf/scale": ctf.ctf_scale,
        "ctf/bfactor": ctf.b_factor_square_angstrom,
    }
    numbers = np.array([g.number for g in columns.optics], "<u4")
    return {
        "ctf/type": np.full(len(group), b"imported"),
        "ctf/exp_group_id": numbers[group],
        **{name: np.array(values, "<f4")[group] for name, values in per_group.items()},
        **{name: values.astype("<f4") for name, values in per_particle.items()},
    }


def _alignment_fields(columns: ParticleColumns, classes: Classes | None) -> Fields:
    n = len(columns.rotation)
    pixel = np.array([g.pixel_size_angstrom for g in columns.optics])[columns.optics_of_particle]
    fields: Fields = {
        # Half sets count from 0; where there are none, cryoSPARC writes 0 throughout.
        "split": np.maximum(columns.half_set, 1).astype("<u4") - np.uint32(1),
        "shift": (columns.shift_angstrom / pixel[:, None]).astype("<f4"),
        "pose": rotation_vectors(columns.rotation),
        "psize_A": pixel.astype("<f4"),
        "class": np.zeros(n, "<u4"),
    }
    fields |= {name: np.full(n, value, "<f4") for name, value in ALIGNMENT_DEFAULTS.items()}
    own: Fields = {}
    if classes is not None:
        fields["class"] = classes.class_index.astype("<u4")
        if classes.posterior is not None:
            fields["class_posterior"] = classes.posterior.max(axis=1).astype("<f4")
            own["cryofocus/class_posterior"] = classes.posterior.astype("<f4")
    return {f"alignments3D/{name}": values for name, values in fields.items()} | own


def _as_bytes(texts: tuple[str, ...]) -> Shaped[np.ndarray, " k"]:
    return np.array([text.encode("utf-8", "surrogateescape") for text in texts])
