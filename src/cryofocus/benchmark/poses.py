"""Poses in the humanoid benchmark: perturbed, refined or searched, and how good they can be.

Cells on the same images share them: they are made once and kept beside the set.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict

from cryofocus.arrays import Volume
from cryofocus.benchmark.cells import PoseSource
from cryofocus.consensus.consensus import estimate_consensus
from cryofocus.consensus.preparation import assign_half_sets, open_images
from cryofocus.data.particles import ParticleSet
from cryofocus.data.relion.rows import read_truth
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.maths.symmetry import OperatorSet
from cryofocus.poses.bound import median_errors, pose_bound
from cryofocus.poses.half_maps import symmetrise_map
from cryofocus.poses.result import with_poses
from cryofocus.workflows.align.refine import AlignRefineSettings, align_refine
from cryofocus.workflows.align.search import align_search
from cryofocus.workflows.align.search_inputs import AlignSearchSettings
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.progress import SilentProgress
from cryofocus.workflows.machine.resources import use_process
from cryofocus.workflows.run.writing import write_text
from cryofocus.workflows.simulate.humanoid import DESCRIPTION

# The body without its arms is two-fold symmetric, and so is the consensus.
SYMMETRY = "C2"
# One global search, one local refinement, as published.
SEARCH_ANGSTROM, REFINE_ANGSTROM = 20.0, 10.0
# Particles, evenly spread over the set, of which the bound is computed.
BOUND_PARTICLES = 2000
RECORD = "poses.json"


class MadePoses(BaseModel):
    """A table of poses, what it took, and how good poses of these images can be.

    Attributes:
        table: Particle table to classify, from the folder of the set.
        seconds: That it took to make.
        bound_angle_degrees: The Cramér-Rao bound on the median error of angles.
        bound_shift_angstrom: That on the median error of shifts.
    """

    model_config = ConfigDict(frozen=True)

    table: Path
    seconds: float
    bound_angle_degrees: float
    bound_shift_angstrom: float


def make_poses(folder: Path, source: PoseSource, threads: int | None) -> MadePoses:
    """Make the poses of a set, or read those that an earlier cell made.

    Args:
        folder: Simulated set whose poses are perturbed; its table is not changed.
        source: "perturbed" as they are, "refined" from there, or "searched" from nothing.
        threads: None takes every processor this process may use.
    """
    scratch = folder / f"poses_{source}"
    record = scratch / RECORD
    if record.is_file():
        return MadePoses.model_validate_json(record.read_bytes())
    scratch.mkdir(exist_ok=True)
    start, table = time.perf_counter(), folder / "particles.star"
    if source == "refined":
        table = _refine(folder, table, scratch, threads)
    elif source == "searched":
        table = _refine(folder, _search(folder, scratch, threads), scratch, threads)
    seconds = time.perf_counter() - start
    angle, shift = measure_bound(folder, threads)
    made = MadePoses(
        table=table.relative_to(folder),
        seconds=seconds,
        bound_angle_degrees=angle,
        bound_shift_angstrom=shift,
    )
    write_text(record, made.model_dump_json())
    return made


def _refine(folder: Path, table: Path, scratch: Path, threads: int | None) -> Path:
    """Refine poses against the particles' own half maps; searched ones once, as published."""
    settings = AlignRefineSettings(symmetry=SYMMETRY, datadir=folder)
    if table.parent == scratch:
        once = {"max_resolution_angstrom": REFINE_ANGSTROM, "iterations": 1, "groups": 1}
        settings = settings.model_copy(update=once)
    output, machine = scratch / "refined.star", Machine(threads=threads)
    return align_refine(
        table, output, settings, machine=machine, overwrite=True, progress=SilentProgress()
    ).path


def _search(folder: Path, scratch: Path, threads: int | None) -> Path:
    """Search all poses anew with a map of the same images, and nothing of the truth."""
    reference, table = scratch / "consensus.mrc", folder / "particles.star"
    volume, voxel = consensus_map(table, threads)
    write_volume(reference, volume, voxel)
    settings = AlignSearchSettings(
        symmetry=SYMMETRY, max_resolution_angstrom=SEARCH_ANGSTROM, datadir=folder
    )
    output, machine = scratch / "searched.star", Machine(threads=threads)
    return align_search(
        table,
        reference,
        output,
        settings,
        machine=machine,
        existing="overwrite",
        progress=SilentProgress(),
    ).path


def consensus_map(table: Path, threads: int | None) -> tuple[Volume, float]:
    """Return the two-fold averaged map of a set under its table's poses, and its voxel size.

    Shells are weighted by the agreement of its half maps.

    Args:
        table: Particle table of the set.
        threads: None takes every processor this process may use.
    """
    resources = use_process(Machine(threads=threads))
    particles = ParticleSet.read(table)
    half_set, _ = assign_half_sets(particles, seed=1)
    images = open_images(particles, "no", threads=resources.threads)
    consensus = estimate_consensus(images, half_set, resources.kernels)
    operators = OperatorSet.point_group(SYMMETRY)
    pixel = particles.pixel_size_angstrom
    return symmetrise_map(consensus.map.full, operators, pixel), pixel


def measure_bound(folder: Path, threads: int | None) -> tuple[float, float]:
    """Return the least median errors of the poses of a set: degrees and Å.

    Args:
        folder: Simulated set with truth.star and the maps of all states.
        threads: None takes every processor this process may use.
    """
    particles = ParticleSet.read(folder / "particles.star")
    resources = use_process(Machine(threads=threads))
    images = open_images(particles, "no", threads=resources.threads)
    truth = read_truth(folder / "truth.star")
    rotation, shift = truth.rotation, truth.shift_angstrom
    assert rotation is not None
    assert shift is not None
    n_sample = min(BOUND_PARTICLES, len(particles))
    sample = np.unique(np.linspace(0, len(particles) - 1, n_sample).astype(np.int64))
    posed = with_poses(images, rotation, shift)
    covariance = pose_bound(posed, mean_map(folder), resources.kernels, sample)
    return median_errors(covariance)


def mean_map(folder: Path) -> Volume:
    """Average the maps of all states of a set, which occur equally often."""
    description = yaml.safe_load((folder / DESCRIPTION).read_text(encoding="utf-8"))
    paths = [folder / "maps" / name for name in description["maps"]]
    return np.asarray(np.mean([read_volume(path).data for path in paths], axis=0))
