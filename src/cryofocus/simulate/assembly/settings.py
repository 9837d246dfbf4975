"""What a simulated set of assembling ribosomes is made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from cryofocus.option import Option
from cryofocus.settings import Settings
from cryofocus.simulate.acquisition import AcquisitionSettings

# The box that holds the ribosome, its shifts and what the CTF spreads.
FIELD_ANGSTROM = 360.0
FocusRegion = Literal["central_protuberance", "bridge", "l16", "ef_g", "l1_stalk", "trna"]
# What `AcquisitionSettings` means by the same names.
SHARED = {
    *("particles", "seed", "box", "perturb_angle_degrees", "perturb_shift_angstrom"),
    *("shift_sd_angstrom", "defocus_min_angstrom", "defocus_max_angstrom", "voltage_kilovolt"),
    *("spherical_aberration_mm", "amplitude_contrast"),
}
SAMPLING, PARTICLES = Option(panel="Sampling"), Option(panel="Particles")
FOCUS, POSES = Option(panel="Focus"), Option(panel="Errors of the given poses")
NOT_OFFERED = Option(is_hidden=True)


class AssemblySettings(Settings):
    """Parameters of a set of assembling ribosomes; the defaults are those of docs/assembly.md.

    Attributes:
        particles: Number of particles.
        seed: Random seed.
        correlation: Mean correlation of an image with its true projection times the CTF.
        box: Edge of the images in pixels.
        pixel_size_angstrom: Pixel size in Å. Default: what makes the images 360 Å wide.
        motion: Multiplies how far the small subunit turns and swings; 0 holds it still.
        junk_share: Share of particles that are junk, or whose CTF is wrong.
        intensity_sd: Standard deviation of the particles' intensity around 1.
        preferred_share: Share of particles that lie in one of the preferred views.
        focus_region: What the focus sphere holds and the focused oracles are asked about.
        focus_radius_angstrom: Radius of the focus sphere, in Å. Default: what holds the region.
        perturb_angle_degrees: Standard deviation of the error of the poses written in
            particles.star, per Euler angle, in degrees.
        perturb_shift_angstrom: The same for the shifts, per axis, in Å.
        shift_sd_angstrom: Standard deviation of the true shifts per axis.
        ctf_noise_share: Share of the noise that has passed the CTF.
        defocus_min_angstrom: Least of the uniformly drawn defocus.
        defocus_max_angstrom: Most of the uniformly drawn defocus.
        voltage_kilovolt: Acceleration voltage.
        spherical_aberration_mm: Spherical aberration.
        amplitude_contrast: Amplitude contrast, 0 to 1.
        b_factor_square_angstrom: Fall-off exp(-B s^2 / 4) of the density, which no table tells.
        highpass_angstrom: Detail much coarser than this is lost, as by normalising backgrounds.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    particles: int = Field(default=10_000, ge=1)
    seed: int = Field(default=1, ge=0)
    correlation: float = Field(default=0.27, gt=0, lt=1)
    box: Annotated[int, SAMPLING] = Field(default=64, ge=32)
    pixel_size_angstrom: Annotated[float | None, SAMPLING] = Field(default=None, gt=0)
    motion: Annotated[float, PARTICLES] = Field(default=1.0, ge=0, le=3)
    junk_share: Annotated[float, PARTICLES] = Field(default=0.08, ge=0, le=0.9)
    intensity_sd: Annotated[float, PARTICLES] = Field(default=0.1, ge=0, le=0.2)
    preferred_share: Annotated[float, PARTICLES] = Field(default=0.6, ge=0, le=1)
    focus_region: Annotated[FocusRegion, FOCUS] = "l1_stalk"
    focus_radius_angstrom: Annotated[float | None, FOCUS] = Field(default=None, gt=0)
    perturb_angle_degrees: Annotated[float, POSES] = Field(default=1.0, ge=0)
    perturb_shift_angstrom: Annotated[float, POSES] = Field(default=1.0, ge=0)
    shift_sd_angstrom: Annotated[float, NOT_OFFERED] = Field(default=5.0, ge=0)
    ctf_noise_share: Annotated[float, NOT_OFFERED] = Field(default=0.3, ge=0, lt=1)
    defocus_min_angstrom: Annotated[float, NOT_OFFERED] = Field(default=4_000.0, gt=0)
    defocus_max_angstrom: Annotated[float, NOT_OFFERED] = Field(default=45_000.0, gt=0)
    voltage_kilovolt: Annotated[float, NOT_OFFERED] = Field(default=300.0, gt=0)
    spherical_aberration_mm: Annotated[float, NOT_OFFERED] = Field(default=2.7, ge=0)
    amplitude_contrast: Annotated[float, NOT_OFFERED] = Field(default=0.1, ge=0, le=1)
    b_factor_square_angstrom: Annotated[float, NOT_OFFERED] = Field(default=300.0, ge=0)
    highpass_angstrom: Annotated[float, NOT_OFFERED] = Field(default=200.0, gt=0)

    @model_validator(mode="after")
    def _what_can_be_acquired(self) -> AssemblySettings:
        self.acquisition()
        return self

    @property
    def resolved_pixel_size_angstrom(self) -> float:
        """Å per pixel."""
        return self.pixel_size_angstrom or FIELD_ANGSTROM / self.box

    def acquisition(self) -> AcquisitionSettings:
        """Return how particles are imaged; signal-to-noise ratios are not its matter here."""
        # The fall-off belongs to the density: tables of real particles rarely have it.
        return AcquisitionSettings(
            **self.model_dump(include=SHARED),
            b_factor_square_angstrom=0.0,
            pixel_size_angstrom=self.resolved_pixel_size_angstrom,
        )
