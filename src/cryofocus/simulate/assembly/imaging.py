"""How the images of ribosomes are formed: exact projections, transfer, coloured noise.

    image = scale (colour * (CTF (projection * transfer / colour + first noise) + second noise))

where `*` multiplies transforms. `transfer` is what becomes of the density beside the CTF: a
fall-off towards fine detail, and nothing of what is coarser than the particle, because the
background of every image is brought to zero. Hence the soft, negative surroundings of real maps.
Both layers of noise are white before they are coloured. Images are dark where there is density,
and normalised by their background, as extracted particles are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex64, Float32, Float64
from scipy.optimize import brentq

from cryofocus.maths.fourier import forward_2d, hermitian_weights, inverse_2d
from cryofocus.maths.grids import frequency_grid_2d
from cryofocus.simulate.assembly.ribosome import BODIES, Beads, read_ribosome
from cryofocus.simulate.assembly.settings import AssemblySettings
from cryofocus.simulate.assembly.specimens import Assemblies, draw_assemblies
from cryofocus.simulate.assembly.states import all_states, part_amplitudes
from cryofocus.simulate.image_formation import Camera, NoiseLevels, chunk_ctf, chunks, form_images
from cryofocus.simulate.projection import project_parts

# The noise's power: 1 + RISE / (1 + (s WIDTH)^2), rising towards low frequencies.
NOISE_RISE, NOISE_WIDTH_ANGSTROM = 6.0, 40.0
# Pixels beyond this part of the box are background.
BACKGROUND_RADIUS = 0.43
# Particles on which the level of the noise is measured.
SAMPLE = 256


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

    def project(self, rows: slice) -> Complex64[np.ndarray, "n parts box half"]:
        """Project every part where it is in some particles, times the transfer."""
        camera, specimens = self.camera, self.specimens
        rotation, shift = specimens.rotation[rows], specimens.shift_angstrom[rows]
        placed = specimens.placements(rows)
        projections = []
        for body, names in BODIES.items():
            pose = rotation, shift
            if body in placed:
                moved = np.einsum("nij,nj->ni", rotation, placed[body].shift_angstrom)
                pose = rotation @ placed[body].rotation, shift - moved[:, :2]
            sampling = camera.box, camera.pixel_size_angstrom
            projections.append(project_parts(self.ribosome.take(names), *pose, *sampling))
        parts = np.concatenate(projections, axis=1)
        parts *= transfer(_frequency(camera), self.settings)
        return np.asarray(parts)

    def shown(
        self, parts: Complex64[np.ndarray, "n parts box half"], rows: slice
    ) -> Complex64[np.ndarray, "n box half"]:
        """Add up what each particle shows, at its intensity."""
        specimens = self.specimens
        amounts = specimens.parts[rows] * specimens.intensity[rows, None].astype(np.float32)
        return np.asarray(np.einsum("np,npyx->nyx", amounts, parts))

    def form(
        self, signal: Complex64[np.ndarray, "n box half"], rows: slice
    ) -> Float32[np.ndarray, "n box box"]:
        """Form images of some particles: light where there is density, not yet normalised."""
        ctf = chunk_ctf(self.specimens, self.camera, rows)
        rng = self.settings.acquisition().noise_generator(rows.start)
        tint = colour(self.camera)
        white = form_images(signal / tint, ctf, self.noise, rng)
        return np.asarray(inverse_2d(forward_2d(white) * tint, self.camera.box), np.float32)

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
    """Return what becomes of the density beside the CTF, at frequencies in 1/Å."""
    fall_off = np.exp(-settings.b_factor_square_angstrom * frequency**2 / 4)
    lost = np.exp(-((frequency * settings.highpass_angstrom) ** 2) / 2)
    return np.asarray(fall_off * (1 - lost), np.float32)


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
        signal = imaging.shown(imaging.project(rows), rows)
        signal[:, 0, 0] = 0
        power = (signal.real**2 + signal.imag**2) * ctf_square * weight
        powers.append(power.sum(axis=(1, 2), dtype=np.float64) / camera.box**2)
        passed.append(np.sum(ctf_square * colour(camera) ** 2 * weight, axis=(1, 2)))
    return np.concatenate(powers), float(np.concatenate(passed).mean())
