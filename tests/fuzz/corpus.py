"""Small sound files of everything the package reads, made here and not taken from anywhere."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np

from cryofocus.data.cistem.binary import new_column, write_binary
from cryofocus.workflows.classify.request import ClassifyRequest
from particle_files import cs_rows, par_text, star_text, stream_bytes

BOX = 8
RELION_3 = """data_

loop_
_rlnImageName #1
_rlnMicrographName #2
_rlnVoltage #3
_rlnDefocusU #4
_rlnDefocusV #5
_rlnDefocusAngle #6
_rlnSphericalAberration #7
_rlnAmplitudeContrast #8
_rlnMagnification #9
_rlnDetectorPixelSize #10
_rlnAngleRot #11
_rlnAngleTilt #12
_rlnAnglePsi #13
_rlnOriginX #14
_rlnOriginY #15
_rlnPhaseShift #16
_rlnRandomSubset #17
_rlnClassNumber #18
1@s.mrcs m1 300 1e4 1.1e4 10 2.7 0.1 10000 2 1 2 3 0.5 1 0 1 1
2@s.mrcs m1 300 1e4 1.1e4 20 2.7 0.1 10000 2 2 2 3 0.5 1 0 2 2
3@s.mrcs m2 300 1e4 1.1e4 30 2.7 0.1 10000 2 3 2 3 0.5 1 10 2 1
"""
RELION_5 = """
# version 50001

data_general

_rlnTomoSubTomosAre2DStacks                       0

# version 50001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnImagePixelSize #6
_rlnImageSize #7
_rlnImageDimensionality #8
_rlnCtfDataAreCtfPremultiplied #9
_rlnBeamTiltX #10
_rlnBeamTiltY #11
_rlnMagMat00 #12
_rlnMagMat01 #13
_rlnMagMat10 #14
_rlnMagMat11 #15
_rlnEvenZernike #16
1 "group 1" 300 2.7 0.1 2.0 8 2 0 0.1 -0.1 1 0 0 1 [0,0,0.1]
2 group2 200 2.0 0.07 2.0 8 2 0 0 0 1.01 0 0 1 []


# version 50001

data_particles

loop_
_rlnImageName #1
_rlnMicrographName #2
_rlnOpticsGroup #3
_rlnAngleRot #4
_rlnAngleTilt #5
_rlnAnglePsi #6
_rlnOriginXAngst #7
_rlnOriginYAngst #8
_rlnDefocusU #9
_rlnDefocusV #10
_rlnDefocusAngle #11
_rlnCtfBfactor #12
_rlnCtfScalefactor #13
_rlnRandomSubset #14
_rlnClassNumber #15
_cryofocusParent #16
_cryofocusOperator #17
000001@s.mrcs m1.mrc 1 10 20 30 1.5 -2 15000 14000 33 0 1 1 1 1 1
000001@s.mrcs m1.mrc 1 190 20 30 1.5 -2 15000 14000 33 0 1 1 2 1 2
000002@s.mrcs 'm 2.mrc' 2 11 21 31 0 0 15000 14000 33 0 1 2 1 2 1
"""
CISTEM_STAR = """data_

