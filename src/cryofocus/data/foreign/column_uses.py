"""Columns of particle tables that change what an image means, and what is done about each.

Readers name the ones that count for nothing from this list, and `docs/reference/formats.md` shows
it; a test walks it. What is not here is about something else, such as where a particle was picked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

Done = Literal["obeyed", "refused", "ignored"]
RELION, CRYOSPARC, CISTEM, FREALIGN = "RELION", "cryoSPARC", "cisTEM", "Frealign"


@dataclass(frozen=True)
class ColumnUse:
    """What is done about some columns of one program's tables.

    Attributes:
        program: Whose.
        columns: Their names.
        done: Obeyed; refused, unless they say what holds for all images here; or ignored, and
            named in the log if they say anything.
        how: What that means, in words.
        neutral: The value that says nothing; None where a column says nothing as long as it is the
            same in all rows.
    """

    program: str
    columns: tuple[str, ...]
    done: Done
    how: str
    neutral: float | str | None = None


COLUMN_USES = (
    ColumnUse(
        RELION,
        ("rlnImageName", "rlnImageSize"),
        "obeyed",
        "the image; a box that is not that of the stack: refused",
    ),
    ColumnUse(
        RELION,
        ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"),
        "obeyed",
        "rotation; where rot and tilt are 0 in all rows, as after 2-D classification, refused",
    ),
    ColumnUse(
        RELION,
        ("rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginX", "rlnOriginY"),
        "obeyed",
        "shift, in Å or, before 3.1, in pixels; both and different: refused",
    ),
    ColumnUse(
        RELION,
        ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle", "rlnPhaseShift"),
        "obeyed",
        "CTF of the particle, also of sub-particles that have a defocus of their own",
    ),
    ColumnUse(
        RELION, ("rlnCtfBfactor", "rlnCtfScalefactor"), "obeyed", "envelope and scale of the CTF"
    ),
    ColumnUse(
        RELION,
        ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast"),
        "obeyed",
        "CTF; different in optics table and rows: refused",
    ),
    ColumnUse(
        RELION,
        ("rlnImagePixelSize", "rlnDetectorPixelSize", "rlnMagnification"),
        "obeyed",
        "pixel size; two that contradict each other (rlnPixelSize is compared, too): refused",
    ),
    ColumnUse(
        RELION,
        ("rlnBeamTiltX", "rlnBeamTiltY", "rlnOddZernike"),
        "obeyed",
        "odd aberrations",
    ),
    ColumnUse(RELION, ("rlnEvenZernike",), "obeyed", "even aberrations, in the CTF"),
    ColumnUse(
        RELION,
        ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11"),
        "obeyed",
        "anisotropic magnification",
    ),
    ColumnUse(
        RELION, ("rlnCtfDataAreCtfPremultiplied",), "obeyed", "images were multiplied by their CTF"
    ),
    ColumnUse(RELION, ("rlnCtfDataAreCtfCorrected",), "obeyed", "no CTF is applied"),
    ColumnUse(
        RELION,
        ("rlnCtfDataArePhaseFlipped",),
        "obeyed",
        "the absolute value of the CTF is applied",
    ),
    ColumnUse(RELION, ("rlnRandomSubset",), "obeyed", "half sets"),
    ColumnUse(RELION, ("rlnOpticsGroup",), "obeyed", "which optics hold, and noise of their own"),
    ColumnUse(
        RELION,
        ("rlnImageDimensionality",),
        "refused",
        "3 marks subtomograms",
        neutral=2,
    ),
    ColumnUse(
        RELION,
        ("rlnTomoName", "rlnTomoParticleName", "rlnTomoVisibleFrames", "rlnCtfImage"),
        "refused",
        "subtomograms, or stacks of tilt images in which one particle has many images",
        neutral="",
    ),
    ColumnUse(
        RELION,
        ("rlnTomoTiltSeriesPixelSize", "rlnTomoSubtomogramRot"),
        "refused",
        "the same, in the optics table or beside the angles",
        neutral="",
    ),
    ColumnUse(
        RELION,
        ("rlnTomoSubTomosAre2DStacks",),
        "refused",
        "the same, of a whole set",
        neutral=0,
    ),
    ColumnUse(
        RELION, ("rlnOriginZAngst", "rlnOriginZ"), "refused", "a shift along the view", neutral=0
    ),
    ColumnUse(RELION, ("rlnIsFlip",), "refused", "images are mirrored", neutral=0),
    ColumnUse(
        RELION,
        ("rlnNormCorrection", "rlnGroupScaleCorrection"),
        "ignored",
        "intensities, which are fitted for every particle",
    ),
    ColumnUse(
        RELION,
        ("rlnGroupName", "rlnGroupNumber"),
        "ignored",
        "groups of one intensity; noise is that of the optics group",
    ),
    ColumnUse(
        RELION, ("rlnBeamTiltClass",), "ignored", "the tilt itself counts (`rlnBeamTiltX`, `Y`)"
    ),
    ColumnUse(
        RELION,
        ("rlnHelicalTubeID", "rlnHelicalTubePitch", "rlnHelicalTrackLengthAngst"),
        "ignored",
        "no helical symmetry is applied, and half sets are not dealt by filament",
    ),
    ColumnUse(
        RELION,
        ("rlnAngleRotPrior", "rlnAngleTiltPrior", "rlnAnglePsiPrior", "rlnAnglePsiFlipRatio"),
        "ignored",
        "priors of a refinement",
    ),
    ColumnUse(
        RELION,
        ("rlnOriginXPriorAngst", "rlnOriginYPriorAngst"),
        "ignored",
        "priors of a refinement",
    ),
    ColumnUse(
        RELION,
        ("rlnConvergenceCone", "rlnChromaticAberration", "rlnEnergyLoss", "rlnLensStability"),
        "ignored",
        "envelopes of a microscope, before 3.1; the B factor counts (`rlnCtfBfactor`)",
    ),
    ColumnUse(RELION, ("rlnMtfFileName",), "ignored", "the detector's falloff is not undone"),
    ColumnUse(
        RELION,
        ("rlnReconstructImageName",),
        "ignored",
        "images of RELION's last reconstruction; those of `rlnImageName` are read",
    ),
    ColumnUse(
        CRYOSPARC,
        ("alignments3D/pose", "alignments3D/shift", "alignments3D/psize_A"),
        "obeyed",
        "rotation, and shift in pixels of that size",
    ),
    ColumnUse(
        CRYOSPARC,
        ("alignments3D_multi/pose", "alignments_class_0/pose"),
        "obeyed",
        "where all particles belong to one class, and `alignments3D` is missing; else refused",
    ),
    ColumnUse(
        CRYOSPARC, ("blob/path", "blob/idx", "blob/shape", "blob/psize_A"), "obeyed", "the image"
    ),
    ColumnUse(CRYOSPARC, ("blob/sign",), "obeyed", "contrast; several in one table: refused"),
    ColumnUse(CRYOSPARC, ("alignments3D/split",), "obeyed", "half sets"),
    ColumnUse(
        CRYOSPARC,
        ("ctf/df1_A", "ctf/df2_A", "ctf/df_angle_rad", "ctf/phase_shift_rad"),
        "obeyed",
        "CTF of the particle",
    ),
    ColumnUse(CRYOSPARC, ("ctf/bfactor", "ctf/scale"), "obeyed", "envelope and scale of the CTF"),
    ColumnUse(CRYOSPARC, ("ctf/accel_kv", "ctf/cs_mm", "ctf/amp_contrast"), "obeyed", "CTF"),
    ColumnUse(
        CRYOSPARC,
        ("ctf/tilt_A", "ctf/trefoil_A", "ctf/anisomag"),
        "obeyed",
        "odd aberrations and anisotropic magnification",
    ),
    ColumnUse(CRYOSPARC, ("ctf/exp_group_id",), "obeyed", "optics groups"),
    ColumnUse(
        CRYOSPARC,
        ("alignments2D/pose",),
        "refused",
        "2-D classification gives no view directions (where there is nothing else)",
        neutral="",
    ),
    ColumnUse(
        CRYOSPARC,
        ("ctf/tetra_A", "ctf/shift_A"),
        "ignored",
        "their signs are not documented",
        neutral=0,
    ),
    ColumnUse(CRYOSPARC, ("ctf/scale_const",), "ignored", "a constant in the CTF", neutral=0),
    ColumnUse(
        CRYOSPARC,
        ("alignments3D/alpha",),
        "ignored",
        "intensities, which are fitted for every particle",
    ),
    ColumnUse(
        CRYOSPARC,
        ("filament/filament_uid",),
        "ignored",
        "no helical symmetry is applied, and half sets are not dealt by filament",
    ),
    ColumnUse(
        CISTEM,
        ("PositionInStack", "StackFilename"),
        "obeyed",
        "the image, from 1; `--stack` comes before the name",
    ),
    ColumnUse(
        CISTEM,
        ("AnglePsi", "AngleTheta", "AnglePhi", "XShift", "YShift"),
        "obeyed",
        "rotation and shift",
    ),
    ColumnUse(
        CISTEM,
        ("Defocus1", "Defocus2", "DefocusAngle", "PhaseShift"),
        "obeyed",
        "CTF of the particle",
    ),
    ColumnUse(
        CISTEM,
        ("MicroscopeVoltagekV", "MicroscopeCsMM", "AmplitudeContrast", "PixelSize"),
        "obeyed",
        "CTF and pixel size; particles with the same become an optics group",
    ),
    ColumnUse(CISTEM, ("BeamTiltX", "BeamTiltY"), "obeyed", "odd aberrations"),
    ColumnUse(CISTEM, ("Occupancy",), "obeyed", "the particle counts by this part of 100"),
    ColumnUse(CISTEM, ("ImageActivity",), "obeyed", "particles below 0 do not count"),
    ColumnUse(CISTEM, ("AssignedSubset",), "obeyed", "half sets"),
    ColumnUse(
        CISTEM, ("ImageShiftX", "ImageShiftY"), "ignored", "shifts of the microscope's image", 0
    ),
    ColumnUse(CISTEM, ("PreExposure", "TotalExposure"), "ignored", "no exposure filter is undone"),
    ColumnUse(
        CISTEM, ("BeamTiltGroup", "ParticleGroup"), "ignored", "each row is a particle of its own"
    ),
    ColumnUse(CISTEM, ("Sigma", "Score"), "ignored", "weights of cisTEM's own reconstruction"),
    ColumnUse(FREALIGN, ("PositionInStack",), "obeyed", "the image of `--stack`, from 1"),
    ColumnUse(
        FREALIGN, ("AnglePsi", "AngleTheta", "AnglePhi", "XShift", "YShift"), "obeyed", "as cisTEM"
    ),
    ColumnUse(
        FREALIGN, ("Defocus1", "Defocus2", "DefocusAngle", "PhaseShift"), "obeyed", "as cisTEM"
    ),
    ColumnUse(FREALIGN, ("Occupancy",), "obeyed", "the particle counts by this part of 100"),
    ColumnUse(FREALIGN, ("Film",), "obeyed", "micrographs; particles below 0 do not count"),
    ColumnUse(FREALIGN, ("Magnification",), "refused", "if it differs between particles"),
    ColumnUse(FREALIGN, ("Sigma", "Score"), "ignored", "weights of Frealign's own reconstruction"),
)


def uses_of(program: str, done: Done) -> Iterator[ColumnUse]:
    """Yield what is done in one way about the columns of a program."""
    return (use for use in COLUMN_USES if (use.program, use.done) == (program, done))


def says_something(values: np.ndarray, neutral: float | str | None) -> bool:
    """Whether a column holds anything but the value that says nothing."""
    if len(values) == 0:
        return False
    return bool((values != (values[0] if neutral is None else neutral)).any())


def note_ignored(program: str, telling: Collection[str]) -> tuple[str, ...]:
    """Name the columns that say something and count for nothing, for the log.

    Args:
        program: Whose table it is.
        telling: Its columns that say something.
    """
    named = [
        f"{name} ({use.how})"
        for use in uses_of(program, "ignored")
        for name in use.columns
        if name in telling
    ]
    return (f"not used: {'; '.join(named)}",) if named else ()


def render_uses() -> str:
    """Return the list as a table in Markdown."""
    lines = ["| program | columns | here | what that means |", "| --- | --- | --- | --- |"]
    for use in COLUMN_USES:
        names = ", ".join(f"`{name}`" for name in use.columns)
        lines.append(f"| {use.program} | {names} | {use.done} | {use.how} |")
    return "\n".join(lines)
