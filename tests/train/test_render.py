"""What physics says a film must hold: when a ball lands, what a factor changes, what is silent."""

import csv
import ctypes.util
import json
import os
from dataclasses import replace

import av
import numpy as np
import pytest

from foleycli.config import RenderConfig
from foleycli.errors import UsageError
from foleycli.train import render

os.environ.setdefault("MUJOCO_GL", "egl")  # read when mujoco is imported
pytest.importorskip("mujoco")
TINY = RenderConfig(seconds=2.0, width=64, height=36)


def stage_of(seed: int = 0, seconds: float = 2.0) -> render.Stage:
    rng = np.random.default_rng(seed)
    return render.Stage(rng, render.Photos(None, rng), seconds)


def happen(stage: render.Stage) -> list[render.Contact]:
    model = render.build(stage, 64, 36, shadows=False)
    render.simulate(model, stage)
    return stage.contacts


@pytest.mark.parametrize("height", [0.4, 1.0])
def test_a_ball_lands_when_gravity_says(height):
    stage = stage_of()
    render.add_surface(stage, "stone", table=False)
    render.add_thing(stage, "sphere", [0.1], (0, 0, 0.1 + height), "rubber")
    contacts = happen(stage)
    assert contacts[0].time == pytest.approx(np.sqrt(2 * height / 9.81), abs=0.005)
    kept = render.MATERIALS["rubber"].bounce
    assert contacts[0].speed == pytest.approx((1 + kept) * np.sqrt(2 * 9.81 * height), rel=0.25)
    later = contacts[1].time - contacts[0].time
    assert later == pytest.approx(2 * kept * np.sqrt(2 * height / 9.81), rel=0.15)


def test_what_rolls_or_slides_is_active_and_makes_no_hit():
    stage = stage_of()
    render.add_surface(stage, "wood", table=False)
    render.add_thing(stage, "sphere", [0.1], (-1, 0, 0.1), "rubber", start=(1, 0, 0, 0, 10, 0))
    assert not happen(stage)
    sliding = stage_of()
    render.add_surface(sliding, "wood", table=False)
    render.add_thing(sliding, "box", [0.1, 0.1, 0.01], (0, 0, 0.01), "wood", start=(2, *[0] * 5))
    model = render.build(sliding, 64, 36, shadows=False)
    _, slides = render.simulate(model, sliding)
    assert all(contact.strength < 0.3 for contact in sliding.contacts)  # an edge may chatter
    assert slides[:400].mean() > 0.08
    assert not slides[600:].any()


@pytest.mark.parametrize("setup", [setup for setup, _ in [*render.THINGS, *render.QUIET]])
def test_every_setup_stands(setup):
    stage = stage_of(3, 1.0)
    setup(stage)
    contacts = happen(stage)
    if setup in [quiet for quiet, _ in render.QUIET]:
        assert not contacts
    assert all(piece.a.shape == (3,) for draw in stage.drawn for piece in draw(0.5))


def test_a_tool_lands_at_each_blow():
    stage = stage_of()
    stage.size = 1.0
    render.add_surface(stage, "wood", table=False)
    wanted = np.array([0.5, 1.0, 1.5])
    render._tool(stage, wanted, 0.0, 0.0, "wood", 0.6)
    times = np.array([contact.time for contact in happen(stage) if contact.strength > 0.4])
    assert len(times) == 3
    assert np.abs(times - wanted).max() < 0.04


@pytest.mark.parametrize("factor", render.FACTORS)
def test_a_factor_changes_one_thing(factor):
    case = render._draw_case(np.random.default_rng(1))
    other = render.change(case, factor)
    differing = [name for name in case.__slots__ if getattr(case, name) != getattr(other, name)]
    assert len(differing) == 1


@pytest.mark.skipif(not ctypes.util.find_library("EGL"), reason="needs libegl1")
def test_films_are_written_with_their_events_and_are_the_same_again(tmp_path):
    done = list(render.render_films(tmp_path / "a", TINY, 2, 1))
    assert done == [("things00000", ""), ("things00001", "")]
    list(render.render_films(tmp_path / "b", TINY, 1, 1))
    first, again = (json.loads((tmp_path / n / "things00000.json").read_text()) for n in "ab")
    assert first == again
    with av.open(str(tmp_path / "a" / "things00000.mp4")) as film:
        pictures = sum(1 for _ in film.decode(video=0))
    assert pictures == int(2 * first["frame_rate"] + 1e-6)
    with (tmp_path / "a" / "events.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"] == "things00000.mp4"]
    assert len(rows) == len(first["events"])


def test_what_cannot_be_rendered_is_said(tmp_path):
    for config in (replace(TINY, kind="cakes"), replace(TINY, kind="walkers")):
        with pytest.raises(UsageError):
            next(render.render_films(tmp_path, config, 1, 1))
