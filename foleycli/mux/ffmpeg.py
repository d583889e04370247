"""Find an ffmpeg and run it: errors in one line, and no child left behind."""

import ctypes
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import ffmpeg

from foleycli.errors import FoleyError, UsageError
from foleycli.install import get_packages

_GENERIC = re.compile(
    r"Conversion failed"
    r"|Error (sending|opening|writing|closing|muxing|submitting|while|initializing)"
    r"|Error: |Could not write header|Error marking filters|Nothing was written"
    r"|Output file is empty|Task finished|Terminating thread",
)
# bytes of a name that is not UTF-8, which ffmpeg-python cannot take, and what stands for them
_STAND_IN = {0xDC00 + byte: 0xF0000 + byte for byte in range(128, 256)}
_BYTES = {stand_in: byte for byte, stand_in in _STAND_IN.items()}
_ADDRESS = re.compile(r"^(\[[^\]]*@ 0x[0-9a-f]+\] )+")


def find_ffmpeg() -> str:
    """The ffmpeg to run: ``$FOLEY_FFMPEG``, then the one on PATH, then imageio-ffmpeg's wheel.

    Raises:
        UsageError: ``$FOLEY_FFMPEG`` names nothing that runs.
        FoleyError: there is none.
    """
    asked = os.environ.get("FOLEY_FFMPEG")
    if asked:
        found = shutil.which(asked)
        if not found:
            raise UsageError(f"FOLEY_FFMPEG={asked} is not a program.", "Correct or unset it.")
        return found
    found = shutil.which("ffmpeg") or packaged_ffmpeg()
    if not found:
        raise FoleyError("No ffmpeg found.", get_packages("imageio-ffmpeg"))
    return found


def packaged_ffmpeg() -> str | None:
    """The ffmpeg of imageio-ffmpeg's wheel, where it is installed."""
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return None


@cache
def ffmpeg_version(binary: str) -> str:
    """What ``ffmpeg -version`` says of itself, such as ``5.1.9-0+deb12u1``."""
    first_line = subprocess.run(
        [binary, "-version"], capture_output=True, text=True, errors="replace", check=False
    ).stdout.partition("\n")[0]
    return first_line.removeprefix("ffmpeg version ").partition(" ")[0]


def run_ffmpeg(spec: Any, doing: str) -> None:
    """Run an ffmpeg-python stream spec with the ffmpeg that `find_ffmpeg` found.

    The child shares our fate: it is killed when we are interrupted, and on Linux when we die.

    Args:
        spec: what ``ffmpeg.output`` or ``ffmpeg.merge_outputs`` gave.
        doing: what failed, for the message: "mux the sound into x.mp4".

    Raises:
        FoleyError: with the last line of stderr that says something.
        OSError: the disk is full (ENOSPC).
    """
    options = ["-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
    binary, *arguments = ffmpeg.compile(spec, cmd=find_ffmpeg())
    arguments = [argument.translate(_BYTES) for argument in arguments]
    child = subprocess.Popen(
        [binary, *options, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C comes to us alone; we end the child
        preexec_fn=_die_with_parent(),
    )
    try:
        _, stderr = child.communicate()
    except BaseException:
        child.kill()
        child.wait()
        raise
    # ffmpeg 5 ends well though it could not write the index of a .mov
    if child.returncode or b"Error writing trailer" in stderr:
        if b"No space left on device" in stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise FoleyError(
            f"ffmpeg could not {doing}: {last_reason(stderr, child.returncode)}.",
            "Try another output format with -o, such as .mov or .mkv.",
        )


def last_reason(stderr: bytes, returncode: int) -> str:
    """The last line of ffmpeg's stderr that says why, without its module's address."""
    lines = [
        _ADDRESS.sub("", line).strip().rstrip(".")
        for line in stderr.decode(errors="replace").splitlines()
    ]
    lines = [line for line in lines if line]
    telling = [line for line in lines if not _GENERIC.match(line)]
    fallback = f"it ended with status {returncode}"
    return (telling or lines or [fallback])[-1]


def _die_with_parent() -> Callable[[], None] | None:
    """Linux: have the kernel kill the child if we are killed (prctl PR_SET_PDEATHSIG)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def arm() -> None:
        prctl(1, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we armed
            os._exit(1)

    return arm


def input_path(path: Path) -> str:
    """A path as ffmpeg takes it: absolute, so neither ``-dash.mp4`` nor ``a:b.mp4`` is misread.

    It is for a spec that `run_ffmpeg` runs, which puts back what stands for odd bytes.
    """
    return str(path.absolute()).translate(_STAND_IN)
