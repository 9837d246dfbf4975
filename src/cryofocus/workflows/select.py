"""`cryofocus select`: chosen classes, or all without outliers, as a table to go on with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cryofocus.calls import checked
from cryofocus.consensus.outliers.scores import OUTLYING, count_outliers
from cryofocus.data.formats import open_table
from cryofocus.errors import SettingError
from cryofocus.formatting import format_count
from cryofocus.logs import get_logger
from cryofocus.workflows.classify.request import note_images_of_run
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.new_names import require_format_of, require_new_table

logger = get_logger(__name__)


@checked
def select(
    run: Path | str,
    classes: int | Sequence[int] | None,
    output: Path | str,
    *,
    min_posterior: float | None = None,
    max_outlier: float | None = None,
    overwrite: bool = False,
) -> int:
    """Write the rows of the particles that belong to some classes.

    Args:
        run: Finished run directory.
        classes: Class numbers, counted from 1; their posteriors are summed. None takes all
            classes.
        output: Table to write, in the format of the run's own.
        min_posterior: Smallest sum of posteriors to keep a particle, or without classes smallest
            posterior of its most probable one; None keeps those whose most probable class is
            chosen.
        max_outlier: Leave out particles whose image is farther from showing the consensus, in
            standard deviations (`cryofocusOutlier`); None keeps them, and logs how many look like
            junk.
        overwrite: Replace an existing file.

    Returns:
        Number of particles written.

    Raises:
        FormatError: When the run is unfinished or damaged, or did not look for outliers.
        SettingError: For an unknown class, a number out of bounds, when nothing is asked for, when
            nothing would be left, or for classes of a run that found none.
        OutputError: When the output exists, or cannot be written.
    """
    directory, output = RunDirectory.open(Path(run)), Path(output)
    job = directory.read_job()
    classes = [classes] if isinstance(classes, int) else classes
    _require_sense(classes, min_posterior, max_outlier)
    if not job.classes_found and (classes is not None or min_posterior is not None):
        raise SettingError(
            f"{directory.path}: no classes were found in this run, so there are none to choose "
            f"from: what it wrote as classes describes noise. Its verdict: {job.verdict} "
            "(--max-outlier works all the same.)"
        )
    numbers = range(1, job.n_classes + 1) if classes is None else classes
    chosen = _class_columns(numbers, job.n_classes)
    if classes is not None and min_posterior is not None and len(chosen) == job.n_classes:
        raise SettingError(
            f"min_posterior: means nothing with all {job.n_classes} classes, whose posteriors sum "
            "to 1. Leave --classes out to keep particles that are as certain of their class."
        )
    require_new_table(output, directory.particles, overwrite=overwrite)
    table = open_table(directory.particles)
    require_format_of(table, output)
    posteriors = directory.read_posteriors(table.n_rows).astype(np.float64)
    columns = posteriors[:, chosen]
    largest = posteriors.max(axis=1) if classes is None else columns.sum(axis=1)
    if min_posterior is None:
        is_kept = np.isin(posteriors.argmax(axis=1), chosen)
        if classes is not None:
            is_kept &= posteriors.any(axis=1)  # what does not count is in no class
    else:
        # Probabilities were rounded to float32 when they were written.
        is_kept = largest >= min_posterior - 1e-6
    if not is_kept.any():
        raise SettingError(
            f"{directory.path}: no particle belongs to class {_listed(numbers)}"
            + (f" with a posterior of {min_posterior:g}" if min_posterior is not None else "")
            + ". Choose other classes or a smaller --min-posterior."
        )
    if max_outlier is not None:
        is_kept &= directory.read_outliers(table.n_rows) <= max_outlier
    elif directory.outliers.is_file():
        outlier = directory.read_outliers(table.n_rows).astype(np.float64)
        n_junk = count_outliers(outlier[is_kept])
        if n_junk:
            logger.info(
                "%s of the %s chosen look like junk and are kept; "
                "--max-outlier %g leaves them out",
                *(format_count(n_junk), format_count(int(is_kept.sum())), OUTLYING),
            )
    rows = np.flatnonzero(is_kept)
    if len(rows) == 0:
        raise SettingError(
            f"max_outlier: found {max_outlier:g}, but every particle chosen is farther from the "
            "consensus. Give a larger one; 4 leaves out what is hardly an image of the particle."
        )
    table.write(output, {}, rows)
    note_images_of_run(directory.path, output)
    return len(rows)


def _require_sense(
    classes: Sequence[int] | None, min_posterior: float | None, max_outlier: float | None
) -> None:
    if classes is None and min_posterior is None and max_outlier is None:
        raise SettingError(
            "classes: found neither classes nor a limit. Give numbers such as --classes 1,2, "
            "--min-posterior 0.9, --max-outlier 4, or several of them."
        )
    if min_posterior is not None and not 0 <= min_posterior <= 1:
        raise SettingError(
            f"min_posterior: found {min_posterior:g}, expected a probability from 0 to 1."
        )
    if max_outlier is not None and not max_outlier > 0:
        raise SettingError(
            f"max_outlier: found {max_outlier:g}, expected a positive number of standard "
            "deviations, such as 4."
        )


def _class_columns(classes: Sequence[int], n_classes: int) -> list[int]:
    unknown = [number for number in classes if not 1 <= number <= n_classes]
    if unknown or not classes:
        found = f"class {_listed(unknown)}" if unknown else "none"
        raise SettingError(
            f"classes: found {found}, but this run has classes 1 to {n_classes}. Give numbers "
            "such as --classes 1,2."
        )
    return sorted({number - 1 for number in classes})


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers)
