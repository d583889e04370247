"""The next cut: sounds to the sample at their new places, edits kept, what went kept aside."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from benchmarks.reconform import try_cuts
from foleycli.config import GenerateConfig
from foleycli.errors import MediaError, UsageError
from foleycli.spot.cues import read_cues, write_cues
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.journal import read_journal
from foleycli.timeline.model import Event, Media, Timeline, Track
from foleycli.timeline.reconform import find_journal, make_recut, plan_recut
from foleycli.timeline.reel import plan_reel, sound_reel
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks

NTSC = Fraction(24_000, 1001)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for number, name in enumerate(("one", "two", "three")):
        write_film(folder / f"{name}.mp4", strikes([0.5 + number / 10, 1.5], 3), NTSC)
    return folder


def cut(*shots: tuple[str, int, int]) -> Timeline:
    """Shots (film, first frame, frames) one after the other."""
    events, at = [], 0
    for name, first, frames in shots:
        media = Media(name=f"{name}.mp4", start=Fraction(0), duration=72 / NTSC, rate=NTSC)
        events.append(Event(name=f"{name}.mp4", media=media, start=at / NTSC,
                            duration=frames / NTSC, source=first / NTSC))  # fmt: skip
        at += frames
    track = Track(kind="picture", events=tuple(events), name="V1")
    return Timeline(name="Reel", rate=NTSC, start=86_400, tracks=(track,))


FIRST = cut(("one", 10, 30), ("two", 8, 31), ("three", 20, 40))


def sounded(folder, films):
    """The first cut, sounded, a cue of each shot edited and rendered again."""
    write_timeline(FIRST, folder / "v1.fcpxml")
    plan = plan_reel(folder / "v1.fcpxml", folder / "v1_sfx.fcpxml", roots=[films], overwrite=True)
    made = sound_reel(plan, GenerateConfig(air=False), Clicks())
    for sound in made.sounds:
        sheet = sound.wav.with_suffix(".csv")
        (cue,) = read_cues(sheet)
        cue = replace(cue, what=f"edited {sound.shot.number}", start=cue.start + Fraction(1, 4))
        write_cues(sheet, [cue], overwrite=True)
    config = GenerateConfig(air=False, overwrite=True)
    return sound_reel(plan, config, Clicks(), plan.folder)


def again(folder, films, old: str, new: Timeline, name: str, source=None):
    write_timeline(new, folder / f"{name}.fcpxml", overwrite=True)
    plan = plan_recut(folder / old, folder / f"{name}.fcpxml", folder / f"{name}_sfx.fcpxml",
                      GenerateConfig(overwrite=True), roots=[films])  # fmt: skip
    return make_recut(plan, source or Clicks())


def test_swapped_trimmed_and_inserted(tmp_path, films) -> None:
    first = sounded(tmp_path, films)
    before = {s.shot.film.path.stem: soundfile.read(s.wav, dtype="int32")[0] for s in first.sounds}
    source = Clicks()
    new = cut(("two", 8, 31), ("one", 50, 12), ("three", 24, 30), ("one", 10, 30))
    result = again(tmp_path, films, "v1_sfx.fcpxml", new, "v2", source)
    assert not result.reel.failures
    assert source.looked == 1 and result.reused == 3  # only what is new is looked at
    assert [c.status for c in result.plan.changes] == ["moved", "new", "trimmed", "moved"]
    waves = [soundfile.read(s.wav, dtype="int32")[0] for s in result.reel.sounds]
    for wave, old in ((waves[0], before["two"]), (waves[3], before["one"])):
        common = min(len(wave), len(old))
        assert abs(len(wave) - len(old)) <= 1
        assert np.array_equal(wave[:common], old[:common])
    lead = round(4 / NTSC * 48_000)
    inside = slice(480, len(waves[2]) - 480)  # but for 10 ms at the trimmed ends
    assert np.array_equal(waves[2][inside], before["three"][lead:][inside])
    edits = [[c.what for c in s.cues if c.what.startswith("edited")] for s in result.reel.sounds]
    assert edits == [["edited 2"], [], ["edited 3"], ["edited 1"]]
    stem = soundfile.read(result.reel.plan.stem, dtype="int32")[0]
    assert np.array_equal(stem[: len(waves[0])], waves[0])
    assert sum(len(t.events) for t in read_timeline(result.reel.plan.out).sounds) == 4
    assert "moved" in (result.reel.plan.folder / "v2_sfx_changes.txt").read_text()


def test_what_went_is_kept_aside_and_comes_back(tmp_path, films) -> None:
    first = sounded(tmp_path, films)
    sheets = [read_cues(s.wav.with_suffix(".csv")) for s in first.sounds]
    waves = [s.wav.read_bytes()[-40_000:] for s in first.sounds]
    gone = again(tmp_path, films, "v1.fcpxml", cut(("three", 30, 20)), "v2")
    assert [c.status for c in gone.plan.changes] == ["trimmed", "gone", "gone"]
    aside = gone.reel.plan.folder / "aside"
    assert len(list(aside.glob("*.wav"))) == 3
    source = Clicks()
    back = again(tmp_path, films, "v2_sfx.fcpxml", FIRST, "v3", source)
    assert source.looked == 0 and back.reused == 3
    assert [read_cues(s.wav.with_suffix(".csv")) for s in back.reel.sounds] == sheets
    assert [s.wav.read_bytes()[-40_000:] for s in back.reel.sounds] == waves


def test_what_is_longer_is_spotted_where_it_is_new(tmp_path, films) -> None:
    sounded(tmp_path, films)
    result = again(tmp_path, films, "v1_sfx.fcpxml", cut(("one", 0, 40), *[]), "v2")
    (sound,) = result.reel.sounds
    words = [cue.what for cue in sound.cues]
    assert "edited 1" in words and len(words) == 2 and result.reused == 0
    moved = next(cue for cue in sound.cues if cue.what == "edited 1")
    assert abs(moved.start - 10 / NTSC - Fraction(3, 8)) < Fraction(1, 1000)
    assert "~" in moved.recording  # drawn from the chance that it had


def test_nothing_is_written_over_the_old_cut(tmp_path, films) -> None:
    sounded(tmp_path, films)
    with pytest.raises(UsageError, match="old cut"):
        plan_recut(tmp_path / "v1.fcpxml", tmp_path / "v1.fcpxml", tmp_path / "v2_sfx.fcpxml",
                   roots=[films], folder=tmp_path / "v1_sfx_sfx")  # fmt: skip
    with pytest.raises(MediaError, match="has no journal"):
        find_journal(tmp_path / "other.fcpxml")
    journal = read_journal(find_journal(tmp_path / "v1.fcpxml"))
    assert len(journal.shots) == 3 and all(shot.by_hand for shot in journal.shots)


@pytest.mark.parametrize("seed", range(40))
def test_random_cuts_lose_nothing_and_cutting_back_restores(seed) -> None:
    gone, restored, back = try_cuts(seed)
    assert (gone, restored, back) == ([], True, True)
