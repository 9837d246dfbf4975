"""Small particle files of other programs that tests read, spoil and read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import mrcfile
import numpy as np

N_PARTICLES, BOX, PIXEL_SIZE = 4, 8, 2.0


def write_stack_file(path: Path, images: np.ndarray, pixel_size: float = PIXEL_SIZE) -> None:
    """Write a stack with mrcfile, which shares nothing with the code under test."""
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(images)
        mrc.set_image_stack()
        mrc.voxel_size = pixel_size


def cs_rows() -> np.ndarray:
    """Rows of four particles as a cryoSPARC refinement has them."""
    index = np.arange(N_PARTICLES, dtype=np.float32)
    columns = {
        "uid": np.array([2**63 + 5, 17, 4, 2**40], np.uint64),
        "blob/path": np.array([b">stack.mrcs"] * N_PARTICLES),
        "blob/idx": np.arange(N_PARTICLES, dtype=np.uint32),
        "blob/shape": np.full((N_PARTICLES, 2), BOX, np.uint32),
        "blob/psize_A": np.full(N_PARTICLES, PIXEL_SIZE, np.float32),
        "blob/sign": np.full(N_PARTICLES, -1, np.float32),
        "ctf/exp_group_id": np.zeros(N_PARTICLES, np.uint32),
        "ctf/accel_kv": np.full(N_PARTICLES, 300, np.float32),
        "ctf/cs_mm": np.full(N_PARTICLES, 2.7, np.float32),
        "ctf/amp_contrast": np.full(N_PARTICLES, 0.1, np.float32),
        "ctf/df1_A": 10000 + 1000 * index,
        "ctf/df2_A": 10500 + 1000 * index,
        "ctf/df_angle_rad": index / 3,
        "ctf/phase_shift_rad": index / 10,
        "alignments3D/split": np.array([0, 1, 0, 1], np.uint32),
        "alignments3D/pose": np.stack([index / 2, 0.3 - index, 0.1 * index], axis=1),
        "alignments3D/shift": np.stack([index - 1.5, 0.25 * index], axis=1),
        "alignments3D/psize_A": np.full(N_PARTICLES, PIXEL_SIZE, np.float32),
        "alignments3D/class": np.zeros(N_PARTICLES, np.uint32),
        "alignments3D/class_posterior": np.ones(N_PARTICLES, np.float32),
        "location/note": np.array([b"a", b"b c", b"<b>", b"\xff"]),
    }
    rows = np.empty(N_PARTICLES, [(k, v.dtype, v.shape[1:]) for k, v in columns.items()])
    for name, values in columns.items():
        rows[name] = values
    return rows


def with_fields(rows: np.ndarray, changed: Mapping[str, np.ndarray | None]) -> np.ndarray:
    """Replace, add or (with None) leave out fields."""
    columns = {name: rows[name] for name in rows.dtype.names or ()} | dict(changed)
    kept = {name: values for name, values in columns.items() if values is not None}
    out = np.empty(len(rows), [(k, v.dtype, v.shape[1:]) for k, v in kept.items()])
    for name, values in kept.items():
        out[name] = values
    return out


def save_cs(path: Path, rows: np.ndarray) -> Path:
    """Save rows with NumPy, which shares nothing with the code under test."""
    with path.open("wb") as handle:
        np.save(handle, rows, allow_pickle=False)
    return path


def par_text(width: int = 17, occupancy: np.ndarray | None = None) -> str:
    """A Frealign parameter file of four particles on two films, with or without phase shift."""
    lines = ["C           PSI   THETA     PHI       SHX       SHY     MAG"]
    for i in range(N_PARTICLES):
        occ = 100.0 if occupancy is None else occupancy[i]
        phase = f" {0.5 + 0.1 * i:7.2f}" if width == 17 else ""
        lines.append(
            f"{i + 1:7d} {10 + i:7.2f} {20 + i:7.2f} {30 + i:7.2f} {1.5 + i:9.2f} {-0.5 - i:9.2f}"
            f" {10000:7d} {1 + i // 2:5d} {15000.0 + i:8.1f} {14000.0 + i:8.1f} {33.0:7.2f}{phase}"
            f" {occ:7.2f} {-10451 - i:9d} {1.25:10.4f} {20.0 + i:7.2f} {0.0:7.2f}"
        )
    return "\n".join([*lines, "C end", ""])


def star_text() -> str:
    """A RELION 3.1 file of two particles, with quotes, comments and a vector."""
    return (
        "# version 30001\n\ndata_optics\n\nloop_\n_rlnOpticsGroup #1\n_rlnVoltage #2\n"
        "_rlnSphericalAberration #3\n_rlnAmplitudeContrast #4\n_rlnImagePixelSize #5\n"
        "_rlnOddZernike #6\n1 300 2.7 0.1 2.0 [0.1,0.2]\n\ndata_particles\n\nloop_\n"
        "_rlnImageName #1\n_rlnAngleRot #2\n_rlnAngleTilt #3\n_rlnAnglePsi #4\n_rlnDefocusU #5\n"
        "_rlnDefocusV #6\n_rlnDefocusAngle #7\n_rlnOpticsGroup #8\n_rlnNote #9\n"
        "_cryofocusClassPosterior #10\n_rlnClassNumber #11\n"
        '1@s.mrcs 1 2 3 1e4 1e4 0 1 "a b" [0.5,0.5] 1\n'
        "2@s.mrcs 1 2 3 1e4 1e4 0 1 '' [1,0] 2 # c\n"
    )


def stream_bytes() -> bytes:
    """The rows of `cs_rows` in a CSDAT container without compression."""
    rows = cs_rows()
    fields, columns, heap = [], [], b""
    for name in rows.dtype.names or ():
        column, shape = rows[name], list(rows.dtype[name].shape)
        kind = rows.dtype[name].base.str
        if column.dtype.kind == "S":
            kind, offsets = "|O", []
            for text in column.tolist():
                offsets.append(len(heap))
                heap += text + b"\0"
            column = np.array(offsets, "<u8")
        fields.append([name, kind, shape] if shape else [name, kind])
        columns.append(len(column.tobytes()).to_bytes(4, "little") + column.tobytes())
    header = json.dumps(
        {"length": len(rows), "dtype": fields, "compression": None, "compressed_fields": []}
    ).encode()
    return b"\x95CSDAT" + len(header).to_bytes(4, "little") + header + b"".join(columns) + heap
