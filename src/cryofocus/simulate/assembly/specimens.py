"""What every particle of a set truly is: state, motion, view, intensity, and if it is junk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from cryofocus.maths.ctf import CtfParameters
from cryofocus.maths.rotations import rotation_from_euler
from cryofocus.simulate.assembly.ribosome import (
    BODIES,
    PARTS,
    Placement,
    place_bodies,
    read_motion,
)
from cryofocus.simulate.assembly.settings import AssemblySettings
from cryofocus.simulate.assembly.states import all_states, part_amplitudes
from cryofocus.simulate.image_formation import Views

# The small subunit rests or has turned, a little more or less: fractions of the whole turn.
RATCHET_PLACES, RATCHET_SHARES, RATCHET_SD = np.array([0.1, 0.9]), (0.55, 0.45), 0.12
SWING_SD_DEGREES = 4.0
# Half of the turn, the head in the middle of its swing.
CENTRAL_RATCHET = 0.5
# Axes along which the preferred views look, and how far around them (radians).
PREFERRED_VIEWS = np.array([[0.0, 0.6, 0.8], [0.8, -0.6, 0.0], [-0.5, -0.5, -0.7]])
PREFERRED_SPREAD = 0.35
WRONG_DEFOCUS_ANGSTROM = (4_000.0, 9_000.0)


class Junk(IntEnum):
    """What is wrong with a particle."""

    NOTHING = 0
    EMPTY = 1  # noise, and nothing else
    BROKEN = 2  # one of the two subunits alone
    WRONG_CTF = 3  # its defocus in particles.star is wrong


@dataclass(frozen=True)
class Assemblies(Views):
    """What every particle of a set of ribosomes truly is, and how it was imaged.

    Attributes:
        state: Index into `states.all_states`.
        parts: How much of each of `ribosome.PARTS` is there: 0 or 1.
        ratchet_degrees: How far the small subunit's body has turned.
        swing_degrees: How far its head swings beside that.
        intensity: Multiplies the particle's image.
        junk: What is wrong, of `Junk`.
        told_ctf: CTF parameters that particles.star tells; wrong for some junk.
    """

    state: Int64[np.ndarray, " n"]
    parts: Float32[np.ndarray, "n parts"]
    ratchet_degrees: Float64[np.ndarray, " n"]
    swing_degrees: Float64[np.ndarray, " n"]
    intensity: Float64[np.ndarray, " n"]
    junk: Int64[np.ndarray, " n"]
    told_ctf: CtfParameters

    @property
    def told(self) -> Views:
        """The same views with the CTF parameters that particles.star tells."""
        return Views(self.euler_degrees, self.rotation, self.shift_angstrom, self.told_ctf)

    def shows(self, part: str) -> Bool[np.ndarray, " n"]:
        """Return whether each particle truly shows a part."""
        return self.parts[:, PARTS.index(part)] > 0

    def placements(self, rows: slice) -> dict[str, Placement]:
        """Return where body and head are in some particles."""
        return place_bodies(self.ratchet_degrees[rows], self.swing_degrees[rows])


def draw_assemblies(settings: AssemblySettings) -> Assemblies:
    """Draw everything about all particles."""
    n, views = settings.particles, _prefer_views(settings.acquisition().draw_views(), settings)
    states, shares = all_states()
    state = _generator(settings, "state").choice(len(states), size=n, p=shares)
    junk = _draw_junk(settings)
    # The microscope's defocus is what it is; the table is what may be wrong.
    told = _misread(views.ctf, junk == Junk.WRONG_CTF, settings)
    ratchet, swing = _draw_motion(settings)
    return Assemblies(
        euler_degrees=views.euler_degrees,
        rotation=views.rotation,
        shift_angstrom=views.shift_angstrom,
        ctf=views.ctf,
        state=state,
        parts=_break(part_amplitudes(states[state]), junk, settings),
        ratchet_degrees=ratchet,
        swing_degrees=swing,
        intensity=1.0 + settings.intensity_sd * _generator(settings, "intensity").normal(size=n),
        junk=junk,
        told_ctf=told,
    )


def central_motion() -> dict[str, Placement]:
    """Return where body and head are in the maps of the states."""
    ratchet = CENTRAL_RATCHET * read_motion()["body"].angle_degrees
    return place_bodies(np.array([ratchet]), np.zeros(1))


# Streams of random numbers beside those of `AcquisitionSettings`, which end at 5.
_STREAMS = {"state": 0, "motion": 6, "junk": 7, "intensity": 8, "view": 9, "break": 10, "ctf": 11}


def _generator(settings: AssemblySettings, what: str) -> np.random.Generator:
    seeds = np.random.SeedSequence(settings.seed, spawn_key=(_STREAMS[what],))
    return np.random.default_rng(seeds)


def _prefer_views(views: Views, settings: AssemblySettings) -> Views:
    """Turn a share of the particles so that they look along one of the preferred axes."""
    rng, n = _generator(settings, "view"), len(views)
    is_preferred = rng.random(n) < settings.preferred_share
    axis = PREFERRED_VIEWS[rng.integers(len(PREFERRED_VIEWS), size=n)]
    axis = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    axis = axis + PREFERRED_SPREAD * rng.normal(size=(n, 3))
    rot = np.degrees(np.arctan2(axis[:, 1], axis[:, 0]))
    tilt = np.degrees(np.arctan2(np.hypot(axis[:, 0], axis[:, 1]), axis[:, 2]))
    along = np.stack([rot, tilt, views.euler_degrees[:, 2]], axis=1)
    euler = np.where(is_preferred[:, None], along, views.euler_degrees)
    return replace(views, euler_degrees=euler, rotation=rotation_from_euler(euler))


def _draw_motion(
    settings: AssemblySettings,
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Draw how far body and head have moved, around what is central."""
    rng, n = _generator(settings, "motion"), settings.particles
    place = RATCHET_PLACES[rng.choice(len(RATCHET_PLACES), size=n, p=RATCHET_SHARES)]
    away = place + RATCHET_SD * rng.normal(size=n) - CENTRAL_RATCHET
    fraction = CENTRAL_RATCHET + settings.motion * away
    swing = settings.motion * SWING_SD_DEGREES * rng.normal(size=n)
    return fraction * read_motion()["body"].angle_degrees, swing