loop_
_cisTEMPositionInStack #1
_cisTEMAnglePsi #2
_cisTEMAngleTheta #3
_cisTEMAnglePhi #4
_cisTEMDefocus1 #5
_cisTEMDefocus2 #6
_cisTEMDefocusAngle #7
_cisTEMPixelSize #8
_cisTEMMicroscopeVoltagekV #9
_cisTEMMicroscopeCsMM #10
_cisTEMAmplitudeContrast #11
_cisTEMStackFilename #12
_cisTEMXShift #13
_cisTEMOccupancy #14
1 1 2 3 1e4 1e4 0 2 300 2.7 0.1 's.mrcs' 1 100
2 1 2 3 1e4 1e4 0 2 300 2.7 0.1 's.mrcs' 2 50
"""
MMCIF = """data_x
loop_
_atom_site.group_PDB
_atom_site.id
_atom_site.type_symbol
_atom_site.label_atom_id
_atom_site.label_alt_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.label_entity_id
_atom_site.label_seq_id
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
_atom_site.occupancy
_atom_site.B_iso_or_equiv
_atom_site.auth_seq_id
_atom_site.auth_asym_id
_atom_site.pdbx_PDB_model_num
ATOM 1 C CA . ALA A 1 1 1.000 2.000 3.000 1.0 20.0 1 A 1
ATOM 2 N N . ALA A 1 2 2.000 4.000 6.000 1.0 20.0 2 A 1
ATOM 3 C CA . ALA B 1 3 3.000 6.000 5.000 0.5 20.0 3 B 1
"""
MARKERS = """<marker_set name="m">
<marker id="1" x="8" y="8" z="8" r="1" g="1" b="0" radius="3"/>
<marker id="2" x="9" y="8" z="8" radius="1.5" note="&lt;a&gt;"/>
<link id1="1" id2="2"/>
</marker_set>
"""
SLURM = """workers: 2
cores: 4
memory: 64GB
walltime: "12:00:00"
queue: q
job_extra_directives:
- --gres=gpu:1
job_script_prologue: ["module load x"]
wait_minutes: 5
"""
OPERATORS = """# two
1 0 0 0 1 0 0 0 1
-1 0 0 0 -1 0 0 0 1 0 0 2
"""
JOB: dict[str, Any] = {
    **{"version": "1", "command": "c", "seed": 1, "started": "2026-01-01", "box": 8},
    **{"n_particles": 4, "n_classes": 2, "pixel_size_angstrom": 2.0, "strategy": "residual"},
    **{"best_run": 1, "classes_found": True, "verdict": "v", "cycles": 1, "objective": [0.0]},
    "machine": {"processor": "p", "cores": 1, "memory_gb": 1, "python": "3", "platform": "p"},
    "seconds": {"reading": 1.0},
    "peak_memory_gb": {"reading": 0.1},
    "focus": {"kind": "mask", "path": "mask.mrc"},
    "runs": [{"run": 1, "seed": 1, "cycles": 1, "objective": 0, "converged": True, "reason": "r"}],
    "agreement": {},
    "contrast": {"sign": 1, "how": "h"},
}
CONFIG = {
    **{"particles": "a.star", "focus": (1.0, 2.0, 3.0, 4.0)},
    **{"settings": {"n_classes": 2}, "machine": {"threads": 2}},
}


CYCLES = """run,cycle,objective,posterior_change,weight_1,weight_2
1,1,-10.5,0.5,0.25,0.75
1,2,-9.5,0.01,0.3,0.7
"""
CURVES = """data_class001

loop_
_rlnSpectralIndex #1
_rlnResolution #2
_rlnFourierShellCorrelation #3
0 0.0 1.0
1 0.0625 0.9
2 0.125 0.1
"""
GROUPS = "state,group\n1,a\n2,b\n3,a\n"


def pdb() -> str:
    """Three atoms of two chains, and what else such files hold."""
    rows = [("CA", "A", 1, 1.0, "C"), ("N", "A", 2, 2.0, "N"), ("CA", "B", 3, 3.0, "C")]
    atoms = [
        f"ATOM  {i:5d}  {name:<3} ALA {chain}{number:4d}    {x:8.3f}{2 * x:8.3f}{x + 2:8.3f}"
        f"  1.00 20.00          {element:>2}"
        for i, (name, chain, number, x, element) in enumerate(rows, start=1)
    ]
    return "\n".join(["CRYST1   16.0 16.0 16.0  90 90 90 P 1", *atoms, "TER", "END", ""])


def _through_a_file(write: Any) -> bytes:
    """Return what a function writes under the name that it is given."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write(path)
        return path.read_bytes()


def cistem() -> bytes:
    """A binary table with texts between numbers."""
    numbers = {
        **{"PositionInStack": [1, 2], "AnglePsi": [1.0, 2], "AngleTheta": [3.0, 4]},
        **{"AnglePhi": [5.0, 6], "Defocus1": [1e4, 1e4], "Defocus2": [1e4, 1e4]},
        **{"DefocusAngle": [0.0, 1], "PixelSize": [2.0, 2], "MicroscopeVoltagekV": [300.0, 300]},
        **{"MicroscopeCsMM": [2.7, 2.7], "AmplitudeContrast": [0.1, 0.1], "XShift": [1.0, 2]},
    }
    columns = [new_column(label, np.array(values)) for label, values in numbers.items()]
    columns.insert(3, new_column("StackFilename", [b"s.mrcs", b"s.mrcs"]))
    columns.append(new_column("OriginalImageFilename", [b"'m1.mrc'", b"'m2.mrc'"]))
    return _through_a_file(lambda path: write_binary(path, columns, 2))


