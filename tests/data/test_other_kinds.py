"""Files that are given where a particle table is meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.particles import ParticleSet
from cryofocus.errors import FormatError, InputError, ParticleError
from particle_files import cs_rows, par_text, save_cs, with_fields


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "particles.mrcs",
            "holds images or a map, no table of particles. Give the table that names the images "
            "and has their poses, such as run_data.star or J24_particles.cs.",
        ),
        (
            "table.tbl",
            "is a list of subtomograms. cryofocus takes images of single particles, one per "
            "particle. Give a table of such images.",
        ),
        (
            "project.db",
            "is a database, as of a cisTEM project. Give the parameters of a refinement in it "
            "(.cistem or .star), or export its particles as RELION STAR.",
        ),
        (
            "J24_particles.csg",
            "lists the files of a cryoSPARC result. Give the .cs file of particles beside it.",
        ),
    ],
)
def test_other_files_are_told_for_what_they_are(tmp_path: Path, name: str, message: str) -> None:
    """What is often given in place of the table is named, and so is the table that is meant."""
    path = tmp_path / name
    path.write_bytes(b"anything")
    with pytest.raises(FormatError) as caught:
        open_table(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    """A folder is refused; if it holds one table, the message names it."""
    with pytest.raises(InputError, match=r"is a folder\. Give the particle table in it, such as"):
        open_table(tmp_path)
    (tmp_path / "run_data.star").write_text("")
    with pytest.raises(InputError) as caught:
        open_table(tmp_path)
    named = tmp_path / "run_data.star"
    assert str(caught.value) == f"{tmp_path}: is a folder. Give the particle table in it: {named}."
    for other in ("class001.star", "truth.star"):
        (tmp_path / other).write_text("")
    with pytest.raises(InputError) as caught:
        open_table(tmp_path)
    assert str(caught.value).endswith(f"in it, such as {named}.")


def test_a_picture_is_no_table(tmp_path: Path) -> None:
    """A picture in place of a table is called a picture."""
    path = tmp_path / "classes.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(FormatError, match=r"block\. It looks like a picture \(PNG\)\. Check"):
        open_table(path)


def test_a_project_is_no_refinement(tmp_path: Path) -> None:
    """Not even if it has the name of one."""
    path = tmp_path / "project.cistem"
    path.write_bytes(b"SQLite format 3\0" + bytes(100))
    with pytest.raises(FormatError, match="is a database, as of a cisTEM project"):
        open_table(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data_\n_rlnTomoParticlesFile p.star\n", "an optimisation set of RELION's subtomogram"),
        ("data_stopgap_motivelist\nloop_\n_motl_idx\n1\n", "a motive list of STOPGAP. cryofocus"),
        ("data_particles\nloop_\n_rlnTomoName\nTS_01\n", "tilt series or subtomograms. cryofocus"),
        ("data_job\n_rlnJobTypeLabel refine\n", "the settings of a RELION job. Give a particle"),
        ("data_m\n_rlnReferenceDimensionality 3\n", "a model file of RELION. Give a particle"),
        ("data_\nloop_\n_rlnCoordinateX\n1\n", "a table of picked places. Extract the particles"),
        ("data_\nloop_\n_rlnMicrographName\na\n", "a table of micrographs. Extract"),
        (
            "data_\nloop_\n_rlnUnheardOf\na\n",
            "particle images. Give a particle STAR file",
        ),
    ],
)
def test_star_files_without_images_are_told_by_their_labels(
    tmp_path: Path, text: str, said: str
) -> None:
    """Each is called what it is, and the advice is about that."""
    path = tmp_path / "other.star"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        ParticleSet.read(path)
    assert said in str(caught.value)


def test_the_table_beside_or_inside_is_named(tmp_path: Path) -> None:
    """A job's own table, or the one that an optimiser file names from the project's folder."""
    job = tmp_path / "Refine3D" / "job030"
    job.mkdir(parents=True)
    for name in ("run_it020_data.star", "run_data.star"):
        (job / name).write_text("data_particles\nloop_\n_rlnImageName\n1@a.mrcs\n")
    (job / "job.star").write_text("data_job\n_rlnJobTypeLabel refine\n")
    inside = "_rlnExperimentalDataStarFile Refine3D/job030/run_it020_data.star"
    (job / "run_it020_optimiser.star").write_text(f"data_\n{inside}\n")
    for name, meant in (
        ("job.star", "run_data.star"),
        ("run_it020_optimiser.star", "run_it020_data.star"),
    ):
        with pytest.raises(InputError) as caught:
            ParticleSet.read(job / name)
        assert str(caught.value).endswith(f"Give the table of particles: {job / meant}")


def test_rows_that_lost_their_last_column_are_no_narrow_rows(tmp_path: Path) -> None:
    """16 columns under a comment that names the phase shift are 17 of which one was cut."""
    path = tmp_path / "x.par"
    _, *rows = par_text().replace("C end\n", "").splitlines()
    head = "C  PSI THETA PHI SHX SHY MAG FILM DF1 DF2 ANGAST PSHIFT OCC LOGP SIGMA SCORE CHANGE"
    path.write_text("\n".join([head, *rows]))
    assert open_table(path).n_rows == len(rows)
    path.write_text("\n".join([head, *(row.rpartition(" ")[0] for row in rows)]))
    with pytest.raises(FormatError, match="16 columns, but its first lines name PSHIFT"):
        open_table(path)


def test_empty_names_of_stacks_are_named(tmp_path: Path) -> None:
    """A field of paths that was never filled is not looked for in every folder."""
    rows = with_fields(cs_rows(), {"blob/path": np.array([b""] * 4)})
    path = save_cs(tmp_path / "x.cs", rows)
    with pytest.raises(ParticleError, match="the name of an image stack is empty"):
        ParticleSet.read(path)
