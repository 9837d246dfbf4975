"""Optics groups: what particles of one imaging session share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from cryofocus.maths.ctf import Microscope


@dataclass(frozen=True)
class OpticsGroup:
    """One row of the optics table.

    Attributes:
        number: As in the table, from 1.
        name: As in the table.
        pixel_size_angstrom: Å per pixel of the images on disk.
        box: Edge of the images on disk in pixels; 0 if the table does not say.
        microscope: Voltage, aberrations, magnification.
        ctf_premultiplied: Whether images were multiplied by their CTF before they were written.
    """

    number: int
    name: str
    pixel_size_angstrom: float
    box: int
    microscope: Microscope
    ctf_premultiplied: bool

    def __post_init__(self) -> None:
        if not (self.pixel_size_angstrom > 0 and math.isfinite(self.pixel_size_angstrom)):
            raise ValueError(
                f"pixel size {self.pixel_size_angstrom} Å; expected a positive number"
            )


GroupsOfParticles = tuple[tuple[OpticsGroup, ...], Int[np.ndarray, " n"]]
