"""Every command says what it does and what its options mean, quickly."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import typer

import foleycli
from foleycli.cli.main import app
from foleycli.cli.options import PANELS, TABLE
from foleycli.cli.reference import write_reference
from foleycli.config import GenerateConfig

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


def test_every_field_that_can_be_asked_has_a_row_in_the_table() -> None:
    assert set(TABLE) == {field.name for field in fields(GenerateConfig)}
    commands = dict(every_command(typer.main.get_command(app)))
    for name, row in TABLE.items():
        assert row.panel in PANELS
        for command in row.commands:
            assert name in {option.name for option in commands[f"foley {command}"].params}


def test_help_groups_options_and_shows_defaults(foley) -> None:
    code, lines, _ = foley("gen", "--help")
    titles = [line for line in lines if line.startswith("╭─")]
    found = [title.strip("╭─╮ ") for title in titles]
    assert code == 0 and found == ["Arguments", "Options", *PANELS]


def test_the_docs_list_commands_and_options_as_the_code_has_them() -> None:
    written = Path(__file__).parents[2] / "docs" / "commands.md"
    assert written.read_text(encoding="utf-8") == write_reference(), (
        "python -m foleycli.cli.reference > docs/commands.md"
    )
