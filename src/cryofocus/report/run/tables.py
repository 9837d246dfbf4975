"""The tables of the page as rows of text; the template only sets them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from cryofocus.formatting import (
    format_angstrom,
    format_count,
    format_percent,
    format_seconds,
)
from cryofocus.report.drawing.style import class_colour
from cryofocus.report.run.results import RunResults
from cryofocus.report.run.words import say_copies, say_mean_posterior, say_resolution, unit
from cryofocus.workflows.classify.origin import locate_images
from cryofocus.workflows.classify.tables import name_classes
from cryofocus.workflows.run.files import RUN_FILES
from cryofocus.workflows.run.job import CERTAIN_POSTERIOR, Cluster

CLUSTER_KINDS = {
    "local": "processes",
    "scheduler": "of a Dask scheduler",
    "slurm": "SLURM jobs",
}

Pairs = list[tuple[str, str]]
"""Name and value, as text."""


@dataclass(frozen=True)
class ShareRow:
    """A class with its copies, as the first screen shows it."""

    number: int
    name: str
    colour: str
    n_particles: str
    percent: str
    error: str
    bar_percent: float


@dataclass(frozen=True)
class ClassRow(ShareRow):
    """One class as the populations table and the map captions show it."""

    error_percent: float
    resolution: str
    mean_posterior: str
    certain: str
    effective: str
    map_name: str


@dataclass(frozen=True)
class RunRow:
    """One of the independent runs."""

    number: int
    is_best: bool
    cycles: int
    objective: str
    agreement: str
    end: str


@dataclass(frozen=True)
class StageRow:
    """What one stage of the run cost."""

    name: str
    time: str
    bar_percent: float
    memory: str


def class_rows(results: RunResults) -> list[ClassRow]:
    """Build the populations table.

    In class order; the longest bar with its error is 100 % wide.
    """
    full = max(*(entry.weight + (entry.share_error or 0.0) for entry in results.classes), 1e-9)
    certain = results.max_posterior >= CERTAIN_POSTERIOR
    rows: list[ClassRow] = []
    for entry, name in zip(results.classes, name_classes(results.classes), strict=True):
        own = results.class_index == entry.class_number - 1
        weights = results.counted_posteriors[:, entry.class_number - 1]
        rows.append(
            ClassRow(
                number=entry.class_number,
                name=name,
                colour=class_colour(entry.class_number),
                n_particles=format_count(entry.n_particles),
                percent=f"{100 * entry.weight:.1f}",
                error="–" if entry.share_error is None else f"{100 * entry.share_error:.1f}",
                bar_percent=100 * entry.weight / full,
                error_percent=100 * (entry.share_error or 0.0) / full,
                resolution=say_resolution(results.job, entry),
                mean_posterior=say_mean_posterior(entry),
                effective=format_count(_effective_size(weights)),
                certain=format_count(int(np.count_nonzero(certain & own))),
                map_name=results.directory.class_map(entry.class_number).name,
            )
        )
    return rows


def merged_rows(results: RunResults) -> list[ShareRow]:
    """Build the captions of the first screen, one for each class that is no copy of another."""
    rows: list[ShareRow] = []
    groups = results.class_groups
    largest = max((sum(entry.weight for entry in group) for group in groups), default=1.0)
    for first, *copies in groups:
        weight = first.weight + sum(entry.weight for entry in copies)
        with_copies = "".join(f" + {entry.class_number}" for entry in copies)
        error = "–" if copies or first.share_error is None else f"{100 * first.share_error:.1f}"
        rows.append(
            ShareRow(
                number=first.class_number,
                name=f"Class {first.class_number}{with_copies}",
                colour=class_colour(first.class_number),
                n_particles=format_count(
                    first.n_particles + sum(entry.n_particles for entry in copies)
                ),
                percent=f"{100 * weight:.1f}",
                error=error,
                bar_percent=100 * weight / max(largest, 1e-9),
            )
        )
    return rows


def _effective_size(weights: Float32[np.ndarray, " particle"]) -> int:
    """Count the particles of certain class that would tell as much of the class (Louis 1982)."""
    return round(float((weights.astype(np.float64) ** 2).sum()))


def run_rows(results: RunResults) -> list[RunRow]:
    """Build the table of independent runs."""
    job = results.job
    best = results.best_run.objective
    return [
        RunRow(
            number=run.run,
            is_best=run.run == job.best_run,
            cycles=run.cycles,
            objective=f"{run.objective:,.1f}".replace("-", "−")
            if run.run == job.best_run
            else _say_distance(run.objective - best),
            agreement="–"
            if run.agreement_with_best is None or run.run == job.best_run
            else format_percent(run.agreement_with_best, 1),
            end=run.reason if run.converged else f"not converged: {run.reason}",
        )
        for run in job.runs
    ]


def _say_distance(objective: float) -> str:
    """Write how far an objective is from another; no sign where both are shown alike."""
    distance = round(objective, 1)
    return f"{distance:+,.1f}".replace("-", "−") if distance else "0.0"


def stage_rows(results: RunResults) -> list[StageRow]:
    """Build the table of stages with their time and memory."""
    seconds, memory = results.job.seconds, results.job.peak_memory_gb
    longest = max(seconds.values(), default=0.0)
    return [
        StageRow(
            name=name,
            time=format_seconds(spent),
            bar_percent=100 * spent / max(longest, 1e-9),
            memory=f"{memory[name]:.2f} GB" if name in memory else "–",
        )
        for name, spent in seconds.items()
    ]


def facts(results: RunResults) -> Pairs:
    """List what was classified, where and how."""
    job = results.job
    contrast = "bright" if job.contrast.sign > 0 else "dark"
    return [
        ("Strategy", job.strategy),
        ("Region in focus", _say_focus(results)),
        (
            "Particles",
            f"{format_count(job.n_particles)} {say_copies(job)}".rstrip() + f", box {job.box} px, "
            f"{job.pixel_size_angstrom:.4g} Å/px",
        ),
        ("Contrast", f"protein {contrast} in the images; {job.contrast.how}"),
        ("Seed", str(job.seed)),
        ("Started", job.started.replace("T", " ").replace("+00:00", " UTC")),
        *(
            (f"Held out: {name}", f"{value:.6g}" if isinstance(value, float) else str(value))
            for name, value in job.held_out.items()
        ),
        (
            "Machine" if job.cluster is None else "Main machine",
            f"{job.machine.processor}, {job.machine.cores} cores, {job.machine.memory_gb:.0f} GB",
        ),
        *_cluster_facts(job.cluster),
        (
            "Software",
            f"cryofocus {job.version}, Python {job.machine.python}, {job.machine.platform}",
        ),
    ]


def _cluster_facts(cluster: Cluster | None) -> Pairs:
    """Say which workers there were, and what the smallest of them had."""
    if cluster is None:
        return []
    hosts = {one.host for one in cluster.workers}
    machines = f"{len(hosts)} machines" if len(hosts) > 1 else "one machine"
    limits = [one.memory_limit_gb for one in cluster.workers if one.memory_limit_gb is not None]
    memory = f" and {min(limits):.3g} GB" if limits else ""
    threads = "1 thread" if cluster.threads == 1 else f"{cluster.threads} threads"
    workers = f"{cluster.n_workers} workers ({CLUSTER_KINDS[cluster.kind]}) on {machines}"
    return [("Cluster", f"{workers}, each with {threads}{memory}")]


def _say_focus(results: RunResults) -> str:
    focus = results.job.focus
    if focus.kind == "mask":
        return f"mask {focus.path or 'as given'}"
    if focus.kind == "whole":
        return "none: the whole particle"
    centre = "unknown"
    if focus.centre_angstrom is not None:
        centre = ", ".join(f"{coordinate:.1f}" for coordinate in focus.centre_angstrom)
    radius = "unknown" if focus.radius_angstrom is None else format_angstrom(focus.radius_angstrom)
    return f"sphere at ({centre}) Å, radius {radius}"


def file_rows(results: RunResults) -> Pairs:
    """List the files that are there, with what each is for."""
    folder = results.directory.path
    listed = [
        (path.name, file.purpose)
        for file in RUN_FILES
        for path in folder.glob(file.name)
        if path != results.directory.report
    ]
    maps = [
        (path.name, f"map of class {entry.class_number}")
        for entry in results.classes
        if (path := results.directory.class_map(entry.class_number)).is_file()
    ]
    return listed + maps


def next_steps(results: RunResults) -> Pairs:
    """Offer the commands people type next, ready to copy.

    Returns:
        Pairs (purpose, command); paths are quoted for a shell.
    """
    folder = results.directory.path.resolve()
    largest = max(results.classes, key=lambda entry: entry.weight).class_number
    run = shlex.quote(str(folder))
    kept = folder / f"class{largest:03d}{results.directory.particles.suffix}"
    selected = shlex.quote(str(kept))
    steps = [
        ("Look at the maps", f"chimerax {shlex.quote(str(results.directory.view.resolve()))}")
    ]
    if results.job.classes_found:
        steps.append(
            (
                f"Keep the certain {unit(results.job)} of a class",
                f"cryofocus select {run} --classes {largest} "
                f"--min-posterior {CERTAIN_POSTERIOR:g} -o {selected}",
            )
        )
        made = ("-o", str(kept.with_name(f"{kept.stem}_certain.mrc")))
        steps.append(
            (
                "Make a map of these",
                shlex.join(
                    (
                        "cryofocus",
                        "reconstruct",
                        str(kept),
                        *locate_images(results.directory),
                        *made,
                    )
                ),
            )
        )
    steps.append(("Make this page again", f"cryofocus report {run}"))
    return steps
