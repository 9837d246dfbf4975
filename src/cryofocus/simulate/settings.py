"""What a simulated humanoid set is made of."""

from __future__ import annotations

from dataclasses import dataclass

from cryofocus.simulate.acquisition import AcquisitionSettings
from cryofocus.simulate.image_formation import Specimens
from cryofocus.simulate.states import Scenario


@dataclass(frozen=True)
class HumanoidSettings(AcquisitionSettings):
    """Parameters of the humanoid benchmark; the defaults are those of docs/humanoid.md.

    Attributes:
        scenario: See `Scenario`.
        random_feet: See `Scenario`.
        coupling: See `Scenario`.
        noise_only: Leave the signal out; the noise stays as it would be.
        geometry: Phantom, one of `phantom.GEOMETRIES`.
    """

    scenario: int = 1
    random_feet: bool = False
    coupling: float = 0.0
    noise_only: bool = False
    geometry: str = "standard"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.states()

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
