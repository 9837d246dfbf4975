"""The memory that a classification says it will take."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest

from cryofocus.consensus.ground import Ground
from cryofocus.execution.monitor import SilentMonitor
from cryofocus.inference.deviations.focus import FocusBox, FocusPlan
from cryofocus.inference.expected_memory import (
    expected_memory_gb,
    log_memory,
    statistics_bytes,
)
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.kernels.cpu import CpuKernels
from planted import KERNELS, N_SHELLS, plant, prepare

SETTINGS = ClassifierSettings(n_classes=3)


def make_ground() -> Ground:
    """Return what the planted set stands on."""
    planted = plant()
    _, consensus = prepare(planted)
    half_set = np.ones(len(planted.labels), np.int8)
    return Ground(consensus, planted.mask, half_set, N_SHELLS, KERNELS, SilentMonitor())


def test_statistics_are_those_that_will_be_kept() -> None:
    """The bytes are those of the small box and of early cycles, half as many in 16 bits.

    The strategy mask2d keeps whole images.
    """
    ground, n = make_ground(), len(plant().labels)
    box = FocusBox.around(ground.mask.data, ground.mask.voxel_size_angstrom, N_SHELLS)
    plain = statistics_bytes(ground, SETTINGS)
    coarse = prepare(plant())[0].coarsened()
    assert coarse is not None
    band = box.band(N_SHELLS)
    share = len(coarse.statistics.band) / len(band)
    assert plain == pytest.approx(FocusPlan(box, N_SHELLS).n_bytes(n, 1) * (1 + share), rel=0.1)
    in_half = ClassifierSettings(n_classes=3, storage="bfloat16")
    assert statistics_bytes(ground, in_half) == pytest.approx(plain / 2, abs=1)
    assert statistics_bytes(ground, ClassifierSettings(n_classes=3, strategy="mask2d")) > plain


def test_what_the_consensus_took_counts() -> None:
    """A consensus made in a wide band takes more than what follows in a narrow one."""
    ground = make_ground()
    assert 0 < ground.consensus.made_gb < expected_memory_gb(ground, SETTINGS)
    wide = replace(ground, consensus=replace(ground.consensus, made_gb=7.0))
    assert expected_memory_gb(wide, SETTINGS) == 7.0


def test_what_exceeds_the_memory_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    """More classes take more, but not more than is allowed: the rest lies on disk."""
    ground = make_ground()
    few = expected_memory_gb(ground, SETTINGS)
    assert expected_memory_gb(ground, ClassifierSettings(n_classes=2000)) > few
    bounded = replace(ground, kernels=CpuKernels(1, memory_gb=few))
    assert expected_memory_gb(bounded, ClassifierSettings(n_classes=2000)) == pytest.approx(few)
    with caplog.at_level(logging.INFO):
        log_memory(bounded, SETTINGS)
    assert f"memory: about {few:.2f} GB of the {few:.3g} GB allowed" in caplog.text
