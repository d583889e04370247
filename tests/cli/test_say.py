"""Names that would act on the terminal are shown, everywhere a person reads; --json is exact."""

import ast
import io
import json
import logging
import queue
import sys
from logging.handlers import QueueHandler
from pathlib import Path

import pytest

from foleycli import cli, generate  # noqa: F401  # before its source is another
from foleycli.cli.progress import (
    batch_progress,
    count_progress,
    listen_for_warnings,
    show_progress,
)
from foleycli.cli.say import say_rows, visible
from foleycli.sources import open as sources
from foleycli.timeline import batch
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks

HOSTILE = "a\x1b]0;owned\x07\nerror: all is gone\u202e\x9b2J{0}[red]"
SHOWN = r"a\x1b]0;owned\x07\nerror: all is gone\u202e\x9b2J{0}[red]"


@pytest.fixture
def film(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "open_source", lambda config: Clicks())
    monkeypatch.setattr(batch, "_source", lambda job: Clicks())
    monkeypatch.setattr(batch, "source_fingerprint", lambda config: Clicks.fingerprint)
    return write_film(tmp_path / f"{HOSTILE}.mp4", strikes([0.2], 0.5))


def acts(text: str) -> bool:
    """Whether anything in it does more than show, line breaks of our own apart."""
    return any(char != "\n" and visible(char) != char for char in text)


def test_what_shows_is_left_and_what_acts_is_written_out():
    assert visible(HOSTILE) == SHOWN
    for name in ("Straße 第一集 — é ñ.mov", "اتاق‌ها.mov", "👩‍🎤　東京.mp4", r"C:\new\take.mov"):
        assert visible(name) == name
    assert visible("a\u2028b\u2066c\ud8ffd\x7f\x00") == r"a\u2028b\u2066c\ud8ffd\x7f\x00"


@pytest.mark.skipif(sys.platform == "win32", reason="no file has such a name there")
def test_a_hostile_name_of_a_file_is_shown_by_every_command(foley, film, tmp_path):
    table = tmp_path / "hostile.csv"
    table.write_text("start,what\n9,door\n")
    bad = film.with_name(f"{HOSTILE}bad.mp4")
    bad.write_bytes(b"bad")
    out = tmp_path / "out"
    for words, code, lines in (
        (["gen", film, "-o", out / f"{HOSTILE}.mp4", "--cues", table], 0, 1),
        (["gen", film, bad, "-o", f"{tmp_path}/two/", "--dry-run"], 5, 1),
        (["probe", film, bad], 5, 4),
        (["probe", bad], 3, 0),
        (["batch", film, bad, "-o", out], 5, 3),
        (["timeline", bad, film, "-o", out], 2, 0),
        (["shots", film, "-o", tmp_path / f"{HOSTILE}.edl"], 0, 1),
        (["highlight", film, "-o", out / f"{HOSTILE}.mp4"], 3, 0),
    ):
        got, said, errors = foley(*words)
        assert (got, len(said)) == (code, lines), (words, said, errors)
        assert not acts("\n".join(said) + errors), words
        assert SHOWN in "".join(said) + errors.replace("│\n│", "") or words[0] == "timeline"
        assert not any(line.startswith("error: all is gone") for line in errors.splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="no file has such a name there")
def test_json_has_the_name_itself(foley, film, tmp_path):
    out = tmp_path / f"{HOSTILE}_sfx.mov"
    _, lines, _ = foley("gen", film, "-o", out, "--json")
    told = json.loads(lines[0])
    assert told["clip"] == str(film) and told["takes"][0]["out"] == str(out)
    _, lines, _ = foley("probe", film, "--json")
    assert json.loads(lines[0])["path"] == str(film)


def test_a_hostile_name_in_a_timeline_is_shown(foley, tmp_path):
    edl = tmp_path / "cut.edl"
    edl.write_text(
        "TITLE: T\nFCM: NON-DROP FRAME\n"
        "001  AX V C 00:00:00:00 00:00:01:00 00:00:00:00 00:00:01:00\n"
        "* FROM CLIP NAME: \x1b[2J\u202eshot.mov\n"
    )
    code, _, errors = foley("timeline", edl, "-o", tmp_path / "a.edl", "--media-root", tmp_path)
    assert code == 3 and r"\x1b[2J\u202eshot.mov" in errors and not acts(errors)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_shows_names_as_they_are(monkeypatch):
    for bar in (
        lambda: show_progress(HOSTILE, quiet=False),
        lambda: count_progress(HOSTILE, 2, quiet=False),
        lambda: batch_progress(1, quiet=False),
    ):
        screen = Terminal()
        monkeypatch.setattr("sys.stderr", screen)
        monkeypatch.setenv("COLUMNS", "200")
        with bar() as told:
            if hasattr(told, "tell"):
                told.tell(HOSTILE, "looking", 0.5)
        drawn = screen.getvalue()
        assert SHOWN[-30:] in drawn
        assert "owned\x07" not in drawn and "\u202e" not in drawn and "\x9b" not in drawn


def test_a_table_is_exact_for_programs_and_shown_to_people(monkeypatch):
    for stream, cell in ((io.StringIO(), "\x1b[2J"), (Terminal(), r"\x1b[2J")):
        monkeypatch.setattr("sys.stdout", stream)
        say_rows([["a", "\x1b[2J"]])
        assert stream.getvalue() == f"a,{cell}\r\n"


def test_a_warning_of_another_process_is_said_by_the_first(capsys):
    heard = listen_for_warnings(quiet=False, verbose=False)
    words = queue.Queue()
    log = logging.getLogger("of another process")
    log.addHandler(QueueHandler(words))
    log.warning("%s is odd", "\x1b[2J")
    words.put(None)
    batch._listen(words, batch.nobody)
    assert heard == ["\x1b[2J is odd"]
    assert capsys.readouterr().err == "warning: \\x1b[2J is odd\n"


def test_commands_print_nothing_else():
    """`print` and `echo` are for JSON and what the program itself says; all else goes by `say`."""
    for path in Path(cli.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "typer.echo"):
                told = ast.unparse(node)
                known = ("json.dumps", "print(text)", "print(content", "VERSION", "'interrupted;",
                         "write_reference", "visible", "'Ready.'")  # fmt: skip
                assert any(word in told for word in known), (path.name, told)
