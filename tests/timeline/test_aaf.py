"""AAF in and out: cuts to the frame, sounds linked where they belong, the rest untouched."""

import sys
from fractions import Fraction

import pytest
import soundfile

from foleycli.config import GenerateConfig
from foleycli.errors import MediaError
from foleycli.timeline.fcpxml import path_of
from foleycli.timeline.files import read_timeline
from foleycli.timeline.model import Transition
from foleycli.timeline.reel import plan_reel, sound_reel
from tests.films import strikes, write_film
from tests.timeline.aaf_files import add_dissolve, write_aaf
from tests.timeline.clicks import SAMPLE_RATE, Clicks

aaf2 = pytest.importorskip("aaf2")
pytest.importorskip("otio_aaf_adapter")

SHOTS = [("one.mp4", 10, 30), (None, 0, 12), ("two.mp4", 20, 24), ("one.mp4", 40, 20)]
RATES = [
    (Fraction(24_000, 1001), False, 86_400),
    (Fraction(24), False, 86_400),
    (Fraction(25), False, 90_000),
    (Fraction(30_000, 1001), True, 107_892),
    (Fraction(30_000, 1001), False, 108_000),
    (Fraction(30), False, 108_000),
    (Fraction(50), False, 180_000),
    (Fraction(60_000, 1001), False, 216_000),
]


@pytest.mark.parametrize(("rate", "drop", "start"), RATES)
def test_cuts_are_read_to_the_frame(tmp_path, rate, drop, start) -> None:
    films = {name: tmp_path / name for name in ("one.mp4", "two.mp4")}
    write_aaf(tmp_path / "cut.aaf", SHOTS, films, rate, start, drop)
    timeline = read_timeline(tmp_path / "cut.aaf")
    assert (timeline.rate, timeline.drop, timeline.start) == (rate, drop, start)
    (track,) = timeline.tracks
    assert [
        (e.name, e.start * rate, e.duration * rate, e.source * rate, path_of(e.media.path))
        for e in track.events
    ] == [
        ("one.mp4", 0, 30, 10, str(films["one.mp4"])),
        ("two.mp4", 42, 24, 20, str(films["two.mp4"])),
        ("one.mp4", 66, 20, 40, str(films["one.mp4"])),
    ]


def test_a_dissolve_is_where_it_was_cut(tmp_path) -> None:
    rate, films = Fraction(25), {name: tmp_path / name for name in ("one.mp4", "two.mp4")}
    shots = [("one.mp4", 10, 30), ("two.mp4", 20, 24)]
    write_aaf(tmp_path / "cut.aaf", shots, films, rate, 90_000, drop=False)
    add_dissolve(tmp_path / "cut.aaf", 1, frames=8, before=3)
    first, second = read_timeline(tmp_path / "cut.aaf").tracks[0].events
    assert (first.duration * rate, second.start * rate, second.duration * rate) == (25, 25, 21)
    assert second.source * rate == 23
    assert second.intro == Transition(before=3 / rate, after=5 / rate)


def test_sounds_are_laid_into_the_document_itself(tmp_path) -> None:
    rate = Fraction(24_000, 1001)
    films = {
        name: write_film(tmp_path / name, strikes([0.5], 100 / rate), rate)
        for name in ("one.mp4", "two.mp4")
    }
    cut, out = tmp_path / "cut.aaf", tmp_path / "out.aaf"
    write_aaf(cut, SHOTS, films, rate, 86_400, drop=False)
    plan = plan_reel(cut, out, handles=6)
    result = sound_reel(plan, GenerateConfig(cut_fade=0), Clicks())
    assert not result.failures
    back = read_timeline(out)
    assert back.pictures == read_timeline(cut).pictures
    assert len(back.markers) == sum(len(made.cues) for made in result.sounds) > 0
    sounds = sorted((e for t in back.sounds for e in t.events), key=lambda e: e.start)
    assert [(e.start * rate, e.duration * rate) for e in sounds] == [(0, 30), (42, 24), (66, 20)]
    for event, made in zip(sounds, result.sounds, strict=True):
        assert path_of(event.media.path) == str(made.wav)
        assert event.media.duration == Fraction(soundfile.info(made.wav).frames, SAMPLE_RATE)
        assert event.source - event.media.start == made.shot.head
        assert event.media.start == back.start_seconds + made.shot.begins
    with aaf2.open(str(cut)) as before, aaf2.open(str(out)) as after:
        known = {mob.mob_id for mob in before.content.mobs}
        assert known < {mob.mob_id for mob in after.content.mobs}


def test_an_aaf_becomes_another_format(tmp_path) -> None:
    film = write_film(tmp_path / "one.mp4", strikes([0.5], 4), 25)
    cut = tmp_path / "cut.aaf"
    write_aaf(cut, [("one.mp4", 10, 30)], {"one.mp4": film}, Fraction(25), 90_000, drop=False)
    sound_reel(plan_reel(cut, tmp_path / "out.fcpxml"), GenerateConfig(), Clicks())
    assert len(read_timeline(tmp_path / "out.fcpxml").sounds) == 1


def test_without_the_extra_the_remedy_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "aaf2", None)
    (tmp_path / "cut.aaf").write_bytes(b"x")
    with pytest.raises(MediaError, match=r"install .*pyaaf2.* or export the cut"):
        read_timeline(tmp_path / "cut.aaf")


def test_a_broken_aaf_is_named(tmp_path) -> None:
    (tmp_path / "cut.aaf").write_bytes(b"no aaf" * 100)
    with pytest.raises(MediaError, match=r"cut\.aaf"):
        read_timeline(tmp_path / "cut.aaf")
