"""`cryofocus evaluate`: a classification against the truth, beside the Bayes limit."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from cryofocus.calls import checked
from cryofocus.data.formats import open_table
from cryofocus.data.labels import CLASS_LABEL
from cryofocus.data.particle_table import ClassifiedRows
from cryofocus.data.relion.rows import read_truth
from cryofocus.data.stack_paths import name_by_file
from cryofocus.errors import InputError, ParticleError
from cryofocus.maths.rotations import geodesic_degrees
from cryofocus.maths.statistics import (
    Agreement,
    measure_agreement,
    measure_calibration,
    measure_grouped_agreement,
    posterior_kappa,
)
from cryofocus.maths.symmetry import OperatorSet, pose_errors
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.reading import DAMAGE, map_array
from cryofocus.workflows.state_groups import LEFT_OUT, StateGroups

# The phantom's two operators: the identity, and the two-fold axis along z, which carries the far
# unit of a particle to the near one's place.
_TWO_FOLD = OperatorSet.point_group("C2")
_MATE_OPERATOR = _TWO_FOLD.rotation[1]


@dataclass(frozen=True, eq=False)
class _Scored:
    """Particles that count, and how well their classes agree with the true ones."""

    counted: Bool[np.ndarray, " n"]
    true_class: Int[np.ndarray, " counted"]
    agreement: Agreement
    # True class of each found one, -1 for a class without particles.
    assignment: Int[np.ndarray, " found"]
    is_by_majority: bool = False


@checked
def evaluate(
    classified: Path | str,
    truth: Path | str,
    oracle: Path | str | None = None,
    *,
    group: Path | str | None = None,
) -> dict[str, Any]:
    """Score a classification.

    Particles are matched by `rlnImageName`, in any order, or by the file it leads to. A particle
    whose given pose is nearer to the two-fold mate of its true pose shows its other unit in the
    focus region, so it is scored against `cryofocusClassMate`. Likewise the two copies of a
    particle that was expanded by C2: each is scored by the unit it brings into focus, as its pose
    says or, in a table without poses, as `cryofocusOperator` does.

    Args:
        classified: Table with the class of each particle, such as a run directory's: RELION STAR
            or cryoSPARC .cs.
        truth: Truth.star of the simulated set; every classified particle must be in it.
        oracle: Oracle.npy of the set: posteriors, one row per row of `truth`.
        group: Table of the true states, which of them count as one: states.csv, or
            states.csv:COLUMN where it has no column `group`. Junk, and particles whose state is
            not in it, do not count. With more found classes than groups, each counts for the
            group that it mostly holds.

    Returns:
        As `evaluate --json` prints it: `kappa`, `accuracy`, `cohen_kappa`, `fraction_correct`,
            `youden_j`, `sensitivity`, `specificity` (means over the classes, each with a list
            `..._by_class`), `confusion`, `matching` (true class number of each found one),
            `particles`, `n_classes`, `mates` (particles scored by their other subunit); of an
            expanded set, whose copies `particles` and `mates` count, `copies_of` (number of
            particles); with posteriors in the table `calibration`; with poses in both tables
            `pose_errors`: medians of `angle_degrees` and `shift_angstrom` up to the two-fold axis;
            with an oracle `oracle_kappa` and `oracle_mean_posterior`; with groups, which then
            stand for the true classes, `groups` (their names), `n_left_out` and `assigned_by`
            ("matching" or "majority", which has no `calibration`); of a run directory's table
            `classes_found`.

    Raises:
        InputError: If a file cannot be read or lacks what is needed, or the particles do not
            match.
    """
    found, true = _read_classified(Path(classified)), read_truth(Path(truth))
    _require_order(found, true)
    groups = None if group is None else StateGroups.read(group)
    row = _match_rows(found, true)
    mates = _shows_mate(found, true, row)
    _require_units_once(found, row, mates)
    true_class = true.class_index[row]
    if true.mate_class_index is not None and mates.any():
        true_class = np.where(mates, true.mate_class_index[row], true_class)
    if groups is None:
        scored = _score(found, true, true_class)
    else:
        is_junk = np.zeros(len(row), bool) if true.is_junk is None else true.is_junk[row]
        scored = _score_groups(found, groups, np.where(is_junk, LEFT_OUT, groups.of(true_class)))
    result = _describe(scored) | {"mates": int(mates[scored.counted].sum())}
    run = RunDirectory(found.path.parent)
    if run.job.is_file() and run.particles == found.path:
        result["classes_found"] = run.read_job().classes_found
    if (n_particles := len(np.unique(row[scored.counted]))) < result["particles"]:
        result["copies_of"] = n_particles
    if groups is not None:
        result |= _describe_groups(groups, scored)
    if found.max_posterior is not None and not scored.is_by_majority:
        correct = scored.assignment[found.class_index[scored.counted]] == scored.true_class
        calibration = vars(measure_calibration(found.max_posterior[scored.counted], correct))
        result["calibration"] = {name: _for_json(value) for name, value in calibration.items()}
    if (errors := _measure_poses(found, true, row)) is not None:
        result["pose_errors"] = errors
    if oracle is not None:
        own = ~mates & scored.counted
        posteriors = _read_oracle(Path(oracle), len(true.class_index))[row[own]]
        posteriors = posteriors if groups is None else groups.add_up(posteriors)
        result |= _score_oracle(posteriors, scored.true_class[~mates[scored.counted]])
    return result


def _score(
    found: ClassifiedRows, true: ClassifiedRows, true_class: Int[np.ndarray, " n"]
) -> _Scored:
    """Match as many found as true classes one to one."""
    classes = (true.class_index, true_class, found.class_index)
    n_classes = 1 + max(1, *(int(c.max()) for c in classes))
    agreement = measure_agreement(found.class_index, true_class, n_classes)
    return _Scored(np.ones(len(true_class), bool), true_class, agreement, agreement.matching)


def _score_groups(
    found: ClassifiedRows, groups: StateGroups, group: Int[np.ndarray, " n"]
) -> _Scored:
    """Compare with the groups, given for every row, of those that are in one."""
    counted = group != LEFT_OUT
    if not counted.any():
        raise ParticleError(
            f"{found.path}: none of its {len(group)} particles is in a state that {groups.path} "
            "lists, or all are junk; give the table of the same set"
        )
    classes = found.class_index[counted]
    judged = measure_grouped_agreement(classes, group[counted], len(groups.names))
    return _Scored(
        counted, group[counted], judged.agreement, judged.assignment, judged.is_by_majority
    )


def _read_classified(path: Path) -> ClassifiedRows:
    """Read the classes that were found.

    Raises:
        InputError: If the file cannot be read, or does not say the class of each particle.
    """
    found = open_table(path).classified()
    if found is None:
        raise ParticleError(
            f"{path}: does not say the class of each particle; expected a RELION STAR file with "
            f"{CLASS_LABEL} or a cryoSPARC .cs file with alignments3D/class. Give the table of a "
            "run directory; to score a set of cisTEM or Frealign, convert it before it is "
            "classified (cryofocus convert)."
        )
    return found


def _require_order(found: ClassifiedRows, true: ClassifiedRows) -> None:
    """Refuse a truth that was given as the result, and the other way round."""
    is_result = true.max_posterior is not None
    says_truth = found.mate_class_index is not None or found.is_junk is not None
    if is_result and (says_truth or found.max_posterior is None):
        raise ParticleError(
            f"{true.path}: found probabilities of classes, expected a truth; the tables seem to "
            f"be swapped. Give the result first: evaluate {true.path} {found.path}"
        )


def _match_rows(found: ClassifiedRows, true: ClassifiedRows) -> Int[np.ndarray, " n"]:
    """Row of the truth that belongs to each classified row."""
    names, true_names = found.names, true.names
    if not set(names) <= set(true_names):
        # The tables may call the same stack by another path.
        with suppress(ParticleError):
            names, true_names = (name_by_file(one.names, one.path) for one in (found, true))
    row_of = {name: row for row, name in enumerate(true_names)}
    if len(row_of) != len(true_names):
        raise ParticleError(
            f"{true.path}: rlnImageName occurs twice; a truth lists a particle once"
        )
    unknown = [row for row, name in enumerate(names) if name not in row_of]
    if unknown:
        raise ParticleError(
            f"{found.path}: {len(unknown)} of {len(names)} particles are not in {true.path} "
            f"(first: {found.names[unknown[0]]}, where the truth starts with {true.names[0]}); "
            "give the truth.star of the same set, and leave image names unchanged"
        )
    return np.array([row_of[name] for name in names], dtype=np.int64)


def _shows_mate(
    found: ClassifiedRows, true: ClassifiedRows, row: Int[np.ndarray, " n"]
) -> Bool[np.ndarray, " n"]:
    """Whether the given pose brings the other unit to where the near one should be."""
    exact = true.rotation
    if true.mate_class_index is None or (found.rotation is None and found.operator is None):
        return np.zeros(len(row), dtype=bool)
    if found.rotation is None or exact is None:
        return np.zeros(len(row), dtype=bool) if found.operator is None else found.operator == 1
    away = geodesic_degrees(found.rotation, exact[row])
    to_mate = geodesic_degrees(found.rotation, exact[row] @ _MATE_OPERATOR)
    return np.asarray(to_mate < away)


def _measure_poses(
    found: ClassifiedRows, true: ClassifiedRows, row: Int[np.ndarray, " n"]
) -> dict[str, float] | None:
    """Median errors of the poses, up to the two-fold axis of the body; None without poses."""
    rotation, shift = true.rotation, true.shift_angstrom
    if found.rotation is None or found.shift_angstrom is None or rotation is None or shift is None:
        return None
    pose, true_pose = (found.rotation, found.shift_angstrom), (rotation[row], shift[row])
    errors = pose_errors(pose, true_pose, _TWO_FOLD)
    return {
        "angle_degrees": float(np.median(errors.angle_degrees)),
        "shift_angstrom": float(np.median(errors.shift_angstrom)),
    }


def _require_units_once(
    found: ClassifiedRows, row: Int[np.ndarray, " n"], mates: Bool[np.ndarray, " n"]
) -> None:
    """Refuse rows that repeat a unit: duplicates, or an expansion by more than C2."""
    unit, count = np.unique(2 * row + mates, return_counts=True)
    if (count > 1).any():
        again = int(np.argmax(row == unit[count > 1][0] // 2))
        raise ParticleError(
            f"{found.path}: an image occurs twice with the same unit in focus (first: "
            f"{found.names[again]}); expected every particle once, or once under each of the two "
            "operators of C2. Remove duplicates, and expand by C2 only."
        )


def _read_oracle(path: Path, n_particles: int) -> Float[np.ndarray, "n classes"]:
    try:
        posteriors = map_array(path)
    except DAMAGE as error:
        raise InputError(
            f"{path}: cannot be read as a NumPy array; give the oracle.npy of the same set"
        ) from error
    if posteriors.ndim != 2 or len(posteriors) != n_particles:
        raise InputError(
            f"{path}: found shape {posteriors.shape}, expected ({n_particles}, classes), one row "
            "a particle of the truth; give the oracle.npy of the same set"
        )
    return np.asarray(posteriors, dtype=np.float64)


def _score_oracle(
    posteriors: Float[np.ndarray, "n classes"], true_class: Int[np.ndarray, " n"]
) -> dict[str, float]:
    if len(true_class) == 0:
        return {}
    return {
        "oracle_kappa": posterior_kappa(posteriors, true_class),
        "oracle_mean_posterior": float(posteriors.max(axis=1).mean()),
    }


def _describe(scored: _Scored) -> dict[str, Any]:
    agreement = scored.agreement
    result: dict[str, Any] = {
        name: getattr(agreement, name)
        for name in ("kappa", "accuracy", "cohen_kappa", "fraction_correct")
    }
    for name in ("youden_j", "sensitivity", "specificity"):
        by_class = getattr(agreement, name)
        result[name] = float(np.nanmean(by_class))
        result[f"{name}_by_class"] = _for_json(by_class)
    result["confusion"] = agreement.confusion.tolist()
    result["matching"] = [None if a == LEFT_OUT else a + 1 for a in scored.assignment.tolist()]
    result["n_classes"] = len(agreement.confusion)
    result["particles"] = int(agreement.confusion.sum())
    return result


def _describe_groups(groups: StateGroups, scored: _Scored) -> dict[str, Any]:
    return {
        "groups": list(groups.names),
        "n_left_out": int((~scored.counted).sum()),
        "assigned_by": "majority" if scored.is_by_majority else "matching",
    }


def _for_json(values: float | np.ndarray) -> Any:
    """As a number or list for JSON, which knows no NaN."""
    if isinstance(values, float):
        return values
    return [None if np.isnan(value) else value for value in values.tolist()]
