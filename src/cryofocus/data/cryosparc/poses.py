"""Poses of cryoSPARC's particles: of a refinement, or against one of several references.

Classifications and ab-initio jobs with several classes give the poses against every reference:
`alignments3D_multi` in columns, `alignments_class_0`, `alignments_class_1` and so on as groups of
fields. Every reference has a frame of its own, so that poses belong together only where all
particles are of one class.
"""

from __future__ import annotations

import re

import numpy as np
from jaxtyping import Float, Shaped
from scipy.spatial.transform import Rotation

from cryofocus.data.cryosparc.dataset import CsDataset
from cryofocus.data.labels import FIND_POSES
from cryofocus.errors import ParticleError

POSE_FIELDS = ("alignments3D/pose", "alignments3D/shift")
MULTI = "alignments3D_multi"
OF_CLASS = re.compile(r"(alignments_class_\d+)/pose")
FLAT = "alignments2D/pose"

# Somewhat more than a turn.
LONGEST_RADIANS = 7.0

Rotations = Float[np.ndarray, "n 3 3"]
Poses = tuple[Rotations, Float[np.ndarray, "n 2"]]


def read_poses(dataset: CsDataset) -> Poses:
    """Give rotations and shifts in Å.

    Raises:
        ParticleError: If there are none, or those of several references and no class that all
            particles belong to.
    """
    if all(map(dataset.has, POSE_FIELDS)):
        return _of_group(dataset, "alignments3D")
    if dataset.has(f"{MULTI}/pose"):
        return _of_columns(dataset)
    groups = [match.group(1) for name in dataset.fields if (match := OF_CLASS.fullmatch(name))]
    if groups:
        return _of_group(dataset, groups[_one_class(dataset, groups)])
    if dataset.has(FLAT):
        raise ParticleError(
            f"{dataset.path}: has the poses of a 2-D classification only ({FLAT}), which give no "
            f"view directions. {FIND_POSES}."
        )
    require_fields(dataset, POSE_FIELDS, f"3-D poses: {{}}. {FIND_POSES}")
    raise ValueError(f"{dataset.path}: no poses")


def require_fields(dataset: CsDataset, fields: tuple[str, ...], advice: str) -> None:
    """Refuse a set that lacks fields, and say which files beside it could not be used.

    Raises:
        ParticleError: If one is missing.
    """
    missing = [name for name in fields if not dataset.has(name)]
    if not missing:
        return
    if dataset.unusable:
        raise ParticleError(
            f"{dataset.path}: lacks {', '.join(missing)}, and a passthrough file beside it, which "
            f"may hold these fields, cannot be used: {'; '.join(dataset.unusable)}"
        )
    what = advice.format(f"{', '.join(missing)} missing")
    raise ParticleError(
        f"{dataset.path}: has no {what}. If the job's passthrough file holds them, give "
        "it with --passthrough."
    )


def _of_group(dataset: CsDataset, group: str) -> Poses:
    require_fields(dataset, (f"{group}/shift",), f"3-D poses: {{}}. {FIND_POSES}")
    pixel = dataset.pixel_sizes(f"{group}/psize_A")
    return (
        _rotations(dataset, dataset.numbers(f"{group}/pose", 3)),
        dataset.numbers(f"{group}/shift", 2) * pixel[:, None],
    )


def _of_columns(dataset: CsDataset) -> Poses:
    fields = tuple(f"{MULTI}/{name}" for name in ("pose", "shift"))
    require_fields(dataset, fields, f"3-D poses: {{}}. {FIND_POSES}")
    shape = dataset.column(fields[0]).shape
    n_classes = shape[1] if len(shape) > 2 else 1
    posterior = f"{MULTI}/class_posterior"
    chosen = 0
    if n_classes > 1:
        if not dataset.has(posterior):
            _refuse_several(dataset, fields[0], n_classes)
        chosen = _one_of(dataset, dataset.numbers(posterior, n_classes), fields[0])
    sizes = (n_classes,) if len(shape) > 2 else ()
    pose, shift = (
        dataset.numbers(name, *sizes, width).reshape(dataset.n_rows, -1, width)[:, chosen]
        for name, width in zip(fields, (3, 2), strict=True)
    )
    return _rotations(dataset, pose), shift * dataset.pixel_sizes(f"{MULTI}/psize_A")[:, None]


def _one_class(dataset: CsDataset, groups: list[str]) -> int:
    """Return the only class that particles belong to."""
    if len(groups) == 1:
        return 0
    fields = [f"{group}/class_posterior" for group in groups]
    if not all(map(dataset.has, fields)):
        _refuse_several(dataset, f"{groups[0]}/pose", len(groups))
    posterior = np.stack([dataset.numbers(field) for field in fields], axis=1)
    return _one_of(dataset, posterior, f"{groups[0]}/pose")


def _one_of(dataset: CsDataset, posterior: Float[np.ndarray, "n k"], field: str) -> int:
    best = posterior.argmax(axis=1)
    if (best != best[0]).any():
        _refuse_several(dataset, field, posterior.shape[1])
    return int(best[0])


def _refuse_several(dataset: CsDataset, field: str, n_classes: int) -> None:
    raise ParticleError(
        f"{dataset.path}: has poses against {n_classes} references ({field} and others), each in "
        "a frame of its own, and its particles are not all of one class. Give the particles of "
        "one class, or refine them together against one map."
    )


def _rotations(dataset: CsDataset, vectors: Shaped[np.ndarray, "n 3"]) -> Rotations:
    longest = float(np.linalg.norm(vectors.astype(np.float64), axis=1).max(initial=0))
    if longest > LONGEST_RADIANS:
        raise ParticleError(
            f"{dataset.path}: a pose is a rotation by {longest:.1f} radians; expected at most a "
            "turn, 6.28. If the poses are in degrees, divide them by 57.3."
        )
    # A copy: SciPy does not take what lies in a file that is mapped read-only.
    active = Rotation.from_rotvec(np.array(vectors, np.float64))
    return np.asarray(np.ascontiguousarray(np.swapaxes(active.as_matrix(), 1, 2)))
