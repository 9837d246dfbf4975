"""Optics groups: what particles of one imaging session share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from cryofocus.maths.ctf import CtfParameters, Microscope, ctf_on, phase_basis
from cryofocus.placement import Array, Send, namespace, stay

CtfShown = Literal["full", "flipped", "none"]
"""What of the CTF images show: all of it; its size, the phases being flipped; or nothing."""


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
        ctf_shown: What of the CTF images show.
        finest_angstrom: Finest detail that images hold where that is coarser than two pixels.
    """

    number: int
    name: str
    pixel_size_angstrom: float
    box: int
    microscope: Microscope
    ctf_premultiplied: bool
    ctf_shown: CtfShown = "full"
    finest_angstrom: float = 0.0

    def __post_init__(self) -> None:
        if not (self.pixel_size_angstrom > 0 and math.isfinite(self.pixel_size_angstrom)):
            raise ValueError(
                f"pixel size {self.pixel_size_angstrom} Å; expected a positive number"
            )
        if self.ctf_premultiplied and self.ctf_shown != "full":
            raise ValueError(
                "images are said to be multiplied by their CTF, and to be phase flipped or "
                "corrected for it; expected one of these"
            )

    @property
    def detail_angstrom(self) -> float:
        """Finest detail that the images hold."""
        return max(2 * self.pixel_size_angstrom, self.finest_angstrom)

    def evaluate_ctf(
        self, parameters: CtfParameters, box: int, pixel_size_angstrom: float, *, send: Send = stay
    ) -> Float[Array, "n box half"]:
        """Return what images show of their CTF; see `cryofocus.maths.ctf.evaluate_ctf`.

        Images that were corrected for it show a CTF of 1, without envelope and scale.

        Args:
            parameters: Of n particles of the group.
            box: Edge of the images in pixels.
            pixel_size_angstrom: Å per pixel.
            send: Brings arrays to where the CTF shall lie.
        """
        basis = phase_basis(self.microscope, box, pixel_size_angstrom)
        ctf = self.ctf_on(basis, parameters, send=send)
        return namespace(ctf).reshape(ctf, (len(parameters), box, box // 2 + 1))

    def ctf_on(
        self,
        basis: Float[np.ndarray, "5 point"],
        parameters: CtfParameters,
        *,
        send: Send = stay,
    ) -> Float[Array, "n point"]:
        """Return what images show of their CTF at the points of a basis (`maths.ctf.ctf_on`)."""
        ctf = ctf_on(basis, parameters, self.microscope, send=send)
        if self.ctf_shown == "full":
            return ctf
        xp = namespace(ctf)
        return xp.abs(ctf) if self.ctf_shown == "flipped" else xp.ones_like(ctf)


def describe_shown_ctf(optics: Iterable[OpticsGroup]) -> list[str]:
    """Say what a table without a word for it loses where images do not show their whole CTF."""
    shown = sorted({group.ctf_shown for group in optics} - {"full"})
    return [
        f"what of their CTF the images show; give --ctf {one} with the new table" for one in shown
    ]


GroupsOfParticles = tuple[tuple[OpticsGroup, ...], Int[np.ndarray, " n"]]
