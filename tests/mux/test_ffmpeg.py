"""The ffmpeg that is found, and what its failures become."""

import sys
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import pytest

from foleycli.errors import FoleyError, UsageError
from foleycli.mux.ffmpeg import ffmpeg_version, find_ffmpeg, last_reason, run_ffmpeg


def test_the_order_of_looking(monkeypatch, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text("#!/bin/sh\n")
    mine.chmod(0o755)
    monkeypatch.setenv("FOLEY_FFMPEG", str(mine))
    assert find_ffmpeg() == str(mine)
    monkeypatch.setenv("FOLEY_FFMPEG", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="FOLEY_FFMPEG"):
        find_ffmpeg()
    monkeypatch.delenv("FOLEY_FFMPEG")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg() == imageio_ffmpeg.get_ffmpeg_exe()


def test_version():
    assert ffmpeg_version(find_ffmpeg())[0] in "0123456789nN"


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        (b"", "it ended with status 1"),
        (b"[mp4 @ 0x55d] Could not find tag\nConversion failed!\n", "Could not find tag"),
        (b"[a @ 0x1f] [b @ 0x2e] no.\n", "no"),
        (b"Conversion failed!\n", "Conversion failed!"),
        (b"[w @ 0x1f] Only VP9.\n[af#0:1 @ 0x2e] Error sending frames to x: no\n", "Only VP9"),
    ],
)
def test_the_line_that_says_why(stderr, reason):
    assert last_reason(stderr, 1) == reason


def test_a_failure_is_one_line(tmp_path):
    spec = ffmpeg.input(str(tmp_path / "none.mp4")).output(str(tmp_path / "out.mp4"))
    with pytest.raises(FoleyError, match=r"could not try this: .*No such file"):
        run_ffmpeg(spec, "try this")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_child_survives_an_interrupt(tmp_path, monkeypatch):
    import subprocess

    children = []

    def interrupted(self, *_args, **_options):
        children.append(self.pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    spec = ffmpeg.input("testsrc2=d=3600", f="lavfi").output(str(tmp_path / "a.mp4"))
    with pytest.raises(KeyboardInterrupt):
        run_ffmpeg(spec, "render an hour")
    assert not Path(f"/proc/{children[0]}").exists()
