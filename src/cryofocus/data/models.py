"""Atomic models (PDB and mmCIF, also gzipped): where the atoms of chosen chains and residues are.

Coordinates are Å, x, y, z, in the frame the model was built in, which is the map's own: voxel
(0, 0, 0) of the map lies at the origin of its header. Of a file with several models the first is
read. Chains go by the names that ChimeraX and Coot show (auth_asym_id).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from jaxtyping import Float64, Int64

from cryofocus.errors import FormatError, InputError, RegionError

MAX_CHAINS_SHOWN = 12
Range = tuple[int, int]


@dataclass(frozen=True, eq=False)
class AtomicModel:
    """Atoms of a model.

    Attributes:
        path: File it was read from.
        position_angstrom: `(atom, 3)` x, y, z.
        chain: Name of each atom's chain.
        residue: `(atom,)` number of each atom's residue, as in the file.
    """

    path: Path
    position_angstrom: Float64[np.ndarray, "atom 3"]
    chain: tuple[str, ...]
    residue: Int64[np.ndarray, " atom"]

    @classmethod
    def read(cls, path: Path | str) -> AtomicModel:
        """Read a model.

        Raises:
            InputError: When there is no such file.
            FormatError: When it is no model or has no atoms.
        """
        path = Path(path)
        structure = read_structure(path)
        atoms = [
            (atom.pos.tolist(), chain.name, residue.seqid.num or 0)
            for model in list(structure)[:1]
            for chain in model
            for residue in chain
            for atom in residue
        ]
        positions, chains, residues = zip(*atoms, strict=True)
        return cls(path, np.array(positions), chains, np.array(residues, np.int64))

    def select(
        self, chains: Sequence[str] = (), residues: Sequence[Range] = ()
    ) -> Float64[np.ndarray, "chosen 3"]:
        """Return the positions of chosen atoms: x, y, z in Å.

        Args:
            chains: Names of chains; all if empty.
            residues: First and last number of stretches of residues, both included; all if empty.

        Raises:
            RegionError: When a chain does not exist or no atom is left.
        """
        names = list(dict.fromkeys(self.chain))
        unknown = [name for name in chains if name not in names]
        if unknown:
            shown = ", ".join(names[:MAX_CHAINS_SHOWN])
            more = f" and {len(names) - MAX_CHAINS_SHOWN} more" * (len(names) > MAX_CHAINS_SHOWN)
            raise RegionError(
                f"{self.path}: no chain {', '.join(unknown)}; the model has {shown}{more}. Give "
                "names as ChimeraX shows them."
            )
        chosen = np.isin(np.array(self.chain), list(chains or names))
        span = self.residue[chosen]
        if residues:
            chosen &= np.any([(a <= self.residue) & (self.residue <= b) for a, b in residues], 0)
        if not chosen.any():
            raise RegionError(
                f"{self.path}: no atom in the selection; the residues of these chains are "
                f"numbered {span.min()} to {span.max()}. Give other numbers."
            )
        return self.position_angstrom[chosen]


def read_structure(path: Path) -> gemmi.Structure:
    """Read a model with everything that its file says of the atoms.

    Raises:
        InputError: When there is no such file.
        FormatError: When it is no model or has no atoms.
    """
    if not path.is_file():
        raise InputError(f"{path}: cannot be read (no such file). Check the path.")
    try:
        structure = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise FormatError(
            f"{path}: not an atomic model ({reason}); expected PDB or mmCIF. Check that this "
            "is the right file."
        ) from error
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        raise FormatError(
            f"{path}: no atoms found; expected a model in PDB or mmCIF format. Check that "
            "this is the right file."
        )
    return structure
