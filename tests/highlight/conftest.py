"""Shared by the tests of highlight that run commands."""

import pytest

from foleycli.cli import main


@pytest.fixture
def foley(monkeypatch, capsys):
    """Run a command in this process: ``foley(*words)`` -> exit code, lines of stdout, stderr."""

    def run(*arguments) -> tuple[int, list[str], str]:
        monkeypatch.setattr("sys.argv", ["foley", *map(str, arguments)])
        code = 0
        try:
            main.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    return run
