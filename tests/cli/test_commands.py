"""Every command explains itself, ends with the right exit code and says what comes next."""

from __future__ import annotations

import io
import json
import logging
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import typer
import yaml
from markupsafe import Markup
from rich.console import Console

from cryofocus import ClassifyRequest, __version__
from cryofocus.cli import classify as classify_command
from cryofocus.cli import main as command_line
from cryofocus.cli.command import tidy_arguments
from cryofocus.cli.console import show_log
from cryofocus.cli.failures import UnexpectedErrors
from cryofocus.errors import Interrupted
from cryofocus.report.drawing.section import environment
from cryofocus.workflows.machine.progress import TerminalProgress
from cryofocus.workflows.run.directory import RunDirectory
from cryofocus.workflows.run.log import record_log

Invoke = Callable[..., Any]


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Names of all commands, those of groups included."""
    for name, command in group.commands.items():
        yield (*path, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


ALL_COMMANDS = [(), *commands(typer.main.get_command(command_line.app))]


def test_expand_and_collapse(cryofocus: Invoke, particle_set: Path, tmp_path: Path) -> None:
    """A table goes there and back; what was made is said, and faults end with 2 and a message."""
    table, longer, back = particle_set / "particles.star", tmp_path / "x.star", tmp_path / "y.star"
    result = cryofocus("expand", table, "--symmetry", "d2", "-o", longer)
    assert result.exit_code == 0
    assert f"60 particles, 4 copies each: 240 rows in {longer}" in result.stdout
    result = cryofocus("collapse", longer, "-o", back)
    assert result.stdout == f"60 particles of 4 copies in {back}\n"
    assert back.read_bytes() == table.read_bytes()
    again = tmp_path / "again.star"
    for options, message in (
        (["--symmetry", "Q3"], "Error: --symmetry: found 'Q3', expected a point group: Cn or Dn"),
        (["--helical", "30,4"], "found '30,4', expected TWIST,RISE,N such as -65.2,9.4,5"),
        ([], "Error: --operators: expected exactly one of --symmetry GROUP, --helical TWIST"),
        (["--operators", table], "line 3: found 'data_optics', which is no number; expected nine"),
    ):
        result = cryofocus("expand", table, *options, "-o", again)
        assert result.exit_code == 2
        assert message in result.stderr
    assert not again.exists()


@pytest.mark.parametrize("command", ALL_COMMANDS, ids=" ".join)
def test_help(cryofocus: Invoke, command: tuple[str, ...]) -> None:
    """--help works everywhere and leaves no option without a word."""
    result = cryofocus(*command, "--help")
    assert result.exit_code == 0
    assert f"Usage: cryofocus {' '.join(command)}".strip() in result.stdout
    assert "Show this message and exit." in result.stdout


def test_help_is_light() -> None:
    """The help loads neither NumPy nor anything heavier."""
    code = (
        "import sys; from cryofocus.cli import main; sys.argv[1:] = ['--help']\n"
        "try: main.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'numpy', 'scipy', 'numba', 'matplotlib', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_version(cryofocus: Invoke) -> None:
    """--version names the program and its version."""
    assert cryofocus("--version").stdout == f"cryofocus {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["classify", "--classes", "2", "-o", "run"], "PARTICLES"),
        (["classify", "p.star", "--focus", "1,2,3,4", "-o", "run"], "--classes"),
        (["classify", "p.star", "--focus", "1,2,3", "-o", "run"], "expected four numbers in Å"),
        (["classify", "p.star", "--focus", "masks", "-o", "run"], "a mask goes to --mask"),
        (
            ["classify", "p.star", "--classes", "1", "-o", "run"],
            "expected a number of classes, at least 2",
        ),
        (["classify", "p.star", "--sphere", "1,2,3,4", "-o", "run"], "No such option: --sphere"),
        (["classify", "p.star", "--device", "tpu", "-o", "run"], "--device"),
        (["simulate", "humanoid", "--scenario", "4", "--snr", "1", "-o", "x"], "--scenario"),
        (["benchmark", "humanoid", "--snrs", "low"], "expected numbers separated by commas"),
        (["benchmark", "humanoid", "--strategies", "mask4d"], "found 'mask4d', expected some of"),
        (["select", "run", "--classes", "a", "-o", "x.star"], "expected numbers such as 1,3"),
        (["classifie"], "No such command"),
    ],
)
def test_wrong_usage(cryofocus: Invoke, arguments: list[str], message: str) -> None:
    """Usage errors exit with 2 and name what is wrong."""
    result = cryofocus(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("command", ["report", "select"])
def test_no_run(cryofocus: Invoke, tmp_path: Path, command: str) -> None:
    """Commands on runs say when there is no run."""
    options = ["--classes", "1", "-o", tmp_path / "x.star"] if command == "select" else []
    result = cryofocus(command, tmp_path / "none", *options)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {tmp_path}/none: no such directory. Give the run directory that was named with "
        "-o.\n"
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, pristine_set: Path, focus: str) -> Path:
    """A finished run of two classes."""
    from typer.testing import CliRunner

    folder = tmp_path_factory.mktemp("run") / "run"
    arguments = ["--focus", focus, "--classes", "2", "--runs", "2", "--cycles", "30"]
    result = CliRunner().invoke(
        command_line.app,
        ["classify", str(pristine_set / "particles.star"), *arguments, "-o", str(folder)],
    )
    assert result.exit_code == 0, result.stderr
    assert "No classes were found" in result.stdout
    assert "mean posterior" not in result.stdout
    verdict = json.loads((folder / "job.json").read_text())["verdict"]
    assert verdict in result.stdout
    assert verdict not in result.stderr
    assert verdict in (folder / "run.log").read_text()
    assert f"Report      {folder}/report.html" in result.stdout
    return folder


def test_classify_writes_the_whole_directory(run: Path) -> None:
    """All files of the interface are there, the page included."""
    names = {path.name for path in run.iterdir()}
    assert names >= {
        *("particles.star", "posteriors.npy", "class001.mrc", "class002_half1.mrc", "fsc.star"),
        *("consensus.mrc", "focus_mask.mrc", "classes.csv", "job.json", "config.yaml"),
        *("command.txt", "run.log", "README.txt", "report.html", "view.cxc"),
    }


def test_config_repeats_a_run(
    run: Path, tmp_path: Path, cryofocus: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--config takes every setting of a run, and options given beside it win."""
    asked = []

    def record(request: ClassifyRequest, output: Path, **_: object) -> NoReturn:
        asked.append(request)
        raise Interrupted("enough")

    monkeypatch.setattr("cryofocus.classify", record)
    config = ["--config", run / "config.yaml", "--seed", "7"]
    assert cryofocus("classify", *config, "-o", tmp_path / "run").exit_code == 130
    before = yaml.safe_load((run / "config.yaml").read_text())
    before["settings"]["seed"] = 7
    assert Path(before.pop("origin")["run"]) == run
    assert yaml.safe_load(asked[0].to_yaml()) == before


