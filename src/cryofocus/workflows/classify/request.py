"""Everything a user may ask of `classify`: one checked object, which is also config.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, WrapValidator, model_validator

from cryofocus.calls import checked
from cryofocus.data.file_state import FileState
from cryofocus.data.formats import open_table
from cryofocus.data.stack_paths import note_image_folder
from cryofocus.data.table_source import TableSource
from cryofocus.errors import FormatError, InputError, SettingError
from cryofocus.inference.settings import AUTO, REGION, ClassifierSettings
from cryofocus.option import Option
from cryofocus.settings import MAX_COMPLAINTS, hint_at
from cryofocus.workflows.classify.origin import ORIGIN, Origin, place_paths
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.run.checkpoint import Fingerprint, fingerprint_run
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.yaml_file import read_yaml

Sphere = tuple[float, float, float, float]
EXPECTED_PLACE = (
    "four numbers in Å, such as 142,118,97,30, or auto; a mask goes to --mask FILE.mrc"
)
SCAFFOLD_EVERY = 10
# What only says where files are; their content counts.
OF_FILES = {"datadir", "stack", "passthrough"}
POSES = "Poses"


def _read_place(text: str) -> Sphere | Literal["auto"]:
    """Read a sphere, or `auto`.

    Raises:
        ValueError: When it is neither.
    """
    if text == AUTO:
        return AUTO
    x, y, z, radius = (float(part) for part in text.split(","))
    return x, y, z, radius


def _check_place(value: object, check: Callable[[object], object]) -> object:
    """Refuse what is neither a sphere nor `auto`, in one sentence instead of one per kind."""
    try:
        return check(value)
    except ValueError as error:
        raise ValueError(EXPECTED_PLACE) from error


Place = Annotated[
    Sphere | Literal["auto"] | None,
    WrapValidator(_check_place),
    Option(metavar="X,Y,Z,R|auto", panel=REGION, read=_read_place, expected=EXPECTED_PLACE),
]


class ClassifyRequest(TableSource):
    """Input files, region, settings and resources of a classification.

    Attributes:
        particles: Particle table with poses and CTF: RELION STAR (3.0 to 5), cryoSPARC .cs,
            cisTEM .star or .cistem, or Frealign .par.
        focus: Sphere: x, y, z of the centre and radius in Å in the map's frame, as ChimeraX shows
            it; or `auto`, to find first where the particles vary, as `cryofocus variance` does,
            and take the region with most of it. Give either a sphere or a mask; with the strategy
            `global`, neither.
        mask: MRC map from 0 to 1 on the particles' grid.
        map: Map whose header origin defines the frame of the sphere. Without it, voxel (0, 0, 0)
            lies at 0 Å.
        solvent_mask: Mask of the whole particle: the consensus and, with `mask2d`, the references
            are multiplied by it. With `global`, classes may differ inside it.
        references: Maps that the first run starts from, one per class, in class order. Other runs
            start as usual and show whether the maps matter.
        refine_poses: Refine the poses against the consensus before the first cycle, and each
            particle against its class every so many cycles, until they settle. 4 is a good choice
            for inaccurate poses. Default: poses stay as given.
        scaffold: Mask of a region that is the same in all classes: class maps that drift are
            fitted back onto it, together with the poses of their particles.
        scaffold_every: Number of cycles between fits of the class maps to the scaffold.
        settings: Everything that changes the result.
        machine: What computes; its names are those of `Machine`, in config.yaml beside the others.
    """

    particles: Annotated[Path, Option(metavar="PARTICLES", is_argument=True)]
    focus: Place = None
    mask: Annotated[Path | None, Option(panel=REGION)] = None
    map: Annotated[Path | None, Option(panel=REGION)] = None
    solvent_mask: Annotated[Path | None, Option(panel=REGION)] = None
    references: Annotated[tuple[Path, ...], Option(metavar="MAP...", panel="Classification")] = ()
    refine_poses: Annotated[int | None, Option(metavar="CYCLES", panel=POSES)] = Field(
        default=None, ge=1
    )
    scaffold: Annotated[Path | None, Option(panel=POSES)] = None
    scaffold_every: Annotated[int, Option(metavar="CYCLES", panel=POSES)] = Field(
        default=SCAFFOLD_EVERY, ge=1
    )
    settings: Annotated[ClassifierSettings, Option(panel="Classification")]
    machine: Annotated[Machine, Option(panel="Machine")] = Machine()

    @model_validator(mode="before")
    @classmethod
    def _gather_machine(cls, values: object) -> object:
        """Put what is said of the machine together: in a configuration it stands by itself."""
        if not isinstance(values, dict) or "machine" in values:
            return values
        machine = {name: values[name] for name in Machine.model_fields.keys() & values.keys()}
        others = {name: value for name, value in values.items() if name not in machine}
        return others | {"machine": machine}

    @model_validator(mode="before")
    @classmethod
    def _as_many_classes_as_references(cls, values: object) -> object:
        """Let maps to start from say how many classes there are, where nobody does."""
        match values:
            case {"references": [_, _, *_] as maps, "settings": dict(settings), **others}:
                settings = {"n_classes": len(maps), **settings}
                return {**others, "references": maps, "settings": settings}
            case _:
                return values

    @model_validator(mode="after")
    def _one_region(self) -> ClassifyRequest:
        """Require a sphere or a mask, not both; and no region where there is no focus."""
        if not self.settings.method.needs_region:
            self._refuse_a_region()
            return self
        if (self.focus is None) == (self.mask is None):
            found, or_else = "both", ""
            if self.focus is None:
                found, or_else = "neither", "; --focus auto finds where the particles vary"
            raise SettingError(
                f"focus and mask: found {found}, expected one of them. Give a sphere with --focus "
                f"X,Y,Z,R or a mask file with --mask{or_else}."
            )
        if self.focus == AUTO and self.map is not None:
            raise SettingError(
                "map: says in which frame a sphere is given, but focus auto finds one in the "
                "particles' own. Leave --map out."
            )
        if self.mask is not None and self.map is not None:
            raise SettingError(
                "map: only places a focus sphere, but a mask file was given, whose own header "
                "places it. Leave --map out."
            )
        self.settings.require_region("sphere" if self.mask is None else "mask file")
        return self

    def _refuse_a_region(self) -> None:
        given = [name for name in ("focus", "mask", "map") if getattr(self, name) is not None]
        if given:
            raise SettingError(
                f"{' and '.join(given)}: the strategy {self.settings.strategy} compares whole "
                "maps and has no focus. Leave it out, or bound the particle with --solvent-mask."
            )

    @model_validator(mode="after")
    def _one_reference_a_class(self) -> ClassifyRequest:
        """Require as many reference maps as classes."""
        if self.references and len(self.references) != self.settings.n_classes:
            raise SettingError(
                f"references: found {len(self.references)} maps, expected "
                f"{self.settings.n_classes}, one per class. Give as many maps as classes."
            )
        return self

    @model_validator(mode="after")
    def _no_interval_without_scaffold(self) -> ClassifyRequest:
        """Refuse an interval that would do nothing."""
        if self.scaffold is None and self.scaffold_every != SCAFFOLD_EVERY:
            raise SettingError(
                f"scaffold_every: found {self.scaffold_every}, but no scaffold to fit classes to. "
                "Give --scaffold MASK, or leave it out."
            )
        return self

    @model_validator(mode="after")
    def _a_cluster_that_helps(self) -> ClassifyRequest:
        """Refuse workers that would have nothing to do."""
        can_be_sharded = self.settings.method.can_be_sharded
        if self.machine.cluster is not None and not can_be_sharded:
            raise SettingError(
                f"cluster: the strategy {self.settings.strategy} keeps whole images, which are "
                "not spread over workers. Choose another strategy, or leave --cluster out."
            )
        return self

    @property
    def input_files(self) -> tuple[Path, ...]:
        """The files named, except image stacks."""
        named = (self.particles, self.mask, self.map, self.solvent_mask, self.scaffold)
        given = tuple(path for path in named if path is not None)
        return (*given, *self.references, *self.passthrough)

    def lasting_settings(self) -> dict[str, object]:
        """Return what decides the result, which a resumed run must not change."""
        said = TableSource.model_fields.keys() - OF_FILES
        return {
            **{name: getattr(self, name) for name in sorted(said)},
            "focus": self.focus,
            "mask": str(self.mask) if self.mask else None,
            "solvent_mask": str(self.solvent_mask) if self.solvent_mask else None,
            "references": [str(path) for path in self.references],
            "refine_poses": self.refine_poses,
            "scaffold": str(self.scaffold) if self.scaffold else None,
            "scaffold_every": self.scaffold_every,
            **self.settings.model_dump(mode="json"),
        }

    def fingerprint(self, stacks: Mapping[Path, FileState]) -> Fingerprint:
        """Collect what must be the same when a run is resumed; see `fingerprint_run`.

        Args:
            stacks: Image stacks as they were before they were read.

        Raises:
            FormatError: When an input file cannot be read.
        """
        return fingerprint_run(self.lasting_settings(), self.input_files, stacks)

    def require_same(self, config: Path) -> None:
        """Refuse to take a finished run for the result of other settings.

        Args:
            config: Its config.yaml.

        Raises:
            SettingError: When it was asked for something else.
        """
        before = read_config(config).lasting_settings()
        changes = [
            f"{name} was {before.get(name)}, now {value}"
            for name, value in self.lasting_settings().items()
            if before.get(name) != value
        ]
        if changes:
            raise SettingError(
                f"{config.parent}: this run is finished, but {'; '.join(changes)}. Replace it "
                "with --overwrite, or choose another place with -o."
            )

    def to_yaml(self, origin: Origin | None = None) -> str:
        """Write as config.yaml.

        Args:
            origin: Where relative names count from; not said if left out.
        """
        dumped = self.model_dump(mode="json")
        values = {name: dumped[name] for name in self.describe()}
        values |= values.pop("machine")
        if origin is not None:
            values[ORIGIN] = origin.to_yaml()
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


# What a configuration may say, beside the settings.
KNOWN = ClassifyRequest.model_fields.keys() - {"machine"} | Machine.model_fields.keys()


@checked
def read_config(path: Path | str, changes: Mapping[str, Any] | None = None) -> ClassifyRequest:
    """Read config.yaml of an earlier run, with some values replaced.

    Args:
        path: YAML file with the names of `ClassifyRequest`. Names of files in it mean what they
            meant in the working directory of the run, also once the project has moved.
        changes: Values that take precedence over the file's, such as options given on the command
            line; `settings` and `machine` are merged name by name, and a focus replaces a mask.

    Raises:
        FormatError: When the file cannot be read or is not YAML with names and values.
        SettingError: As `ClassifyRequest`.
    """
    path = Path(path)
    values = read_yaml(path, "Give the config.yaml of a run.")
    if not (
        isinstance(values, dict)
        and isinstance(values.get("settings", {}), dict)
        and values.keys() & KNOWN - {"particles"}
    ):
        raise FormatError(
            f"{path}: holds no settings of classify. Give the config.yaml of a run directory."
        )
    values = place_paths(values, path)
    if unknown := sorted(map(str, values.keys() - KNOWN)):
        named = "; ".join(
            f"{name}: unknown, {hint_at(name, ClassifyRequest)}"
            for name in unknown[:MAX_COMPLAINTS]
        )
        raise FormatError(f"{path}: {named}")
    changed = dict(changes or {})
    changed |= changed.pop("machine", {})
    if "focus" in changed or "mask" in changed:
        values = {k: v for k, v in values.items() if k not in ("focus", "mask", "map")}
    new_settings = changed.pop("settings", {})
    settings = {**values.get("settings", {}), **new_settings}
    try:
        return ClassifyRequest(**{**values, **changed, "settings": settings})
    except SettingError as error:
        # What was given beside the file is not the file's fault.
        raise error if changed or new_settings else SettingError(f"{path}: {error}") from error


def note_images_of_run(run: Path, output: Path) -> None:
    """Say which `--datadir` a table made from a run needs, if it needs one.

    Args:
        run: Run directory, whose config.yaml tells where the images were found.
        output: The table that was written.
    """
    try:
        request = read_config(RunDirectory(run).config)
        note_image_folder(output, open_table(output), request.particles, request.datadir)
    except InputError:
        return  # the table is good all the same
