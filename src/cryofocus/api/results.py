"""What the commands beside `classify` return: what was found, and figures of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cryofocus.errors import SettingError
from cryofocus.report.analyses.differences import draw_differences
from cryofocus.report.analyses.variance import draw_variance
from cryofocus.report.figures.plotting import plotting
from cryofocus.workflows import diffmap as _diffmap
from cryofocus.workflows import fsc as _fsc
from cryofocus.workflows.covary import run as _covary
from cryofocus.workflows.subtract import run as _subtract
from cryofocus.workflows.subtract.record import PowerRecord
from cryofocus.workflows.variance import result as _variance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Shown = TypeVar("Shown")


def with_figures(kind: type[Shown], found: Any, **more: Any) -> Shown:
    """Give a result its figures.

    Args:
        kind: What has them; a subclass of the result's own class.
        found: The result.
        **more: Fields that only `kind` has.
    """
    return kind(**{one.name: getattr(found, one.name) for one in fields(found)}, **more)


@dataclass(frozen=True, eq=False)
class FscResult(_fsc.FscResult):
    """What `fsc` measured and wrote."""

    __doc__ = _fsc.FscResult.__doc__

    def plot_curves(self) -> Figure:
        """Draw the Fourier shell correlations.

        Returns:
            A figure of matplotlib; a notebook shows it, and `savefig` writes it.
        """
        with plotting("plot_curves"):
            from cryofocus.report.figures.fsc import draw_fsc

            return draw_fsc(self)

    def plot_directions(self) -> Figure:
        """Draw the resolution by direction.

        Raises:
            SettingError: When it was not measured.
        """
        if self.directional is None:
            raise SettingError(
                "directional: the resolution was not measured by direction; measure it again "
                "with FscSettings(directional=True)."
            )
        with plotting("plot_directions"):
            from cryofocus.report.figures.fsc import draw_directional

            return draw_directional(self, self.directional)


@dataclass(frozen=True, eq=False)
class VarianceResult(_variance.VarianceResult):
    """What `variance` found and wrote."""

    __doc__ = _variance.VarianceResult.__doc__

    def plot_variance(self) -> Figure:
        """Draw the variance over the consensus from three sides, with the proposed spheres."""
        with plotting("plot_variance"):
            from cryofocus.report.figures.sheets import as_figure

            return as_figure(draw_variance(self))

    def plot_latent(self) -> Figure:
        """Draw how the particles are spread along the axes of variation.

        Raises:
            SettingError: When nothing was found to vary.
        """
        if not self.n_axes:
            raise SettingError("axes: found none that vary; there is nothing to draw.")
        with plotting("plot_latent"):
            from cryofocus.report.figures.variance import draw_latent

            return draw_latent(self)


@dataclass(frozen=True)
class CovaryResult(_covary.CovaryResult):
    """The directory that `covary` wrote and what its covary.json holds."""

    def plot_correlation(self) -> Figure:
        """Draw the correlation matrices over classes and over particles."""
        with plotting("plot_correlation"):
            from cryofocus.report.figures.covary import draw_matrices

            return draw_matrices(self.record)

    def plot_masses(self) -> Figure:
        """Draw the mass of every region in every class map.

        Raises:
            SettingError: When no classes were compared.
        """
        if self.record.class_level is None:
            raise SettingError(
                "sources: no classes were compared, so that there are no masses; give at least "
                "three run directories of classify."
            )
        with plotting("plot_masses"):
            from cryofocus.report.figures.covary import draw_masses

            return draw_masses(self.record.regions, self.record.class_level)


@dataclass(frozen=True)
class RunDifferences(_diffmap.RunDifferences):
    """Files that `diffmap_run` wrote: a map a pair, their table, and their voxelwise maximum.

    Attributes:
        run: Directory of the run.
    """

    run: Path

    def plot_differences(self) -> Figure:
        """Draw by how many standard errors the maps differ, from three sides.

        Raises:
            FormatError: When a map is missing or damaged.
        """
        with plotting("plot_differences"):
            from cryofocus.report.figures.sheets import as_figure

            return as_figure(draw_differences(self.table.parent, self.run))


@dataclass(frozen=True)
class SubtractedSet(_subtract.SubtractedSet):
    """What `subtract` wrote."""

    __doc__ = _subtract.SubtractedSet.__doc__

    def plot_power(self) -> Figure:
        """Draw the power before and after, against that of the noise.

        Raises:
            FormatError: When the record of it is missing or damaged.
        """
        with plotting("plot_power"):
            from cryofocus.report.figures.power import draw_power

            return draw_power(PowerRecord.read(self.directory))
