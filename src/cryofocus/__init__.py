"""Focused classification of single-particle cryo-EM images.

The names below are the public interface of the package; each is loaded when it is first used, so
that importing cryofocus costs nothing.

Examples:
    >>> from cryofocus import ClassifierSettings, FocusedClassifier, FocusMask, ParticleSet
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from cryofocus.version import __version__ as __version__

__all__ = [
    "AlignRefineSettings",
    "AlignSearchSettings",
    "ClassificationResult",
    "ClassifierSettings",
    "ClassifyRequest",
    "ConvertSettings",
    "CovarySettings",
    "DiffmapSettings",
    "Ellipsoid",
    "FitSettings",
    "FocusMask",
    "FocusedClassifier",
    "FscSettings",
    "HumanoidSettings",
    "ImageReader",
    "ModelMaskSettings",
    "ModelSettings",
    "OperatorSet",
    "ParticleSet",
    "PlaceSettings",
    "RigidTransform",
    "SubtractSettings",
    "Supplement",
    "ThresholdMaskSettings",
    "VarianceMaskSettings",
    "VarianceSettings",
    "align_combine",
    "align_refine",
    "align_search",
    "classify",
    "collapse",
    "convert",
    "covary",
    "diffmap",
    "diffmap_run",
    "evaluate",
    "expand",
    "fit",
    "fit_rigid",
    "fsc",
    "make_ellipsoid_mask",
    "make_marker_mask",
    "make_model_mask",
    "make_sphere_mask",
    "make_threshold_mask",
    "make_variance_mask",
    "merge",
    "place_mask",
    "reconstruct",
    "revert",
    "select",
    "select_kernels",
    "simulate_humanoid",
    "simulate_models",
    "subtract",
    "variance",
    "write_covary_report",
    "write_power_figure",
    "write_report",
    "write_variance_figures",
]

_HOME = {
    "AlignRefineSettings": "cryofocus.workflows.align.refine",
    "AlignSearchSettings": "cryofocus.workflows.align.search_inputs",
    "ClassificationResult": "cryofocus.inference.classifier",
    "ClassifierSettings": "cryofocus.inference.settings",
    "ClassifyRequest": "cryofocus.workflows.classify.request",
    "ConvertSettings": "cryofocus.workflows.convert",
    "CovarySettings": "cryofocus.workflows.covary.inputs",
    "DiffmapSettings": "cryofocus.workflows.diffmap",
    "Ellipsoid": "cryofocus.workflows.placed_masks",
    "FitSettings": "cryofocus.maps.align",
    "FocusMask": "cryofocus.data.mask",
    "FocusedClassifier": "cryofocus.inference.classifier",
    "FscSettings": "cryofocus.workflows.fsc",
    "HumanoidSettings": "cryofocus.simulate.settings",
    "ImageReader": "cryofocus.data.images",
    "ModelMaskSettings": "cryofocus.workflows.make_mask",
    "ModelSettings": "cryofocus.simulate.model_states",
    "OperatorSet": "cryofocus.maths.symmetry",
    "ParticleSet": "cryofocus.data.particles",
    "PlaceSettings": "cryofocus.report.place.page",
    "RigidTransform": "cryofocus.maps.rigid",
    "SubtractSettings": "cryofocus.workflows.subtract.inputs",
    "Supplement": "cryofocus.data.particle_table",
    "ThresholdMaskSettings": "cryofocus.workflows.make_mask",
    "VarianceMaskSettings": "cryofocus.workflows.make_mask",
    "VarianceSettings": "cryofocus.workflows.variance.inputs",
    "align_combine": "cryofocus.workflows.align.combine",
    "align_refine": "cryofocus.workflows.align.refine",
    "align_search": "cryofocus.workflows.align.search",
    "classify": "cryofocus.workflows.classify.run",
    "collapse": "cryofocus.workflows.collapse",
    "convert": "cryofocus.workflows.convert",
    "covary": "cryofocus.workflows.covary.run",
    "diffmap": "cryofocus.workflows.diffmap",
    "diffmap_run": "cryofocus.workflows.diffmap_run",
    "evaluate": "cryofocus.workflows.evaluate",
    "expand": "cryofocus.workflows.expand",
    "fit": "cryofocus.workflows.fit",
    "fit_rigid": "cryofocus.maps.align",
    "fsc": "cryofocus.workflows.fsc",
    "make_ellipsoid_mask": "cryofocus.workflows.placed_masks",
    "make_marker_mask": "cryofocus.workflows.placed_masks",
    "make_model_mask": "cryofocus.workflows.make_mask",
    "make_sphere_mask": "cryofocus.workflows.make_mask",
    "make_threshold_mask": "cryofocus.workflows.make_mask",
    "make_variance_mask": "cryofocus.workflows.make_mask",
    "merge": "cryofocus.workflows.diffmap",
    "place_mask": "cryofocus.report.place.page",
    "reconstruct": "cryofocus.workflows.reconstruct",
    "revert": "cryofocus.workflows.subtract.table",
    "select": "cryofocus.workflows.select",
    "select_kernels": "cryofocus.kernels.select",
    "simulate_humanoid": "cryofocus.workflows.simulate.humanoid",
    "simulate_models": "cryofocus.workflows.simulate.model",
    "subtract": "cryofocus.workflows.subtract.run",
    "variance": "cryofocus.workflows.variance.run",
    "write_covary_report": "cryofocus.report.analyses.covary",
    "write_power_figure": "cryofocus.report.analyses.subtraction",
    "write_report": "cryofocus.report.run.page",
    "write_variance_figures": "cryofocus.report.analyses.variance_figures",
}

if TYPE_CHECKING:
    from cryofocus.data.images import ImageReader
    from cryofocus.data.markers import Ellipsoid
    from cryofocus.data.mask import FocusMask
    from cryofocus.data.particle_table import Supplement
    from cryofocus.data.particles import ParticleSet
    from cryofocus.inference.classifier import ClassificationResult, FocusedClassifier
    from cryofocus.inference.settings import ClassifierSettings
    from cryofocus.kernels.select import select_kernels
    from cryofocus.maps.align import FitSettings, fit_rigid
    from cryofocus.maps.rigid import RigidTransform
    from cryofocus.maths.symmetry import OperatorSet
    from cryofocus.report.analyses.covary import write_covary_report
    from cryofocus.report.analyses.subtraction import write_power_figure
    from cryofocus.report.analyses.variance_figures import write_variance_figures
    from cryofocus.report.place.page import PlaceSettings, place_mask
    from cryofocus.report.run.page import write_report
    from cryofocus.simulate.model_states import ModelSettings
    from cryofocus.simulate.settings import HumanoidSettings
    from cryofocus.workflows.align.combine import align_combine
    from cryofocus.workflows.align.refine import AlignRefineSettings, align_refine
    from cryofocus.workflows.align.search import align_search
    from cryofocus.workflows.align.search_inputs import AlignSearchSettings
    from cryofocus.workflows.classify.request import ClassifyRequest
    from cryofocus.workflows.classify.run import classify
    from cryofocus.workflows.collapse import collapse
    from cryofocus.workflows.convert import ConvertSettings, convert
    from cryofocus.workflows.covary.inputs import CovarySettings
    from cryofocus.workflows.covary.run import covary
    from cryofocus.workflows.diffmap import DiffmapSettings, diffmap, merge
    from cryofocus.workflows.diffmap_run import diffmap_run
    from cryofocus.workflows.evaluate import evaluate
    from cryofocus.workflows.expand import expand
    from cryofocus.workflows.fit import fit
    from cryofocus.workflows.fsc import FscSettings, fsc
    from cryofocus.workflows.make_mask import (
        ModelMaskSettings,
        ThresholdMaskSettings,
        VarianceMaskSettings,
        make_model_mask,
        make_sphere_mask,
        make_threshold_mask,
        make_variance_mask,
    )
    from cryofocus.workflows.placed_masks import make_ellipsoid_mask, make_marker_mask
    from cryofocus.workflows.reconstruct import reconstruct
    from cryofocus.workflows.select import select
    from cryofocus.workflows.simulate.humanoid import simulate_humanoid
    from cryofocus.workflows.simulate.model import simulate_models
    from cryofocus.workflows.subtract.inputs import SubtractSettings
    from cryofocus.workflows.subtract.run import subtract
    from cryofocus.workflows.subtract.table import revert
    from cryofocus.workflows.variance.inputs import VarianceSettings
    from cryofocus.workflows.variance.run import variance


def __getattr__(name: str) -> object:
    """Load a public name from the module it lives in."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'cryofocus' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names without loading them."""
    return [*__all__, "__version__"]
