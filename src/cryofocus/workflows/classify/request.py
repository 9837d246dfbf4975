"""Everything a user may ask of `classify`: one checked object, which is also config.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from cryofocus.data.particle_table import Supplement
from cryofocus.errors import FormatError, SettingError
from cryofocus.inference.settings import ClassifierSettings
from cryofocus.maths.ctf import Microscope
from cryofocus.workflows.machine.machine import Machine
from cryofocus.workflows.run.complaints import explain, suggest

Sphere = tuple[float, float, float, float]
MAX_COMPLAINTS = 5
SCAFFOLD_EVERY = 10


class ClassifyRequest(BaseModel):
    """Input files, region, settings and resources of a classification.

    Attributes:
        particles: Particle table.
        focus: x, y, z, radius of a sphere in Å in the map's frame; or give `mask`.
        mask: Mask file on the particles' grid. Exactly one of the two, and neither with the
            strategy `global`.
        solvent_mask: Mask file that the consensus is multiplied by; for `global`, also what
            classes may differ in.
        references: Maps the first run starts from, one a class.
        refine_poses: Refine poses before the first cycle and after every so many; None keeps them.
        scaffold: Mask file of a region that is the same in all classes, by which class maps are
            held together; or None.
        scaffold_every: Cycles after which class maps are brought back onto the scaffold.
        map: Map whose header origin defines the frame of `focus`; without it voxel (0, 0, 0) lies
            at 0 Å.
        datadir: Folder in which image stacks are looked up first.
        stack: Image stack of a cisTEM or Frealign table.
        microscope: Voltage (kV), spherical aberration (mm) and amplitude contrast for a Frealign
            table.
        pixel_size_angstrom: For a Frealign table whose stack does not say it.
        passthrough: Further files of a cryoSPARC job.
        settings: Everything that changes the result.
        machine: What computes; its names are those of `Machine`, in config.yaml beside the others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    particles: Path
    focus: Sphere | None = None
    mask: Path | None = None
    map: Path | None = None
    solvent_mask: Path | None = None
    references: tuple[Path, ...] = ()
    refine_poses: int | None = Field(default=None, ge=1)
    scaffold: Path | None = None
    scaffold_every: int = Field(default=SCAFFOLD_EVERY, ge=1)
    datadir: Path | None = None
    stack: Path | None = None
    microscope: tuple[float, float, float] | None = None
    pixel_size_angstrom: float | None = Field(default=None, gt=0)
    passthrough: tuple[Path, ...] = ()
    settings: ClassifierSettings
    machine: Machine = Machine()

    @model_validator(mode="before")
    @classmethod
    def _gather_machine(cls, values: object) -> object:
        """Put what is said of the machine together: in a configuration it stands by itself."""
        if not isinstance(values, dict) or "machine" in values:
            return values
        machine = {name: values[name] for name in Machine.model_fields.keys() & values.keys()}
        others = {name: value for name, value in values.items() if name not in machine}
        return others | {"machine": machine}

    @model_validator(mode="after")
    def _one_region(self) -> ClassifyRequest:
        """Require a sphere or a mask, not both; and no region where there is no focus."""
        if self.settings.strategy == "global":
            self._refuse_a_region()
            return self
        if (self.focus is None) == (self.mask is None):
            found = "neither" if self.focus is None else "both"
            raise SettingError(
                f"focus and mask: found {found}, expected one of them. Give a sphere with --focus "
                "X,Y,Z,R or a mask file with --mask."
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
                f"{' and '.join(given)}: the strategy global compares whole maps and has no "
                "focus. Leave it out, or bound the particle with --solvent-mask."
            )

    @model_validator(mode="after")
    def _one_reference_a_class(self) -> ClassifyRequest:
        """Require as many reference maps as classes."""
        if self.references and len(self.references) != self.settings.n_classes:
            raise SettingError(
                f"references: found {len(self.references)} maps, expected "
                f"{self.settings.n_classes}, one a class. Give as many maps as classes."
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
        if self.machine.cluster is not None and self.settings.strategy == "mask2d":
            raise SettingError(
                "cluster: the strategy mask2d keeps whole images, which are not spread over "
                "workers. Choose another strategy, or leave --cluster out."
            )
        return self

    @property
    def input_files(self) -> tuple[Path, ...]:
        """The files named, except image stacks."""
        named = (self.particles, self.mask, self.map, self.solvent_mask, self.scaffold)
        given = tuple(path for path in named if path is not None)
        return (*given, *self.references, *self.passthrough)

    @property
    def supplement(self) -> Supplement:
        """What the particle table leaves to the user to say.

        Raises:
            SettingError: When the microscope makes no sense.
        """
        try:
            microscope = None if self.microscope is None else Microscope(*self.microscope)
        except ValueError as error:
            raise SettingError(f"microscope: {error}. Correct --microscope.") from error
        return Supplement(self.stack, microscope, self.pixel_size_angstrom, self.passthrough)

    def lasting_settings(self) -> dict[str, object]:
        """Return what decides the result, which a resumed run must not change."""
        return {
            "focus": self.focus,
            "mask": str(self.mask) if self.mask else None,
            "solvent_mask": str(self.solvent_mask) if self.solvent_mask else None,
            "references": [str(path) for path in self.references],
            "refine_poses": self.refine_poses,
            "scaffold": str(self.scaffold) if self.scaffold else None,
            "scaffold_every": self.scaffold_every,
            **self.settings.model_dump(mode="json"),
        }

    def to_yaml(self) -> str:
        """Write as config.yaml."""
        values = self.model_dump(mode="json")
        return yaml.safe_dump(values | values.pop("machine"), sort_keys=False, allow_unicode=True)


# What a configuration may say, beside the settings.
KNOWN = ClassifyRequest.model_fields.keys() - {"machine"} | Machine.model_fields.keys()


def make_request(values: Mapping[str, Any]) -> ClassifyRequest:
    """Check values and build a request.

    Args:
        values: By the names of `ClassifyRequest` and `Machine`, the settings as a mapping under
            `settings`.

    Raises:
        SettingError: For a value out of range or an unknown name: name, value found, what is
            expected.
    """
    try:
        return ClassifyRequest.model_validate(dict(values))
    except ValidationError as error:
        found = error.errors()
        text = "; ".join(_explain(entry) for entry in found[:MAX_COMPLAINTS])
        more = f"; and {len(found) - MAX_COMPLAINTS} more" if len(found) > MAX_COMPLAINTS else ""
        raise SettingError(text + more) from error


def read_config(path: Path, changes: Mapping[str, Any] | None = None) -> ClassifyRequest:
    """Read config.yaml of an earlier run, with some values replaced.

    Args:
        path: YAML file with the names of `ClassifyRequest`.
        changes: Values that take precedence over the file's, such as options given on the command
            line; `settings` is merged setting by setting, and a focus replaces a mask.

    Raises:
        FormatError: When the file cannot be read or is not YAML with names and values.
        SettingError: As `make_request`.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror}). Check the path.") from error
    # Dates and numbers that are none are ValueErrors to the parser.
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise FormatError(
            f"{path}: cannot be read as YAML ({error}). Give the config.yaml of a run."
        ) from error
    if not (
        isinstance(values, dict)
        and isinstance(values.get("settings", {}), dict)
        and values.keys() & KNOWN - {"particles"}
    ):
        raise FormatError(
            f"{path}: holds no settings of classify. Give the config.yaml of a run directory."
        )
    if unknown := sorted(map(str, values.keys() - KNOWN)):
        named = "; ".join(
            f"{name}: unknown, {_suggest(name)}" for name in unknown[:MAX_COMPLAINTS]
        )
        raise FormatError(f"{path}: {named}")
    changed = dict(changes or {})
    if "focus" in changed or "mask" in changed:
        values = {k: v for k, v in values.items() if k not in ("focus", "mask", "map")}
    new_settings = changed.pop("settings", {})
    settings = {**values.get("settings", {}), **new_settings}
    try:
        return make_request({**values, **changed, "settings": settings})
    except SettingError as error:
        # What was given beside the file is not the file's fault.
        raise error if changed or new_settings else SettingError(f"{path}: {error}") from error


def _explain(entry: Mapping[str, Any]) -> str:
    """Turn one complaint of the validation into words."""
    place = [str(part) for part in entry["loc"] if part not in ("settings", "machine")]
    name = ".".join(place) or "settings"
    return explain(entry, name, _suggest(name))


def _suggest(name: str) -> str:
    """Say what an unknown name may have been meant to be."""
    settings = ClassifierSettings.model_fields
    if name in settings:
        return "it belongs under settings"
    return suggest(name, [*KNOWN, *settings])
