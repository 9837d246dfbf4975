"""Poses in the humanoid benchmark: perturbed, refined or searched, and how good they can be."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import yaml

from cryofocus.arrays import Volume
from cryofocus.benchmark.cells import PoseSource
from cryofocus.consensus.preparation import open_images
from cryofocus.data.particles import ParticleSet
from cryofocus.data.relion.rows import read_truth
from cryofocus.data.volume import read_volume, write_volume
from cryofocus.poses.bound import median_errors, pose_bound
from cryofocus.poses.result import with_poses
from cryofocus.workflows.align.refine import AlignRefineSettings, align_refine
from cryofocus.workflows.align.search import align_search
from cryofocus.workflows.align.search_inputs import AlignSearchSettings
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.machine.resources import use_process
from cryofocus.workflows.simulate.humanoid import DESCRIPTION

# The body without its arms is two-fold symmetric, and so is the consensus.
SYMMETRY = "C2"
# One global search, one local refinement, as published.
SEARCH_ANGSTROM, REFINE_ANGSTROM = 20.0, 10.0
# Particles, evenly spread over the set, of which the bound is computed.
BOUND_PARTICLES = 2000


def make_poses(
    folder: Path, scratch: Path, source: PoseSource, threads: int | None
) -> tuple[Path, float]:
    """Return the particle table to classify, and the seconds that it took to make.

    Args:
        folder: Simulated set; its table is not changed.
        scratch: Existing folder for new tables.
        source: "refined" from those of the set's table, or "searched" from nothing.
        threads: None takes every processor this process may use.
    """
    table, start = folder / "particles.star", time.perf_counter()
    machine = Machine(threads=threads)
    settings = AlignRefineSettings(symmetry=SYMMETRY, datadir=folder)
    if source == "searched":
        reference = scratch / "consensus.mrc"
        voxel = read_volume(_maps(folder)[0]).voxel_size_angstrom
        write_volume(reference, mean_map(folder), voxel or 1.0)
        table = align_search(
            *(table, reference, scratch / "searched.star"),
            AlignSearchSettings(
                symmetry=SYMMETRY, max_resolution_angstrom=SEARCH_ANGSTROM, datadir=folder
            ),
            machine=machine,
            existing="overwrite",
        ).path
        limits = {"reference": reference, "max_resolution_angstrom": REFINE_ANGSTROM}
        settings = settings.model_copy(update=limits)
    output = scratch / "refined.star"
    made = align_refine(table, output, settings, machine=machine, overwrite=True)
    return made.path, time.perf_counter() - start


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
    return np.asarray(np.mean([read_volume(path).data for path in _maps(folder)], axis=0))


def _maps(folder: Path) -> list[Path]:
    description = yaml.safe_load((folder / DESCRIPTION).read_text(encoding="utf-8"))
    return [folder / "maps" / name for name in description["maps"]]
