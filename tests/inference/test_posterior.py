"""Posteriors and evidence of classes, beside their formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from cryofocus.inference import posterior
from cryofocus.inference.posterior import class_posteriors


@pytest.mark.parametrize("n_classes", [1, 2, 11])
@pytest.mark.parametrize("at_once", [7, 20, 4096])
def test_posteriors_and_evidence(
    n_classes: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In parts of any size, and where likelihoods are far too small for their exponentials."""
    monkeypatch.setattr(posterior, "PARTICLES_AT_ONCE", at_once)
    rng = np.random.default_rng(n_classes)
    log_likelihood = 300.0 * rng.standard_normal((20, n_classes)) - 5000.0
    weights = rng.dirichlet(np.ones(n_classes))
    before = log_likelihood.copy()
    posteriors, log_evidence = class_posteriors(log_likelihood, weights)
    joint = before + np.log(weights)
    np.testing.assert_allclose(posteriors, softmax(joint, axis=1), atol=1e-12)
    np.testing.assert_allclose(log_evidence, logsumexp(joint, axis=1), rtol=1e-12)
    np.testing.assert_array_equal(log_likelihood, before)
    assert posteriors.flags.c_contiguous
