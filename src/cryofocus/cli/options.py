"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cryofocus.data.particle_table import Supplement


class Invert(StrEnum):
    """Whether protein is dark in the images."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


ParticleTable = Annotated[
    Path,
    typer.Argument(
        metavar="PARTICLES",
        help="Particle table: RELION STAR (3.0 to 5), cryoSPARC .cs, cisTEM .star or .cistem, or "
        "Frealign .par.",
    ),
]
Stack = Annotated[
    Path | None,
    typer.Option(help="Image stack of a cisTEM or Frealign table, which only counts its images."),
]
MicroscopeValues = Annotated[
    str | None,
    typer.Option(
        "--microscope",
        metavar="KV,CS,CONTRAST",
        help="Voltage, spherical aberration (mm) and amplitude contrast, such as 300,2.7,0.07, "
        "for Frealign tables, which lack them.",
    ),
]
PixelSize = Annotated[
    float | None,
    typer.Option(
        help="Pixel size in Å for Frealign tables whose stack does not say it.", min=1e-3
    ),
]
Passthrough = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Further .cs file of a cryoSPARC job, joined on uid; may be repeated. Default: what "
        "lies beside the table, if fields are missing.",
    ),
]


class Device(StrEnum):
    """What computes."""

    CPU = "cpu"
    CUDA = "cuda"


MACHINE = "Machine"
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processor threads; all this process may use if left out.",
        rich_help_panel=MACHINE,
    ),
]
DEVICE = typer.Option(
    help="What computes: the processor, or an NVIDIA GPU. Default cpu.",
    show_default=False,
    rich_help_panel=MACHINE,
)
DeviceChoice = Annotated[Device, DEVICE]
MemoryGpu = Annotated[
    float | None,
    typer.Option(
        metavar="GB",
        min=1e-3,
        help="Memory of the GPU to use at most, in GB. Default: most of what is free there.",
        rich_help_panel=MACHINE,
    ),
]
DataDirectory = Annotated[
    Path | None,
    typer.Option("--datadir", help="Folder in which to look for the image stacks as well."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the result that is there.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything random.")]


POSES = "Poses"
RefinePoses = Annotated[
    int | None,
    typer.Option(
        metavar="CYCLES",
        min=1,
        help="Refine the poses before the first cycle, against the consensus, and after every so "
        "many, each particle against its class, until they stay. 4 is a good choice where poses "
        "are off. Default: poses stay as given.",
        rich_help_panel=POSES,
    ),
]
Scaffold = Annotated[
    Path | None,
    typer.Option(
        metavar="MRC",
        help="Mask of a region that is the same in all classes: class maps that drift are fitted "
        "back onto it, and the poses of their particles with them.",
        rich_help_panel=POSES,
    ),
]
ScaffoldEvery = Annotated[
    int | None,
    typer.Option(
        metavar="CYCLES",
        min=1,
        help="Cycles after which class maps are fitted to the scaffold. Default 10.",
        rich_help_panel=POSES,
    ),
]


# Options that take as many values as follow: `--references A.mrc B.mrc`.
WITH_SEVERAL_VALUES = ("--references", "--passthrough", "--regions", "--poses")


# Options of numbers with commas between them, which are easily typed with blanks instead.
OF_NUMBERS = ("--focus", "--microscope", "--helical")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?,?", re.IGNORECASE)


def tidy_arguments(arguments: list[str]) -> list[str]:
    """Bring a command line into the one form that is parsed.

    Each of several values in a row is given its option, `--o A B` becomes `--o A --o B`; numbers
    with blanks between them are joined, `--focus 1 2 3 4` becomes `--focus 1,2,3,4`.
    """
    return _repeat_options(_join_numbers(arguments))


def _join_numbers(arguments: list[str]) -> list[str]:
    joined: list[str] = []
    for argument in arguments:
        follows = len(joined) > 1 and joined[-2] in OF_NUMBERS and NUMBER.fullmatch(argument)
        if follows and all(NUMBER.fullmatch(part) for part in joined[-1].rstrip(",").split(",")):
            joined[-1] = f"{joined[-1].rstrip(',')},{argument}"
        else:
            joined.append(argument)
    return joined


def _repeat_options(arguments: list[str]) -> list[str]:
    spread: list[str] = []
    option: str | None = None
    for argument in arguments:
        if argument.startswith("-"):
            option = argument if argument in WITH_SEVERAL_VALUES else None
        elif option is not None and spread[-1] != option:
            spread.append(option)
        spread.append(argument)
    return spread


def parse_microscope(text: str | None) -> tuple[float, float, float] | None:
    """Read KV,CS,CONTRAST."""
    if text is None:
        return None
    try:
        voltage, cs, contrast = (float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"found {text!r}, expected voltage in kV, spherical aberration in mm and amplitude "
            "contrast from 0 to 1, such as 300,2.7,0.07",
            param_hint="--microscope",
        ) from error
    return voltage, cs, contrast


def compose_supplement(
    stack: Path | None,
    microscope: str | None,
    pixel_size: float | None,
    passthrough: list[Path] | None,
) -> Supplement:
    """Collect what particle tables leave to the user to say.

    Raises:
        typer.BadParameter: When the microscope is not three numbers that make sense.
    """
    from cryofocus.data.particle_table import Supplement
    from cryofocus.maths.ctf import Microscope

    values = parse_microscope(microscope)
    try:
        described = None if values is None else Microscope(*values)
    except ValueError as error:
        raise typer.BadParameter(f"{error}", param_hint="--microscope") from error
    return Supplement(stack, described, pixel_size, tuple(passthrough or ()))
