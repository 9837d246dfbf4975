"""`cryofocus deposit`: what the EMDB asks for with a class map, in one folder, named as there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryofocus.calls import checked
from cryofocus.data.grid_map import GridMap
from cryofocus.errors import SettingError
from cryofocus.formatting import format_angstrom, format_count
from cryofocus.maps.resolution import measure_fsc
from cryofocus.maths.shells import FSC_LIMIT, first_shell_below, is_resolved, resolved_shell
from cryofocus.workflows.fsc_xml import write_fsc_xml
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.new_directory import DirectoryKind, new_directory
from cryofocus.workflows.run.writing import write_text

README = "README.txt"
MARKER = "fsc.xml"
KIND = DirectoryKind("deposition", MARKER)
MAIN, MASK = "main.map", "mask_1.map"
HALVES = ("half_map_1.map", "half_map_2.map")


@dataclass(frozen=True)
class Deposition:
    """What was written.

    Attributes:
        folder: Holds main.map, half_map_1.map, half_map_2.map, fsc.xml, README.txt and, if one
            was given, mask_1.map.
        class_number: Counted from 1.
        n_particles: Whose most probable class it is.
        resolution_angstrom: At FSC 0.143; None where the curve does not cross it.
    """

    folder: Path
    class_number: int
    n_particles: int
    resolution_angstrom: float | None

    def summary(self) -> str:
        """Say what was written."""
        told = "none: the FSC does not cross 0.143"
        if self.resolution_angstrom is not None:
            told = f"{format_angstrom(self.resolution_angstrom, 2)} at FSC 0.143"
        return (
            f"Class {self.class_number}     {format_count(self.n_particles)} particles\n"
            f"Resolution  {told}\n"
            f"Written     {self.folder}, as {self.folder / README} lists"
        )


@checked
def deposit(  # a class, the maps beside it, and where to
    run: Path | str,
    class_number: int,
    output: Path | str,
    *,
    main: Path | str | None = None,
    mask: Path | str | None = None,
    overwrite: bool = False,
) -> Deposition:
    """Gather what the EMDB asks for with the map of a class.

    Args:
        run: Finished run directory.
        class_number: Of the class, from 1.
        output: Directory to write.
        main: Primary map, such as the class map after sharpening, on the same grid; the class map
            as it is if left out.
        mask: Soft mask, 0 to 1, in which the resolution is measured.
        overwrite: Replace an earlier deposition.

    Raises:
        FormatError: When the run is unfinished or damaged.
        SettingError: For an unknown or empty class.
        InputError: When a map cannot be read, or lies on another grid.
        OutputError: When the directory exists (without `overwrite`) or cannot be written.
    """
    directory, output = RunDirectory.open(Path(run)), Path(output)
    job = directory.read_job()
    if not 1 <= class_number <= job.n_classes:
        raise SettingError(
            f"class: found {class_number}, expected 1 to {job.n_classes}, the classes of "
            f"{directory.path}. Give --class one of them."
        )
    posteriors = directory.read_posteriors(job.n_particles)
    labels = posteriors[posteriors.any(axis=1)].argmax(axis=1) + 1
    n_particles = int((labels == class_number).sum())
    if not n_particles:
        raise SettingError(f"class: {class_number} of {directory.path} is empty. Give another.")
    KIND.require_usable(output, overwrite=overwrite)
    own = GridMap.read(directory.class_map(class_number))
    halves = [own.read_partner(directory.half_map(class_number, half)) for half in (1, 2)]
    primary = own if main is None else own.read_partner(main)
    region = None if mask is None else own.read_mask(mask)
    curve = measure_fsc(halves[0].data, halves[1].data, region).corrected
    extent = own.box * own.voxel_size_angstrom
    crosses = is_resolved(curve) and first_shell_below(curve, FSC_LIMIT) < len(curve)
    resolution = extent / resolved_shell(curve) if crosses else None
    made = Deposition(output, class_number, n_particles, resolution)
    what = "unmasked" if region is None else "masked, corrected for the mask"
    with new_directory(output, KIND, overwrite=overwrite) as folder:
        own.write(folder / MAIN, primary.data)
        for name, half in zip(HALVES, halves, strict=True):
            own.write(folder / name, half.data)
        if region is not None:
            own.write(folder / MASK, region)
        write_fsc_xml(folder / MARKER, f"FSC of half maps, {what}", curve, extent)
        write_text(folder / README, _readme(made, directory, is_own=main is None, what=what))
    return made


def _readme(made: Deposition, directory: RunDirectory, *, is_own: bool, what: str) -> str:
    """Say which file answers which question of the deposition, and the numbers asked for."""
    resolution = "not crossed"
    if made.resolution_angstrom is not None:
        resolution = f"{made.resolution_angstrom:.2f} Å"
    primary = "as reconstructed, not sharpened" if is_own else "as given"
    lines = [
        f"Class {made.class_number} of {directory.path.resolve()}, for the EMDB",
        "",
        f"{MAIN}         primary map, {primary}",
        f"{HALVES[0]}   half map, unfiltered and unmasked",
        f"{HALVES[1]}   the other half map",
        f"{MARKER}          FSC curve of the half maps, {what}",
    ]
    if what != "unmasked":
        lines.append(f"{MASK}       mask in which the resolution was measured")
    return "\n".join(
        [
            *lines,
            "",
            f"Final resolution        {resolution}, FSC 0.143 cut-off",
            f"Particles in the map    {made.n_particles}",
            "Final reconstruction    cryofocus",
            "Final 3D classification cryofocus, focused classification",
            "",
        ]
    )
