"""Never half a file, never over the input, nothing left behind."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from foleycli.errors import FoleyError, OutputExistsError, UsageError
from foleycli.output import (
    atomic_output,
    check_output,
    clear_leftovers,
    make_folder,
    scratch_folder,
)


def test_appears_only_when_whole(tmp_path):
    out = tmp_path / "out.wav"
    with atomic_output(out) as hidden:
        hidden.write_text("sound")
        assert hidden.parent == tmp_path and hidden.name.startswith(".") and not out.exists()
    assert out.read_text() == "sound" and list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_nothing_stays_after_a_failure(tmp_path, end):
    out = tmp_path / "out.wav"
    out.write_text("before")
    with pytest.raises(end), atomic_output(out, overwrite=True) as hidden:
        hidden.write_text("half")
        raise end
    assert out.read_text() == "before" and list(tmp_path.iterdir()) == [out]


def test_an_existing_file_is_kept(tmp_path):
    out = tmp_path / "out.wav"
    out.write_text("before")
    with pytest.raises(OutputExistsError, match="--overwrite"), atomic_output(out):
        pass
    assert out.read_text() == "before"


def test_never_over_the_input_by_any_name(tmp_path):
    clip = tmp_path / "clip.mov"
    clip.write_text("film")
    (tmp_path / "link.mov").symlink_to(clip)
    os.link(clip, tmp_path / "hard.mov")
    for name in ("clip.mov", "link.mov", "hard.mov"):
        with pytest.raises(UsageError, match="input itself"):
            check_output(tmp_path / name, overwrite=True, inputs=(clip,))


def test_a_symlink_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    link = tmp_path / "out.wav"
    link.symlink_to(tmp_path / "there" / "real.wav")
    with atomic_output(link) as hidden:
        hidden.write_text("sound")
    assert link.is_symlink() and (tmp_path / "there" / "real.wav").read_text() == "sound"


@pytest.mark.parametrize("path", [os.devnull, ".", "no/such/folder/out.wav"])
def test_no_devices_nor_folders(path):
    with pytest.raises(UsageError):
        check_output(path, overwrite=True)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "No permission")]
)
def test_system_errors_are_one_clear_line(tmp_path, number, words):
    with pytest.raises(FoleyError, match=words), atomic_output(tmp_path / "out.wav"):
        raise OSError(number, os.strerror(number))
    assert not list(tmp_path.iterdir())


KILLED = """
import sys, time
from pathlib import Path
from foleycli.output import atomic_output, scratch_folder
out = Path(sys.argv[1])
with atomic_output(out) as hidden, scratch_folder(out.parent) as folder:
    (folder / "mix.wav").write_text("half")
    hidden.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def at_work(tmp_path):
    """A process that is writing, and has got half way."""
    command = [sys.executable, "-c", KILLED, str(tmp_path / "out.wav")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        yield child
        child.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_what_a_kill_leaves_the_next_run_removes(tmp_path, at_work):
    at_work.send_signal(signal.SIGKILL)
    at_work.wait(timeout=20)
    assert len(list(tmp_path.iterdir())) == 2
    with atomic_output(tmp_path / "other.wav") as hidden:
        hidden.write_text("sound")
    assert [path.name for path in tmp_path.iterdir()] == ["other.wav"]


def test_what_a_run_at_work_has_is_left_alone(tmp_path, at_work):
    with atomic_output(tmp_path / "other.wav") as hidden, scratch_folder(tmp_path):
        hidden.write_text("sound")
    assert len(list(tmp_path.iterdir())) == 3
    assert clear_leftovers(tmp_path) == 0


def test_what_others_left_is_none_of_our_business(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = (f".foley-00000000-{gone.pid}-0123456789ab.mp4", ".foley-notes.txt", "foley-1-2.wav")
    for name in names:
        (tmp_path / name).write_text("mine")
    assert clear_leftovers(tmp_path) == 0 and len(list(tmp_path.iterdir())) == len(names)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing(tmp_path, sign):
    script = (
        "import sys, time, signal\nfrom foleycli.output import atomic_output\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # under nohup it would be ignored
        "with atomic_output(sys.argv[1]) as hidden:\n"
        "    hidden.write_text('half'); time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "out.wav")], stderr=subprocess.DEVNULL
    )
    while not any(file.stat().st_size for file in tmp_path.iterdir()):
        time.sleep(0.01)
    child.send_signal(sign)
    assert child.wait(timeout=20) != 0
    assert not list(Path(tmp_path).iterdir())


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(UsageError, match=r"a\.mp4 is a file, not a folder"):
        make_folder(tmp_path / "a.mp4" / "deep")
