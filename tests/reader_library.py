"""What a reader of the documentation already has, in small: tables, images, maps, models, runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import gemmi
import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.spatial.transform import Rotation

import cryofocus
from cryofocus.simulate.phantom import Phantom
from small_phantom import every_tenth_bead

# The pages' own sphere, --focus 142,118,97,30, holds the arm in this box of 288 Å.
BOX, PIXEL = 24, 12.0
FOCUS = (142.0, 118.0, 97.0, 30.0)
STACK = "Extract/job012/images.mrcs"
PARTICLES = 200
# Places of the ribosome's page, in Å, and the states that lack them.
RIBOSOME: dict[tuple[float, float, float], tuple[int, ...]] = {
    (180, 240, 138): (1, 4),
    (162, 162, 234): (2, 4),
    (126, 192, 270): (4,),
    (120, 186, 168): (0, 1, 2),
    (246, 216, 240): (),
    (180, 200, 200): (),
}


def turned_beads() -> Phantom:
    """The humanoid, smaller and turned so that its arm is where the pages say."""
    beads = every_tenth_bead()
    arm = np.array([69.9, 0.0, 49.9])
    wanted = np.array(FOCUS[:3]) - BOX // 2 * PIXEL
    turn, _ = Rotation.align_vectors([wanted], [arm])
    scale = float(np.linalg.norm(wanted) / np.linalg.norm(arm))
    return replace(
        beads,
        centre_angstrom=scale * turn.apply(beads.centre_angstrom),
        sigma_angstrom=scale * beads.sigma_angstrom,
    )


def write_atoms(path: Path, places: np.ndarray) -> None:
    """Write a model of carbon atoms, a residue each, as chain v."""
    model = gemmi.Model(1)
    chain = gemmi.Chain("v")
    for number, place in enumerate(places.tolist(), 1):
        residue, atom = gemmi.Residue(), gemmi.Atom()
        residue.name, residue.seqid = "ALA", gemmi.SeqId(str(number))
        atom.name, atom.element, atom.pos = "CA", gemmi.Element("C"), gemmi.Position(*place)
        residue.add_atom(atom)
        chain.add_residue(residue)
    model.add_chain(chain)
    structure = gemmi.Structure()
    structure.add_model(model)
    if path.suffix == ".cif":
        structure.make_mmcif_document().write_file(str(path))
    else:
        structure.write_pdb(str(path))


class Library:
    """Makes what a page takes for granted, once for all pages.

    Args:
        folder: Where everything is made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._set = folder / "own"
        settings = cryofocus.HumanoidSettings(
            particles=PARTICLES, snr=3.0, first_snr=20.0, box=BOX, pixel_size_angstrom=PIXEL
        )
        cryofocus.simulate_humanoid(self._set, settings, phantom=turned_beads())
        # Images lie where a RELION project has them.
        table = self._set / "particles.star"
        table.write_text(table.read_text().replace("particles.mrcs", STACK))
        (self._set / STACK).parent.mkdir(parents=True)
        (self._set / "particles.mrcs").rename(self._set / STACK)
        self._makers: dict[str, Callable[[Path], object]] = {
            "map.mrc": self._map,
            "full.mrc": self._map,
            "half1.mrc": partial(self._copy, "class001_half1.mrc"),
            "half2.mrc": partial(self._copy, "class001_half2.mrc"),
            "other.mrc": partial(self._copy, "class002.mrc"),
            "class001.mrc": partial(self._copy, "class001.mrc"),
            "class002.mrc": partial(self._copy, "class002.mrc"),
            "run": self._run,
            "other_run": partial(self._copy_run, "run"),
            "model.cif": self._model,
            "markers.cmm": self._markers,
            "region.cmm": self._markers,
            "consensus.mrc": partial(self._copy, "consensus.mrc"),
            "class1.star": self._table,
            "class2.star": self._table,
        }
        spheres = {
            "mask.mrc": FOCUS,
            "hand.mrc": FOCUS,
            "domain.mrc": (*FOCUS[:3], 40.0),
            "core.mrc": (144.0, 144.0, 144.0, 40.0),
            "particle.mrc": (144.0, 144.0, 144.0, 110.0),
        }
        others = ("foot", "base", "cp", "bridge", "l16", "efg", "l1", "trna")
        places, _ = kmeans2(turned_beads().centre_angstrom, len(others), minit="++", rng=1)
        for name, place in zip(others, places + BOX // 2 * PIXEL, strict=True):
            x, y, z = place.tolist()
            spheres[f"{name}.mrc"] = (x, y, z, 24.0)
        for number in (0, 1, 2, 4):
            self._makers[f"grp{number}.pdb"] = partial(self._state, number)
        for name, sphere in spheres.items():
            self._makers[name] = partial(self._sphere, sphere)

    def lay_out(self, home: Path, page: str) -> None:
        """Put particles and images where pages have them, in a project folder."""
        shutil.copytree(self._set / "Extract", home / "Extract")
        names = ["run_data.star", "Refine3D/job030/run_data.star"]
        for name in names if page == "from-cryosparc" else [*names, "particles.star"]:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self._set / "particles.star", home / name)
        if page == "from-cistem":
            for name, format_name in (("particles.star", "cistem-star"), ("particles.par", None)):
                (home / name).unlink(missing_ok=True)
                stack = home / ("frealign.mrc" if format_name is None else "particles.mrc")
                settings = cryofocus.ConvertSettings(to=format_name, write_stack=stack)
                cryofocus.convert(home / "run_data.star", home / name, settings)
        if page == "from-cryosparc":
            (home / "P12/J24").mkdir(parents=True)
            shutil.copytree(home / "Extract", home / "P12/Extract")
            for name in ("J24_005_particles.cs", "P12/J24/J24_005_particles.cs"):
                cryofocus.convert(home / "run_data.star", home / name)

    def give(self, name: str, home: Path) -> bool:
        """Put a thing that a page mentions where it mentions it; False for what is not known."""
        if name not in self._makers:
            return False
        made = self._make(name)
        copy = shutil.copytree if made.is_dir() else shutil.copy
        copy(made, home / name)
        return True

    def _make(self, name: str) -> Path:
        made = self.folder / name
        if not made.exists():
            self._makers[name](made)
        return made

    def _map(self, path: Path) -> None:
        settings = cryofocus.ReconstructSettings(datadir=self._set)
        cryofocus.reconstruct(self._set / "particles.star", path, settings)

    def _table(self, path: Path) -> None:
        shutil.copy(self._set / "particles.star", path)

    def _copy(self, name: str, path: Path) -> None:
        shutil.copy(self._make("run") / name, path)

    def _copy_run(self, name: str, path: Path) -> None:
        shutil.copytree(self._make(name), path)

    def _sphere(self, sphere: tuple[float, float, float, float], path: Path) -> None:
        cryofocus.make_sphere_mask(sphere, self._make("map.mrc"), path)

    def _run(self, path: Path) -> None:
        cut = (*FOCUS[:3], 24.0)
        table = self._set / "particles.star"
        run = cryofocus.classify(table, path, datadir=self._set, focus=cut, classes=2, runs=2)
        proposed = path / "proposed_region.mrc"
        if not proposed.exists():
            self._sphere((*FOCUS[:3], 36.0), proposed)
        assert run.path == path

    def _model(self, path: Path) -> None:
        write_atoms(path, turned_beads().centre_angstrom + BOX // 2 * PIXEL)

    def _state(self, number: int, path: Path) -> None:
        lumps = [lump for lump in RIBOSOME if number not in RIBOSOME[lump]]
        spread = np.random.default_rng(1).normal(0, 10, (25, 3))
        write_atoms(path, np.concatenate([spread + np.array(lump) for lump in lumps]))

    def _markers(self, path: Path) -> None:
        x, y, z, radius = FOCUS
        path.write_text(
            '<marker_set name="set">\n'
            f'<marker id="1" x="{x}" y="{y}" z="{z}" r="1" g="0" b="0" radius="{radius}"/>\n'
            "</marker_set>\n"
        )
