"""What `foley edit` opens, and with sources that cannot render one sound alone."""

import shutil
import time
from dataclasses import replace

import numpy as np
import pytest

from foleycli.config import GenerateConfig
from foleycli.errors import FoleyError, UsageError
from foleycli.generate import generate
from foleycli.pages.edit import film as films_module
from foleycli.pages.edit import project as projects
from foleycli.pages.edit.film import Film, drop_oldest
from foleycli.pages.edit.project import open_project
from foleycli.spot.cues import read_cues
from foleycli.timeline.files import write_timeline
from foleycli.timeline.reel import plan_reel, sound_reel
from tests.films import strikes, write_film
from tests.pages.editing import ready
from tests.timeline.clicks import Clicks
from tests.timeline.test_reel import reel


@pytest.fixture
def clicks(monkeypatch, tmp_path):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(projects, "open_source", lambda config: Clicks())


@pytest.fixture
def film(tmp_path):
    return write_film(tmp_path / "shot.mp4", strikes([0.5, 1.5], 2))


def test_a_clip_gets_a_sheet_and_a_second_edit_is_refused(clicks, film) -> None:
    project = open_project(film, GenerateConfig(prompt="door slam"))
    ready(project)
    desk = project.desks[0]
    assert read_cues(film.with_name("shot_cues.csv")) == [cue for _, cue in desk.session.cues()]
    with pytest.raises(UsageError, match="open in another"):
        open_project(film, GenerateConfig())
    project.close()
    again = open_project(film.with_name("shot_cues.csv"), GenerateConfig())  # its film is known
    ready(again)
    assert again.desks[0].clip.path == film
    again.close()


def test_a_whole_render_follows_a_change(clicks, film) -> None:
    project = open_project(film, GenerateConfig(prompt="door slam"))
    ready(project)
    desk = project.desks[0]
    desk.change("add", {}, [{"start": "1.25", "what": "bell"}], None)
    end = time.monotonic() + 20
    while desk.hearing.mix(60_000, 60_100).max() < 0.4 and time.monotonic() < end:
        time.sleep(0.02)
    assert desk.hearing.mix(60_000, 60_100).min() >= 0.4 and not desk.hearing.instant
    assert desk.hearing.peaks(1, 2).shape == (64, 2)
    project.close()


def test_a_recipe_is_edited_with_its_options(clicks, film) -> None:
    config = GenerateConfig(prompt="door slam", seed=5)
    take = generate(film, film.with_name("out.mp4"), config, Clicks()).takes[0]
    project = open_project(take.recipe, GenerateConfig())
    ready(project)
    assert project.config.seed == 5 and project.out == film.with_name("out.mp4")
    assert read_cues(film.with_name("out_cues.csv")) == [
        cue for _, cue in project.desks[0].session.cues()]  # fmt: skip
    project.close()


def test_a_timeline_renders_as_foley_timeline_does(clicks, tmp_path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("one", "two", "three"):
        write_film(folder / f"{name}.mp4", strikes([0.5, 1.5], 3))
    cut = tmp_path / "cut.fcpxml"
    write_timeline(reel(), cut)
    config = GenerateConfig(prompt="door slam")
    project = open_project(cut, config, roots=(folder,))
    assert len(project.desks) == 3 and "one" in project.desks[0].title
    for desk in project.desks:
        desk.open()
        desk._thread.join(60)
        assert desk.stage == "ready", desk.trouble
    assert float(project.desks[2].speed) == 2
    project.desks[1].change("add", {}, [{"start": "0.25", "what": "bell"}], None)
    said = project._rendered_reel(overwrite=False)
    sheets = tmp_path / "sheets"
    sheets.mkdir()
    for desk in project.desks:
        shutil.copy(desk.sheet, sheets)
    plan = plan_reel(cut, tmp_path / "other.fcpxml", roots=[folder])
    result = sound_reel(plan, config, Clicks(), sheets)
    assert said["hash"] == result.stem_hash
    assert (tmp_path / "cut_sfx.fcpxml").is_file()
    with pytest.raises(FoleyError, match="exists"):
        project._rendered_reel(overwrite=False)
    project.close()


def test_what_cannot_be_opened_is_said(clicks, film, tmp_path) -> None:
    (tmp_path / "lost.csv").write_text("start,what\n1,door\n")
    with pytest.raises(UsageError, match="Which film"):
        open_project(tmp_path / "lost.csv", GenerateConfig())
    with pytest.raises(FoleyError):
        open_project(tmp_path / "none.mp4", GenerateConfig())
    with pytest.raises(FoleyError, match="does not exist"):
        open_project(film, GenerateConfig(cues=str(tmp_path / "none.csv")))


def test_pieces_have_a_limit_and_hold_every_frame_once(clicks, film, monkeypatch) -> None:
    monkeypatch.setattr(films_module, "EDIT", replace(films_module.EDIT, proxy_seconds=1))
    clip = projects.probe(film)
    pieces = Film(clip)
    counts = []
    for number in range(4):
        data = pieces.piece(number)
        with (
            films_module.av.open(films_module.io.BytesIO(data), "r") if data else nothing() as file
        ):
            times = [p.pts for p in file.demux(video=0) if p.pts is not None] if data else []
        counts.append(len(times))
        assert not times or times[0] == 0
    assert counts == [24, 24, 0, 0]
    folder = pieces._folder.parent
    one, two = (pieces._folder / f"0-{number}.mp4" for number in (0, 1))
    pieces.piece(1)  # used last
    drop_oldest(folder, two.stat().st_size)
    assert two.is_file() and not one.exists()
    assert len(pieces.thumbnail(0.5)) > 300 and len(pieces.thumbnail(1.5, coarse=True)) > 300


def nothing():
    from contextlib import nullcontext

    return nullcontext()


def test_own_sound_lies_where_the_film_has_it(clicks, tmp_path) -> None:
    import soundfile

    from foleycli.mux.mux import mux_audio

    silent = write_film(tmp_path / "a.mp4", strikes([0.5], 3))
    sound = np.zeros(3 * 48_000, np.float32)
    sound[96_000:96_480] = 0.5
    soundfile.write(tmp_path / "a.wav", sound, 48_000)
    mux_audio(projects.probe(silent), tmp_path / "a.wav", tmp_path / "b.mov")
    film = Film(projects.probe(tmp_path / "b.mov"))
    heard = film.own_sound(1.5, 2.5)
    assert len(heard) == 48_000 and abs(int(np.argmax(heard > 0.2)) - 24_000) <= 2
