"""Names of the files of `cryofocus variance`, for those who write them and those who read them."""

from __future__ import annotations

SUMMARY = "variance.json"
VARIANCE, BOOTSTRAP, CONSENSUS = "variance.mrc", "bootstrap_variance.mrc", "consensus.mrc"
REGIONS, PEAKS = "regions.csv", "peaks.csv"
LATENT, LATENT_VARIANCE = "latent.npy", "latent_variance.npy"
