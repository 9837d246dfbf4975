"""The tables of a set of ribosomes: particles, truth, states and regions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from cryofocus.data.star.document import write_star
from cryofocus.simulate.assembly.imaging import Imaging
from cryofocus.simulate.assembly.ribosome import PARTS
from cryofocus.simulate.assembly.specimens import Assemblies
from cryofocus.simulate.assembly.states import REGIONS, VARYING, Region, all_states, share_present
from cryofocus.workflows.run.writing import write_text
from cryofocus.workflows.simulate.tables import STACK, Table, in_map_frame, write_tables


def write_assembly_tables(folder: Path, imaging: Imaging, region: Region) -> None:
    """Write every table of a set.

    Args:
        folder: Existing directory.
        imaging: What the images are made from.
        region: In focus.

    Raises:
        OutputError: Disk full, no permission.
    """
    specimens = imaging.specimens
    acquisition = imaging.settings.acquisition()
    write_tables(folder, specimens.told, acquisition, _truth(specimens))
    names = [f"{number:06d}@{STACK}" for number in range(1, len(specimens) + 1)]
    classes: Table = {"rlnImageName": names, "rlnClassNumber": 1 + present(specimens, region)}
    write_star(folder / "truth_focused.star", {"particles": classes})
    _write_csv(folder / "states.csv", ("class", "map", "share", *VARYING), _states())
    columns = ("name", "kind", "mass_kda", "share", "sphere", "mask")
    _write_csv(folder / "regions.csv", columns, _regions(imaging))


def present(specimens: Assemblies, region: Region) -> np.ndarray:
    """Return 1 for every particle that truly shows a region, else 0."""
    return specimens.parts[:, PARTS.index(region.parts[0])].astype(np.int64)


def state_map(number: int) -> str:
    """Return the file name of the map of a state, counted from 1."""
    return f"state{number:02d}.mrc"


def _truth(specimens: Assemblies) -> dict[str, np.ndarray]:
    return {
        "rlnClassNumber": specimens.state + 1,
        **{region.label: present(specimens, region) for region in REGIONS},
        "cryofocusRatchet": specimens.ratchet_degrees,
        "cryofocusSwing": specimens.swing_degrees,
        "cryofocusIntensity": specimens.intensity,
        "cryofocusJunk": specimens.junk,
        "rlnDefocusU": specimens.ctf.defocus_u_angstrom,
        "rlnDefocusV": specimens.ctf.defocus_v_angstrom,
        "rlnDefocusAngle": specimens.ctf.defocus_angle_degrees,
    }


def _states() -> Iterable[Sequence[object]]:
    for number, (state, share) in enumerate(zip(*all_states(), strict=True), start=1):
        yield number, state_map(number), f"{share:.5f}", *state.astype(int)


def _regions(imaging: Imaging) -> Iterable[Sequence[object]]:
    for region in REGIONS:
        mass = region.beads(imaging.ribosome).mass_kda.sum()
        sphere = in_map_frame(region.sphere(imaging.ribosome), imaging.camera)
        share = f"{share_present(region):.4f}"
        yield region.name, region.kind, f"{mass:.1f}", share, sphere, f"{region.name}.mrc"


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    write_text(path, text.getvalue())
