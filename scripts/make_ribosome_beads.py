"""Write the beads of `cryofocus simulate assembly` from atomic models of the 70S ribosome.

Usage: ``python scripts/make_ribosome_beads.py FOLDER``, FOLDER holding grp0.pdb.gz and
grp3.pdb.gz: full-atom models of the 70S ribosome of T. thermophilus, derived from the Protein Data
Bank, as they lie in the history of github.com/cryoem/eman2 at 9cb1c61cc. Any other file of that
name is refused.

A bead is a nucleotide, or three amino acids in a row, with the mass of its atoms, hydrogens
included. Its Gaussian is as wide as its atoms lie apart. Parts are whole chains or stretches of
23S RNA whose ends pair. How the small subunit turns is the rigid motion that carries the body and
the head of 16S RNA from grp3 to grp0 while 23S RNA stays; the head swings by what it turns more
than the body, about the neck.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

TARGET = Path(__file__).parents[1] / "src" / "cryofocus" / "simulate" / "assembly"
CHECKSUMS = {
    "grp0.pdb.gz": "8a211481c265ec83668cb2a779e09482600df7be221403f047132c434f4fa411",
    "grp3.pdb.gz": "5777dfc7214d06f79152b87976a9aa8b164f401404880d20936fb055baf1f5cd",
}
MASS = {"C": 12.011, "N": 14.007, "O": 15.999, "P": 30.974, "S": 32.06}
NUCLEOTIDES = {"A", "C", "G", "U", "5MU"}
# What hydrogens, which the models lack, add to the mass of the other atoms.
HYDROGEN = {True: 1.035, False: 1.075}
AMINO_ACIDS_PER_BEAD = 3
# Thermal motion and the width of the atoms themselves, standard deviation.
ATOM_SIGMA_ANGSTROM = 1.0

# Stretches of 23S RNA by number (E. coli's, as in the file), then chains of the large subunit.
RNA_23S = {
    "stalk_base": [(1030, 1124)],  # H42 to H44
    "h58": [(1474, 1517)],
    "bridge": [(1906, 1961)],  # H69 to H71
    "l1_stalk": [(2093, 2196)],  # H76 to H78
    "central_protuberance": [(2259, 2389)],  # H81 to H88
}
LARGE_CHAINS = {
    "stalk_base": "K",  # uL11
    "l4": "F",
    "l16": "Q",
    "l1_stalk": "C",
    "central_protuberance": "BGSZ04",  # 5S RNA, uL5, uL18, bL25, bL27, bL31
}
HEAD_CHAINS = "CGIJMNSU"  # uS3, uS7, uS9, uS10, uS13, uS14, uS19, bTHX
HEAD_16S, BODY_16S = (930, 1387), (5, 920)
NECK_16S = (921, 929)
PARTS = (
    *("core", "stalk_base", "l4", "h58", "central_protuberance", "bridge", "l16"),
    *("l1_stalk", "ef_g", "trna", "small_body", "small_head"),
)
HEADER = """\
# 70S ribosome of Thermus thermophilus as Gaussian beads; made by scripts/make_ribosome_beads.py.
# Derived from coordinates of the Protein Data Bank, which are free of copyright (CC0 1.0).
"""


@dataclass
class Residue:
    """Atoms of one residue."""

    number: int
    name: str
    position: np.ndarray
    mass: np.ndarray
    marker: np.ndarray  # P or CA; empty where there is none

    @property
    def is_rna(self) -> bool:
        """Whether it is a nucleotide."""
        return self.name in NUCLEOTIDES


def read_chains(path: Path) -> list[tuple[str, list[Residue]]]:
    """Read runs of residues; the two subunits use the same names of chains, one after another."""
    if hashlib.sha256(path.read_bytes()).hexdigest() != CHECKSUMS[path.name]:
        raise SystemExit(f"{path}: not the file that the beads were made of; see this script")
    chains: list[tuple[str, list[Residue]]] = []
    previous: tuple[str, int] = ("", 0)
    for lines in _residue_lines(path):
        name, number = lines[0][21], int(lines[0][22:26])
        if name != previous[0] or number < previous[1] - 1:
            chains.append((name, []))
        previous = name, number
        chains[-1][1].append(_residue(number, lines))
    return chains


def _residue_lines(path: Path) -> Iterator[list[str]]:
    held: list[str] = []
    with gzip.open(path, "rt") as file:
        for line in file:
            if line.startswith(("ATOM", "HETATM")):
                if held and line[17:27] != held[-1][17:27]:
                    yield held
                    held = []
                held.append(line)
    yield held


def _residue(number: int, lines: Sequence[str]) -> Residue:
    atoms = [line[12:16].strip() for line in lines]
    name = lines[0][17:20].strip()
    position = np.array([[float(line[a : a + 8]) for a in (30, 38, 46)] for line in lines])
    elements = [atom.lstrip("0123456789")[0] for atom in atoms]
    mass = np.array([MASS.get(e, 0.0) for e in elements]) * HYDROGEN[name in NUCLEOTIDES]
    is_marker = np.isin(atoms, ["P", "CA"])
    return Residue(number, name, position, mass, position[is_marker])


def assign_parts(chains: list[tuple[str, list[Residue]]]) -> Iterator[tuple[str, list[Residue]]]:
    """Yield runs of residues with the part each belongs to; what is no part of ours is left out.

    The small subunit comes first in the file, then transfer RNAs, messenger RNA and EF-G, then the
    large subunit, which starts with chain 0.
    """
    names = [name for name, _ in chains]
    first_ligand, first_large = names.index("V"), names.index("0")
    for index, (name, residues) in enumerate(chains):
        if index == 0:
            for is_head, run in _runs(residues, lambda r: HEAD_16S[0] <= r.number <= HEAD_16S[1]):
                yield "small_head" if is_head else "small_body", run
        elif index < first_ligand:
            yield "small_head" if name in HEAD_CHAINS else "small_body", residues
        elif index < first_large:
            # The modified uridine of the first transfer RNA stands between its two pieces.
            if name == "V" or index == first_ligand + 1:
                yield "trna", residues
            elif name == "Y":
                yield "ef_g", residues
        elif name == "A":
            yield from _runs(residues, _part_of_23s)
        else:
            yield next((p for p, held in LARGE_CHAINS.items() if name in held), "core"), residues


def _part_of_23s(residue: Residue) -> str:
    for part, stretches in RNA_23S.items():
        if any(first <= residue.number <= last for first, last in stretches):
            return part
    return "core"


def _runs(residues: list[Residue], key) -> Iterator[tuple]:
    start = 0
    for end in range(1, len(residues) + 1):
        if end == len(residues) or key(residues[end]) != key(residues[start]):
            yield key(residues[start]), residues[start:end]
            start = end


def make_beads(part: str, residues: list[Residue]) -> Iterator[tuple]:
    """Yield part, x, y, z, sigma, mass and whether it is RNA, for every bead of a chain."""
    start = 0
    while start < len(residues):
        n = 1 if residues[start].is_rna else AMINO_ACIDS_PER_BEAD
        group = residues[start : start + n]
        position = np.concatenate([r.position for r in group])
        mass = np.concatenate([r.mass for r in group])
        if mass.sum() > 0:
            centre = mass @ position / mass.sum()
            spread = mass @ ((position - centre) ** 2).sum(axis=1) / mass.sum() / 3
            sigma = np.sqrt(spread + ATOM_SIGMA_ANGSTROM**2)
            yield part, *centre, sigma, mass.sum(), int(group[0].is_rna)
        start += n


def markers(chain: list[Residue], bounds: tuple[int, int]) -> dict[int, np.ndarray]:
    """Return the phosphorus of every nucleotide between two numbers."""
    within = (r for r in chain if bounds[0] <= r.number <= bounds[1] and len(r.marker))
    return {r.number: r.marker[0] for r in within}


def superpose(a: dict[int, np.ndarray], b: dict[int, np.ndarray]) -> tuple[Rotation, ...]:
    """Return the rotation that carries a onto b, and the centres of both."""
    common = sorted(a.keys() & b.keys())
    x, y = (np.array([points[n] for n in common]) for points in (a, b))
    rotation, _ = Rotation.align_vectors(y - y.mean(axis=0), x - x.mean(axis=0))
    return rotation, x.mean(axis=0), y.mean(axis=0)


def find_motion(resting: list, turned: list) -> Iterator[tuple]:
    """Yield name, pivot, rotation vector (degrees) and shift of every motion."""
    rna = [
        [next(chain for name, chain in chains if name == "A" and low < len(chain) < high)
         for chains in (resting, turned)]
        for low, high in ((2000, 9999), (1000, 2000))
    ]  # fmt: skip
    frame, here, there = superpose(*(markers(chain, (1, 2999)) for chain in rna[0]))
    turns = []
    for name, bounds in (("body", BODY_16S), ("head", HEAD_16S)):
        a, b = (markers(chain, bounds) for chain in rna[1])
        b = {n: frame.inv().apply(p - there) + here for n, p in b.items()}
        rotation, from_, to = superpose(a, b)
        turns.append(rotation)
        yield name, *from_, *np.degrees(rotation.as_rotvec()), *(to - from_)
    neck = np.mean(list(markers(rna[1][0], NECK_16S).values()), axis=0)
    swing = turns[0].inv() * turns[1]
    yield "swing", *neck, *np.degrees(swing.as_rotvec()), 0.0, 0.0, 0.0


def write(folder: Path) -> None:
    """Write beads.csv.gz and motion.csv."""
    resting, turned = (read_chains(folder / f"grp{n}.pdb.gz") for n in (3, 0))
    beads = [b for part, chain in assign_parts(resting) for b in make_beads(part, chain)]
    beads.sort(key=lambda bead: PARTS.index(bead[0]))
    rows = [
        f"{part},{x:.1f},{y:.1f},{z:.1f},{sigma:.2f},{mass:.0f},{rna}\n"
        for part, x, y, z, sigma, mass, rna in beads
    ]
    text = HEADER + "part,x,y,z,sigma,mass_dalton,is_rna\n" + "".join(rows)
    # No time stamp: the same models give the same file.
    (TARGET / "beads.csv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    numbers = [
        f"{name}," + ",".join(f"{value:.3f}" for value in values) + "\n"
        for name, *values in find_motion(resting, turned)
    ]
    about = (
        "# Motions of the small subunit: about a pivot, by a rotation vector in degrees, then\n"
    )
    about += "# shifted; Angstrom. The swing comes before the head's turn.\n"
    columns = "name,pivot_x,pivot_y,pivot_z,turn_x,turn_y,turn_z,shift_x,shift_y,shift_z\n"
    (TARGET / "motion.csv").write_text(HEADER + about + columns + "".join(numbers))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
