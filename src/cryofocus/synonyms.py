"""What other programs call options, and what of theirs is not needed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MEANT: Mapping[str, tuple[str, ...]] = {
    "k": ("--classes",),
    "n-classes": ("--classes",),
    "nr-classes": ("--classes",),
    "num-classes": ("--classes",),
    "out": ("--output",),
    "o": ("--output",),
    "outdir": ("--output",),
    "sphere": ("--focus",),
    "radius": ("--focus",),
    "center": ("--focus",),
    "centre": ("--focus",),
    "mask": ("--mask", "--keep", "--regions", "--focus"),
    "region": ("--region", "--regions", "--focus", "--mask"),
    "regions": ("--regions", "--region"),
    "ref": ("--reference", "--references", "--map"),
    "reference": ("--reference", "--references", "--map"),
    "gpu": ("--device",),
    "cuda": ("--device",),
    "j": ("--threads",),
    "cpu": ("--threads",),
    "cpus": ("--threads",),
    "cores": ("--threads",),
    "workers": ("--cluster", "--threads"),
    "mem": ("--memory",),
    "ram": ("--memory",),
    "iter": ("--cycles", "--iterations"),
    "iterations": ("--cycles",),
    "epochs": ("--cycles",),
    "resolution": ("--max-resolution", "--map-resolution"),
    "highres": ("--max-resolution",),
    "ini-high": ("--max-resolution",),
    "lowpass": ("--lowpass", "--max-resolution"),
    "sym": ("--symmetry",),
    "angpix": ("--pixel-size",),
    "apix": ("--pixel-size",),
    "project-dir": ("--datadir",),
    "images": ("--datadir", "--stack"),
    "contrast": ("--invert",),
    "force": ("--overwrite",),
    "continue": ("--resume",),
    "restart": ("--resume",),
    "solvent": ("--solvent-mask",),
    "random-seed": ("--seed",),
    "model": ("--model", "--classes"),
}
"""Options by what other programs call them, or one would; the first that there is is meant."""

NOT_NEEDED: Mapping[str, str] = {
    **dict.fromkeys(
        ("i", "input", "particles", "star"), "The particle table is given without an option."
    ),
    **dict.fromkeys(
        ("tau2-fudge", "tau-fudge", "t", "lambda"),
        "How far classes may differ is learnt from the images; nothing has to be set.",
    ),
    **dict.fromkeys(
        ("particle-diameter", "mask-diameter", "zero-mask", "flatten-solvent"),
        "Images are not masked: what lies around the particle is judged as noise.",
    ),
    **dict.fromkeys(
        ("ctf", "ctf-intact-first-peak", "norm", "scale", "normalize"),
        "CTF, background and intensity are always taken into account.",
    ),
    **dict.fromkeys(
        ("skip-align", "no-align"), "Poses stay fixed unless --refine-poses is given."
    ),
    **dict.fromkeys(
        ("oversampling", "healpix-order", "offset-range", "offset-step", "sigma-ang", "perturb"),
        "Poses stay fixed; cryofocus align refine and classify --refine-poses move them.",
    ),
    **dict.fromkeys(
        (
            *("pool", "pad", "preread-images", "scratch-dir", "no-parallel-disc-io"),
            *("dont-combine-weights-via-disc", "firstiter-cc"),
        ),
        "Nothing has to be set for that.",
    ),
}
"""Options of other programs for what needs none here."""


def find_synonym(name: str, known: Iterable[str]) -> str | None:
    """Say of a word in a Python call which of the known is meant, or that none is needed.

    Examples:
        >>> find_synonym("K", ["classes", "focus"])
        'did you mean classes?'
    """
    word, names = name.lower().replace("_", "-"), set(known)
    options = (option.removeprefix("--").replace("-", "_") for option in MEANT.get(word, ()))
    meant = next((option for option in options if option in names), None)
    if meant is not None:
        return f"did you mean {meant}?"
    return f"and not needed. {NOT_NEEDED[word]}" if word in NOT_NEEDED else None
