"""How simulated particles are imaged, whatever they show: every parameter, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cryofocus.errors import SettingError
from cryofocus.maths.ctf import Microscope
from cryofocus.maths.rotations import (
    euler_from_rotation,
    random_rotations,
    rotation_from_euler,
)
from cryofocus.simulate.image_formation import Camera, Views, random_ctf, random_shifts

# Smallest allowed value of each number; True where the value itself is allowed.
_LIMITS = {
    "snr": (0.0, False),
    "particles": (1, True),
    "seed": (0, True),
    "box": (16, True),
    "pixel_size_angstrom": (0.0, False),
    "perturb_angle_degrees": (0.0, True),
    "perturb_shift_angstrom": (0.0, True),
    "shift_sd_angstrom": (0.0, True),
    "first_snr": (0.0, False),
    "b_factor_square_angstrom": (0.0, True),
    "defocus_min_angstrom": (0.0, False),
    "voltage_kilovolt": (0.0, False),
    "spherical_aberration_mm": (0.0, True),
    "amplitude_contrast": (0.0, True),
    "particles_per_micrograph": (1, True),
}


@dataclass(frozen=True)
class AcquisitionSettings:
    """Parameters of the images and their poses; the defaults are those of docs/humanoid.md.

    Attributes:
        snr: Final signal-to-noise ratio, averaged over the set.
        particles: Number of particles.
        seed: Seed of everything random. Sets that differ only in SNR or in the perturbation share
            their particles.
        box: Edge of the images in pixels.
        pixel_size_angstrom: Å per pixel of the images.
        perturb_angle_degrees: Standard deviation, per Euler angle, of the error of the poses
            written in particles.star.
        perturb_shift_angstrom: The same of their shifts, per axis.
        shift_sd_angstrom: Standard deviation of the true shifts per axis.
        first_snr: Signal-to-noise ratio of the noise layer before the CTF.
        b_factor_square_angstrom: Envelope exp(-B s^2 / 4).
        defocus_min_angstrom: Lower end of the uniformly drawn defocus.
        defocus_max_angstrom: Upper end.
        voltage_kilovolt: Acceleration voltage of the microscope.
        spherical_aberration_mm: Cs of the microscope.
        amplitude_contrast: Share of amplitude contrast.
        particles_per_micrograph: How many consecutive particles share a micrograph name and a half
            set.

    Raises:
        SettingError: When a number is out of its range.
    """

    snr: float = 0.1
    particles: int = 10_000
    seed: int = 1
    box: int = 80
    pixel_size_angstrom: float = 5.24
    perturb_angle_degrees: float = 0.0
    perturb_shift_angstrom: float = 0.0
    shift_sd_angstrom: float = 13.1
    first_snr: float = 1.4
    b_factor_square_angstrom: float = 100.0
    defocus_min_angstrom: float = 10_000.0
    defocus_max_angstrom: float = 30_000.0
    voltage_kilovolt: float = 300.0
    spherical_aberration_mm: float = 2.7
    amplitude_contrast: float = 0.07
    particles_per_micrograph: int = 100

    def __post_init__(self) -> None:
        for name, (lowest, inclusive) in _LIMITS.items():
            value = getattr(self, name)
            if not math.isfinite(value) or value < lowest or (value == lowest and not inclusive):
                bound = f"{'at least' if inclusive else 'more than'} {lowest}"
                raise SettingError(f"{name}: found {value}, expected {bound}")
        if self.amplitude_contrast > 1.0:
            raise SettingError(
                f"amplitude_contrast: found {self.amplitude_contrast}, expected 0 to 1"
            )
        if self.defocus_max_angstrom < self.defocus_min_angstrom:
            raise SettingError(
                f"defocus_max_angstrom: found {self.defocus_max_angstrom}, expected at least "
                f"defocus_min_angstrom, {self.defocus_min_angstrom}"
            )

    def camera(self) -> Camera:
        """Return sampling and optics."""
        microscope = Microscope(
            self.voltage_kilovolt, self.spherical_aberration_mm, self.amplitude_contrast
        )
        return Camera(self.box, self.pixel_size_angstrom, microscope)

    def draw_views(self) -> Views:
        """Draw poses, shifts and CTF parameters of all particles."""
        pose_rng, shift_rng, ctf_rng = self.generators()[1:4]
        euler = euler_from_rotation(random_rotations(self.particles, pose_rng))
        defocus = (self.defocus_min_angstrom, self.defocus_max_angstrom)
        return Views(
            euler_degrees=euler,
            rotation=rotation_from_euler(euler),
            shift_angstrom=random_shifts(self.particles, self.shift_sd_angstrom, shift_rng),
            ctf=random_ctf(self.particles, defocus, self.b_factor_square_angstrom, ctf_rng),
        )

    def given_poses(self, views: Views) -> tuple[np.ndarray, np.ndarray]:
        """Return Euler angles (n, 3) and shifts (n, 2) with the requested errors added."""
        rng = self.generators()[4]
        euler_error = rng.normal(size=views.euler_degrees.shape) * self.perturb_angle_degrees
        shift_error = rng.normal(size=views.shift_angstrom.shape) * self.perturb_shift_angstrom
        return views.euler_degrees + euler_error, views.shift_angstrom + shift_error

    def noise_generator(self, first_particle: int) -> np.random.Generator:
        """Return the generator of the noise of the chunk that starts at a particle."""
        seeds = np.random.SeedSequence(self.seed, spawn_key=(5, first_particle))
        return np.random.default_rng(seeds)

    def generators(self) -> list[np.random.Generator]:
        """One independent stream for each kind of draw, so that changing one keeps the rest.

        In order: states, poses, shifts, CTF parameters, errors of the given poses.
        """
        return [
            np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(stream,)))
            for stream in range(5)
        ]
