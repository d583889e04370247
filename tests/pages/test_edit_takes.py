"""Takes side by side on the page of `foley edit`: each is what `foley gen --seed` makes."""

import numpy as np
import pytest
import soundfile

import foleycli
from foleycli.config import GenerateConfig
from foleycli.errors import UsageError
from foleycli.pages.edit.project import open_project
from foleycli.pages.edit.session import Session
from tests.films import strikes, write_film
from tests.pages.browser import open_browser, until
from tests.pages.editing import SHEET, edited, ready
from tests.pages.test_edit import READY

CONFIG = GenerateConfig(model="library")


@pytest.fixture
def film(tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    (tmp_path / "shot_cues.csv").write_text(SHEET)
    return write_film(tmp_path / "shot.mp4", strikes([0.5, 1, 1.5, 2, 2.5], 3))


def test_a_take_is_what_its_seed_makes_and_is_kept_until_it_is_undone(film) -> None:
    project = open_project(film, CONFIG)
    ready(project)
    desk = project.desks[0]
    assert project.takes == [0, 1, 2] and desk.hearing and desk.session
    first, whole = desk.sheet.read_bytes(), desk.hearing.samples
    own, other = desk.hearing.mix(0, whole), desk.take(1).mix(0, whole)
    assert desk.take(0) is desk.hearing and not np.array_equal(own, other)
    config = GenerateConfig(model="library", seed=1)
    cues = [cue for _, cue in desk.session.cues()]
    blocks = project.source().render_in(desk.hearing.space, desk.looked.features, cues, config)
    assert np.array_equal(np.concatenate([*blocks]), other)
    score = desk.score(1)
    assert score is not None and score.sync != desk.score(0).sync
    spans = desk.keep_take(1)
    assert spans and desk.seed == 1 and np.array_equal(desk.hearing.mix(0, whole), other)
    assert np.array_equal(desk.take(0).mix(0, whole), own)
    assert Session.open(desk.sheet).seed == 1  # also after a kill
    desk.change("level", {2: {"level_db": "-9"}}, [], None)
    assert not np.array_equal(desk.take(1).mix(0, whole), other)
    for _ in range(2):
        desk.undo()
    assert desk.seed == 0 and np.array_equal(desk.hearing.mix(0, whole), own)
    assert desk.sheet.read_bytes() == first
    desk.redo()
    assert desk.seed == 1 and np.array_equal(desk.hearing.mix(0, whole), other)
    for seed in (-1, 9):
        with pytest.raises(UsageError, match="no such take"):
            desk.take(seed)
    project.close()


def test_the_kept_take_is_rendered_and_heard_in_stereo(film, tmp_path) -> None:
    sheet = film.with_name("shot_cues.csv")
    sheet.write_text(SHEET.replace("layer\n", "layer,pan\n").replace("hard\n", "hard,-1\n"))
    with edited(film) as server, open_browser(offline=False) as page:
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(server.address)
        until(page, READY)
        page.keyboard.press("t")
        until(page, "document.querySelectorAll('#heads button[aria-label^=Keep]').length === 3")
        until(page, "foley.model.scores.size === 3")
        until(page, "[0, 1, 2].every(n => foley.lanes.peaks.has(n ? `${n} 0` : ' 0'))")
        drawn = page.evaluate("[' 0', '1 0', '2 0'].map(k => foley.lanes.peaks.get(k).data.join())")
        assert len(set(drawn)) == 3
        page.keyboard.press("Shift+Digit3")
        until(page, "foley.model.heardTake === 2")
        page.evaluate("foley.hands.toggle()")
        until(page, "foley.sound.playing && foley.sound.blocks.size > 0")
        page.evaluate("foley.hands.toggle()")
        sides = page.evaluate(
            "(async () => { const buffer = await foley.sound.block(0);"
            " return [0, 1].map(n => Math.hypot(...buffer.getChannelData(n).subarray(26000))); })()"
        )
        assert sides[0] > 1.5 * sides[1]  # the door stands on the left
        page.keyboard.press("Shift+T")
        until(page, "foley.model.state.take === 2 && foley.model.heardTake === null")
        assert page.evaluate("foley.model.state.undo") == "take 2"
        page.keyboard.press("Control+Enter")
        until(page, "/shot_sfx.mp4/.test(document.getElementById('status').textContent)")
        page.keyboard.press("t")
        until(page, "document.querySelectorAll('#heads button[aria-label^=Keep]').length === 0")
        assert not page.troubles
    out = tmp_path / "again" / "shot_sfx.mp4"
    out.parent.mkdir()
    foleycli.generate(film, out, GenerateConfig(model="library", cues=str(sheet), seed=2))
    assert out.read_bytes() == film.with_name("shot_sfx.mp4").read_bytes()


def test_takes_of_a_span_are_ranked_against_that_span(tmp_path) -> None:
    from fractions import Fraction

    from foleycli.evaluate.rank import rank_takes

    film = write_film(tmp_path / "late.mp4", strikes([0.3, 2.5, 3.4, 4.7], 6))
    waves = []
    for name, times in (("right", [0.5, 1.4, 2.7]), ("wrong", [1.0, 2.0, 3.4])):
        sound = np.random.default_rng(1).normal(0, 1e-4, 4 * 48_000)
        for time in times:
            sound[int(time * 48_000) :][:2400] += 0.5 * np.exp(-np.arange(2400) / 500)
        waves.append(tmp_path / f"{name}.wav")
        soundfile.write(waves[-1], sound, 48_000)
    ranked = rank_takes(film, waves[::-1], Fraction(2))
    assert [take.sound for take in ranked] == waves and ranked[0].sync > 1
