"""Builds small, complete run directories without running a classification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryofocus.data.volume import write_volume
from cryofocus.workflows.classify.tables import (
    ClassSummary,
    CycleRow,
    MoveRow,
    RunClassRow,
    fsc_block,
)
from cryofocus.workflows.fsc_table import write_fsc
from cryofocus.workflows.run import job
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.writing import write_array, write_text

BOX = 32
VOXEL_ANGSTROM = 4.0
MASK_CENTRE = (16, 21, 9)
MASK_RADIUS = 5.5
SETTINGS = "classes: {}\nfocus:\n  centre: [36.0, 84.0, 64.0]\n  radius: 22\nmask: null\n"


@dataclass(frozen=True)
class RunPlan:
    """What a synthetic run should look like."""

    n_classes: int = 2
    n_runs: int = 3
    n_particles: int = 600
    certainty: float = 6.0
    classes_found: bool = True
    converged: bool = True
    hostile: str = ""
    findings: tuple[job.Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    agreement: float = 0.968
    settings: str = ""
    left_out: tuple[str, ...] = ()


def ball(centre: tuple[float, float, float], radius: float, soft: float = 1.2) -> np.ndarray:
    """Soft ball at a voxel (z, y, x)."""
    grid = np.indices((BOX, BOX, BOX), dtype=np.float32)
    offset = grid - np.asarray(centre, dtype=np.float32)[:, None, None, None]
    return 1.0 / (1.0 + np.exp((np.sqrt((offset**2).sum(axis=0)) - radius) / (soft / 3)))


def write_maps(directory: RunDirectory, n_classes: int, rng: np.random.Generator) -> None:
    """Write a body whose arm sits elsewhere in every class."""
    body = ball((16, 13, 17), 6.0) + 0.9 * ball((16, 21, 19), 4.0) + 0.8 * ball((15, 7, 21), 3.0)
    angles = np.linspace(-0.9, 1.1, n_classes)
    arms = [
        ball((16.0, 21.0 + 3.2 * float(np.sin(a)), 12.0 - 4.5 * float(np.cos(a))), 2.2)
        for a in angles
    ]
    mean = body + np.mean(arms, axis=0)
    for number, arm in enumerate(arms, start=1):
        noise = 0.05 * rng.standard_normal(body.shape)
        volume = (body + arm + noise).astype(np.float32)
        write_volume(directory.class_map(number), volume, VOXEL_ANGSTROM)
        for half in (1, 2):
            noisy = (body + arm + 0.2 * rng.standard_normal(body.shape)).astype(np.float32)
            write_volume(directory.half_map(number, half), noisy, VOXEL_ANGSTROM)
    write_volume(directory.consensus, mean.astype(np.float32), VOXEL_ANGSTROM)
    mask = np.clip(ball(MASK_CENTRE, MASK_RADIUS, 3.0), 0.0, 1.0).astype(np.float32)
    write_volume(directory.focus_mask, mask, VOXEL_ANGSTROM)


def write_tables(directory: RunDirectory, plan: RunPlan, rng: np.random.Generator) -> None:
    """Write posteriors, classes, FSC, convergence and agreement that fit each other."""
    shares = np.linspace(2.0, 1.0, plan.n_classes)
    labels = rng.choice(plan.n_classes, size=plan.n_particles, p=shares / shares.sum())
    logits = rng.standard_normal((plan.n_particles, plan.n_classes))
    logits[np.arange(plan.n_particles), labels] += plan.certainty
    posteriors = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    write_array(directory.posteriors, posteriors.astype(np.float32))
    hard = np.bincount(posteriors.argmax(axis=1), minlength=plan.n_classes)
    ClassSummary.write(
        directory.classes,
        [
            ClassSummary(
                class_number=k + 1,
                n_particles=hard[k],
                weight=weight,
                resolution_angstrom=9.6 + 0.6 * k,
                mean_posterior=posteriors.max(axis=1).mean(),
                run_spread=0.012 if plan.n_runs > 1 else None,
                share_error=0.015,
            )
            for k, weight in enumerate(posteriors.mean(axis=0))
        ],
    )
    shell = np.arange(BOX // 2 + 1)
    curves = {
        fsc_block(number): 1 / (1 + np.exp((shell - 13 + number) / 0.8))
        for number in range(1, plan.n_classes + 1)
    }
    write_fsc(directory.fsc, curves, BOX, VOXEL_ANGSTROM)
    CycleRow.write(
        directory.convergence,
        [
            CycleRow(
                run=run,
                cycle=cycle,
                objective=-5000.0 - 40 * run - 900 * np.exp(-cycle / 2.5),
                posterior_change=0.3 * np.exp(-cycle / (1.5 + 0.3 * run)),
                weight=tuple(shares / shares.sum()),
            )
            for run in range(1, plan.n_runs + 1)
            for cycle in range(1, 16)
        ],
    )
    MoveRow.write(
        directory.moves,
        [
            MoveRow(run=run, cycle=cycle, from_class=k + 1, to=tuple(row))
            for run in range(1, plan.n_runs + 1)
            for cycle in range(1, 16)
            for k, row in enumerate(_mixed(hard, 0.3**cycle).tolist())
        ],
    )
    RunClassRow.write(
        directory.run_classes,
        [
            RunClassRow(run=run, class_number=k + 1, reported=tuple(row))
            for run in range(1, plan.n_runs + 1)
            for k, row in enumerate(_mixed(hard, 0.05 * (run - 1)).tolist())
        ],
    )
    agreeing = rng.choice(plan.n_runs, size=plan.n_particles, p=_skewed(plan.n_runs)) + 1
    write_array(directory.agreement, (agreeing / plan.n_runs).astype(np.float32))


def _mixed(counts: np.ndarray, share: float) -> np.ndarray:
    """Move a share of every class to the next one."""
    moved = (share * counts).astype(int)
    return np.diag(counts - moved) + np.roll(np.diag(moved), 1, axis=1)


def _skewed(n_runs: int) -> np.ndarray:
    weights = 9.0 ** np.arange(n_runs)
    return np.asarray(weights / weights.sum())


def make_record(plan: RunPlan) -> job.JobRecord:
    """Compose job.json."""
    runs = range(1, plan.n_runs + 1)
    pairs = [(i, j) for i in runs for j in runs if i < j]
    return job.JobRecord(
        version="0.1.0",
        command=f"cryofocus classify particles.star --focus 36,84,64,22 --classes "
        f"{plan.n_classes} -o RUN{plan.hostile}",
        machine=job.Hardware(
            processor="Example processor",
            cores=2,
            memory_gb=24.0,
            python="3.11.9",
            platform="Linux",
        ),
        seed=1,
        started="2026-01-02 10:20:30Z",
        seconds={"reading particles": 1.2, "consensus": 8.4, "statistics": 14.1, "runs": 21.7},
        peak_memory_gb={
            "reading particles": 0.2,
            "consensus": 0.6,
            "statistics": 1.1,
            "runs": 1.1,
        },
        n_particles=plan.n_particles,
        n_classes=plan.n_classes,
        box=BOX,
        pixel_size_angstrom=VOXEL_ANGSTROM,
        focus=job.FocusRegion(
            kind="sphere", centre_angstrom=(36.0, 84.0, 64.0), radius_angstrom=22.0
        )
        if not plan.hostile
        else job.FocusRegion(kind="mask", path=plan.hostile),
        strategy="residual",
        runs=tuple(
            job.RunSummary(
                run=run,
                seed=100 + run,
                cycles=15,
                objective=-5000.0 - 40 * run,
                converged=plan.converged,
                reason="posteriors have settled" + plan.hostile,
                agreement_with_best=1.0 if run == 1 else 0.97,
            )
            for run in runs
        ),
        best_run=1,
        agreement=job.RunAgreement(
            mean=plan.agreement if pairs else None,
            per_pair=tuple(
                job.PairAgreement(first=i, second=j, agreement=0.98 - 0.01 * j) for i, j in pairs
            ),
        ),
        classes_found=plan.classes_found,
        verdict=(
            f"{plan.n_classes} classes that differ inside the focus; three random starts agree."
            if plan.classes_found
            else "The particles do not differ inside the focus beyond what noise explains."
        )
        + plan.hostile,
        findings=plan.findings,
        warnings=plan.warnings,
        contrast=job.Contrast(sign=-1, how="measured on 500 particles"),
        cycles=15,
        objective_name="log-posterior",
        objective=tuple(-5040.0 - 900 * np.exp(-cycle / 2.5) for cycle in range(1, 16)),
        held_out={"log-likelihood gain per particle": 0.42},
    )


def build_in(folder: Path, **fields: Any) -> RunDirectory:
    """Write a synthetic run directory from the fields of a plan."""
    plan = RunPlan(**fields)
    rng = np.random.default_rng(7)
    directory = RunDirectory.create(folder / f"RUN{plan.hostile}".replace("/", "_"))
    write_maps(directory, plan.n_classes, rng)
    write_tables(directory, plan, rng)
    record = make_record(plan)
    write_text(directory.command, record.command + "\n")
    write_text(directory.config, plan.settings or SETTINGS.format(plan.n_classes))
    write_text(directory.log, "2026-01-02 10:20:30Z  INFO    started\n")
    directory.write_job(record)
    for name in plan.left_out:
        (directory.path / name).unlink()
    return directory


@pytest.fixture
def build_run(tmp_path: Path) -> Callable[..., RunDirectory]:
    """Give a function that writes a synthetic run directory from the fields of a plan."""
    return partial(build_in, tmp_path)


@pytest.fixture(scope="module")
def build_shared_run(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., RunDirectory]:
    """Give such a function for run directories that several tests only read."""
    return lambda **fields: build_in(tmp_path_factory.mktemp("run"), **fields)
