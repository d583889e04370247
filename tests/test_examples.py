"""The example clip is what its script draws, and its cue sheet holds the true times."""

import importlib.util
import os
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from PIL import Image

from foleycli.spot.cues import read_cues

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def scene():
    spec = importlib.util.spec_from_file_location("render_scene", EXAMPLES / "render_scene.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sheet_holds_the_true_times(scene) -> None:
    assert read_cues(EXAMPLES / "ball.csv") == scene.true_cues()


def test_clip_is_six_silent_seconds() -> None:
    with av.open(str(EXAMPLES / "ball.mp4")) as container:
        assert not container.streams.audio
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert len(times) == 144
    assert times[-1] - times[0] == Fraction(143, 24)


def test_ball_touches_the_floor_at_its_hits_and_flies_between(scene) -> None:
    hits = [time for time, _ in scene.ball_hits()]
    assert all(scene.ball_height(time) == pytest.approx(0, abs=0.01) for time in hits)
    flights = pairwise(hits)
    assert all(scene.ball_height((one + next_) / 2) > 3 for one, next_ in flights)
    assert hits[-1] < scene.CUT


def test_hammer_is_down_at_its_strikes_only(scene) -> None:
    assert all(scene.hammer_angle(time) == 0 for time in scene.STRIKES)
    assert all(scene.hammer_angle(time - 0.2) > 0.2 for time in scene.STRIKES)


def test_smoke_test_for_ci_passes_here() -> None:
    there = Path(sys.executable).parent
    run = subprocess.run(
        ["sh", str(EXAMPLES / "ci" / "smoke.sh")],
        env={**os.environ, "PATH": f"{there}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("foley works here\n")


@pytest.mark.parametrize("script", ["picture.py", "python_call.py"])
def test_scripts_run_as_their_first_lines_say(tmp_path, script) -> None:
    out = tmp_path / ("scene.webp" if script == "picture.py" else "ball_sfx.mp4")
    clip = [str(EXAMPLES / "ball.mp4")] if script == "picture.py" else []
    words = [sys.executable, str(EXAMPLES / script), *clip, str(out)]
    subprocess.run(words, check=True, capture_output=True)
    assert out.stat().st_size > 10_000
    if script == "picture.py":
        assert Image.open(out).width == 1200
