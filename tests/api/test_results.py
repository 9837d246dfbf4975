"""What commands return to Python: summaries in words, and figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis_pages import NAMES, make_covary
from cryofocus import CovaryResult, CryofocusError, FscResult, VarianceResult
from cryofocus.maps.resolution import FscCurves
from cryofocus.workflows.covary.record import RECORD, CovaryRecord

CURVE = np.linspace(1.0, 0.0, 9)


@pytest.fixture
def covaried(tmp_path: Path) -> CovaryResult:
    """A covariance over classes, particles and units."""
    make_covary(tmp_path)
    return CovaryResult(tmp_path, CovaryRecord.read(tmp_path / RECORD))


def test_covariance_is_said_and_drawn(covaried: CovaryResult) -> None:
    """The summary has every matrix and the units; figures have a panel each."""
    lines = covaried.summary().splitlines()
    assert lines[0] == "Over 4 classes of 2 runs"
    assert "Over 300 particles, noise removed" in lines
    assert sum(line.lstrip().startswith(NAMES[0]) for line in lines) == 2 + 2
    assert lines[-1].startswith("Units, 180° apart: coupling 0.600")
    matrices, masses = covaried.plot_correlation(), covaried.plot_masses()
    assert len(matrices.axes) == 3
    assert [text.get_text() for text in masses.axes[0].get_xticklabels()] == list(NAMES)


def test_what_was_not_measured_is_not_drawn(covaried: CovaryResult, tmp_path: Path) -> None:
    """A figure of what there is not says what to ask for, in the words of Python."""
    alone = replace(covaried, record=covaried.record.model_copy(update={"class_level": None}))
    with pytest.raises(CryofocusError, match="three run directories"):
        alone.plot_masses()
    measured = FscResult(tmp_path, 16, 4.0, FscCurves(CURVE, None, None, CURVE, None), 9.0, 16.0)
    assert isinstance(measured.plot_curves(), Figure)
    with pytest.raises(CryofocusError, match=r"FscSettings\(directional=True\)"):
        measured.plot_directions()


def test_variance_is_drawn(tmp_path: Path) -> None:
    """Three views, and the particles along every axis; nothing to draw where nothing varies."""
    generator = np.random.default_rng(1)
    volume = generator.normal(size=(8, 8, 8)).astype(np.float32) ** 2
    found = VarianceResult(
        tmp_path,
        resolution_angstrom=20.0,
        consensus=volume,
        pixel_size_angstrom=4.0,
        variance=volume,
        bootstrap=None,
        peaks=(),
        axis_shares=np.array([0.6, 0.2]),
        information=np.ones(2),
        half_set_correlation=0.9,
        latent=generator.normal(size=(100, 2)),
        latent_variance=np.full((100, 2), 0.1),
        proposals=(),
    )
    assert len(repr(found)) < 400 + len(str(tmp_path))  # without what maps and coordinates hold
    assert len(found.plot_variance().axes[0].get_images()) == 3
    assert len(found.plot_latent().axes) == 3
    with pytest.raises(CryofocusError, match="none that vary"):
        replace(found, axis_shares=np.zeros(0)).plot_latent()
