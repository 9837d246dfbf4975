"""Symmetry expansion of tables, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.star.document import StarDocument
from cryofocus.errors import CryofocusError, OutputError, ParticleError, SettingError
from cryofocus.maths.rotations import geodesic_degrees, rotation_from_euler
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.workflows import expand as expand_module
from cryofocus.workflows.collapse import collapse
from cryofocus.workflows.expand import choose_operators, expand

C2, C3 = OperatorSet.point_group("C2"), OperatorSet.point_group("C3")
N = 12
OPTICS = (
    "# made by hand\r\n\ndata_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnVoltage\n"
    "_rlnSphericalAberration\n_rlnAmplitudeContrast\n_rlnImagePixelSize\n_rlnImageSize\n"
    "1 300 2.7 0.1 2.5 8\n\n"
)
LABELS = {
    **{"rlnImageName": "{i:06d}@stack.mrcs", "rlnAngleRot": "{a:.3f}", "rlnNote": '"a b"'},
    **{"rlnAngleTilt": "{b:.4f}", "rlnAnglePsi": "{c:g}", "rlnOriginXAngst": "{d:.2f}"},
    **{"rlnOriginYAngst": "-1.5", "rlnDefocusU": "1e4", "rlnDefocusV": "9e3"},
    **{"rlnDefocusAngle": "0", "rlnOpticsGroup": "1", "rlnMicrographName": "m{m}.mrc"},
}
TAIL = "\n\ndata_other\n_key 'some value'\n"


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Write a table of twelve particles with unusual spacing; no images exist."""

    def make(*, half_sets: bool = True, drop: tuple[str, ...] = ()) -> Path:
        rng = np.random.default_rng(5)
        columns = {label: cell for label, cell in LABELS.items() if label not in drop}
        columns |= {"rlnRandomSubset": "{h}"} if half_sets else {}
        labels = "".join(f"_{label} #{i}\n" for i, label in enumerate(columns, start=1))
        rows = []
        for i in range(N):
            a, c = rng.uniform(-180, 180, 2)
            values = {"i": i + 1, "a": a, "b": rng.uniform(0, 180), "c": c, "d": rng.normal()}
            row = "\t ".join(columns.values()).format(**values, m=i // 3, h=1 + i // 6)
            rows.append(f" {row}  \n")
        rows.insert(4, "# a comment among the rows\n")
        path = tmp_path / "particles.star"
        path.write_text(f"{OPTICS}data_particles\n\nloop_\n{labels}{''.join(rows)}{TAIL}")
        return path

    return make


def read_columns(path: Path, *labels: str) -> list[np.ndarray]:
    """Read numbers of the particle table."""
    document = StarDocument.read(path)
    block = document.block("particles")
    return list(document.numbers(block, labels).values())


@pytest.mark.parametrize(
    "operators",
    [C2, OperatorSet.point_group("I2"), OperatorSet.helix(27.5, 4.75, 5)],
    ids=lambda operators: operators.name,
)
def test_expanded_and_collapsed_is_the_same_file(
    table: Callable[..., Path], tmp_path: Path, operators: OperatorSet
) -> None:
    """Every byte comes back: spacing, quotes, comments, other blocks, order of rows."""
    path = table()
    made = expand(path, operators, tmp_path / "expanded.star")
    assert (made.n_particles, made.n_operators) == (N, len(operators))
    back = collapse(tmp_path / "expanded.star", tmp_path / "back.star")
    assert (back.n_particles, back.n_operators) == (N, len(operators))
    assert (tmp_path / "back.star").read_bytes() == path.read_bytes()


def test_copies_keep_the_row_and_say_where_they_come_from(
    table: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only pose columns change; parents and operators are counted from 1; parts do not show."""
    path, out = table(), tmp_path / "expanded.star"
    expand(path, C3, out)
    parent, operator = read_columns(out, "cryofocusParent", "cryofocusOperator")
    np.testing.assert_array_equal(parent, np.repeat(np.arange(1, N + 1), 3))
    np.testing.assert_array_equal(operator, np.tile([1, 2, 3], N))
    document, longer = StarDocument.read(path), StarDocument.read(out)
    kept = [label for label in document.block("particles").labels if "Angle" not in label]
    before = document.texts(document.block("particles"), kept)
    after = longer.texts(longer.block("particles"), kept)
    assert after == {label: np.repeat(texts, 3).tolist() for label, texts in before.items()}
    monkeypatch.setattr(expand_module, "ROWS_AT_ONCE", 7)
    expand(path, C3, tmp_path / "again.star")
    assert (tmp_path / "again.star").read_bytes() == out.read_bytes()


def test_copies_project_a_symmetric_map_to_the_same_image(
    table: Callable[..., Path], tmp_path: Path
) -> None:
    """A symmetric object looks alike at all poses of the copies; any other does, once turned."""
    path = table()
    for operators in (OperatorSet.point_group("D3"), OperatorSet.helix(60.0, 6.0, 3)):
        expand(path, operators, tmp_path / "expanded.star", overwrite=True)
        rotation, shift = read_poses(tmp_path / "expanded.star", len(operators))
        beads = np.random.default_rng(1).normal(0, 8, (6, 3))
        parent_images = draw(beads, rotation[:, 0], shift[:, 0])
        moved = np.einsum("nij,pj->npi", operators.rotation, beads)
        moved += operators.translation_angstrom[:, None]
        for k in range(len(operators)):
            turned_images = draw(moved[k], rotation[:, k], shift[:, k])
            np.testing.assert_allclose(turned_images, parent_images, atol=1e-5)
        if operators.is_group:
            symmetric = moved.reshape(-1, 3)
            first = draw(symmetric, rotation[:, 0], shift[:, 0])
            for k in range(1, len(operators)):
                again = draw(symmetric, rotation[:, k], shift[:, k])
                np.testing.assert_allclose(again, first, atol=1e-5)
                assert np.abs(draw(beads, rotation[:, k], shift[:, k]) - parent_images).max() > 0.1


def test_a_rise_moves_origins_in_the_table_s_own_unit(
    table: Callable[..., Path], tmp_path: Path
) -> None:
    """Origins in pixels stay in pixels, and a table without origins gets them in Å."""
    helix = OperatorSet.helix(20.0, 5.0, 2)
    expand(table(), helix, tmp_path / "angstrom.star")
    wanted = np.stack(read_columns(tmp_path / "angstrom.star", "rlnOriginXAngst"))
    path = table(drop=("rlnOriginXAngst", "rlnOriginYAngst"))
    expand(path, helix, tmp_path / "none.star")
    x, _ = read_columns(tmp_path / "none.star", "rlnOriginXAngst", "rlnOriginYAngst")
    assert not x[::2].any()
    plain = np.stack(read_columns(table(), "rlnOriginXAngst"))
    np.testing.assert_allclose(x[1::2], (wanted[0, 1::2] - plain[0]), atol=2e-6)
    text = table().read_text()
    path.write_text(text.replace("rlnOriginXAngst", "rlnOriginX").replace("YAngst", "Y"))
    expand(path, helix, tmp_path / "pixels.star")
    x, _ = read_columns(tmp_path / "pixels.star", "rlnOriginX", "rlnOriginY")
    np.testing.assert_allclose((x[1::2] - plain[0]) * 2.5, wanted[0, 1::2] - plain[0], atol=1e-5)


def test_copies_are_never_split_into_half_sets(table: Callable[..., Path], tmp_path: Path) -> None:
    """Without half sets the table is given them by micrograph, and collapse keeps them."""
    path, out = table(half_sets=False), tmp_path / "expanded.star"
    made = expand(path, C3, out, seed=2)
    assert made.half_sets == "half sets by micrograph (seed 2)"
    half_set, parent = read_columns(out, "rlnRandomSubset", "cryofocusParent")
    assert set(half_set) == {1, 2}
    assert all(len(set(half_set[parent == number])) == 1 for number in range(1, N + 1))
    collapse(out, tmp_path / "back.star")
    (again,) = read_columns(tmp_path / "back.star", "rlnRandomSubset")
    np.testing.assert_array_equal(again, half_set[::3])


def test_classes_of_all_copies_are_listed(table: Callable[..., Path], tmp_path: Path) -> None:
    """After a classification the collapsed rows have the identity's class and a list of all."""
    expand(table(), C2, tmp_path / "expanded.star")
    document = StarDocument.read(tmp_path / "expanded.star")
    classes = 1 + np.arange(2 * N) % 3
    shuffled = np.random.default_rng(1).permutation(2 * N)
    document.write(
        tmp_path / "classified.star",
        document.block("particles"),
        {"rlnClassNumber": classes[shuffled]},
        shuffled,
    )
    made = collapse(tmp_path / "classified.star", tmp_path / "back.star")
    assert made.lists_classes
    back = StarDocument.read(tmp_path / "back.star")
    block = back.block("particles")
    listed = back.texts(block, ["cryofocusOperatorClasses"])["cryofocusOperatorClasses"]
    assert listed[:3] == ["[1,2]", "[3,1]", "[2,3]"]
    np.testing.assert_array_equal(
        back.numbers(block, ["rlnClassNumber"])["rlnClassNumber"][:3], [1, 3, 2]
    )
    assert back.texts(block, ["rlnImageName"])["rlnImageName"][1] == "000002@stack.mrcs"


def test_particles_lost_with_all_copies_do_no_harm(
    table: Callable[..., Path], tmp_path: Path
) -> None:
    """A set that lost whole particles collapses to the rest; one that lost copies is refused."""
    expand(table(), C2, tmp_path / "expanded.star")
    document = StarDocument.read(tmp_path / "expanded.star")
    block = document.block("particles")
    document.write(tmp_path / "fewer.star", block, {}, np.arange(4, 2 * N))
    assert collapse(tmp_path / "fewer.star", tmp_path / "back.star").n_particles == N - 2
    document.write(tmp_path / "holes.star", block, {}, np.delete(np.arange(2 * N), [5, 9]))
    with pytest.raises(ParticleError) as caught:
        collapse(tmp_path / "holes.star", tmp_path / "other.star")
    assert str(caught.value) == (
        f"{tmp_path}/holes.star: 2 of 12 particles lack some of their 2 copies (particle 3 has "
        "none under operator 2): the set was filtered after it was expanded. Expected all copies "
        "of every particle that is left. Collapse before selecting, and select by "
        "cryofocusOperatorClasses, which lists the classes of all copies."
    )
    assert not (tmp_path / "other.star").exists()


def test_what_cannot_be_expanded_is_refused(table: Callable[..., Path], tmp_path: Path) -> None:
    """Expanded sets, C1, taken names, missing folders and no choice each have one message."""
    path, out = table(), tmp_path / "expanded.star"
    expand(path, C2, out)
    before = out.read_bytes()
    relion = tmp_path / "relion.star"
    relion.write_text(path.read_text().replace("000002@", "000001@"))
    cases: list[tuple[Callable[[], object], type[CryofocusError], str]] = [
        (
            lambda: expand(out, C2, tmp_path / "x.star"),
            ParticleError,
            f"{out}: a symmetry-expanded set already (it has cryofocusOperator); expected every "
            "particle once. Expand the table it was made from, or undo the expansion first "
            "(cryofocus collapse).",
        ),
        (
            lambda: expand(relion, C2, tmp_path / "x.star"),
            ParticleError,
            f"{relion}: a symmetry-expanded set already (some images stand in several rows); "
            "expected every particle once. Expand the table it was made from, or undo the "
            "expansion first (cryofocus collapse).",
        ),
        (
            lambda: expand(path, OperatorSet.point_group("C1"), tmp_path / "x.star"),
            SettingError,
            "symmetry: C1 has no operator but the identity, so there is nothing to expand. Give "
            "the symmetry of the map.",
        ),
        (
            lambda: expand(path, C2, tmp_path / "x.cs"),
            SettingError,
            f"{tmp_path}/x.cs: expected a name that ends in .star, the format of {path}. Change "
            "the name after -o; cryofocus convert gives others.",
        ),
        (
            lambda: expand(path, C2, out),
            OutputError,
            f"{out}: exists. Choose another name with -o, or replace it with --overwrite.",
        ),
        (
            lambda: expand(path, C2, path, overwrite=True),
            OutputError,
            f"{path}: is the table to read. Choose another name with -o.",
        ),
        (
            lambda: collapse(out, tmp_path / "no" / "x.star"),
            OutputError,
            f"{tmp_path}/no: no such folder. Make it, or choose another with -o.",
        ),
        (
            lambda: collapse(path, tmp_path / "x.star"),
            ParticleError,
            f"{path}: not an expanded set: data_particles has no cryofocusParent and no "
            "cryofocusOperator; expected a table that 'cryofocus expand' wrote, or its "
            "classification. Sets that other programs expanded do not say which row is the "
            "original.",
        ),
        (
            lambda: choose_operators("C2", helical=(1.0, 2.0, 3)),
            SettingError,
            "operators: expected exactly one of --symmetry GROUP, --helical TWIST,RISE,N and "
            "--operators FILE. Give one of them.",
        ),
    ]
    for call, kind, message in cases:
        with pytest.raises(kind) as caught:
            call()
        assert str(caught.value) == message
    assert out.read_bytes() == before
    assert not (tmp_path / "x.star").exists()


def test_images_cut_around_a_mask_are_not_expanded(
    table: Callable[..., Path], tmp_path: Path
) -> None:
    """The middle of a cut image is not on the symmetry's axes, so that copies would be wrong."""
    path = table()
    path.write_text(path.read_text().replace("rlnNote", "cryofocusIntactOriginXAngst"))
    with pytest.raises(ParticleError) as caught:
        expand(path, C2, tmp_path / "x.star")
    assert str(caught.value) == (
        f"{path}: images that were cut around a mask, whose middle is not that of the symmetry; "
        "expected whole particles. Expand the table that was subtracted from, then subtract from "
        "the expanded one."
    )
    assert not (tmp_path / "x.star").exists()


def test_cryosparc_s_files_are_expanded(tmp_path: Path) -> None:
    """A .cs file is expanded into one whose sym_expand fields tell the copies apart."""
    folder = Path(__file__).parents[3] / "shared" / "data" / "cryosparc"
    if not folder.is_dir():
        pytest.skip(f"no files of other programs at {folder}")
    source, out = folder / "cryosparc_P12_J24_001_particles.cs", tmp_path / "out.cs"
    made = expand(source, C3, out)
    before, after = open_table(source).columns(), open_table(out).columns()
    assert after.expansion is not None
    copies = after.expansion.complete_parents()
    assert copies.shape == (made.n_particles, 3)
    parent = copies.min(axis=1) // 3
    rotation, shift = C3.apply(before.rotation[parent], before.shift_angstrom[parent])
    np.testing.assert_allclose(after.rotation[copies], rotation, atol=1e-6)
    np.testing.assert_allclose(after.shift_angstrom[copies], shift, atol=1e-4)
    assert all(len(set(after.half_set[row])) == 1 for row in copies[:100])


def test_copies_agree_with_another_program(tmp_path: Path) -> None:
    """An I1 expansion of a particle has the poses that ISECC gave its sub-particles."""
    folder = Path(__file__).parents[3] / "shared" / "data" / "isecc"
    if not folder.is_dir():
        pytest.skip(f"no files of other programs at {folder}")
    expand(folder / "test.star", OperatorSet.point_group("I1"), tmp_path / "ours.star")
    ours, _ = read_poses(tmp_path / "ours.star", 60)
    theirs, _ = read_poses(folder / "expanded_first6of60.star", 6)
    for pose in theirs[0]:
        assert geodesic_degrees(ours[0], np.broadcast_to(pose, ours[0].shape)).min() < 0.01


def read_poses(path: Path, n_operators: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotations and shifts by particle and operator."""
    angles = read_columns(path, "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
    shift = read_columns(path, "rlnOriginXAngst", "rlnOriginYAngst")
    rotation = rotation_from_euler(np.stack(angles, axis=1))
    return (
        rotation.reshape(-1, n_operators, 3, 3),
        np.stack(shift, axis=1).reshape(-1, n_operators, 2),
    )


def draw(beads: np.ndarray, rotation: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Images of Gaussian beads of 3 Å, drawn from the definition of pose and shift."""
    axis = (np.arange(16) - 8) * 3.0
    seen = np.einsum("mij,pj->mpi", rotation, beads)[..., :2] - shift[:, None]
    x, y = (np.exp(-((axis - seen[..., i : i + 1]) ** 2) / 18) for i in (0, 1))
    return np.einsum("mpy,mpx->myx", y, x)
