"""Nothing phones home: no file but ours, no attempt to connect, in any entry."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import foleycli
from foleycli.quiet import OFF, switch_off
from tests.films import strikes, write_film

ROOT = Path(foleycli.__file__).parents[1]
# What tells a library that nobody is at home to be asked, and where it keeps things.
DISTURBING = ("CI", "GITHUB_ACTIONS", "DO_NOT_TRACK", "DISABLE_TELEMETRY", "MPLCONFIGDIR",
              "FOLEY_CACHE", "ORT_RUNNING_UNIT_TESTS", *OFF)  # fmt: skip
# Python's own attempts, also where strace is not installed
GUARD = """
import os, sys
def hear(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        if "AF_UNIX" not in str(arguments[0]) or event == "socket.getaddrinfo":
            with open(os.environ["HEARD"], "a") as file:
                file.write(f"{event} {arguments}\\n")
sys.addaudithook(hear)
"""
COMMANDS = """
import sys
from foleycli.cli import main
if __name__ == "__main__":  # the processes of a batch read this file too
    for words in {commands}:
        sys.argv = ["foley", *words]
        try:
            main.main()
        except SystemExit as end:
            assert not end.code, (words, end.code)
"""
CALL = """
import foleycli
foleycli.generate("shot.mp4", "called.mp4", model="library")
"""


@pytest.fixture
def alone(tmp_path):
    """Run Python with an empty home and no network: ``alone(script)`` -> (files, attempts)."""
    work = tmp_path / "work"
    for name in ("home", "tmp", "guard", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    for name in ("shot.mp4", "more.mp4"):
        write_film(work / name, strikes([0.3], 1))

    def run(script: str) -> tuple[list[str], str]:
        (tmp_path / "script.py").write_text(script)
        heard, traced = tmp_path / "heard", tmp_path / "traced"
        environment = {n: v for n, v in os.environ.items() if n not in DISTURBING}
        environment |= {
            "HOME": str(tmp_path / "home"),
            "TMPDIR": str(tmp_path / "tmp"),
            "PYTHONPATH": os.pathsep.join([str(tmp_path / "guard"), str(ROOT)]),
            "HEARD": str(heard),
        }
        for name in [name for name in environment if name.startswith("XDG_")]:
            del environment[name]
        command = [*_no_network(), *_traced(traced), sys.executable, str(tmp_path / "script.py")]
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        left = [p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()]
        attempts = heard.read_text() if heard.exists() else ""
        if traced.exists():
            attempts += "".join(re.findall(r".*connect\(.*AF_INET.*\n", traced.read_text()))
        ours = ("work", "guard", "home/.cache/foleycli", "script.py", "traced", "heard")
        return [str(p) for p in left if not str(p).startswith(ours)], attempts

    return run


def _works(command: Sequence[str]) -> bool:
    if not shutil.which(command[0]):
        return False
    return subprocess.run([*command, "true"], capture_output=True).returncode == 0


def _no_network() -> list[str]:
    command = ["unshare", "-rn"]
    return command if _works(command) else []


def _traced(into: Path) -> list[str]:
    command = ["strace", "-f", "-qq", "-e", "trace=connect", "-o"]
    return [*command, str(into)] if _works([*command, os.devnull]) else []


def test_the_commands_leave_no_file_but_ours_and_call_nobody(alone):
    commands = [
        ["gen", "shot.mp4", "--offline", "--model", "library", "--wav", "-o", "a.mp4"],
        ["gen", "shot.mp4", "--offline", "--prompt", "boots on gravel", "-o", "b.mp4"],
        ["redo", "a.foley.json", "-o", "again.mp4"],
        ["cues", "shot.mp4", "-o", "cues.csv"],
        ["shots", "shot.mp4", "-o", "shots.edl"],
        ["timeline", "shots.edl", "--media-root", ".", "-o", "sounded.edl"],
        ["preview", "shot.mp4", "-o", "preview"],
        ["loudness", "a.wav"],
        ["probe", "a.mp4"],
        ["doctor"],
        ["models", "list"],
    ]
    files, attempts = alone(COMMANDS.format(commands=json.dumps(commands)))
    assert (files, attempts) == ([], "")


def test_neither_do_the_processes_of_a_batch(alone):
    words = ["batch", "shot.mp4", "more.mp4", "--jobs", "2", "--model", "library"]
    assert alone(COMMANDS.format(commands=[words])) == ([], "")


def test_nor_does_a_script_that_imports_the_package(alone):
    assert alone(CALL) == ([], "")


def test_who_switched_one_on_himself_keeps_it():
    environment = {"ORT_DISABLE_TELEMETRY": "0", "HF_HUB_DISABLE_TELEMETRY": ""}
    switch_off(environment)
    assert environment == OFF | {"ORT_DISABLE_TELEMETRY": "0"}


def test_the_guard_hears_what_it_is_there_for(alone):
    """A script that does what ours must not: the tests above would fail on it."""
    files, attempts = alone(
        "import socket\nfrom contextlib import suppress\nfrom pathlib import Path\n"
        "(Path.home() / '.deviceid').touch()\n"
        "with suppress(OSError): socket.create_connection(('127.0.0.1', 9), 1)\n"
        "with suppress(OSError): socket.getaddrinfo('foleycli.invalid', 80)\n"
    )
    assert files == ["home/.deviceid"]
    assert "127.0.0.1" in attempts and "foleycli.invalid" in attempts
