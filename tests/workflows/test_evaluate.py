"""Scoring a classification through files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.star.document import write_star
from cryofocus.errors import InputError, ParticleError
from cryofocus.maths.rotations import (
    euler_from_rotation,
    random_rotations,
    rotation_from_euler,
)
from cryofocus.workflows.evaluate import evaluate

N = 40
NAMES = [f"{i + 1:06d}@particles.mrcs" for i in range(N)]
EULER = euler_from_rotation(random_rotations(N, np.random.default_rng(0)))
TRUE = np.arange(N) % 2
MATE = (np.arange(N) // 2) % 2


def pose_columns(euler: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of the three Euler angles."""
    return dict(zip(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"), euler.T, strict=True))


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Forty particles whose near unit alternates between two classes."""
    path = tmp_path / "truth.star"
    table = {"rlnImageName": NAMES, **pose_columns(EULER)}
    table |= {"rlnClassNumber": TRUE + 1, "cryofocusClassMate": MATE + 1}
    write_star(path, {"particles": table})
    return path


def write_classified(
    path: Path,
    classes: np.ndarray,
    *,
    names: Sequence[str] = NAMES,
    euler: np.ndarray | None = None,
    **extra: Sequence[object],
) -> Path:
    """Write a classified table."""
    table = {"rlnImageName": names, "rlnClassNumber": classes + 1, **extra}
    if euler is not None:
        table |= pose_columns(euler)
    write_star(path, {"particles": table})
    return path


def test_subtracted_images_are_matched_by_the_intact_ones(tmp_path: Path, truth: Path) -> None:
    """Images that were subtracted carry new names; the name of the intact image counts."""
    new = [f"{i + 1:06d}@subtracted.mrcs" for i in range(N)][::-1]
    path = write_classified(
        tmp_path / "found.star", TRUE[::-1], names=new, cryofocusIntactImageName=NAMES[::-1]
    )
    assert evaluate(path, truth)["kappa"] == 1


def test_rows_are_matched_by_name(tmp_path: Path, truth: Path) -> None:
    """A shuffled, renamed and partly wrong classification gets the figures worked by hand."""
    found = 1 - TRUE
    found[:4] = TRUE[:4]
    order = np.random.default_rng(1).permutation(N)
    path = write_classified(
        tmp_path / "found.star", found[order], names=[NAMES[i] for i in order], euler=EULER[order]
    )
    result = evaluate(path, truth)
    assert result["fraction_correct"] == pytest.approx(0.9)
    assert result["kappa"] == pytest.approx(0.8)
    assert result["cohen_kappa"] == pytest.approx(0.8)
    assert result["sensitivity"] == result["specificity"] == pytest.approx(0.9)
    assert result["youden_j"] == pytest.approx(0.8)
    assert result["confusion"] == [[18, 2], [2, 18]]
    assert result["matching"] == [2, 1]
    assert (result["particles"], result["n_classes"], result["mates"]) == (N, 2, 0)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_one_stack_may_be_called_by_several_paths(tmp_path: Path, truth: Path) -> None:
    """Names that lead to the same file are the same, if the file is there."""
    (tmp_path / "run").mkdir()
    names = [name.replace("@", f"@../{tmp_path.name}/") for name in NAMES]
    found = write_classified(tmp_path / "run/found.star", TRUE, names=names)
    with pytest.raises(ParticleError, match=rf"first: 000001@../{tmp_path.name}/particles.mrcs"):
        evaluate(found, truth)
    (tmp_path / "particles.mrcs").touch()
    assert evaluate(found, truth)["kappa"] == 1


def test_a_mate_pose_is_scored_by_the_other_unit(tmp_path: Path, truth: Path) -> None:
    """Poses turned by the two-fold axis, with an error of a few degrees, show the far unit."""
    turned = np.arange(N) % 3 == 0
    rotation = rotation_from_euler(EULER)
    rotation[turned] = rotation[turned] @ np.diag([-1.0, -1.0, 1.0])
    euler = euler_from_rotation(rotation) + np.random.default_rng(2).normal(0, 3, (N, 3))
    path = write_classified(tmp_path / "found.star", np.where(turned, MATE, TRUE), euler=euler)
    result = evaluate(path, truth)
    assert result["kappa"] == pytest.approx(1.0)
    assert result["mates"] == turned.sum()


def test_the_oracle_stands_beside_kappa(tmp_path: Path, truth: Path) -> None:
    """The oracle's kappa comes from its own posteriors, in the order of the truth."""
    posteriors = np.full((N, 2), 0.1, dtype=np.float32)
    posteriors[np.arange(N), np.where(np.arange(N) < 2, 1 - TRUE, TRUE)] = 0.9
    np.save(tmp_path / "oracle.npy", posteriors)
    path = write_classified(tmp_path / "found.star", TRUE[::-1], names=NAMES[::-1])
    result = evaluate(path, truth, tmp_path / "oracle.npy")
    assert result["kappa"] == 1.0
    assert result["oracle_kappa"] == pytest.approx(0.9)
    assert result["oracle_mean_posterior"] == pytest.approx(0.9)


def test_posteriors_are_checked_against_how_often_they_are_right(
    tmp_path: Path, truth: Path
) -> None:
    """A reliability curve is made from the class posteriors of the table, if there are any."""
    found = TRUE.copy()
    found[:4] = 1 - TRUE[:4]
    column = [f"[{p:.3f},{1 - p:.3f}]" for p in np.where(found == 0, 0.95, 0.05)]
    path = write_classified(tmp_path / "found.star", found, cryofocusClassPosterior=column)
    calibration = evaluate(path, truth)["calibration"]
    assert calibration["mean_posterior"] == pytest.approx(0.95)
    assert calibration["fraction_correct"] == pytest.approx(0.9)
    assert calibration["expected_error"] == pytest.approx(0.05)
    assert calibration["bin_particles"][-1] == N
    plain = write_classified(tmp_path / "plain.star", found)
    assert "calibration" not in evaluate(plain, truth)


def test_a_subset_and_an_empty_class_are_scored(tmp_path: Path, truth: Path) -> None:
    """Fewer particles, all in one of four found classes: chance, and JSON without NaN."""
    path = write_classified(tmp_path / "found.star", np.full(10, 3), names=NAMES[:10])
    result = evaluate(path, truth)
    assert (result["particles"], result["n_classes"]) == (10, 4)
    assert result["fraction_correct"] == pytest.approx(0.5)
    assert result["sensitivity_by_class"].count(None) == 2
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_an_expanded_set_may_repeat_names(tmp_path: Path, truth: Path) -> None:
    """Both copies of each particle are scored, each by the unit that its pose shows."""
    turned = euler_from_rotation(rotation_from_euler(EULER) @ np.diag([-1.0, -1.0, 1.0]))
    path = tmp_path / "found.star"
    operator = np.repeat([1, 2], N)
    write_classified(
        path,
        np.concatenate([TRUE, MATE]),
        names=NAMES * 2,
        euler=np.concatenate([EULER, turned]),
        cryofocusOperator=operator,
    )
    result = evaluate(path, truth)
    assert (result["kappa"], result["particles"], result["mates"]) == (1.0, 2 * N, N)
    assert result["copies_of"] == N
    unposed = write_classified(
        path, np.concatenate([TRUE, MATE]), names=NAMES * 2, cryofocusOperator=operator
    )
    result = evaluate(unposed, truth)
    assert (result["kappa"], result["particles"], result["mates"]) == (1.0, 2 * N, N)
    thrice = write_classified(
        path,
        np.concatenate([TRUE, MATE, TRUE]),
        names=NAMES * 3,
        cryofocusOperator=np.repeat([1, 2, 3], N),
    )
    with pytest.raises(ParticleError, match="occurs twice with the same unit in focus"):
        evaluate(thrice, truth)


def test_sets_that_do_not_belong_together_are_refused(tmp_path: Path, truth: Path) -> None:
    """Unknown and repeated particles, missing columns and a foreign oracle each have a message."""
    other = [name.replace("particles", "other") for name in NAMES]
    foreign = write_classified(tmp_path / "foreign.star", TRUE, names=other)
    with pytest.raises(ParticleError, match=r"40 of 40 particles are not in .*truth\.star"):
        evaluate(foreign, truth)
    twice = write_classified(tmp_path / "twice.star", TRUE, names=[*NAMES[:-1], NAMES[0]])
    with pytest.raises(ParticleError, match="an image occurs twice"):
        evaluate(twice, truth)
    write_star(tmp_path / "poses.star", {"particles": {"rlnImageName": NAMES}})
    with pytest.raises(ParticleError, match="has no column rlnClassNumber"):
        evaluate(tmp_path / "poses.star", truth)
    write_star(tmp_path / "optics.star", {"optics": {"rlnOpticsGroup": [1]}})
    with pytest.raises(ParticleError, match="no table has a column rlnImageName"):
        evaluate(tmp_path / "optics.star", truth)
    np.save(tmp_path / "oracle.npy", np.ones((3, 2)))
    good = write_classified(tmp_path / "good.star", TRUE)
    with pytest.raises(InputError, match=r"found shape \(3, 2\), expected \(40, classes\)"):
        evaluate(good, truth, tmp_path / "oracle.npy")
    with pytest.raises(InputError, match="cannot be read as a NumPy array"):
        evaluate(good, truth, truth)


def test_pose_errors_are_medians_up_to_the_two_fold_axis(tmp_path: Path) -> None:
    """Poses turned by 3 degrees, half of them on the mate, and moved by 5 Å, are so far off."""
    truth, found = tmp_path / "truth.star", tmp_path / "found.star"
    table = {"rlnImageName": NAMES, "rlnClassNumber": TRUE + 1, "cryofocusClassMate": MATE + 1}
    origins = {"rlnOriginXAngst": np.zeros(N), "rlnOriginYAngst": np.zeros(N)}
    write_star(truth, {"particles": {**table, **pose_columns(EULER), **origins}})
    turned = rotation_from_euler(EULER + np.array([0.0, 0.0, 3.0]))
    turned[::2] = turned[::2] @ np.diag([-1.0, -1.0, 1.0])
    origins["rlnOriginYAngst"] = np.full(N, 5.0)
    poses = {**pose_columns(euler_from_rotation(turned)), **origins}
    write_star(found, {"particles": {**table, **poses}})
    errors = evaluate(found, truth)["pose_errors"]
    assert errors["angle_degrees"] == pytest.approx(3.0, abs=1e-3)
    assert errors["shift_angstrom"] == pytest.approx(5.0)


@pytest.fixture
def states(tmp_path: Path) -> Path:
    """Six particles in four states, the last particle junk; the table of the states."""
    table = {"rlnImageName": NAMES[:6], "rlnClassNumber": [1, 2, 3, 4, 4, 1]}
    write_star(tmp_path / "truth.star", {"particles": {**table, "cryofocusJunk": [0] * 5 + [2]}})
    path = tmp_path / "states.csv"
    path.write_text(
        "class,map,share,stalk,factor\n1,a,.3,1,0\n2,b,.3,1,1\n3,c,.2,0,0\n4,d,.2,0,1\n"
    )
    return path


def test_states_count_by_their_group(tmp_path: Path, states: Path) -> None:
    """Four states become two groups by any column; junk does not count, and is said to."""
    truth, groups = tmp_path / "truth.star", f"{states}:stalk"
    found = np.array([1, 1, 0, 0, 1, 0])
    path = write_classified(tmp_path / "found.star", found, names=NAMES[:6])
    result = evaluate(path, truth, group=groups)
    assert (result["groups"], result["n_left_out"]) == (["0", "1"], 1)
    assert (result["particles"], result["n_classes"]) == (5, 2)
    assert result["confusion"] == [[2, 1], [0, 2]]
    assert result["kappa"] == pytest.approx(1 - 2 / 5)
    assert (result["matching"], result["assigned_by"]) == ([1, 2], "matching")
    by_factor = evaluate(path, truth, group=f"{states}:factor")
    assert by_factor["confusion"] == [[1, 1], [1, 2]]
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_states_that_are_not_listed_do_not_count(tmp_path: Path, states: Path) -> None:
    """A table of two columns needs no name, and what it leaves out is counted."""
    states.write_text("state,group\n1,open\n3,closed\n")
    path = write_classified(tmp_path / "found.star", np.zeros(6, int), names=NAMES[:6])
    result = evaluate(path, tmp_path / "truth.star", group=states)
    assert (result["groups"], result["n_left_out"]) == (["closed", "open"], 4)
    assert result["confusion"] == [[1, 0], [1, 0]] or result["confusion"] == [[0, 1], [0, 1]]


def test_more_classes_than_groups_are_assigned_by_majority(tmp_path: Path, states: Path) -> None:
    """Classes that split a group are all right; empty ones and junk have no say."""
    path = write_classified(
        tmp_path / "found.star",
        np.array([4, 0, 2, 2, 0, 2]),
        names=NAMES[:6],
        rlnMaxValueProbDistribution=np.full(6, 0.7),
    )
    result = evaluate(path, tmp_path / "truth.star", group=f"{states}:stalk")
    assert result["assigned_by"] == "majority"
    assert result["matching"] == [1, None, 1, None, 2]
    assert result["confusion"] == [[3, 0], [1, 1]]
    assert result["kappa"] == pytest.approx(1 - 2 / 5)
    assert "calibration" not in result  # the posterior of a class is not that of its group


def test_the_oracle_of_groups_adds_up_its_states(tmp_path: Path, states: Path) -> None:
    """Posteriors of the states of a group are added before the highest decides."""
    posteriors = np.full((6, 4), 0.02)
    posteriors[:, 0] = posteriors[:, 1] = 0.28  # together more than the one that leads
    posteriors[:, 2] = 0.4
    np.save(tmp_path / "oracle.npy", posteriors)
    path = write_classified(tmp_path / "found.star", np.array([1, 1, 0, 0, 0, 0]), names=NAMES[:6])
    files = (path, tmp_path / "truth.star", tmp_path / "oracle.npy")
    result = evaluate(*files, group=f"{states}:stalk")
    assert result["oracle_kappa"] == pytest.approx(1 - 2 * 3 / 5)
    np.save(tmp_path / "oracle.npy", posteriors[:, :2])
    with pytest.raises(InputError, match="lists states up to 4, but the oracle knows 2"):
        evaluate(*files, group=f"{states}:stalk")


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("class,map,stalk\n1,a,0\n2,b,1\n", "", "has no column group; found map, stalk beside"),
        ("class,stalk\n1,0\n2,1\n", ":foot", "has no column foot; found stalk beside class"),
        ("number,group\n1,0\n", "", "has the columns number, group; expected columns class"),
        ("class,group\n1,0\n1,1\n", "", "a state occurs twice in column class"),
        ("class,group\n0,a\n1,b\n", "", "found '0' in column class, expected whole numbers"),
        ("class,group\n1,a\n2,a\n", "", "column group holds only 'a'; expected the group"),
        ("class,group\n1,a\n2,\n", "", "column group holds an empty field"),
        ("class,group\n1\n", "", r"a row has 1 fields \(1\), expected 2"),
        ("class,group\n", "", "holds no states"),
        ("", "", "holds no states"),
        ("class,group\n91,a\n92,b\n", "", "none of its 6 particles is in a state that"),
    ],
)
def test_tables_of_states_that_do_not_help_are_refused(
    tmp_path: Path, states: Path, text: str, column: str, said: str
) -> None:
    """Each fault of a table of states has its message."""
    states.write_text(text)
    path = write_classified(tmp_path / "found.star", np.zeros(6, int), names=NAMES[:6])
    with pytest.raises(InputError, match=said):
        evaluate(path, tmp_path / "truth.star", group=f"{states}{column}")


def test_a_table_of_states_that_is_not_there_is_refused(tmp_path: Path, states: Path) -> None:
    """The message names the file, and not the column behind it."""
    path = write_classified(tmp_path / "found.star", np.zeros(6, int), names=NAMES[:6])
    with pytest.raises(InputError, match=r"other\.csv: cannot be read as a CSV table"):
        evaluate(path, tmp_path / "truth.star", group=f"{tmp_path / 'other.csv'}:stalk")


def test_swapped_tables_are_noticed(tmp_path: Path, truth: Path) -> None:
    """A result in the place of the truth is refused with the right order."""
    found = write_classified(
        tmp_path / "found.star", TRUE, rlnMaxValueProbDistribution=np.full(N, 0.9)
    )
    assert evaluate(found, truth)["kappa"] == 1
    with pytest.raises(ParticleError, match="seem to be swapped") as said:
        evaluate(truth, found)
    assert str(said.value).endswith(f"evaluate {found} {truth}")
