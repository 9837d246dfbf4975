"""Tables beside the main ones: starts and priors, the sphere's size, and how far all parts are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from statistics import median

from cryofocus.benchmark.cells import Cell, CellResult, describe_protocol, format_snr
from cryofocus.benchmark.parts import PARTS, TITLES, part_of
from cryofocus.benchmark.plan import (
    TITRATION_ANGSTROM,
    Titration,
    titration_points,
    usual_angstrom,
)
from cryofocus.benchmark.words import (
    NOT_RUN,
    NOTHING,
    describe_kappas,
    head_lines,
    kappa_by_seed,
    measured_on,
    published_words,
    table_line,
)
from cryofocus.inference.strategies import STRATEGIES

# Sizes of the sphere that cost no more kappa than this are as good as the best.
USEFUL_LOSS = 0.02
SWEPT_TITLES: dict[Titration, str] = {"radius": "Radius", "edge": "Soft edge"}
SPHERE_HEAD = """# Humanoid benchmark: the focus sphere (Supplementary Figure 3)

Kappa on the same images with spheres of other radii and soft edges, medians over the seeds."""
PROGRESS_HEAD = """# Humanoid benchmark: how far it is

Finished and planned cells of each part, and the processor time of one cell: median, without
simulating the set, which the cells on the same images share."""


def starts_table(results: Sequence[CellResult], cells: Sequence[Cell]) -> list[str]:
    """Lines of the table of starts and priors, one row per set; none where none was changed.

    Args:
        results: Of cells with exact poses and the usual sphere.
        cells: Those and the planned ones.
    """
    changed = [cell for cell in cells if cell.kind == "focus" and not cell.is_usual_protocol]
    if not changed:
        return []
    names = {cell.strategy for cell in changed}
    places = {_place(cell): cell for cell in changed}
    alike = [cell for cell in cells if cell.strategy in names and _place(cell) in places]
    columns = sorted(
        {(cell.strategy, *cell.protocol) for cell in alike},
        key=lambda key: (list(STRATEGIES).index(key[0]), key[1] != "random", key[2] != "none"),
    )
    head = ["scenario", "SNR", "particles", "oracle"]
    head += [describe_protocol(*column) for column in columns]
    lines = head_lines([*head, "published, 2-D mask", "published, 3-D mask"])
    for place in sorted(places):
        cell, own = places[place], [r for r in results if _place(r.cell) == place]
        words = [str(cell.scenario), format_snr(cell.snr), f"{cell.particles:,}"]
        words.append(f"{median(r.oracle_kappa for r in own):.3f}" if own else NOT_RUN)
        for column in columns:
            mine = [r for r in own if (r.cell.strategy, *r.cell.protocol) == column]
            words.append(describe_kappas(kappa_by_seed(mine)) or NOT_RUN)
        lines.append(table_line([*words, *published_words(cell)]))
    return lines


def _place(cell: Cell) -> tuple[str, int, int, int, float]:
    return cell.kind, cell.scenario, cell.particles, cell.box, -cell.snr


def sphere_table(results: Sequence[CellResult], planned: Sequence[Cell] = ()) -> str:
    """Text of titration.md: kappa by radius and by edge, and the sizes that are as good.

    Args:
        results: Of finished cells, in any order.
        planned: Cells that are to be run.
    """
    points, lines = titration_points(results), [SPHERE_HEAD]
    cells = [cell for cell in (*planned, *(r.cell for r in results)) if cell.is_titration]
    for swept, title in SWEPT_TITLES.items():
        own = [cell for cell in cells if getattr(cell, f"{swept}_angstrom") is not None]
        for scenario, snr in sorted({(cell.scenario, cell.snr) for cell in own}):
            here = [cell for cell in own if (cell.scenario, cell.snr) == (scenario, snr)]
            chosen = [s for s in STRATEGIES if any(cell.strategy == s for cell in here)]
            kappas = {
                strategy: _kappa_by_size(
                    [p.result for p in points if p.swept == swept], strategy, swept, here[0]
                )
                for strategy in chosen
            }
            lines += ["", f"## {title}: scenario {scenario}, SNR {format_snr(snr)}", ""]
            lines += head_lines([f"{title.lower()}, Å", *chosen])
            sizes = sorted({*TITRATION_ANGSTROM[swept], *chain.from_iterable(kappas.values())})
            for size in sizes:
                found = [kappas[strategy].get(size) for strategy in chosen]
                words = [NOT_RUN if kappa is None else f"{kappa:.3f}" for kappa in found]
                lines.append(table_line([f"{size:g}", *words]))
            lines.append(table_line(["as good as the best", *map(_useful, kappas.values())]))
    return "\n".join([*lines, "", measured_on([p.result for p in points]), ""])


def _kappa_by_size(
    results: Sequence[CellResult], strategy: str, swept: Titration, like: Cell
) -> dict[float, float]:
    """Return the median kappa at each size."""
    by_size: dict[float, list[CellResult]] = {}
    for result in results:
        cell = result.cell
        if cell.strategy == strategy and _place(cell) == _place(like):
            size = getattr(cell, f"{swept}_angstrom")
            usual = usual_angstrom(swept, strategy)
            by_size.setdefault(usual if size is None else size, []).append(result)
    return {size: median(kappa_by_seed(own)) for size, own in by_size.items()}


def _useful(kappas: dict[float, float]) -> str:
    """Say which sizes lose next to nothing against the best."""
    if not kappas:
        return NOTHING
    good = sorted(s for s, kappa in kappas.items() if kappa >= max(kappas.values()) - USEFUL_LOSS)
    return f"{good[0]:g} to {good[-1]:g} Å"


def progress_table(results: Sequence[CellResult], planned: Sequence[Cell]) -> str:
    """Text of progress.md: how many cells of each part are finished, and what one costs.

    Args:
        results: Of finished cells.
        planned: All that commands have planned in the directory.
    """
    finished = {result.cell: result for result in results}
    cells = list({*finished, *planned})
    lines = [PROGRESS_HEAD, ""]
    lines += head_lines(["part", "strategy", "finished", "planned", "CPU seconds per cell"])
    for part in PARTS:
        for strategy in STRATEGIES:
            own = [c for c in cells if part_of(c) == part and c.strategy == strategy]
            if own:
                found = [finished[cell] for cell in own if cell in finished]
                times = [r.cpu_seconds for r in found if r.cpu_seconds is not None]
                cost = f"{median(times):.0f}" if times else NOTHING
                counts = (str(len(found)), str(len(own)))
                lines.append(table_line([TITLES[part], strategy, *counts, cost]))
    return "\n".join([*lines, ""])
