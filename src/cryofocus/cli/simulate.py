"""`cryofocus simulate`: particles whose truth and Bayes limit are known."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import cryofocus
from cryofocus.cli.command import register
from cryofocus.cli.console import say
from cryofocus.cli.options import Overwrite, Seed, Threads

app = typer.Typer(no_args_is_help=True, help="Simulate particles whose truth is known.")

SAMPLING, MOTION, POSES = "Sampling", "What varies", "Errors of the given poses"

Output = Annotated[Path, typer.Option("-o", "--output", help="Directory to create.")]
Snr = Annotated[float, typer.Option(help="Signal-to-noise ratio (variances) of the final images.")]
Particles = Annotated[int, typer.Option(min=1, help="Number of particles.")]
Box = Annotated[int, typer.Option(help="Edge of the images in pixels.", rich_help_panel=SAMPLING)]
PixelSize = Annotated[float, typer.Option(help="Pixel size in Å.", rich_help_panel=SAMPLING)]
PerturbAngle = Annotated[
    float, typer.Option(help="Standard deviation per Euler angle, degrees.", rich_help_panel=POSES)
]
PerturbShift = Annotated[
    float, typer.Option(help="Standard deviation per axis, Å.", rich_help_panel=POSES)
]


class Geometry(StrEnum):
    """Shapes of the phantom."""

    STANDARD = "standard"
    SLIM = "slim"
    STOCKY = "stocky"


@app.callback()
def family() -> None:
    """Simulate particles whose truth is known."""


@app.command("humanoid")
def humanoid(
    output: Output,
    scenario: Annotated[
        int,
        typer.Option(
            min=1,
            max=3,
            help="What varies: 1 each arm up or down; 2 also each hand present or absent; "
            "3 also each foot, present exactly when the hand of its side is.",
        ),
    ],
    snr: Snr,
    particles: Particles = 10_000,
    seed: Seed = 1,
    box: Box = 80,
    pixel_size: PixelSize = 5.24,
    geometry: Annotated[
        Geometry, typer.Option(help="Shape of the phantom.", rich_help_panel=MOTION)
    ] = Geometry.STANDARD,
    random_feet: Annotated[
        bool,
        typer.Option(
            "--random-feet",
            help="Scenarios 1 and 2: each foot present or absent at random.",
            rich_help_panel=MOTION,
        ),
    ] = False,
    coupling: Annotated[
        float,
        typer.Option(
            help="0 to 1: probability that the far arm copies the near one.",
            rich_help_panel=MOTION,
        ),
    ] = 0.0,
    noise_only: Annotated[
        bool, typer.Option("--noise-only", help="Leave the signal out.", rich_help_panel=MOTION)
    ] = False,
    perturb_angle: PerturbAngle = 0.0,
    perturb_shift: PerturbShift = 0.0,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a body whose arms, hands and feet move.

    Writes particles.star and particles.mrcs, the truth, the maps of all states, and the
    posteriors of the best possible classifiers (oracle.npy, oracle_focused.npy). Example:

    `cryofocus simulate humanoid --scenario 1 --snr 0.05 --particles 3000 -o set`
    """
    from cryofocus.kernels.select import available_threads
    from cryofocus.simulate.settings import HumanoidSettings
    from cryofocus.workflows.machine.progress import choose_progress
    from cryofocus.workflows.simulate.humanoid import simulate_humanoid

    settings = HumanoidSettings(
        scenario=scenario,
        snr=snr,
        particles=particles,
        seed=seed,
        box=box,
        pixel_size_angstrom=pixel_size,
        random_feet=random_feet,
        coupling=coupling,
        perturb_angle_degrees=perturb_angle,
        perturb_shift_angstrom=perturb_shift,
        noise_only=noise_only,
        geometry=geometry.value,
    )
    made = simulate_humanoid(
        output,
        settings,
        overwrite=overwrite,
        threads=threads or available_threads(),
        progress=choose_progress(),
    )
    say(f"{particles:,} particles of scenario {scenario} at SNR {snr:g} in {output}")
    say(
        f"Best possible kappa on these images: {made.oracle_kappa:.3f} "
        f"({made.oracle_focused_kappa:.3f} from the focus region alone)"
    )
    say("\nNext:")
    say(
        f"  cryofocus classify {output}/particles.star --focus={made.focus_sphere} "
        f"--classes {settings.states().n_classes} -o RUN"
    )


