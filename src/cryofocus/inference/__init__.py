"""The algorithm in reading order: consensus, focus, subspace, likelihood, maps, EM."""
