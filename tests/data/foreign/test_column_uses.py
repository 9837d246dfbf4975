"""What the list of columns says is what is done about each, in every format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cryofocus.data.foreign.column_uses import COLUMN_USES, ColumnUse
from cryofocus.data.formats import open_table
from cryofocus.data.particle_table import ParticleColumns, Supplement
from cryofocus.data.star.document import write_star
from cryofocus.errors import ParticleError
from cryofocus.maths.ctf import Microscope
from particle_files import cs_rows, par_text, save_cs, with_fields, write_stack_file

N = 4
COUNT = np.arange(1.0, N + 1)
PARTICLES: dict[str, Any] = {
    "rlnImageName": [f"{i + 1}@s.mrcs" for i in range(N)],
    "rlnAngleRot": 10 * COUNT,
    "rlnAngleTilt": 20 + COUNT,
    "rlnAnglePsi": -30 * COUNT,
    "rlnDefocusU": 15000 + COUNT,
    "rlnDefocusV": 15000 - COUNT,
    "rlnDefocusAngle": COUNT,
    "rlnOpticsGroup": np.ones(N, int),
}
OPTICS: dict[str, Any] = {
    "rlnOpticsGroup": np.array([1, 2]),
    "rlnVoltage": np.array([300.0, 200.0]),
    "rlnSphericalAberration": np.array([2.7, 2.7]),
    "rlnAmplitudeContrast": np.array([0.1, 0.1]),
    "rlnImagePixelSize": np.array([2.0, 2.0]),
}
MATRIX = {f"rlnMagMat{i}{j}": np.full(2, float(i == j)) for i in (0, 1) for j in (0, 1)}
DETECTOR = {"rlnDetectorPixelSize": np.full(2, 5.0), "rlnMagnification": np.full(2, 25000.0)}
# Columns of the optics table, with a value that says something.
OF_OPTICS: dict[str, Any] = {
    "rlnVoltage": 100.0,
    "rlnSphericalAberration": 0.1,
    "rlnAmplitudeContrast": 0.3,
    "rlnImagePixelSize": 3.0,
    "rlnImageSize": 16,
    "rlnDetectorPixelSize": 6.0,
    "rlnMagnification": 30000.0,
    "rlnBeamTiltX": 0.5,
    "rlnBeamTiltY": 0.5,
    "rlnOddZernike": "[0.1,0.2,0.3]",
    "rlnEvenZernike": "[0.1,0.2,0.3]",
    **dict.fromkeys(MATRIX, 1.1),
    "rlnCtfDataAreCtfPremultiplied": 1,
    "rlnCtfDataAreCtfCorrected": 1,
    "rlnCtfDataArePhaseFlipped": 1,
    "rlnImageDimensionality": 3,
    "rlnTomoTiltSeriesPixelSize": 1.5,
    "rlnTomoSubTomosAre2DStacks": 1,
    "rlnMtfFileName": ["a.star", "b.star"],
}
OF_ROWS: dict[str, Any] = {
    "rlnImageName": [f"{N - i}@s.mrcs" for i in range(N)],
    "rlnRandomSubset": [1, 2, 1, 2],
    "rlnOpticsGroup": [1, 2, 1, 2],
    "rlnOriginZ": [0, 0, 0, 3],
    "rlnIsFlip": [0, 1, 0, 1],
    "rlnDefocusU": 16000 + COUNT,
}
# The other axis, which has to be there too.
SHIFTS = {
    f"rlnOrigin{axis}{unit}": f"rlnOrigin{other}{unit}"
    for axis, other in ("XY", "YX")
    for unit in ("", "Angst")
}
VECTORS = {
    **{"ctf/tilt_A": 2, "ctf/trefoil_A": 2, "ctf/anisomag": 4, "ctf/tetra_A": 4},
    **{"ctf/shift_A": 2, "alignments2D/pose": 2},
}
PAR_PLACES = {
    **{"PositionInStack": 0, "AnglePsi": 1, "AngleTheta": 2, "AnglePhi": 3},
    **{"XShift": 4, "YShift": 5},
    **{"Magnification": 6, "Film": 7, "Defocus1": 8, "Defocus2": 9, "DefocusAngle": 10},
    **{"PhaseShift": 11, "Occupancy": 12, "Sigma": 14, "Score": 15},
}


@dataclass(frozen=True)
class Case:
    """A column of the list."""

    use: ColumnUse
    column: str


def read(path: Path) -> ParticleColumns:
    """Read a table of any format."""
    stack = path.parent / "s.mrc"
    supplement = Supplement()
    if path.suffix == ".par":
        supplement = Supplement(stack=stack, microscope=Microscope(300, 2.7, 0.1))
    return open_table(path, supplement).columns()


def write_relion(path: Path, column: str, *, tells: bool) -> None:
    """Write a STAR file with a column."""
    optics, particles = dict(OPTICS), dict(PARTICLES)
    if column in SHIFTS:
        particles |= {column: np.zeros(N), SHIFTS[column]: np.zeros(N)}
    if column in MATRIX:
        optics |= MATRIX
    if column in DETECTOR:
        optics.pop("rlnImagePixelSize")
        optics |= DETECTOR
    if tells and column in OF_OPTICS:
        value = OF_OPTICS[column]
        optics[column] = value if isinstance(value, list) else [value, value]
    elif tells:
        particles[column] = OF_ROWS.get(column, 0.1 * COUNT)
    write_star(path, {"optics": optics, "particles": particles})


def write_cryosparc(path: Path, column: str, *, tells: bool) -> None:
    """Write a .cs file with a field."""
    rows = cs_rows()
    moved = {"alignments3D_multi/pose": "alignments3D_multi", "alignments_class_0/pose": ""}
    if column in moved or column == "alignments2D/pose":
        group = column.split("/")[0]
        old = {name: None for name in rows.dtype.names if name.startswith("alignments3D/")}
        pose, shift = rows["alignments3D/pose"], rows["alignments3D/shift"]
        if column in moved:
            pose, shift = (
                one[:, None] if group.endswith("multi") else one for one in (pose, shift)
            )
            old |= {f"{group}/pose": -pose if tells else pose, f"{group}/shift": shift}
        elif tells:
            old |= {column: np.ones((N, 2), "<f4")}
        rows = with_fields(rows, old)
    elif tells:
        before = rows[column] if column in rows.dtype.names else None
        width = VECTORS.get(column)
        shape = (N,) if width is None else (N, width)
        values = 0.1 * COUNT.reshape(-1, *[1] * (len(shape) - 1)) * np.ones(shape)
        if before is not None and before.dtype.kind == "S":
            values = np.array([b"other.mrcs"] * N)
        elif before is not None:
            values = (before.max() + before[::-1]).astype(before.dtype)
        if column == "alignments3D/split":
            values = np.array([1, 0, 1, 0], "<u4")
        elif column == "ctf/exp_group_id":
            values = np.array([1, 2, 1, 2], "<u4")
        elif column == "blob/sign":
            values = np.ones(N, "<f4")
        elif column == "blob/shape":
            values = np.full((N, 2), 16, "<u4")
        elif column == "ctf/amp_contrast":
            values = np.full(N, 0.3, "<f4")
        rows = with_fields(rows, {column: values if before is not None else values.astype("<f4")})
    save_cs(path, rows)


def write_cistem(path: Path, column: str, *, tells: bool) -> None:
    """Write a STAR file of cisTEM with a column."""
    names = ("AnglePsi", "AngleTheta", "AnglePhi", "Defocus1", "Defocus2", "DefocusAngle")
    table = {"PositionInStack": np.arange(1, N + 1), **dict.fromkeys(names, 10 * COUNT)}
    table |= {"PixelSize": np.full(N, 2.0), "MicroscopeVoltagekV": np.full(N, 300.0)}
    table |= {"MicroscopeCsMM": np.full(N, 2.7), "AmplitudeContrast": np.full(N, 0.1)}
    if tells:
        table[column] = 0.1 * COUNT
        if column == "AssignedSubset":
            table[column] = np.array([1, 2, 1, 2])
        elif column == "ImageActivity":
            table[column] = np.array([1, -1, 1, 0])
        elif column == "Occupancy":
            table[column] = 25 * COUNT
        elif column == "PositionInStack":
            table[column] = np.arange(N, 0, -1)
        elif column == "StackFilename":
            table[column] = ["'other.mrc'"] * N
        elif column == "Defocus1":
            table[column] = 20 * COUNT
        elif column == "MicroscopeVoltagekV":
            table[column] = np.full(N, 200.0)
    write_star(path, {"": {f"cisTEM{name}": values for name, values in table.items()}})


def write_frealign(path: Path, column: str, *, tells: bool) -> None:
    """Write a .par file with a column."""
    lines = par_text().split("\n")
    for row in range(1, N + 1):
        cells = lines[row].split()
        cells[PAR_PLACES["Sigma"]] = cells[PAR_PLACES["Score"]] = "1.00"
        if tells and column == "Film":
            cells[PAR_PLACES[column]] = "-1" if row == 1 else cells[PAR_PLACES[column]]
        elif tells:
            cells[PAR_PLACES[column]] = f"{row if column == 'PhaseShift' else 20 * row}"
        lines[row] = " ".join(cells)
    path.write_text("\n".join(lines))


WRITERS: dict[str, tuple[str, Callable[..., None]]] = {
    "RELION": ("p.star", write_relion),
    "cryoSPARC": ("p.cs", write_cryosparc),
    "cisTEM": ("p.star", write_cistem),
    "Frealign": ("p.par", write_frealign),
}
CASES = [Case(use, column) for use in COLUMN_USES for column in use.columns]


def digest(value: Any) -> str:
    """Say all that was read, but for the notes."""
    if isinstance(value, ParticleColumns):
        return repr([digest(getattr(value, f.name)) for f in fields(value) if f.name != "notes"])
    if isinstance(value, np.ndarray):
        return repr(np.round(np.asarray(value, np.float64), 9).tolist())
    if is_dataclass(value):
        return repr([digest(getattr(value, f.name)) for f in fields(value)])
    return repr(value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.use.program} {case.column}")
def test_each_column_is_treated_as_the_list_says(tmp_path: Path, case: Case) -> None:
    """Obeyed ones change what is read, refused ones are named, ignored ones are in the notes."""
    name, write = WRITERS[case.use.program]
    write_stack_file(tmp_path / "s.mrc", np.zeros((N, 8, 8), np.float32))
    plain, telling = tmp_path / name, tmp_path / f"other{Path(name).suffix}"
    (tmp_path / "other.mrc").write_bytes((tmp_path / "s.mrc").read_bytes())
    (tmp_path / "p.mrc").write_bytes((tmp_path / "s.mrc").read_bytes())
    write(plain, case.column, tells=False)
    write(telling, case.column, tells=True)
    if case.use.done == "refused":
        with pytest.raises(ParticleError) as caught:
            read(telling)
        assert case.column.lower() in str(caught.value).lower()
        return
    before, after = read(plain), read(telling)
    if case.use.done == "obeyed":
        assert digest(before).replace("p.mrc", "") != digest(after).replace("other.mrc", "")
        return
    assert digest(before).replace("p.mrc", "") == digest(after).replace("other.mrc", "")
    assert not any(case.column in note for note in before.notes)
    assert sum(case.column in note for note in after.notes) == 1
