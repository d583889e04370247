"""The list of commands and options in the docs, from the code:

python -m foleycli.cli.reference > docs/commands.md
"""

from collections.abc import Iterator
from typing import Any

import typer

HEAD = """# Commands

Made from the code by `python -m foleycli.cli.reference > docs/commands.md`; a test compares them.
Every option can also be read with `foley COMMAND --help`.
"""


def write_reference() -> str:
    """All commands, each with its arguments and options by panel, as Markdown."""
    from foleycli.cli.main import app

    return HEAD + "".join(map(_section, _commands(typer.main.get_command(app))))


def _commands(group: Any, path: str = "foley") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _section(named: tuple[str, Any]) -> str:
    name, command = named
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    usage = " ".join([name, *map(_argument, arguments)])
    lines = [f"\n## `{usage}`\n", _text(str(command.help)), ""]
    lines += [f"- `{_argument(a)}`: {_text(a.help)}" for a in arguments]
    for panel in dict.fromkeys(getattr(option, "rich_help_panel", None) for option in options):
        lines += [f"\n{panel}:\n"] if panel else [""]
        lines += [_row(o) for o in options if getattr(o, "rich_help_panel", None) == panel]
    return "\n".join(lines).rstrip() + "\n"


def _argument(argument: Any) -> str:
    name = (argument.metavar or argument.name or "").strip("<>{}[].").upper()
    return f"{name}..." if argument.nargs == -1 else name


def _row(option: Any) -> str:
    names = ", ".join([*sorted(option.opts, key=len), *option.secondary_opts])
    value = "" if option.is_flag else f" {_value(option)}"
    default = option.default() if callable(option.default) else option.default
    said = "" if option.is_flag or default in (None, "", (), []) else f" (default: {default})"
    variable = f" (`{option.envvar}`)" if option.envvar else ""
    need = " (required)" if option.required else ""
    return f"- `{names}{value}`: {_text(option.help)}{said}{need}{variable}"


def _value(option: Any) -> str:
    named = str(option.metavar or option.name)
    return named if "|" in named else named.strip("<>{}[]").upper()


def _text(help: str) -> str:
    return " ".join(help.split()).replace("<", "\\<")  # no tag of HTML


if __name__ == "__main__":
    print(write_reference(), end="")