def test_evaluate(run: Path, pristine_set: Path, cryofocus: Invoke) -> None:
    """Kappa beside the best possible for people, one object for programs."""
    files = [run / "particles.star", pristine_set / "truth.star"]
    files += ["--oracle", pristine_set / "oracle.npy"]
    scores = json.loads(cryofocus("evaluate", *files, "--json").stdout)
    assert scores["particles"] == 60
    shown = cryofocus("evaluate", *files).stdout
    assert f"kappa {scores['kappa']:.3f}, best possible {scores['oracle_kappa']:.3f}" in shown
    of_true = [1 + scores["matching"].index(number) for number in (1, 2)]
    assert "  ".join(f"class {number}" for number in of_true) in shown
    assert scores["classes_found"] == RunDirectory(run).read_job().classes_found


def test_evaluate_by_groups(
    run: Path, pristine_set: Path, tmp_path: Path, cryofocus: Invoke
) -> None:
    """The command says what was left out, for people as for programs."""
    (tmp_path / "states.csv").write_text("class,group\n1,up\n2,down\n")
    files = [run / "particles.star", pristine_set / "truth.star"]
    files += ["--group", tmp_path / "states.csv"]
    scores = json.loads(cryofocus("evaluate", *files, "--json").stdout)
    assert (scores["groups"], scores["n_left_out"]) == (["down", "up"], 0)
    shown = cryofocus("evaluate", *files).stdout
    assert "0 particles left out: junk, or in a state that is in no group" in shown
    assert "true down" in shown


