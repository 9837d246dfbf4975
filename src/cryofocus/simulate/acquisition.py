"""How simulated particles are imaged, whatever they show: every parameter, checked."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from cryofocus.errors import SettingError
from cryofocus.maths.ctf import Microscope
from cryofocus.maths.rotations import (
    euler_from_rotation,
    random_rotations,
    rotation_from_euler,
)
from cryofocus.option import Option
from cryofocus.settings import Settings
from cryofocus.simulate.image_formation import Camera, Views, random_ctf, random_shifts

ERRORS = Option(panel="Errors of the given poses")
SAMPLING = Option(panel="Sampling")
NOT_OFFERED = Option(is_hidden=True)
Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class AcquisitionSettings(Settings):
    """Parameters of the images and their poses; the defaults are those of docs/humanoid.md.

    Sets that differ only in SNR or in the perturbation share their particles.

    Attributes:
        snr: Signal-to-noise ratio (variances) of the final images, averaged over the set.
        particles: Number of particles.
        seed: Random seed.
        box: Edge of the images in pixels.
        pixel_size_angstrom: Pixel size in Å.
        perturb_angle_degrees: Standard deviation of the error of the poses written in
            particles.star, per Euler angle, in degrees.
        perturb_shift_angstrom: The same for the shifts, per axis, in Å.
        shift_sd_angstrom: Standard deviation of the true shifts per axis.
        first_snr: Signal-to-noise ratio of the noise layer before the CTF.
        b_factor_square_angstrom: Envelope exp(-B s^2 / 4).
        defocus_min_angstrom: Least of the uniformly drawn defocus.
        defocus_max_angstrom: Most of the uniformly drawn defocus.
        voltage_kilovolt: Acceleration voltage.
        spherical_aberration_mm: Spherical aberration.
        amplitude_contrast: Amplitude contrast, 0 to 1.
        particles_per_micrograph: How many consecutive particles share a micrograph name and a
            half set.

    Raises:
        SettingError: When a number is out of its range.
    """

    snr: Positive = 0.1
    particles: int = Field(default=10_000, ge=1)
    seed: int = Field(default=1, ge=0)
    box: Annotated[int, SAMPLING] = Field(default=80, ge=16)
    pixel_size_angstrom: Annotated[Positive, SAMPLING] = 5.24
    perturb_angle_degrees: Annotated[Length, ERRORS] = 0.0
    perturb_shift_angstrom: Annotated[Length, ERRORS] = 0.0
    shift_sd_angstrom: Annotated[Length, NOT_OFFERED] = 13.1
    first_snr: Annotated[Positive, NOT_OFFERED] = 1.4
    b_factor_square_angstrom: Annotated[Length, NOT_OFFERED] = 100.0
    defocus_min_angstrom: Annotated[Positive, NOT_OFFERED] = 10_000.0
    defocus_max_angstrom: Annotated[Positive, NOT_OFFERED] = 30_000.0
    voltage_kilovolt: Annotated[Positive, NOT_OFFERED] = 300.0
    spherical_aberration_mm: Annotated[Length, NOT_OFFERED] = 2.7
    amplitude_contrast: Annotated[float, NOT_OFFERED] = Field(default=0.07, ge=0, le=1)
    particles_per_micrograph: Annotated[int, NOT_OFFERED] = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _range_of_defocus(self) -> AcquisitionSettings:
        if self.defocus_max_angstrom < self.defocus_min_angstrom:
            raise SettingError(
                f"defocus_max_angstrom: found {self.defocus_max_angstrom}, expected at least "
                f"defocus_min_angstrom, {self.defocus_min_angstrom}"
            )
        return self

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
