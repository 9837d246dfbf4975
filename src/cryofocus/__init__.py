"""Focused classification of single-particle cryo-EM images.

The names below are the public interface of the package; each is loaded when it is first used, so
that importing cryofocus costs nothing.

Examples
--------
>>> from cryofocus import ClassifierSettings, FocusedClassifier, FocusMask, ParticleSet
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

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
    "AlignRefineSettings": "cryofocus.workflows.align_refine",
    "AlignSearchSettings": "cryofocus.workflows.align_search_inputs",
    "ClassificationResult": "cryofocus.inference.classifier",
    "ClassifierSettings": "cryofocus.inference.settings",
    "ClassifyRequest": "cryofocus.workflows.classify_request",
    "ConvertSettings": "cryofocus.workflows.convert",
    "CovarySettings": "cryofocus.workflows.covary_inputs",
    "DiffmapSettings": "cryofocus.workflows.diffmap",
    "Ellipsoid": "cryofocus.workflows.place_mask",
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
    "PlaceSettings": "cryofocus.report.place_page",
    "RigidTransform": "cryofocus.maps.rigid",
    "SubtractSettings": "cryofocus.workflows.subtract_inputs",
    "Supplement": "cryofocus.data.particle_table",
    "ThresholdMaskSettings": "cryofocus.workflows.make_mask",
    "VarianceMaskSettings": "cryofocus.workflows.make_mask",
    "VarianceSettings": "cryofocus.workflows.variance_inputs",
    "align_combine": "cryofocus.workflows.align_combine",
    "align_refine": "cryofocus.workflows.align_refine",
    "align_search": "cryofocus.workflows.align_search",
    "classify": "cryofocus.workflows.classify",
    "collapse": "cryofocus.workflows.collapse",
    "convert": "cryofocus.workflows.convert",
    "covary": "cryofocus.workflows.covary",
    "diffmap": "cryofocus.workflows.diffmap",
    "diffmap_run": "cryofocus.workflows.diffmap_run",
    "evaluate": "cryofocus.workflows.evaluate",
    "expand": "cryofocus.workflows.expand",
    "fit": "cryofocus.workflows.fit",
    "fit_rigid": "cryofocus.maps.align",
    "fsc": "cryofocus.workflows.fsc",
    "make_ellipsoid_mask": "cryofocus.workflows.place_mask",
    "make_marker_mask": "cryofocus.workflows.place_mask",
    "make_model_mask": "cryofocus.workflows.make_mask",
    "make_sphere_mask": "cryofocus.workflows.make_mask",
    "make_threshold_mask": "cryofocus.workflows.make_mask",
    "make_variance_mask": "cryofocus.workflows.make_mask",
    "merge": "cryofocus.workflows.diffmap",
    "place_mask": "cryofocus.report.place_page",
    "reconstruct": "cryofocus.workflows.reconstruct",
    "revert": "cryofocus.workflows.subtract_table",
    "select": "cryofocus.workflows.select",
    "select_kernels": "cryofocus.kernels.select",
    "simulate_humanoid": "cryofocus.workflows.simulate",
    "simulate_models": "cryofocus.workflows.simulate_model",
    "subtract": "cryofocus.workflows.subtract",
    "variance": "cryofocus.workflows.variance",
    "write_covary_report": "cryofocus.report.covary",
    "write_power_figure": "cryofocus.report.subtraction",
    "write_report": "cryofocus.report.page",
    "write_variance_figures": "cryofocus.report.variance_figures",
}

if TYPE_CHECKING:
    from cryofocus.data.images import ImageReader
    from cryofocus.data.mask import FocusMask
    from cryofocus.data.particle_table import Supplement
    from cryofocus.data.particles import ParticleSet
    from cryofocus.inference.classifier import ClassificationResult, FocusedClassifier
    from cryofocus.inference.settings import ClassifierSettings
    from cryofocus.kernels.select import select_kernels
    from cryofocus.maps.align import FitSettings, fit_rigid
    from cryofocus.maps.rigid import RigidTransform
    from cryofocus.maths.symmetry import OperatorSet
    from cryofocus.report.covary import write_covary_report
    from cryofocus.report.page import write_report
    from cryofocus.report.place_page import PlaceSettings, place_mask
    from cryofocus.report.subtraction import write_power_figure
    from cryofocus.report.variance_figures import write_variance_figures
    from cryofocus.simulate.model_states import ModelSettings
    from cryofocus.simulate.settings import HumanoidSettings
    from cryofocus.workflows.align_combine import align_combine
    from cryofocus.workflows.align_refine import AlignRefineSettings, align_refine
    from cryofocus.workflows.align_search import align_search
    from cryofocus.workflows.align_search_inputs import AlignSearchSettings
    from cryofocus.workflows.classify import classify
    from cryofocus.workflows.classify_request import ClassifyRequest
    from cryofocus.workflows.collapse import collapse
    from cryofocus.workflows.convert import ConvertSettings, convert
    from cryofocus.workflows.covary import covary
    from cryofocus.workflows.covary_inputs import CovarySettings
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
    from cryofocus.workflows.place_mask import (
        Ellipsoid,
        make_ellipsoid_mask,
        make_marker_mask,
    )
    from cryofocus.workflows.reconstruct import reconstruct
    from cryofocus.workflows.select import select
    from cryofocus.workflows.simulate import simulate_humanoid
    from cryofocus.workflows.simulate_model import simulate_models
    from cryofocus.workflows.subtract import subtract
    from cryofocus.workflows.subtract_inputs import SubtractSettings
    from cryofocus.workflows.subtract_table import revert
    from cryofocus.workflows.variance import variance
    from cryofocus.workflows.variance_inputs import VarianceSettings


def __getattr__(name: str) -> object:
    """Load a public name from the module it lives in."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'cryofocus' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names without loading them."""
    return [*__all__, "__version__"]