def _draw_junk(settings: AssemblySettings) -> Int64[np.ndarray, " n"]:
    rng, n = _generator(settings, "junk"), settings.particles
    kind = rng.integers(Junk.EMPTY, Junk.WRONG_CTF + 1, size=n)
    return np.where(rng.random(n) < settings.junk_share, kind, Junk.NOTHING)


def _break(
    parts: Float32[np.ndarray, "n parts"],
    junk: Int64[np.ndarray, " n"],
    settings: AssemblySettings,
) -> Float32[np.ndarray, "n parts"]:
    """Take everything out of empty particles, and one subunit out of broken ones."""
    small = np.isin(PARTS, BODIES["body"] + BODIES["head"])
    loses_small = _generator(settings, "break").random(len(junk)) < 0.5
    left = np.where(loses_small[:, None], ~small, small)
    left = (left | (junk != Junk.BROKEN)[:, None]) & (junk != Junk.EMPTY)[:, None]
    return np.asarray(parts * left, np.float32)


def _misread(
    ctf: CtfParameters, is_wrong: Bool[np.ndarray, " n"], settings: AssemblySettings
) -> CtfParameters:
    """Make the defocus of some particles wrong, either way where that leaves it positive."""
    rng, n = _generator(settings, "ctf"), len(ctf)
    error = rng.uniform(*WRONG_DEFOCUS_ANGSTROM, size=n) * rng.choice([-1.0, 1.0], size=n)
    mean = (ctf.defocus_u_angstrom + ctf.defocus_v_angstrom) / 2
    error = np.where(mean + error < settings.defocus_min_angstrom, np.abs(error), error)
    moved = np.where(is_wrong, error, 0.0)
    return replace(
        ctf,
        defocus_u_angstrom=ctf.defocus_u_angstrom + moved,
        defocus_v_angstrom=ctf.defocus_v_angstrom + moved,
    )
