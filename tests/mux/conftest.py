"""Shared by the tests of the muxer: every ffmpeg at hand."""

import os
import shutil
from pathlib import Path

import pytest

from foleycli.mux.ffmpeg import packaged_ffmpeg


def at_hand() -> list[str]:
    """The ffmpeg on PATH, the wheel's, and those that $FOLEY_TEST_FFMPEGS lists; each once."""
    asked = os.environ.get("FOLEY_TEST_FFMPEGS", "").split(os.pathsep)
    found = [shutil.which("ffmpeg"), packaged_ffmpeg(), *asked]
    return list({str(Path(path).resolve()): path for path in found if path}.values())


@pytest.fixture(params=at_hand(), ids=lambda path: Path(path).resolve().name)
def each_ffmpeg(request, monkeypatch) -> str:
    """The ffmpeg that muxes; a test that asks for it runs with every one."""
    monkeypatch.setenv("FOLEY_FFMPEG", request.param)
    return request.param