@app.command("model")
def model(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="STATE.pdb...", help="Atomic models (PDB or mmCIF), one a state, in one frame."
        ),
    ],
    output: Output,
    snr: Snr = 0.1,
    particles: Particles = 10_000,
    shares: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="How often each state occurs, one number a model. Default: equally often.",
        ),
    ] = None,
    seed: Seed = 1,
    box: Box = 80,
    pixel_size: PixelSize = 5.24,
    perturb_angle: PerturbAngle = 0.0,
    perturb_shift: PerturbShift = 0.0,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a molecule that is in one of several states, each given as an atomic model.

    Writes particles.star and particles.mrcs, the truth, the maps of all states (their headers
    keep the frame of the models), and the posteriors of the best possible classifier
    (oracle.npy). Example:

    `cryofocus simulate model open.cif closed.cif --shares 1,2 --snr 0.05 -o set`
    """
    from cryofocus.kernels.select import available_threads
    from cryofocus.simulate.model_states import ModelSettings
    from cryofocus.workflows.machine.progress import choose_progress
    from cryofocus.workflows.simulate.model import simulate_models

    settings = ModelSettings(
        snr=snr,
        particles=particles,
        seed=seed,
        box=box,
        pixel_size_angstrom=pixel_size,
        perturb_angle_degrees=perturb_angle,
        perturb_shift_angstrom=perturb_shift,
        shares=_parse_shares(shares),
    )
    made = simulate_models(
        models,
        output,
        settings,
        overwrite=overwrite,
        threads=threads or available_threads(),
        progress=choose_progress(),
    )
    say(f"{particles:,} particles of {made.n_states} states at SNR {snr:g} in {output}")
    say(f"Best possible kappa on these images: {made.oracle_kappa:.3f}")
    say("\nNext:")
    say(f"  cryofocus variance {output}/particles.star -o {output}_variance")


def assembly(
    output: Output,
    settings: cryofocus.AssemblySettings,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate ribosomes that assemble, turn and bind, imaged as real ones are.

    Writes particles.star and particles.mrcs, the truth, the maps of all states, masks of all
    regions, and what three classifiers say that know the truth (oracle.npy, oracle_focused.npy,
    oracle_model.npy). Example:

    `cryofocus simulate assembly --particles 5000 --box 128 -o set`
    """
    from cryofocus.kernels.select import available_threads
    from cryofocus.workflows.machine.progress import choose_progress

    made = cryofocus.simulate_assembly(
        output,
        settings,
        overwrite=overwrite,
        threads=threads or available_threads(),
        progress=choose_progress(),
    )
    say(f"{settings.particles:,} particles of {made.n_states} states in {output}")
    say(
        f"Best possible kappa of {settings.focus_region}, junk left out: "
        f"{made.oracle_kappa:.3f} all states known, {made.oracle_focused_kappa:.3f} what is "
        f"outside known, {made.oracle_model_kappa:.3f} by our model with the true class means"
    )
    say("\nNext:")
    say(
        f"  cryofocus classify {output}/particles.star --focus={made.focus_sphere} "
        "--classes 2 -o RUN"
    )
    say(
        f"  cryofocus evaluate RUN/particles.star {output}/truth_focused.star "
        f"--oracle {output}/oracle_focused.npy"
    )


register(app, assembly, "assembly")


def _parse_shares(text: str | None) -> tuple[float, ...]:
    """Read numbers with commas between them.

    Raises:
        typer.BadParameter: When one is no number.
    """
    try:
        return () if text is None else tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter(
            f"found {text!r}, expected numbers such as 1,2,0.5", param_hint="--shares"
        ) from error
