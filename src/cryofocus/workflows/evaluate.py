"""`cryofocus evaluate`: a classification against the truth, beside the Bayes limit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from cryofocus.data.star import StarDocument
from cryofocus.data.star_scan import StarBlock
from cryofocus.errors import InputError, ParticleError
from cryofocus.maths.rotations import geodesic_degrees, rotation_from_euler
from cryofocus.maths.statistics import (
    Agreement,
    Calibration,
    measure_agreement,
    measure_calibration,
    posterior_kappa,
)
from cryofocus.maths.symmetry import OperatorSet

_NAME, _CLASS, _MATE = "rlnImageName", "rlnClassNumber", "cryofocusClassMate"
_INTACT_NAME = "cryofocusIntactImageName"
_POSTERIORS, _MAX_POSTERIOR = "cryofocusClassPosterior", "rlnMaxValueProbDistribution"
_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_OPERATOR = "cryofocusOperator"
# The phantom's two operators: the identity, and the two-fold axis along z, which carries the far
# unit of a particle to the near one's place.
_MATE_OPERATOR = OperatorSet.point_group("C2").rotation[1]


@dataclass(frozen=True)
class _Table:
    """The one table of a STAR file that lists particles."""

    document: StarDocument
    block: StarBlock

    @property
    def path(self) -> Path:
        return self.document.path

    def has(self, *labels: str) -> bool:
        return all(label in self.block.labels for label in labels)

    def numbers(self, *labels: str) -> Float[np.ndarray, "n labels"]:
        self._require(labels)
        columns = self.document.numbers(self.block, labels)
        return np.stack([columns[label] for label in labels], axis=1)

    def texts(self, label: str) -> list[str]:
        self._require((label,))
        return self.document.texts(self.block, [label])[label]

    def class_index(self, label: str) -> Int[np.ndarray, " n"]:
        """Class numbers of a column, counted from zero."""
        numbers = self.numbers(label)[:, 0]
        if np.any(numbers < 1) or np.any(numbers != np.round(numbers)):
            raise ParticleError(f"{self.path}: {label} must hold whole numbers from 1")
        return numbers.astype(np.int64) - 1

    def _require(self, labels: tuple[str, ...]) -> None:
        missing = [label for label in labels if not self.has(label)]
        if missing:
            raise ParticleError(
                f"{self.path}: the particle table has no column {', '.join(missing)}; "
                "give a classified STAR file first and the set's truth.star second"
            )


def evaluate(
    classified: Path | str, truth: Path | str, oracle: Path | str | None = None
) -> dict[str, Any]:
    """Score a classification.

    Particles are matched by `rlnImageName`, in any order. A particle whose given pose is nearer
    to the two-fold mate of its true pose shows its other unit in the focus region, so it is
    scored against `cryofocusClassMate`. Likewise the two copies of a particle that was expanded by
    C2: each is scored by the unit it brings into focus, as its pose says or, in a table without
    poses, as `cryofocusOperator` does.

    Parameters
    ----------
    classified
        STAR file with `rlnClassNumber`, such as a run directory's particles.star.
    truth
        truth.star of the simulated set; every classified particle must be in it.
    oracle
        oracle.npy of the set: posteriors, one row a row of `truth`.

    Returns
    -------
    dict
        As `evaluate --json` prints it: `kappa`, `accuracy`, `cohen_kappa`, `fraction_correct`,
        `youden_j`, `sensitivity`, `specificity` (means over the classes, each with a list
        `..._by_class`), `confusion`, `matching` (true class number of each found one),
        `particles`, `n_classes`, `mates` (particles scored by their other unit); with posteriors
        in the table `calibration`; with an oracle `oracle_kappa` and `oracle_mean_posterior`.

    Raises
    ------
    InputError
        If a file cannot be read or lacks what is needed, or the particles do not match.
    """
    found_table, true_table = _read_table(classified), _read_table(truth)
    row = _match_rows(found_table, true_table)
    near_class = true_table.class_index(_CLASS)
    mates = _shows_mate(found_table, true_table, row)
    _require_units_once(found_table, row, mates)
    true_class = near_class[row]
    if mates.any():
        true_class = np.where(mates, true_table.class_index(_MATE)[row], true_class)
    found_class = found_table.class_index(_CLASS)
    n_classes = 1 + max(1, *(int(c.max()) for c in (near_class, true_class, found_class)))
    agreement = measure_agreement(found_class, true_class, n_classes)
    result = _describe(agreement) | {"mates": int(mates.sum())}
    max_posterior = _max_posterior(found_table)
    if max_posterior is not None:
        correct = agreement.matching[found_class] == true_class
        result["calibration"] = _describe_calibration(measure_calibration(max_posterior, correct))
    if oracle is not None:
        posteriors = _read_oracle(Path(oracle), len(near_class))[row[~mates]]
        result |= _score_oracle(posteriors, true_class[~mates])
    return result


def _read_table(path: Path | str) -> _Table:
    document = StarDocument.read(path)
    block = document.block_with(_NAME)
    if block is None or block.n_rows == 0:
        raise ParticleError(
            f"{path}: no particles found; expected a table with the column {_NAME}"
        )
    return _Table(document, block)


def _match_rows(found: _Table, true: _Table) -> Int[np.ndarray, " n"]:
    """Row of the truth that belongs to each classified row."""
    # Images from which density was subtracted have new names, and keep that of the intact one.
    is_subtracted = found.has(_INTACT_NAME)
    names = found.texts(_INTACT_NAME if is_subtracted else _NAME)
    true_names = true.texts(_NAME)
    row_of = {name: row for row, name in enumerate(true_names)}
    if len(row_of) != len(true_names):
        raise ParticleError(f"{true.path}: {_NAME} occurs twice; a truth lists a particle once")
    unknown = [name for name in names if name not in row_of]
    if unknown:
        raise ParticleError(
            f"{found.path}: {len(unknown)} of {len(names)} particles are not in {true.path} "
            f"(first: {unknown[0]}, where the truth starts with {true_names[0]}); give the "
            "truth.star of the same set, and leave image names unchanged"
        )
    return np.array([row_of[name] for name in names], dtype=np.int64)


def _shows_mate(found: _Table, true: _Table, row: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether the given pose brings the other unit to where the near one should be."""
    if not (found.has(*_ANGLES) and true.has(*_ANGLES, _MATE)):
        if found.has(_OPERATOR) and true.has(_MATE):
            return np.asarray(found.class_index(_OPERATOR) == 1)
        return np.zeros(len(row), dtype=bool)
    given = rotation_from_euler(found.numbers(*_ANGLES))
    exact = rotation_from_euler(true.numbers(*_ANGLES)[row])
    away = geodesic_degrees(given, exact)
    return np.asarray(geodesic_degrees(given, exact @ _MATE_OPERATOR) < away)


