"""How the images of ribosomes are formed: exact projections, transfer, coloured noise.

    image = scale (colour * (CTF (projection * transfer / colour + first noise) + second noise))

where `*` multiplies transforms. Beside the CTF, density falls off towards fine detail, as if beads
were wider; and by `transfer` nothing is left of what is coarser than the particle, because the
background of every image is brought to zero. Hence the soft, negative surroundings of real maps.
Both layers of noise are white before they are coloured. Images are dark where there is density,
and normalised by their background, as extracted particles are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Complex64, Float32, Float64
from scipy.optimize import brentq

from cryofocus.maths.fourier import forward_2d, hermitian_weights, inverse_2d
from cryofocus.maths.grids import frequency_grid_2d
from cryofocus.simulate.assembly.ribosome import BODIES, PARTS, Beads, read_ribosome
from cryofocus.simulate.assembly.settings import AssemblySettings
from cryofocus.simulate.assembly.specimens import Assemblies, draw_assemblies
from cryofocus.simulate.assembly.states import all_states, part_amplitudes
from cryofocus.simulate.image_formation import Camera, NoiseLevels, chunk_ctf, chunks, form_images
from cryofocus.simulate.projection import project_parts, project_states

# The noise's power: 1 + RISE / (1 + (s WIDTH)^2), rising towards low frequencies.
NOISE_RISE, NOISE_WIDTH_ANGSTROM = 6.0, 40.0
# Pixels beyond this part of the box are background.
BACKGROUND_RADIUS = 0.43
# Particles on which the level of the noise is measured.
SAMPLE = 256

Pose = tuple[Float64[np.ndarray, "n 3 3"], Float64[np.ndarray, "n 2"]]


@dataclass(frozen=True, eq=False)
class Imaging:
    """What the images of a set are made from.

    Attributes:
        ribosome: Beads, on the scale of the images.
        specimens: What the particles are.
        settings: Parameters of the set.
        camera: Sampling and optics.
        noise: White layers of noise, before they are coloured.
    """

    ribosome: Beads
    specimens: Assemblies
    settings: AssemblySettings
    camera: Camera
    noise: NoiseLevels

    @cached_property
    def scattering(self) -> Beads:
        """The beads as they are imaged, with the fall-off of the density."""
        return self.ribosome.blurred(self.settings.b_factor_square_angstrom)

    def project(self, rows: slice) -> Complex64[np.ndarray, "n parts box half"]:
        """Project every part where it is in some particles, times the transfer."""
        sampling = self.camera.box, self.camera.pixel_size_angstrom
        projections = [
            project_parts(self.scattering.take(names), *pose, *sampling)
            for names, pose in self._bodies(rows)
        ]
        parts = np.concatenate(projections, axis=1)
        parts *= transfer(_frequency(self.camera), self.settings)
        return np.asarray(parts)

    def signal(self, rows: slice) -> Complex64[np.ndarray, "n box half"]:
        """Project what some particles show: `shown` of `project`, sooner."""
        camera, amounts = self.camera, self._amounts(rows)
        total = np.zeros((len(amounts), camera.box, camera.box // 2 + 1), np.complex64)
        for names, pose in self._bodies(rows):
            chosen = amounts[:, [PARTS.index(name) for name in names]]
            beads = self.scattering.take(names)
            total += project_states(beads, chosen, pose, camera.box, camera.pixel_size_angstrom)
        total *= transfer(_frequency(camera), self.settings)
        return total

    def shown(
        self, parts: Complex64[np.ndarray, "n parts box half"], rows: slice
    ) -> Complex64[np.ndarray, "n box half"]:
        """Add up what each particle shows, at its intensity."""
        return np.asarray(np.einsum("np,npyx->nyx", self._amounts(rows), parts))

    def form(
        self, signal: Complex64[np.ndarray, "n box half"], rows: slice
    ) -> Float32[np.ndarray, "n box box"]:
        """Form images of some particles: light where there is density, not yet normalised."""
        ctf = chunk_ctf(self.specimens, self.camera, rows)
        rng = self.settings.acquisition().noise_generator(rows.start)
        tint = colour(self.camera)
        white = form_images(signal / tint, ctf, self.noise, rng)
        return np.asarray(inverse_2d(forward_2d(white) * tint, self.camera.box), np.float32)

    def _amounts(self, rows: slice) -> Float32[np.ndarray, "n parts"]:
        """Return how much of each part some images show."""
        intensity = self.specimens.intensity[rows, None].astype(np.float32)
        return np.asarray(self.specimens.parts[rows] * intensity)

    def _bodies(self, rows: slice) -> Iterator[tuple[tuple[str, ...], Pose]]:
        """Yield the parts of each body, and its poses in some particles."""
        rotation, shift = self.specimens.rotation[rows], self.specimens.shift_angstrom[rows]
        placed = self.specimens.placements(rows)
        for body, names in BODIES.items():
            if body not in placed:
                yield names, (rotation, shift)
                continue
            moved = np.einsum("nij,nj->ni", rotation, placed[body].shift_angstrom)
            yield names, (rotation @ placed[body].rotation, shift - moved[:, :2])

    def told_ctf(self, rows: slice) -> Float32[np.ndarray, "n box half"]:
        """Return the CTF that particles.star tells of some particles."""
        return chunk_ctf(self.specimens.told, self.camera, rows)

    def noise_variance(
        self, ctf: Float32[np.ndarray, "n box half"]
    ) -> Float32[np.ndarray, "n box half"]:
        """Return the variance of the noise of each Fourier coefficient."""
        white = self.noise.coefficient_variance(ctf, self.camera.box)
        return np.asarray(white * colour(self.camera) ** 2)


def prepare(settings: AssemblySettings) -> Imaging:
    """Draw all particles, and bring density and noise to scale.

    All noise together has a mean pixel variance of one; the density is such that images correlate
    with their true projections as the settings say, on average over particles that are no junk.
    """
    specimens, camera = draw_assemblies(settings), settings.acquisition().camera()
    whole = replace(specimens, parts=part_amplitudes(all_states()[0][specimens.state]))
    raw = Imaging(read_ribosome(), whole, settings, camera, NoiseLevels(0.0, 0.0))
    signal, passed = _measure(raw)

    def excess(log_noise: float) -> float:
        return (
            float(np.mean(np.sqrt(signal / (signal + np.exp(log_noise))))) - settings.correlation
        )

    middle = float(np.log(signal.mean()))
    noise = float(np.exp(brentq(excess, middle - 20, middle + 20)))
    share = settings.ctf_noise_share
    levels = NoiseLevels(before_ctf=share / passed, after_ctf=1 - share)
    return Imaging(raw.ribosome.with_gain(noise**-0.5), specimens, settings, camera, levels)


def transfer(
    frequency: Float32[np.ndarray, "*grid"], settings: AssemblySettings
) -> Float32[np.ndarray, "*grid"]:
    """Return what is left of coarse density, at frequencies in 1/Å."""
    lost = np.exp(-((frequency * settings.highpass_angstrom) ** 2) / 2)
    return np.asarray(1 - lost, np.float32)


def colour(camera: Camera) -> Float32[np.ndarray, "box half"]:
    """Return the amplitude of the noise's spectrum; its mean square over the plane is 1."""
    square = 1 + NOISE_RISE / (1 + (_frequency(camera) * NOISE_WIDTH_ANGSTROM) ** 2)
    mean = np.sum(square * hermitian_weights(camera.box)) / camera.box**2
    return np.asarray(np.sqrt(square / mean), np.float32)


