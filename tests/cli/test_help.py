"""Every command says what it does and what its options mean, quickly."""

import subprocess
import sys

import typer

import foleycli
from foleycli.cli.main import app

HEAVY = {"torch", "numpy", "av", "scipy", "diffusers", "onnxruntime", "foleycli.generate"}


def every_command(group, path=("foley",)):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from every_command(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def test_every_command_and_option_has_help() -> None:
    commands = dict(every_command(typer.main.get_command(app)))
    assert "foley gen" in commands
    assert "foley models list" in commands
    for name, command in commands.items():
        assert command.help, f"{name} has no docstring"
        for option in command.params:
            assert getattr(option, "help", ""), f"{name} {option.name} has no help"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys, foleycli.cli.main as m\n"
        "try: m.app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "gen" in run.stdout
    assert not HEAVY & set(run.stderr.split())


def test_it_says_which_version_it_is() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "foleycli.cli.main", "--version"], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout) == (0, f"foley {foleycli.__version__}\n")