def test_select_and_reconstruct(
    run: Path, pristine_set: Path, tmp_path: Path, cryofocus: Invoke
) -> None:
    """Particles become a table, and the table a map; there are no classes to choose from."""
    table = tmp_path / "sound.star"
    refused = cryofocus("select", run, "--classes", "1", "-o", table)
    assert f"{run}: no classes were found in this run, so there are none" in refused.stderr
    result = cryofocus("select", run, "--max-outlier", "4", "-o", table)
    n_kept = int((np.load(run / "outliers.npy") <= 4).sum())
    assert (result.exit_code, result.stdout) == (0, f"{n_kept} particles in {table}\n")
    made = cryofocus("reconstruct", table, "-o", tmp_path / "map.mrc", "--datadir", pristine_set)
    assert made.exit_code == 0, made.stderr
    assert made.stdout.startswith(f"Map         {tmp_path}/map.mrc, ")


def test_report_again(run: Path, cryofocus: Invoke) -> None:
    """The page of a finished run can be made at any time."""
    (run / "report.html").unlink()
    result = cryofocus("report", run)
    assert result.exit_code == 0
    assert (run / "report.html").is_file()


def test_simulate(tmp_path: Path, cryofocus: Invoke) -> None:
    """The result line gives the limit and the command that comes next."""
    size = ["--particles", "4", "--box", "26", "--pixel-size", "16.5"]
    arguments = ["--scenario", "2", "--snr", "0.05", *size, "--geometry", "slim"]
    poses = ["--perturb-angle", "4", "--perturb-shift", "13.1", "--coupling", "0.5"]
    result = cryofocus(
        "simulate", "humanoid", *arguments, *poses, "--random-feet", "-o", tmp_path / "set"
    )
    assert result.exit_code == 0, result.stderr
    assert "Best possible kappa on these images: " in result.stdout
    assert f"cryofocus classify {tmp_path}/set/particles.star --focus=" in result.stdout
    assert "--classes 4 -o RUN" in result.stdout
    description = yaml.safe_load((tmp_path / "set" / "dataset.yaml").read_text())
    assert description["perturb_shift_angstrom"] == 13.1
    assert (description["coupling"], description["random_feet"]) == (0.5, True)


@pytest.mark.parametrize(
    ("stop", "said"),
    [
        (
            Interrupted("run: stopped; run the same command with --resume to finish it."),
            "--resume",
        ),
        (KeyboardInterrupt(), "continues with --resume"),
    ],
    ids=["between cycles", "anywhere"],
)
def test_interrupted(
    cryofocus: Invoke, monkeypatch: pytest.MonkeyPatch, stop: BaseException, said: str
) -> None:
    """Ctrl-C exits with 130 and says how to go on."""

    def interrupt(*_: object) -> NoReturn:
        raise stop

    monkeypatch.setattr(classify_command, "_complete", interrupt)
    result = cryofocus("classify", "p.star", "--classes", "2", "-o", "run")
    assert result.exit_code == 130
    assert said in result.stderr


def test_unexpected_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault of the program gives one sentence; its traceback goes to a file that is named."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as end, UnexpectedErrors():
        raise ZeroDivisionError("division by zero\x1b[2J")
    assert end.value.code == 1
    (file,) = tmp_path.iterdir()
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert r"(ZeroDivisionError: division by zero\x1b[2J)" in shown
    assert str(file) in shown
    assert "Traceback" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_unexpected_error_without_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no file can be written, the traceback is shown after all."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(SystemExit), UnexpectedErrors():
        raise ZeroDivisionError("division by zero")
    shown = capsys.readouterr().err
    assert "Please report it with this (No such file or directory while writing it down)" in shown
    assert "Traceback" in shown


