"""Takes ranked, drawn, and put on a page."""

import json
import os
import re
import shlex
import shutil
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile

from foleycli.config import GenerateConfig
from foleycli.errors import MediaError, OutputExistsError
from foleycli.evaluate.rank import rank_takes
from foleycli.pages.audition import read_choice, write_page
from foleycli.pages.preview import preview_takes
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks

RATE = 48_000
TIMES = [0.6, 1.5, 2.1, 3.3]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("film") / "a & b.mp4", strikes(TIMES, 4))


def knocks(path, times):
    sound = np.random.default_rng(1).normal(0, 1e-4, 4 * RATE)
    for time in times:
        decay = np.exp(-np.arange(RATE // 10) / 800)
        at = int(time * RATE)
        sound[at : at + len(decay)] += 0.5 * decay * np.sin(np.arange(len(decay)) / 3)
    soundfile.write(path, sound, RATE)
    return path


def test_the_take_that_follows_the_motion_comes_first(film, tmp_path) -> None:
    late = knocks(tmp_path / "late.wav", [0.05, 1.0, 2.7, 3.7])
    right = knocks(tmp_path / "right.wav", TIMES)
    ranked = rank_takes(film, [late, right])
    assert [take.sound for take in ranked] == [right, late]
    assert ranked[0].sync > 1 > ranked[1].sync


def test_takes_a_picture_and_a_page_whose_links_lead_somewhere(film, tmp_path) -> None:
    made = preview_takes(film, tmp_path / "out", GenerateConfig(takes=3, wav=True), Clicks())
    assert len(made.takes) == 3
    page = made.page.read_text()
    links = [unquote(link) for link in re.findall(r'src="([^"]+)"', page)]
    assert len(links) == 5
    assert "No recording of that" not in page
    for link in links:
        assert (made.page.parent / link.replace("&amp;", "&")).is_file(), link
    assert made.picture.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(OutputExistsError):
        preview_takes(film, tmp_path / "out", GenerateConfig(takes=3, wav=True), Clicks())


def test_only_the_best_take_can_be_kept(film, tmp_path) -> None:
    config = GenerateConfig(takes=3, wav=True)
    made = preview_takes(film, tmp_path, config, Clicks(), keep_best=True)
    assert len(made.takes) == 1
    assert list(tmp_path.glob("*.wav")) == [made.takes[0].score.sound]
    assert len(list(tmp_path.glob("*.mp4"))) == 1


@pytest.mark.slow
def test_the_page_plays_the_chosen_take_with_the_film_in_a_browser(film, tmp_path) -> None:
    api = pytest.importorskip("playwright.sync_api")
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        pytest.skip("no browser")
    made = preview_takes(film, tmp_path, GenerateConfig(takes=2, wav=True), Clicks())
    with api.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=browser_path,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        page = browser.new_page()
        troubles = []
        page.on("pageerror", lambda error: troubles.append(error))
        page.goto(made.page.as_uri())
        page.wait_for_function("document.getElementById('film').readyState >= 3")
        page.evaluate("document.getElementById('film').play()")
        page.wait_for_function("document.getElementById('film').currentTime > 0.5")
        state = """[...document.querySelectorAll('audio')].map(
            a => [a.paused || a.muted,
                  a.currentTime - document.getElementById('film').currentTime])"""
        heard = """n => {const [on, off] = n ? [1, 0] : [0, 1], all = STATE;
            return !all[on][0] && Math.abs(all[on][1]) < 0.04 && all[off][0]}"""
        heard = heard.replace("STATE", state)
        page.wait_for_function(heard, arg=0)
        page.keyboard.press("2")
        page.wait_for_function(heard, arg=1)
        command = page.inner_text("#command")
        assert made.takes[1].recipe.name in command
        assert shlex.split(page.inner_text("#edit")) == [
            "foley", "edit", str(made.takes[1].recipe.resolve())]  # fmt: skip
        with page.expect_download() as saving:
            page.click("#save")
        assert saving.value.suggested_filename == "a & b_choice.json"
        saving.value.save_as(tmp_path / "choice.json")
        page.click("#copy")
        assert page.inner_text("#copy") == "Copied"
        page.evaluate("document.getElementById('film').pause()")
        page.wait_for_function("document.querySelectorAll('audio')[1].paused")
        if os.environ.get("FOLEY_SCREENSHOT"):
            page.screenshot(path=os.environ["FOLEY_SCREENSHOT"], full_page=True)
        browser.close()
    assert troubles == []
    assert read_choice(tmp_path / "choice.json") == (
        made.takes[1].recipe,
        tmp_path / "a & b_chosen.mp4",
    )
    assert shlex.split(command)[:2] == ["foley", "redo"]


def test_the_best_take_gets_the_first_ones_name_and_its_own_recipe(film, tmp_path) -> None:
    import foleycli
    from foleycli.evaluate.rank import keep_best
    from foleycli.recipe import read_recipe

    class Third(Clicks):
        """The third seed knocks in time, the others do not."""

        def render(self, features, cues, config, told=None):
            times = TIMES if config.seed == 2 else [0.05, 1.0, 2.7, 3.7]
            sound, _ = soundfile.read(knocks(tmp_path / f"{config.seed}.wav", times))
            yield sound.astype(np.float32)

    out = tmp_path / "out.mp4"
    options = {"source": Third(), "takes": 3, "wav": True}
    stems = foleycli.generate(film, tmp_path / "b.mp4", stems=True, **options).takes
    kept, _ = keep_best(film, stems, keep_wav=True)
    names = ["b.foley.json", "b.mp4", "b.wav", "b_air.wav", "b_props.wav"]
    assert kept.seed == 2 and sorted(path.name for path in tmp_path.glob("b*")) == names
    result = foleycli.generate(film, out, **options)
    kept, score = keep_best(film, result.takes, keep_wav=False)
    assert (kept.seed, kept.out, kept.wav) == (2, out, None) and score.sync > 1
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.foley.json", "out.mp4"]
    recipe = read_recipe(kept.recipe)
    assert (recipe.out, recipe.config.seed, recipe.config.wav) == ("out.mp4", 2, False)


def test_a_choice_is_rendered(tmp_path, monkeypatch, capsys) -> None:
    import foleycli
    from foleycli.cli import main

    clip = write_film(tmp_path / "clip.mp4", strikes([0.5], 1))
    take = foleycli.generate(clip, tmp_path / "a.mp4", model="library", prompt="wood hit").takes[0]
    choice = tmp_path / "choice.json"
    where = {"chosen": f"/elsewhere/{take.recipe.name}", "out": "/elsewhere/chosen.mp4"}
    choice.write_text(json.dumps(where))
    monkeypatch.setattr("sys.argv", ["foley", "redo", str(choice)])
    with pytest.raises(SystemExit) as stop:
        main.main()
    assert not stop.value.code
    assert "bit for bit" in capsys.readouterr().out
    assert (tmp_path / "chosen.mp4").is_file()
    assert read_choice(take.recipe) is None
    take.recipe.unlink()
    with pytest.raises(MediaError, match="is not in"):
        read_choice(choice)


def test_the_page_says_what_nothing_is_played_for(film, tmp_path) -> None:
    page = tmp_path / "index.html"
    write_page(page, film, tmp_path / "a.png", [], ["theremin", "<b>"])
    assert "<p>No recording of that: theremin, &lt;b&gt;.</p>" in page.read_text()
