"""`cryofocus simulate`: particles whose truth and Bayes limit are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cryofocus
from cryofocus.cli.command import register
from cryofocus.cli.console import say, show_progress
from cryofocus.cli.options import Overwrite, Threads

app = typer.Typer(no_args_is_help=True, help="Simulate particles whose truth is known.")

Output = Annotated[Path, typer.Option("-o", "--output", help="Directory to create.")]


@app.callback()
def family() -> None:
    """Simulate particles whose truth is known."""


def humanoid(
    output: Output,
    settings: cryofocus.HumanoidSettings,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a body whose arms, hands and feet move.

    Writes particles.star and particles.mrcs, the truth, the maps of all states, and the
    posteriors of the best possible classifiers (oracle.npy, oracle_focused.npy). Example:

    `cryofocus simulate humanoid --scenario 1 --snr 0.05 --particles 3000 -o set`
    """
    from cryofocus.kernels.select import available_threads

    made = cryofocus.simulate_humanoid(
        output,
        settings,
        overwrite=overwrite,
        threads=threads or available_threads(),
        progress=show_progress(),
    )
    say(
        f"{settings.particles:,} particles of scenario {settings.scenario} at SNR "
        f"{settings.snr:g} in {output}"
    )
    say(
        f"Best possible kappa on these images: {made.oracle_kappa:.3f} "
        f"({made.oracle_focused_kappa:.3f} from the focus region alone)"
    )
    say("\nNext:")
    say(
        f"  cryofocus classify {output}/particles.star --focus={made.focus_sphere} "
        f"--classes {settings.states().n_classes} -o RUN"
    )


def model(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="STATE.pdb...",
            help="Atomic models (PDB or mmCIF), one per state, in one frame.",
        ),
    ],
    output: Output,
    settings: cryofocus.ModelSettings,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a molecule that is in one of several states, each given as an atomic model.

    Writes particles.star and particles.mrcs, the truth, the maps of all states (their headers
    keep the frame of the models), and the posteriors of the best possible classifier
    (oracle.npy). The molecule turns about the middle of all models, or --centre: a symmetric one
    that carries something on one side needs a point on its axis there. Example:

    `cryofocus simulate model open.cif closed.cif --shares 1,2 --snr 0.05 -o set`
    """
    from cryofocus.kernels.select import available_threads

    made = cryofocus.simulate_models(
        models,
        output,
        settings,
        overwrite=overwrite,
        threads=threads or available_threads(),
        progress=show_progress(),
    )
    say(
        f"{settings.particles:,} particles of {made.n_states} states at SNR "
        f"{settings.snr:g} in {output}"
    )
    say(f"Best possible kappa on these images: {made.oracle_kappa:.3f}")
    say("\nNext:")
    say(f"  cryofocus variance {output}/particles.star -o {output}_variance")


def assembly(
    output: Output,
    settings: cryofocus.AssemblySettings,
    threads: Threads = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate ribosomes that assemble, rotate and bind, with realistic images.

    Writes particles.star and particles.mrcs, the truth, the maps of all states, masks of all
    regions, and the posteriors of four classifiers that know the truth (oracle.npy,
    oracle_focused.npy, oracle_model.npy, oracle_given.npy). Example:

    `cryofocus simulate assembly --particles 5000 --box 128 -o set`
    """
    from cryofocus.kernels.select import available_threads

    made = cryofocus.simulate_assembly(
        output,
        settings,
        overwrite=overwrite,
        threads=threads or available_threads(),
        progress=show_progress(),
    )
    say(f"{settings.particles:,} particles of {made.n_states} states in {output}")
    say(
        f"Best possible kappa of {settings.focus_region}, without junk: "
        f"{made.oracle_kappa:.3f} all states known, {made.oracle_focused_kappa:.3f} what is "
        f"outside known, {made.oracle_model_kappa:.3f} by our model with the true class means, "
        f"{made.oracle_given_kappa:.3f} at the given poses"
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


register(app, humanoid, "humanoid")
register(app, model, "model")
register(app, assembly, "assembly")
