"""Symmetry-expanded sets: copies are told from duplicates and keep to one half set."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.expansion import Expansion
from cryofocus.data.half_sets import deal_half_sets
from cryofocus.data.images import ImageReader
from cryofocus.data.particles import ParticleSet
from cryofocus.errors import ParticleError

# Rows 1 and 3, and rows 2 and 4, of the sound file become copies of images 1 and 2.
COPIES = (("000003@", "000001@"), ("000004@", "000002@"))


@pytest.fixture
def expanded(edit: Callable[..., Path]) -> Callable[..., Path]:
    """Make the sound file an expanded set, marked as `cryofocus expand` does."""

    def make(*more: tuple[str, str]) -> Path:
        path = edit(*COPIES)
        text = path.read_text().splitlines()
        rows = {"000001@": ("9", 0), "000002@": ("4", 0)}
        for number, line in enumerate(text):
            if line.startswith("_rlnRandomSubset"):
                text[number] = f"{line}\n_cryofocusParent #13\n_cryofocusOperator #14"
            elif line[:7] in rows:
                parent, seen = rows[line[:7]]
                rows[line[:7]] = (parent, seen + 1)
                text[number] = f"{line} {parent} {seen + 1}"
        path.write_text("\n".join([*text, ""]))
        return edit(*more)

    return make


def test_marked_copies_know_parent_and_operator(
    expanded: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Parents and operators are those of the file, counted from 0; chosen copies keep theirs."""
    with caplog.at_level(logging.INFO, logger="cryofocus"):
        particles = ParticleSet.read(expanded())
    assert "4 rows are copies of 2 particles under 2 symmetry operators" in caplog.text
    np.testing.assert_array_equal(particles.parent_of_particle, [8, 3, 8, 3])
    np.testing.assert_array_equal(particles.operator_of_particle, [0, 0, 1, 1])
    np.testing.assert_array_equal(particles.slice_of_particle, [0, 1, 0, 1])
    chosen = particles.take(np.array([3, 0]))
    np.testing.assert_array_equal(chosen.parent_of_particle, [3, 8])
    np.testing.assert_array_equal(chosen.operator_of_particle, [1, 0])


def test_a_plain_set_is_its_own_parent(particle_file: Path) -> None:
    """Without copies every particle is its own parent under the identity."""
    particles = ParticleSet.read(particle_file)
    assert particles.expansion is None
    assert particles.derive_operators() is None
    np.testing.assert_array_equal(particles.parent_of_particle, np.arange(4))
    np.testing.assert_array_equal(particles.operator_of_particle, np.zeros(4))


