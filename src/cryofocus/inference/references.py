"""Maps given to start from, brought onto the grey scale of the consensus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cryofocus.arrays import Volume
from cryofocus.maths.filters import filter_shells
from cryofocus.maths.fourier import forward_3d, hermitian_weights
from cryofocus.maths.grids import shell_index_3d


def scale_references(references: Sequence[Volume], consensus: Volume) -> list[Volume]:
    """Scale every shell of some maps such that their mean fits the consensus.

    Maps of other programs come in other grey scales, sharpened or not. All maps are multiplied
    by one curve over shells, the least-squares fit of their mean to the consensus, so that what
    differs between them keeps its proportion; a shell in which they do not agree with the
    consensus is left out.
    """
    if not references:
        return []
    box = consensus.shape[0]
    mean = forward_3d(np.asarray(np.mean(references, axis=0), np.float32))
    target = forward_3d(consensus)
    weights = hermitian_weights(box)
    shells = np.minimum(shell_index_3d(box), box // 2).ravel()
    cross = np.bincount(shells, ((mean.conj() * target).real * weights).ravel())
    power = np.bincount(shells, ((mean.real**2 + mean.imag**2) * weights).ravel())
    curve = np.maximum(cross, 0) / np.maximum(power, np.finfo(np.float32).tiny)
    return [np.asarray(filter_shells(volume, curve), np.float32) for volume in references]
