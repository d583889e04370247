"""Shots known by their pictures: to the frame, whatever was done to the pictures since."""

from fractions import Fraction

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from foleycli.cli.main import app
from foleycli.clip.probe import probe
from foleycli.config import GenerateConfig
from foleycli.errors import MediaError, UsageError
from foleycli.generate import generate
from foleycli.spot.cues import Cue, read_cues
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.film_reel import open_film
from foleycli.timeline.journal import read_journal
from foleycli.timeline.looks import align, read_strip
from foleycli.timeline.markers import clip_timeline
from foleycli.timeline.reconform import find_journal, make_recut, plan_recut, timeline_of
from tests.films import write_film
from tests.timeline.clicks import Clicks

RATE = 25
DIGITS = np.random.default_rng(9).integers(0, 2, (10, 3, 2))


def scene(seed: int, first: int, frames: int):
    """A place of its own, with things that move in it."""
    chance = np.random.default_rng(seed)
    coarse = chance.uniform(20, 220, (6, 8, 3))
    ground = np.kron(coarse, np.ones((30, 40, 1)))
    paths = [(chance.uniform(30, 150), chance.uniform(40, 280), chance.uniform(-3, 3),
              chance.uniform(-2, 2), chance.uniform(0, 255, 3)) for _ in range(4)]  # fmt: skip
    for n in range(first, first + frames):
        picture = ground.copy()
        for y, x, across, down, colour in paths:
            top, left = int(y + down * n + 12 * np.sin(n / 7)) % 150, int(x + across * n) % 280
            picture[top : top + 30, left : left + 40] = colour
        yield picture.astype(np.uint8)


def treated(pictures):
    """Another grade, and a counter burnt in."""
    for n, picture in enumerate(pictures):
        graded = 255 * (picture / 255.0) ** 0.75 * [0.95, 0.85, 0.7] + 8
        graded[150:176, 90:230] = 0
        for place, digit in enumerate(f"{n:05}"):
            block = np.kron(DIGITS[int(digit)], np.ones((7, 10)))
            graded[152:173, 95 + place * 26 : 115 + place * 26] = 255 * block[..., None]
        yield np.clip(graded, 0, 255).astype(np.uint8)


def parts(*shots: tuple[int, int, int]):
    """Pictures of (scene, first frame, frames), one after the other."""
    return (picture for shot in shots for picture in scene(*shot))


FIRST = ((1, 0, 40), (2, 0, 50), (3, 0, 45), (4, 0, 40))


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    write_film(folder / "v1.mp4", parts(*FIRST), RATE)
    second = ((3, 0, 45), (1, 6, 30), (5, 0, 30), (2, 0, 20), (4, 0, 40), (2, 20, 30))
    write_film(folder / "v2.mov", treated(parts(*second)), RATE)
    return folder


def test_a_stretch_is_found_to_the_frame_and_no_other(films) -> None:
    old = read_strip(probe(films / "v1.mp4"), Fraction(0), None)
    new = read_strip(probe(films / "v2.mov"), Fraction(0), None)
    assert old.levels.shape == (175, 144) and old.times[40] == Fraction(40, RATE)
    places = {(0, 45): 90, (45, 75): 6, (105, 125): 40, (125, 165): 135, (165, 195): 60}
    for (first, last), where in places.items():
        found = align(new.cells[first:last], old.cells)
        assert found is not None and found.shift == where
        lane = old.cells[max(0, where - 5) : where + 12]  # the shot is longer at its end
        found = align(new.cells[first:last], lane)
        assert found is not None and found.shift == min(5, where)
    assert align(new.cells[75:105], old.cells) is None  # nobody saw it before


def sounded(films, tmp_path, **options):
    """The first film with a hit and a bed in each shot."""
    cues, at = [], 0
    for number, (_, _, frames) in enumerate(FIRST, 1):
        start = Fraction(at, RATE)
        cues.append(Cue(start=start + Fraction(1, 2), duration=Fraction(1), kind="hit",
                        what=f"hit {number}", layer="props"))  # fmt: skip
        cues.append(Cue(start=start, duration=Fraction(frames, RATE), kind="bed",
                        what=f"bed {number}", layer="hard"))  # fmt: skip
        at += frames
    config = GenerateConfig(air=False, **options)
    return generate(films / "v1.mp4", tmp_path / "v1_sfx.mp4", config, Clicks(), cues=cues)


