"""What a user may have to say of a particle table, so that its images are found and understood."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from cryofocus.data.optics import CtfShown
from cryofocus.data.particle_table import PixelSizeOf, Supplement
from cryofocus.errors import SettingError
from cryofocus.maths.ctf import Microscope
from cryofocus.option import Option
from cryofocus.settings import Settings

IMAGES = "Images"
InvertChoice = Annotated[Literal["auto", "yes", "no"], Option(panel=IMAGES)]

ShownCtf = Annotated[CtfShown | None, Option(name="--ctf", panel=IMAGES)]
HoldingPixelSize = Annotated[PixelSizeOf | None, Option(panel=IMAGES)]


class TableSource(Settings):
    """Where images are, and what the format of a particle table leaves to the user to say.

    Attributes:
        datadir: Further folder in which to look for the image stacks.
        stack: Image stack of a cisTEM or Frealign table, which gives only image numbers.
        microscope: Voltage (kV), spherical aberration (mm) and amplitude contrast, such as
            300,2.7,0.07, for Frealign tables, which do not contain them.
        pixel_size_angstrom: Pixel size in Å for Frealign tables whose stack does not give it.
        passthrough: Further .cs files of a cryoSPARC job, joined on uid. Default: those beside
            the table, if it lacks fields.
        ctf_shown: What of the CTF the images show: all of it (`full`), only its size because
            their phases were flipped (`flipped`), or nothing because they were corrected for it
            (`none`). Default: what the table says, else all.
        pixel_size_of: Whose pixel size holds where table and stack disagree: that of the `table`
            or that in the header of the `stack`. Default: such stacks are refused.

    Raises:
        SettingError: When the microscope makes no sense.
    """

    datadir: Annotated[Path | None, Option(panel=IMAGES)] = None
    stack: Annotated[Path | None, Option(panel=IMAGES)] = None
    microscope: Annotated[
        tuple[float, float, float] | None,
        Option(
            metavar="KV,CS,CONTRAST",
            panel=IMAGES,
            expected="voltage in kV, spherical aberration in mm and amplitude contrast from 0 to "
            "1, such as 300,2.7,0.07",
        ),
    ] = None
    pixel_size_angstrom: Annotated[float | None, Option(panel=IMAGES)] = Field(default=None, gt=0)
    passthrough: Annotated[tuple[Path, ...], Option(metavar="FILE...", panel=IMAGES)] = ()
    ctf_shown: ShownCtf = None
    pixel_size_of: HoldingPixelSize = None

    @model_validator(mode="after")
    def _microscope_that_makes_sense(self) -> TableSource:
        self._microscope()
        return self

    @property
    def supplement(self) -> Supplement:
        """What the particle table leaves to the user to say."""
        return Supplement(
            self.stack,
            self._microscope(),
            self.pixel_size_angstrom,
            self.passthrough,
            ctf_shown=self.ctf_shown,
            pixel_size_of=self.pixel_size_of,
        )

    def _microscope(self) -> Microscope | None:
        try:
            return None if self.microscope is None else Microscope(*self.microscope)
        except ValueError as error:
            raise SettingError(f"microscope: {error}. Correct --microscope.") from error