def _require_units_once(
    found: _Table, row: Int[np.ndarray, " n"], mates: Bool[np.ndarray, " n"]
) -> None:
    """Refuse rows that repeat a unit: duplicates, or an expansion by more than C2."""
    unit, count = np.unique(2 * row + mates, return_counts=True)
    if (count > 1).any():
        again = int(np.argmax(row == unit[count > 1][0] // 2))
        raise ParticleError(
            f"{found.path}: {_NAME} occurs twice with the same unit in focus (first: "
            f"{found.texts(_NAME)[again]}); expected every particle once, or once under each of "
            "the two operators of C2. Remove duplicates, and expand by C2 only."
        )


def _max_posterior(found: _Table) -> Float[np.ndarray, " n"] | None:
    """Highest class posterior of each particle, if the table holds posteriors."""
    if found.has(_POSTERIORS):
        texts = found.texts(_POSTERIORS)
        try:
            rows = [[float(p) for p in text.strip("[]").split(",")] for text in texts]
        except ValueError as error:
            raise ParticleError(
                f"{found.path}: {_POSTERIORS} must look like [0.9,0.1] ({error})"
            ) from error
        return np.array([max(posteriors) for posteriors in rows])
    if found.has(_MAX_POSTERIOR):
        return found.numbers(_MAX_POSTERIOR)[:, 0]
    return None


def _read_oracle(path: Path, n_particles: int) -> Float[np.ndarray, "n classes"]:
    try:
        posteriors = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
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


def _describe(agreement: Agreement) -> dict[str, Any]:
    result: dict[str, Any] = {
        name: getattr(agreement, name)
        for name in ("kappa", "accuracy", "cohen_kappa", "fraction_correct")
    }
    for name in ("youden_j", "sensitivity", "specificity"):
        by_class = getattr(agreement, name)
        result[name] = float(np.nanmean(by_class))
        result[f"{name}_by_class"] = _without_nan(by_class)
    result["confusion"] = agreement.confusion.tolist()
    result["matching"] = (agreement.matching + 1).tolist()
    result["n_classes"] = len(agreement.matching)
    result["particles"] = int(agreement.confusion.sum())
    return result


def _describe_calibration(calibration: Calibration) -> dict[str, Any]:
    return {
        "mean_posterior": calibration.mean_posterior,
        "fraction_correct": calibration.fraction_correct,
        "expected_error": calibration.expected_error,
        "bin_posterior": _without_nan(calibration.bin_posterior),
        "bin_fraction_correct": _without_nan(calibration.bin_fraction_correct),
        "bin_particles": calibration.bin_particles.tolist(),
    }


def _without_nan(values: Float[np.ndarray, " k"]) -> list[float | None]:
    """As a list for JSON, which knows no NaN."""
    return [None if np.isnan(value) else float(value) for value in values]
