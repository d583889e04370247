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
from foleycli.output import atomic_output, check_output


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


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing(tmp_path, sign):
    script = (
        "import sys, time, signal\nfrom foleycli.output import atomic_output\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
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