def normalise(images: Float32[np.ndarray, "n box box"]) -> Float32[np.ndarray, "n box box"]:
    """Bring every background to mean 0 and deviation 1, and make density dark."""
    box = images.shape[1]
    axis = np.arange(box) - box // 2
    is_background = np.hypot(axis[:, None], axis) > BACKGROUND_RADIUS * box
    background = images[:, is_background]
    mean = background.mean(axis=1)[:, None, None]
    deviation = background.std(axis=1)[:, None, None]
    return np.asarray((mean - images) / deviation, np.float32)


def _frequency(camera: Camera) -> Float32[np.ndarray, "box half"]:
    fx, fy = frequency_grid_2d(camera.box, camera.pixel_size_angstrom)
    return np.hypot(fx, fy)


def _measure(imaging: Imaging) -> tuple[Float64[np.ndarray, " sample"], float]:
    """Return the variance of each of some images without noise, and what the CTF lets pass.

    The latter is the part of white noise's variance that is left after CTF and colour.
    """
    camera = imaging.camera
    weight = hermitian_weights(camera.box) / camera.box**2
    powers, passed = [], []
    for rows in chunks(min(SAMPLE, len(imaging.specimens)), camera.box):
        ctf_square = chunk_ctf(imaging.specimens, camera, rows) ** 2
        signal = imaging.signal(rows)
        signal[:, 0, 0] = 0
        power = (signal.real**2 + signal.imag**2) * ctf_square * weight
        powers.append(power.sum(axis=(1, 2), dtype=np.float64) / camera.box**2)
        passed.append(np.sum(ctf_square * colour(camera) ** 2 * weight, axis=(1, 2)))
    return np.concatenate(powers), float(np.concatenate(passed).mean())