def test_unmarked_copies_are_recognised(
    edit: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """The same image with another pose, as RELION's expansion writes it, is a copy; a notice."""
    with caplog.at_level(logging.INFO, logger="cryofocus"):
        particles = ParticleSet.read(edit(*COPIES))
    np.testing.assert_array_equal(particles.parent_of_particle, [0, 1, 0, 1])
    np.testing.assert_array_equal(particles.operator_of_particle, [0, 0, 1, 1])
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert (
        "4 rows show 2 images, 2 times each, with different poses; they are taken for copies"
        in (record.getMessage())
    )


def test_images_repeated_irregularly_are_pointed_out(
    edit: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Where images do not all have equally many rows, the notice becomes a warning."""
    ParticleSet.read(edit(COPIES[0]))
    assert "4 rows show 3 images, not equally many times each" in caplog.text
    assert caplog.text.strip().endswith("If they are duplicates, remove them.")


def test_half_sets_that_split_copies_are_united(
    expanded: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Copies in both half sets are all given that of the first row, with a warning."""
    path = expanded(("30.0 1 1 9 2", "30.0 1 2 9 2"))
    particles = ParticleSet.read(path)
    np.testing.assert_array_equal(particles.half_set, [1, 2, 1, 2])
    assert "copies of the same image are in both half sets (1 of 2" in caplog.text
    with pytest.raises(ValueError, match="in different half sets"):
        replace(particles, half_set=np.array([1, 2, 2, 2], np.int8))


@pytest.mark.parametrize("n_micrographs", [1, 5])
def test_new_half_sets_never_split_copies(n_micrographs: int) -> None:
    """By micrograph or at random: copies of one particle land together, the halves balanced."""
    parent = np.random.default_rng(1).permutation(np.repeat(np.arange(100), 3))
    half_set, _ = deal_half_sets(np.zeros(300, np.int8), parent % n_micrographs, parent, seed=3)
    assert all(len(set(half_set[parent == number])) == 1 for number in range(100))
    assert set(half_set) == {1, 2}
    assert abs((half_set == 1).mean() - 0.5) <= 0.1
    plain, _ = deal_half_sets(
        np.zeros(100, np.int8), np.arange(100) % n_micrographs, np.arange(100), seed=3
    )
    np.testing.assert_array_equal(half_set, plain[parent])


def test_copies_show_the_same_pixels(expanded: Callable[..., Path], images: np.ndarray) -> None:
    """Copies are read from their parent's slice, in any order and mixed."""
    reader = ImageReader(ParticleSet.read(expanded()))
    np.testing.assert_array_equal(reader.read(np.array([3, 0, 2, 2, 1])), images[[1, 0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            [("_cryofocusOperator", "_other")],
            "{file}: data_particles has no cryofocusOperator, but the other column of a "
            "symmetry-expanded set; expected cryofocusParent and cryofocusOperator. Give the "
            "table as 'cryofocus expand' wrote it.",
        ),
        (
            [("30.0 1 1 9 2", "30.0 1 1 9 0")],
            "{file}, line 36: cryofocusOperator is 0, expected a whole number from 1. Give the "
            "table as 'cryofocus expand' wrote it.",
        ),
        (
            [("30.0 1 1 9 2", "30.0 1 1 9 1")],
            "{file}, line 36: a second copy of particle 9 under operator 1, the first being on "
            "line 34; expected one. Expanded tables cannot be joined: join the tables first, then "
            "expand.",
        ),
        (
            [("20.5 22.0 -60.0 2.25 -2.75", "0.5 20.0 0.0 0.25 -0.75")],
            "{file}: the image 000001@stack.mrcs stands in line 34 and line 36 with the same "
            "pose; expected every image once, or, in a symmetry-expanded set, once under each "
            "operator. Remove the duplicates.",
        ),
        (
            [("000001@stack.mrcs mic1", "000003@stack.mrcs mic1")],
            "{file}: the copies of particle 9 show different images (000001@stack.mrcs and "
            "000003@stack.mrcs); expected one image. Expanded tables cannot be joined: join the "
            "tables first, then expand.",
        ),
    ],
)
def test_contradictory_marks_are_refused(
    expanded: Callable[..., Path], change: list[tuple[str, str]], message: str
) -> None:
    """Half a mark, numbers that are none, repeats and foreign images each have a message."""
    path = expanded(*change)
    with pytest.raises(ParticleError) as caught:
        ParticleSet.read(path)
    assert str(caught.value) == message.format(file=path)


def test_expansions_check_themselves() -> None:
    """Negative numbers and repeats are refused when an expansion is made."""
    for parent, operator, message in (
        ([0, -1], [0, 0], "counted from 0"),
        ([3, 1, 3], [0, 0, 0], "two copies under one operator"),
    ):
        with pytest.raises(ValueError, match=message):
            Expansion(np.array(parent), np.array(operator))


def test_complete_parents_have_every_operator() -> None:
    """Rows of the parents without gaps are given by operator, whatever the order of rows."""
    expansion = Expansion(np.array([7, 5, 7, 5, 6]), np.array([2, 0, 0, 2, 2]))
    np.testing.assert_array_equal(expansion.complete_parents(), [[1, 3], [2, 0]])
    np.testing.assert_array_equal(expansion.operators, [0, 2])
    assert (len(expansion), expansion.n_parents) == (5, 3)


def test_half_sets_too_unequal_to_compare_are_named() -> None:
    """One particle makes no map; the log says how many there are."""
    given = np.where(np.arange(50) == 3, 2, 1)
    half_set, said = deal_half_sets(given, np.arange(50), np.arange(50), seed=1)
    np.testing.assert_array_equal(half_set, given)
    assert "of 49 and 1 particles: too unequal" in said
    assert "unequal" not in deal_half_sets(1 + np.arange(50) % 2, given, np.arange(50), seed=1)[1]
