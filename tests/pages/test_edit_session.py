"""The sheet of `foley edit`: on disk at every moment, undone to the first byte."""

import os
import random
import subprocess
import sys

import pytest

from foleycli.errors import UsageError
from foleycli.pages.edit.session import ConflictError, Session, journal_path
from foleycli.spot.cues import read_cues

FIRST = "what,start,note\r\ndoor slam,0.5,loud\r\nglass clink,2,\r\ndoor slam,3.25,\r\n"


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "shot_cues.csv"
    path.write_bytes(FIRST.encode())
    return path


def test_every_change_is_on_disk_and_undone_to_the_first_byte(sheet) -> None:
    session = Session.open(sheet)
    session.change("move", {1: {**session.rows[1], "start": "0.75"}})
    session.change("add", {}, [{"start": 4, "what": "dog  barking", "layer": "voices"}])
    session.change("delete", {2: None})
    assert [(float(c.start), c.what) for c in read_cues(sheet)] == [
        (0.75, "door slam"), (3.25, "door slam"), (4, "dog barking")]  # fmt: skip
    for _ in range(3):
        session.undo()
    assert session.undo() is None and sheet.read_bytes() == FIRST.encode()
    for _ in range(3):
        session.redo()
    assert session.redo() is None and len(read_cues(sheet)) == 3
    assert session.labels() == ("delete", "")


def test_a_killed_session_goes_on_where_it_was(sheet) -> None:
    session = Session.open(sheet)
    session.change("move", {1: {**session.rows[1], "start": "0.75"}})
    before = sheet.read_bytes()
    session.change("softer", {2: {**session.rows[2], "level_db": "-6"}})
    after, journal = sheet.read_bytes(), journal_path(sheet)
    lines = journal.read_bytes()
    sheet.write_bytes(before)  # killed between the journal and the sheet
    again = Session.open(sheet)
    assert sheet.read_bytes() == after and again.rows == session.rows
    journal.write_bytes(lines[:-9])  # killed in the middle of a line
    sheet.write_bytes(before)
    again = Session.open(sheet)
    assert sheet.read_bytes() == before and journal.read_bytes().endswith(b"}\n")
    again.undo()
    assert sheet.read_bytes() == FIRST.encode()


def test_windows_do_not_fight(sheet) -> None:
    session = Session.open(sheet)
    seen = session.revision
    session.change("move", {1: {**session.rows[1], "start": "1"}}, base=seen)
    session.change("move", {2: {**session.rows[2], "start": "2.5"}}, base=seen)  # another event
    with pytest.raises(ConflictError):
        session.change("move", {1: {**session.rows[1], "start": "1.5"}}, base=seen)
    session.change("delete", {3: None})
    with pytest.raises(ConflictError):
        session.change("move", {3: {"start": "1", "what": "x"}})


def test_what_another_program_writes_is_taken_over_and_can_be_undone(sheet) -> None:
    session = Session.open(sheet)
    session.change("move", {1: {**session.rows[1], "start": "1"}})
    ours, number = sheet.read_bytes(), dict(session.rows)
    sheet.write_text("start,what\n1,door slam\n2.0,glass clink\n7,rain\n")
    assert session.look_for_changes() is not None and session.look_for_changes() is None
    assert [row["what"] for row in session.rows.values()] == ["door slam", "glass clink", "rain"]
    assert session.rows[1] == number[1]  # what is the same keeps its number
    session.undo()
    assert sheet.read_bytes() == ours
    sheet.unlink()
    assert session.look_for_changes() is None and sheet.read_bytes() == ours


def test_what_is_no_cue_is_refused_and_changes_nothing(sheet) -> None:
    session = Session.open(sheet)
    wrong = [{"start": "-1"}, {"start": "soon"}, {"what": " "}, {"layer": "sky"}, {"pan": "2"},
             {"level_db": "nan"}, {"colour": "red"}, {"duration": "0"}]  # fmt: skip
    for fields in wrong:
        with pytest.raises(UsageError):
            session.change("wrong", {1: {**session.rows[1], **fields}})
    assert sheet.read_bytes() == FIRST.encode() and session.revision == 0


EDITOR = """
import random, sys
from pathlib import Path
from foleycli.pages.edit.session import Session
session, chance = Session.open(Path(sys.argv[1])), random.Random(int(sys.argv[2]))
print("open", flush=True)
while True:
    number = chance.choice(list(session.rows))
    at = f"{chance.random() * 9:.3f}"
    session.change("move", {number: {**session.rows[number], "start": at}})
    print(session.revision, flush=True)
"""


def test_killed_at_any_moment_nothing_that_was_answered_is_lost(sheet) -> None:
    chance = random.Random(1)
    for round_ in range(4):
        run = subprocess.Popen([sys.executable, "-c", EDITOR, str(sheet), str(round_)],
                               stdout=subprocess.PIPE, text=True, env=dict(os.environ))  # fmt: skip
        assert run.stdout
        for _ in range(chance.randrange(2, 20)):
            answered = run.stdout.readline()
        run.kill()
        run.wait()
        answered = (run.stdout.read().split("\n")[-2:-1] or [answered])[0].strip()
        session = Session.open(sheet)
        known = session.revision
        assert answered == "open" or known >= int(answered)
        assert [cue for _, cue in session.cues()] == read_cues(sheet)
    while session.undo():
        pass
    assert sheet.read_bytes() == FIRST.encode()