def test_names_in_messages_do_not_reach_the_terminal(cryofocus: Invoke, tmp_path: Path) -> None:
    """Escape sequences in labels, cells and names are written out in errors and in the log."""
    path = tmp_path / "evil\x1b[2J.star"
    path.write_bytes(b"data_\nloop_\n_rlnImageName\n_rln\x1b[31m\n1@a\x1b]0;x\x07 \x1b[1m\n")
    result = cryofocus("classify", str(path), "--focus", "1,2,3,4", "--classes", "2", "-o", "r")
    assert result.exit_code == 2
    assert r"evil\x1b[2J.star" in result.stderr
    assert "\x1b" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("classify", "{long}.star", "--focus", "1,2,3,4", "--classes", "2", "-o", "run"),
        ("classify", "p.star", "--focus", "1,2,3,4", "--classes", "2", "-o", "{long}"),
        ("report", "{long}"),
        ("convert", "{long}.star", "-o", "x.cs"),
        ("mask", "model", "{long}.pdb", "--like", "{long}.mrc", "-o", "{long}.mrc"),
    ],
)
def test_names_that_the_system_refuses(
    cryofocus: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """A name longer than file systems allow is bad input, wherever it stands."""
    monkeypatch.chdir(tmp_path)
    result = cryofocus(*(word.format(long="n" * 300) for word in arguments))
    assert result.exit_code == 2, result.stderr
    assert "File name too long" in result.stderr


def test_names_elsewhere_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Log lines, the log file, progress and pages write control characters out as well."""
    show_log()
    with record_log(tmp_path / "run.log"):
        logging.getLogger("cryofocus").warning("name: %s", "a\x1bb")
    assert capsys.readouterr().err == "Warning: name: a\\x1bb\n"
    assert (tmp_path / "run.log").read_text().endswith("name: a\\x1bb\n")
    screen = io.StringIO()
    with TerminalProgress(Console(file=screen)).task("task \x1b", 1) as advance:
        advance(note="note \x1b")
    assert "\x1b" not in screen.getvalue()
    assert "note \\x1b" in screen.getvalue()
    page = environment().from_string("{{ name }} {{ markup }}")
    assert page.render(name="<\x1b>", markup=Markup("<b>")) == "&lt;\\x1b&gt; <b>"


@pytest.mark.parametrize(
    ("typed", "parsed"),
    [
        ("--focus 1 2.5 -3 4e1 --runs 2", "--focus 1,2.5,-3,4e1 --runs 2"),
        ("--focus 1, 2, 3, 4 -o 5", "--focus 1,2,3,4 -o 5"),
        ("--focus 1,2,3,4 5.star", "--focus 1,2,3,4 5.star"),
        ("--references a b --seed 1 2", "--references a --references b --seed 1 2"),
    ],
)
def test_values_in_a_row(typed: str, parsed: str) -> None:
    """Numbers typed with blanks are joined, values of one option repeat it, nothing else moves."""
    assert tidy_arguments(typed.split(), ["--references"], ["--focus"]) == parsed.split()


def test_convert(particle_set: Path, cryofocus: Invoke, tmp_path: Path) -> None:
    """The command says what was written and, line by line, what the new table does not hold."""
    table, output = particle_set / "particles.star", tmp_path / "particles.cistem"
    result = cryofocus("convert", table, "-o", output)
    assert result.exit_code == 0
    said = result.stdout.splitlines()
    assert said[0].startswith("60 particles in ")
    assert "The new table lacks:" in said
    assert "  - B-factors of the CTF" in said
    wrong = cryofocus("convert", output, "-o", tmp_path / "x.par", "--microscope", "300,2.7")
    assert wrong.exit_code == 2
    assert "300,2.7,0.07" in wrong.stderr