def test_a_film_becomes_the_next_one_by_its_pictures(films, tmp_path) -> None:
    (take,) = sounded(films, tmp_path, wav=True).takes
    assert take.wav is not None
    whole = soundfile.read(take.wav, dtype="int32")[0]
    source = Clicks()
    plan = plan_recut(take.out, films / "v2.mov", tmp_path / "v2_sfx.fcpxml")
    result = make_recut(plan, source)
    assert not result.reel.failures
    said = [(c.status, c.before.number if c.before else 0, c.by) for c in plan.changes]
    assert said == [
        ("moved", 3, "picture"),
        ("trimmed", 1, "picture"),
        ("new", 0, None),
        ("trimmed", 2, "picture"),
        ("moved", 4, "picture"),
        ("trimmed", 2, "picture"),
    ]
    assert source.looked == 1 and result.reused == 5
    waves = [soundfile.read(s.wav, dtype="int32")[0] for s in result.reel.sounds]
    for number, first, frames in ((0, 90, 45), (4, 135, 40)):  # whole: the very samples
        begin = round(first * 48_000 / RATE)
        assert np.array_equal(waves[number], whole[begin : begin + round(frames * 48_000 / RATE)])
    for number, first, frames in ((1, 6, 30), (3, 40, 20), (5, 60, 30)):
        begin = round(first * 48_000 / RATE)
        inner = slice(480, round(frames * 48_000 / RATE) - 480)  # but for 10 ms at trimmed ends
        assert np.array_equal(waves[number][inner], whole[begin:][inner])
    words = [[cue.what for cue in s.cues] for s in result.reel.sounds]
    assert words[0] == ["bed 3", "hit 3"] and words[1] == ["bed 1", "hit 1"]
    assert words[3] == ["bed 2", "hit 2"] and words[5] == ["bed 2"]
    hit = result.reel.sounds[1].cues[1]
    assert hit.start == Fraction(1, 2) - Fraction(6, RATE)
    journal = read_journal(find_journal(tmp_path / "v2_sfx.fcpxml"))
    assert len(journal.lanes) == 5 and {shot.lane for shot in journal.shots} == {1, 2, 3, 4, 5}
    assert not list(plan.reel.folder.glob(".foley-*"))


def test_cutting_back_brings_all_of_it_back(films, tmp_path) -> None:
    (take,) = sounded(films, tmp_path, wav=True).takes
    whole = soundfile.read(take.wav, dtype="int32")[0]
    make_recut(plan_recut(take.out, films / "v2.mov", tmp_path / "v2_sfx.fcpxml"), Clicks())
    plan = plan_recut(tmp_path / "v2_sfx.fcpxml", films / "v1.mp4", tmp_path / "v3_sfx.fcpxml")
    source = Clicks()
    back = make_recut(plan, source)
    assert source.looked == 0 and back.reused == 4
    stem = soundfile.read(back.reel.plan.stem, dtype="int32")[0]
    assert np.array_equal(stem, whole)
    words = [cue.what for sound in back.reel.sounds for cue in sound.cues]
    assert [w for w in words if w.startswith("hit")] == [f"hit {n}" for n in range(1, 5)]


def test_without_its_wave_the_sound_is_made_again(films, tmp_path) -> None:
    (take,) = sounded(films, tmp_path).takes
    assert take.wav is None
    plan = plan_recut(take.recipe, films / "v1.mp4", tmp_path / "v2_sfx.fcpxml")
    assert [c.status for c in plan.changes] == ["kept"] * 4
    assert make_recut(plan, Clicks()).reused == 4
    with pytest.raises(MediaError, match="no recipe"):
        open_film(films / "v2.mov")


def test_renamed_and_coded_anew_without_timecode(films, tmp_path) -> None:
    """A timeline that was sounded, whose next cut names other files."""
    (take,) = sounded(films, tmp_path, wav=True).takes
    first = plan_recut(take.out, films / "v1.mp4", tmp_path / "v1_cut.fcpxml")
    make_recut(first, Clicks())
    write_film(tmp_path / "A001.mov", treated(scene(2, 0, 50)), RATE)
    write_timeline(clip_timeline(probe(tmp_path / "A001.mov")), tmp_path / "v2.fcpxml")
    plan = plan_recut(tmp_path / "v1_cut.fcpxml", tmp_path / "v2.fcpxml",
                      tmp_path / "v2_sfx.fcpxml")  # fmt: skip
    made = make_recut(plan, Clicks())
    assert (plan.changes[0].status, plan.changes[0].by, made.reused) == ("moved", "picture", 1)
    third = plan_recut(tmp_path / "v2_sfx.fcpxml", tmp_path / "v2.fcpxml",
                       tmp_path / "v3_sfx.fcpxml")  # fmt: skip
    assert [(c.status, c.by) for c in third.changes] == [("kept", "clip")]  # it is known now
    (sound,) = made.reel.sounds
    assert "hit 2" in [cue.what for cue in read_cues(sound.wav.with_suffix(".csv"))]
    assert len(read_timeline(plan.reel.out).sounds) == 1


def test_a_film_is_written_of_a_film(films, tmp_path, monkeypatch) -> None:
    (take,) = sounded(films, tmp_path, wav=True).takes
    monkeypatch.setattr("foleycli.timeline.reconform.open_source", lambda config: Clicks())
    out = tmp_path / "v2_sfx.mov"
    words = ["reconform", str(take.out), str(films / "v1.mp4"), "-o", str(out), "-q"]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.output
    assert "shots:  4 kept" in said.output
    assert probe(out).audio and (tmp_path / "v2_sfx.fcpxml").is_file()
    again = plan_recut(out, films / "v1.mp4", tmp_path / "v3_sfx.fcpxml")  # it has a journal now
    assert again.old_film is None and [c.by for c in again.changes] == ["clip"] * 4
    with pytest.raises(UsageError, match="no film"):
        timeline_of(out, tmp_path / "v2.edl")