def numpy_table() -> bytes:
    """Particles of cryoSPARC in a NumPy array."""

    def write(path: Path) -> None:
        with path.open("wb") as handle:
            np.save(handle, cs_rows())

    return _through_a_file(write)


def literal_lz4(raw: bytes) -> bytes:
    """Compress into a block that has literals only."""
    n = len(raw)
    if n < 15:
        return bytes([n << 4]) + raw
    return b"\xf0" + b"\xff" * ((n - 15) // 255) + bytes([(n - 15) % 255]) + raw


def compressed_stream() -> bytes:
    """The stream of `stream_bytes` with every column an LZ4 block."""
    raw = stream_bytes()
    n_header = int.from_bytes(raw[6:10], "little")
    header = json.loads(raw[10 : 10 + n_header])
    header["compression"] = "lz4"
    header["compressed_fields"] = [name for name, *_ in header["dtype"]]
    position, blocks = 10 + n_header, b""
    for _ in header["dtype"]:
        n = int.from_bytes(raw[position : position + 4], "little")
        block = literal_lz4(raw[position + 4 : position + 4 + n])
        blocks += len(block).to_bytes(4, "little") + block
        position += 4 + n
    text = json.dumps(header).encode()
    return raw[:6] + len(text).to_bytes(4, "little") + text + blocks + raw[position:]


def mrc(data: np.ndarray, *, is_stack: bool) -> bytes:
    """A file of mrcfile's, which shares nothing with the code under test."""

    def write(path: Path) -> None:
        with mrcfile.new(path) as file:
            file.set_data(data)
            if is_stack:
                file.set_image_stack()
            file.voxel_size = 2.0

    return _through_a_file(write)


def _write_posteriors(path: Path) -> None:
    with path.open("wb") as handle:
        np.save(handle, np.array([[0.25, 0.75], [1, 0]], np.float32))


def _mask() -> np.ndarray:
    mask = np.zeros((BOX, BOX, BOX), np.float32)
    mask[2:6, 2:6, 2:6] = 1
    return mask


def build() -> dict[str, bytes]:
    """Return the content of every file, by the name it is to have; a folder is a kind."""
    noise = np.random.default_rng(0).standard_normal((4, BOX, BOX)).astype(np.float32)
    config = ClassifyRequest(**CONFIG).to_yaml()  # type: ignore[arg-type]
    return {
        "relion3/x.star": RELION_3.encode(),
        "relion31/x.star": star_text().encode(),
        "relion5/x.star": RELION_5.encode(),
        "cistem-star/x.star": CISTEM_STAR.encode(),
        "cistem/x.cistem": cistem(),
        "par17/x.par": par_text().encode(),
        "par16/x.par": par_text(16).encode(),
        "cs/x.cs": numpy_table(),
        "stream/x.cs": stream_bytes(),
        "packed/x.cs": compressed_stream(),
        "passthrough/P1_passthrough_particles.cs": numpy_table(),
        "pdb/x.pdb": pdb().encode(),
        "mmcif/x.cif": MMCIF.encode(),
        "pdb-gz/x.pdb.gz": gzip.compress(pdb().encode(), mtime=0),
        "markers/x.cmm": MARKERS.encode(),
        "config/x.yaml": config.encode(),
        "slurm/x.yaml": SLURM.encode(),
        "operators/x.txt": OPERATORS.encode(),
        "map/x.mrc": mrc(_mask(), is_stack=False),
        "mask/x.mrc": mrc(_mask(), is_stack=False),
        "stack/s.mrcs": mrc(noise, is_stack=True),
        "stack8/s.mrcs": mrc((10 * noise).astype(np.int8), is_stack=True),
        "posteriors/x.npy": _through_a_file(_write_posteriors),
        "cycles/x.csv": CYCLES.encode(),
        "curves/x.star": CURVES.encode(),
        "groups/x.csv": GROUPS.encode(),
        "job/job.json": json.dumps(JOB, indent=2).encode(),
    }
