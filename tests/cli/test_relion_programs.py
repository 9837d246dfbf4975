"""RELION's own programs run our job and read what it wrote (Debian's package relion, 3.1)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cryofocus.data.formats import open_table
from cryofocus.data.star.document import StarDocument
from cryofocus.data.volume import read_volume
from cryofocus.maths.fourier import forward_3d
from cryofocus.maths.rotations import geodesic_degrees
from cryofocus.maths.shells import fourier_shell_correlation
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.workflows.expand import expand

pytestmark = pytest.mark.skipif(
    shutil.which("relion_reconstruct") is None,
    reason="RELION's programs are not on PATH (Debian: apt-get install relion)",
)
RUN = "External/job001/run"
PIPELINE = "data_pipeline_general\n\n_rlnPipeLineJobCounter 1\n\n"
# As RELION's window writes it; whatever is left out has its default.
JOB = """data_job

_rlnJobType 99
_rlnJobIsContinue 0

data_joboptions_values

loop_
_rlnJobOptionVariable #1
_rlnJobOptionValue #2
fn_exe cryofocus_relion
in_part Set/run_data.star
nr_threads 1
do_queue No
param1_label focus
param1_value {focus}
param2_label classes
param2_value 2
param3_label runs
param3_value 1
param4_label cycles
param4_value 3

"""


def call(project: Path, *command: str) -> str:
    """Run a program in the project's folder and return what it said."""
    folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([folder, os.environ["PATH"]])
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=project, env={**os.environ, "PATH": path}
    )
    assert ended.returncode == 0, ended.stdout[-500:] + ended.stderr[-2000:]
    return ended.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, pristine_set: Path, focus: str) -> Path:
    """A RELION project in which RELION's pipeliner ran our job."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(pristine_set, folder / "Set")
    text = (folder / "Set" / "particles.star").read_text()
    (folder / "Set" / "run_data.star").write_text(
        text.replace("@particles.mrcs", "@Set/particles.mrcs")
    )
    (folder / "default_pipeline.star").write_text(PIPELINE)
    (folder / "job.star").write_text(JOB.format(focus=focus))
    call(folder, "relion_pipeliner", "--addJobFromStar", "job.star")
    schedule = ("--RunJobs", "External/job001/", "--schedule", "now", "--sec_wait_after", "1")
    call(folder, "relion_pipeliner", *schedule)
    return folder


def test_the_pipeline_knows_the_results(project: Path) -> None:
    """RELION's pipeline lists the job as finished and its tables and maps as results."""
    job = project / "External" / "job001"
    assert (job / "RELION_JOB_EXIT_SUCCESS").is_file(), (job / "run.err").read_text()
    document = StarDocument.read(project / "default_pipeline.star")
    edges = document.texts(document.block("pipeline_output_edges"), ["rlnPipeLineEdgeToNode"])
    assert {f"{RUN}/particles.star", f"{RUN}/class002.mrc"} <= set(edges["rlnPipeLineEdgeToNode"])


def test_relion_reconstructs_our_classes(project: Path) -> None:
    """relion_reconstruct --class reads the table; its map is ours, but for the weighting."""
    options = ("--ctf", "--class", "1", "--o", "theirs.mrc")
    call(project, "relion_reconstruct", "--i", f"{RUN}/particles.star", *options)
    theirs, ours = (
        forward_3d(read_volume(project / name).data)
        for name in ("theirs.mrc", f"{RUN}/class001.mrc")
    )
    fsc = fourier_shell_correlation(ours, theirs, 24)
    assert fsc[:7].min() > 0.9  # some thirty particles, weighted by posteriors or all alike


def test_relion_expands_our_table(project: Path) -> None:
    """relion_particle_symmetry_expand gives the poses of expand, row by row."""
    source = f"{RUN}/particles.star"
    call(
        *(project, "relion_particle_symmetry_expand"),
        *("--i", source, "--o", "theirs.star", "--sym", "D2"),
    )
    expand(project / source, OperatorSet.point_group("D2"), project / "ours.star")
    theirs, ours = (open_table(project / name).columns() for name in ("theirs.star", "ours.star"))
    np.testing.assert_array_equal(ours.places.slice_of_particle, theirs.places.slice_of_particle)
    # Particle, our copy, their copy.
    our_rotation = np.repeat(ours.rotation.reshape(-1, 4, 1, 3, 3), 4, axis=2)
    their_rotation = np.broadcast_to(theirs.rotation.reshape(-1, 1, 4, 3, 3), our_rotation.shape)
    away = geodesic_degrees(our_rotation, their_rotation)
    assert away.min(axis=2).max() < 1e-3


def test_relion_postprocesses_our_half_maps(project: Path) -> None:
    """relion_postprocess finds the second half map by the name of the first."""
    (project / "Post").mkdir()
    names = ("--i", f"{RUN}/class001_half1.mrc", "--mask", f"{RUN}/focus_mask.mrc")
    call(project, "relion_postprocess", *names, "--o", "Post/post")
    document = StarDocument.read(project / "Post" / "post.star")
    curve = document.numbers(document.block("fsc"), ["rlnFourierShellCorrelationUnmaskedMaps"])
    ours = StarDocument.read(project / RUN / "fsc.star")
    wanted = ours.numbers(ours.block("class_001"), ["rlnFourierShellCorrelation"])
    np.testing.assert_allclose(*(next(iter(c.values()))[1:10] for c in (curve, wanted)), atol=0.05)
