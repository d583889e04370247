"""Sounds with handles fade over cuts: in the stems, and in sessions as fades that can be edited."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from foleycli.config import GenerateConfig
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.model import Event, Media, Timeline, Track, Transition
from foleycli.timeline.reel import plan_reel, sound_reel
from foleycli.timeline.sound import Piece, lay_tracks, ramp
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks
from tests.timeline.laid import play

RATE = Fraction(24_000, 1001)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return write_film(folder / "one.mp4", strikes([0.5, 1.5], 3), RATE)


def cut(film) -> Timeline:
    """Three hard cuts and a dissolve, of one film."""
    media = Media(name=film.name, path=str(film), start=Fraction(0), duration=71 / RATE, rate=RATE)
    events = [
        Event(
            name=f"{n}.mp4",
            media=media,
            start=n * 14 / RATE,
            duration=14 / RATE,
            source=(5 + 9 * n) / RATE,
        )
        for n in range(4)
    ]
    events[3] = replace(events[3], intro=Transition(before=2 / RATE, after=2 / RATE))
    track = Track(kind="picture", events=tuple(events), name="V1")
    return Timeline(name="Reel", rate=RATE, start=86_400, tracks=(track,))


def sounded(folder, film, suffix, *, stems=True, cut_fade=2, source=None, overwrite=False):
    write_timeline(cut(film), folder / f"cut{suffix}", overwrite=True)
    plan = plan_reel(folder / f"cut{suffix}", folder / f"out{suffix}", handles=4, stems=stems,
                     overwrite=overwrite)  # fmt: skip
    config = GenerateConfig(air=False, cut_fade=cut_fade, overwrite=overwrite)
    return sound_reel(plan, config, source or Clicks())


def read(path) -> np.ndarray:
    return soundfile.read(path, dtype="int32", always_2d=True)[0].astype(np.int64)


def heard(timeline: Timeline, later: int) -> list[tuple]:
    return [
        (e.name, e.start * RATE + later, e.duration * RATE, e.source, e.fade_in, e.fade_out)
        for track in timeline.sounds
        for e in track.events
    ]


@pytest.mark.parametrize("suffix", [".fcpxml", ".otio", ".xml", ".edl"])
@pytest.mark.parametrize("stems", [True, False])
def test_the_session_plays_the_stem_to_the_last_bit(tmp_path, film, suffix, stems, caplog) -> None:
    made = sounded(tmp_path, film, suffix, stems=stems)
    whole = read(made.plan.stem)
    if suffix == ".edl" and stems:  # has the whole sounds; each layer is in a list of its own
        lists = sorted(tmp_path.glob("out_*.edl"))
        assert "there is a list for each: out_" in caplog.text and lists
        begin, parts = made.plan.timeline.start, tuple(kind for kind, _ in made.plan.parts)
        for listed in lists:
            alone = read_timeline(listed)
            tracks = tuple(t for t in lay_tracks(made.plan.timeline, made.sounds, parts, 2)
                           if t.name.split()[1] == listed.stem.removeprefix("out_"))  # fmt: skip
            laid = replace(made.plan.timeline, tracks=tracks)
            assert set(heard(alone, alone.start - begin)) == set(heard(laid, 0))  # AA: on both
        return
    back = read_timeline(made.plan.out)
    assert [e.fade_in for t in back.sounds for e in t.events].count(4 / RATE) > 0
    laid = lay_tracks(made.plan.timeline, made.sounds,
                      tuple(kind for kind, _ in made.plan.parts), 2)  # fmt: skip
    assert np.array_equal(play(back, laid, *whole.shape), whole)
    stated = [(e.name, e.start, e.duration, e.fade_in, e.fade_out) for t in laid for e in t.events]
    found = [(e.name, e.start, e.duration, e.fade_in, e.fade_out)
             for t in back.sounds for e in t.events]  # fmt: skip
    assert sorted(set(found)) == sorted(stated)  # FCP7 XML has a track for each channel
    if stems:
        parts = [read(path) for _, path in made.plan.parts]
        assert np.array_equal(np.sum(parts, axis=0), whole)


def test_fades_lie_around_hard_cuts_and_not_where_a_dissolve_is(tmp_path, film) -> None:
    made = sounded(tmp_path, film, ".fcpxml", stems=False)
    (a, b, c, d) = sorted((e for t in lay_tracks(made.plan.timeline, made.sounds, (), 2)
                           for e in t.events), key=lambda e: e.start)  # fmt: skip
    frames = [tuple(int(x * RATE) for x in (e.start, e.end, e.fade_in, e.fade_out))
              for e in (a, b, c, d)]  # fmt: skip
    # the first begins with the timeline: its fade lies inside; the last ends with it
    assert frames == [(0, 16, 2, 4), (12, 30, 4, 4), (26, 44, 4, 0), (40, 56, 0, 2)]


def test_neighbours_gains_sum_to_one(film) -> None:
    places = np.arange(100, 140)
    out = Piece(0, 140, 0, film, 0, 40)
    into = Piece(100, 300, 0, film, 40, 0)
    assert ramp(places, out) + ramp(places, into) == pytest.approx(1)


def test_without_it_sounds_end_at_the_cut_and_waves_do_not_depend_on_it(tmp_path, film) -> None:
    first = sounded(tmp_path, film, ".otio", stems=False, cut_fade=0)
    events = [e for t in read_timeline(first.plan.out).sounds for e in t.events]
    assert {(e.fade_in, e.fade_out) for e in events} == {(0, 0)}
    source = Clicks()
    again = sounded(tmp_path, film, ".otio", stems=False, source=source, overwrite=True)
    assert source.looked == 0 and all(sound.kept for sound in again.sounds)
    assert again.stem_hash != first.stem_hash
