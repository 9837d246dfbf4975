"""What a classification counts: the copies of an expanded set, otherwise particles."""

from __future__ import annotations

from cryofocus.inference.result import ClassificationResult


def counted(result: ClassificationResult) -> str:
    """Name what the posteriors are of."""
    expansion = result.consensus.images.particles.expansion
    return "particles" if expansion is None else "copies"
