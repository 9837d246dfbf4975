"""What a simulated humanoid set is made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from cryofocus.option import Option
from cryofocus.simulate.acquisition import AcquisitionSettings, Positive
from cryofocus.simulate.image_formation import Specimens
from cryofocus.simulate.phantom import GEOMETRIES
from cryofocus.simulate.states import Scenario

VARIES = "What varies"
MOTION = Option(panel=VARIES)


class HumanoidSettings(AcquisitionSettings):
    """Parameters of the humanoid benchmark; the defaults are those of docs/humanoid.md.

    Attributes:
        scenario: What varies: 1 each arm up or down; 2 also each hand present or absent; 3 also
            each foot, present exactly when the hand on its side is.
        geometry: Shape of the phantom.
        random_feet: Scenarios 1 and 2: each foot present or absent at random.
        coupling: 0 to 1: probability that the far arm copies the near one.
        snr_per_image: Scale the density in each image such that its own signal-to-noise ratio is
            `snr`; otherwise that of the whole set is.
        noise_only: Leave out the signal; the noise stays the same.
    """

    snr: Annotated[Positive, Option(is_required=True)] = 0.1
    snr_per_image: bool = False
    scenario: Annotated[int, Option(is_required=True)] = Field(default=1, ge=1, le=3)
    random_feet: Annotated[bool, MOTION] = False
    coupling: Annotated[float, MOTION] = 0.0
    noise_only: Annotated[bool, MOTION] = False
    geometry: Annotated[str, Option(choices=GEOMETRIES, panel=VARIES)] = "standard"

    @model_validator(mode="after")
    def _scenario_that_is_one(self) -> HumanoidSettings:
        self.states()
        return self

    def states(self) -> Scenario:
        """Return the scenario: which states occur and how often."""
        return Scenario(self.scenario, random_feet=self.random_feet, coupling=self.coupling)

    def draw_specimens(self) -> Specimens:
        """Draw states, poses, shifts and CTF parameters of all particles."""
        views = self.draw_views()
        return Specimens(
            euler_degrees=views.euler_degrees,
            rotation=views.rotation,
            shift_angstrom=views.shift_angstrom,
            ctf=views.ctf,
            states=self.states().sample(self.particles, self.generators()[0]),
        )
