"""An AAF of any timeline, opened again by pyaaf2: every sound to the sample, fades, gain, channels.

What is mixed here is read from the file by pyaaf2 alone, sample by sample, and must be the stem."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from foleycli.clip.timecode import Timecode
from foleycli.config import GenerateConfig
from foleycli.timeline.aaf_write import Gap, Laid, Overlap, lay_out
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.model import Event, Level, Media, Timeline, Track, Transition, on_screen
from foleycli.timeline.reel import plan_reel, sound_reel
from foleycli.timeline.sound import lay_tracks
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks
from tests.timeline.laid import faded

aaf2 = pytest.importorskip("aaf2")
pytest.importorskip("otio_aaf_adapter")
RATES = {
    "23.976": (Fraction(24_000, 1001), False),
    "25": (Fraction(25), False),
    "29.97DF": (Fraction(30_000, 1001), True),
    "59.94": (Fraction(60_000, 1001), False),
}


def cut(folder, rate, drop) -> Timeline:
    film = write_film(folder / "one.mp4", strikes([0.5, 1.5], 3), rate)
    media = Media(name="one.mp4", path=str(film), start=Fraction(0), rate=rate,
                  duration=Fraction(int(3 * rate)) / rate)  # fmt: skip
    events, at = [], 3
    for number, frames in enumerate((17, 22, 13)):
        events.append(Event(name="one.mp4", media=media, start=at / rate, duration=frames / rate,
                            source=(4 + 9 * number) / rate))  # fmt: skip
        at += frames
    events[2] = replace(events[2], intro=Transition(before=2 / rate, after=3 / rate))
    begin = Timecode.parse("01:00:00:00", rate, drop).frames
    track = Track(kind="picture", events=tuple(events), name="V1")
    return Timeline(name="Reel", rate=rate, drop=drop, start=begin, tracks=(track,))


def clips(part):
    """The source clips inside operations, in the order of their channels."""
    if type(part).__name__ == "SourceClip":
        return [part]
    return [clip for inside in part.segments for clip in clips(inside)]


def essence(clip, begin: int) -> np.ndarray:
    """The samples that a clip plays, from the file itself; and where its wave lies on the clock."""
    source = clip.mob.slot_at(clip.slot_id).segment.mob
    data = np.frombuffer(source.essence.open("r").read(), np.uint8).reshape(-1, 3)
    padded = np.zeros((len(data), 4), np.uint8)
    padded[:, 1:] = data
    samples = padded.view("<i4")[:, 0].astype(np.int64)
    tape = source.slots[0].segment
    clock = next(s.segment for s in tape.mob.slots if type(s.segment).__name__ == "Timecode")
    assert clock.start == 0 and int(tape.start) >= begin - 48_000
    return samples[clip.start : clip.start + clip.length]


def mixed(path, length: int, channels: int, begin: int) -> np.ndarray:
    """What the composition plays, (samples, channels) int64."""
    out = np.zeros((length, channels), np.int64)
    with aaf2.open(str(path)) as file:
        (composition,) = file.content.toplevel()
        for slot in composition.slots:
            if slot.media_kind != "Sound":
                continue
            assert Fraction(slot.edit_rate) == 48_000 and slot.name.startswith("SFX")
            at, parts = 0, list(slot.segment.components)
            for index, part in enumerate(parts):
                kind = type(part).__name__
                if kind == "Transition":
                    assert part["OperationGroup"].value.operation.name == "Mono Audio Dissolve"
                    at -= part.length
                    continue
                if kind != "Filler":
                    before, after = (parts[index + n] if 0 <= index + n < len(parts) else None
                                     for n in (-1, 1))  # fmt: skip
                    rise, fall = (p.length if type(p).__name__ == "Transition" else 0
                                  for p in (before, after))  # fmt: skip
                    for channel, clip in enumerate(clips(part)):
                        played = essence(clip, begin)[:, None]
                        span = slice(at, at + clip.length)
                        out[span, channel] += faded(played, rise, fall)[:, 0]
                at += part.length
            assert at == slot.segment.length
    return out


@pytest.mark.parametrize("name", RATES)
def test_any_timeline_becomes_an_aaf_that_plays_the_stem(tmp_path, name) -> None:
    rate, drop = RATES[name]
    timeline = cut(tmp_path, rate, drop)
    write_timeline(timeline, tmp_path / "cut.fcpxml")
    plan = plan_reel(tmp_path / "cut.fcpxml", tmp_path / "cut.aaf", stems=True)
    assert plan.handles == round(6 * rate)  # as far as the film goes
    channels = "stereo" if name == "25" else "mono"
    made = sound_reel(plan, GenerateConfig(air=False, channels=channels), Clicks())
    stem = soundfile.read(made.plan.stem, dtype="int32", always_2d=True)[0].astype(np.int64)
    begin = round(timeline.start_seconds * 48_000)
    assert stem.any()
    assert np.array_equal(mixed(plan.out, *stem.shape, begin), stem)
    back = read_timeline(plan.out)
    assert (back.rate, back.drop, back.start) == (rate, drop, timeline.start)
    seen = [(e.name, e.start, e.duration, e.source, e.intro) for e in on_screen(back)]
    assert seen == [(e.name, e.start, e.duration, e.source, e.intro) for e in on_screen(timeline)]
    laid = lay_tracks(plan.timeline, made.sounds, tuple(kind for kind, _ in plan.parts), 1)
    exact = [(t.name, e.name, *placed(e, timeline)) for t in laid for e in t.events]
    found = [(t.name, e.name, *placed(e, timeline)) for t in back.sounds for e in t.events]
    assert found == exact
    marks = [m.start for m in back.markers]
    assert len(marks) == sum(len(sound.cues) for sound in made.sounds) > 0


def placed(event, timeline: Timeline) -> tuple[int, ...]:
    """Samples from midnight: of an event's ends, its fades', its source, its wave's beginning."""
    ends = (event.start, event.start + event.fade_in, event.end - event.fade_out, event.end)
    on_clock = [timeline.start_seconds + at for at in ends]
    return tuple(round(at * 48_000) for at in (*on_clock, event.source, event.media.start))


@pytest.mark.parametrize("suffix", [".otio", ".xml", ".edl"])
def test_from_every_format(tmp_path, suffix) -> None:
    rate = Fraction(25)
    timeline = cut(tmp_path, rate, False)
    write_timeline(timeline, tmp_path / f"cut{suffix}")
    plan = plan_reel(tmp_path / f"cut{suffix}", tmp_path / "out.aaf", roots=[tmp_path], handles=5)
    made = sound_reel(plan, GenerateConfig(air=False, channels="5.1", cut_fade=2), Clicks())
    stem = soundfile.read(made.plan.stem, dtype="int32", always_2d=True)[0].astype(np.int64)
    ours = mixed(plan.out, *stem.shape, round(plan.timeline.start_seconds * 48_000))
    assert np.array_equal(ours[:, [0, 2, 1, 5, 3, 4]], stem)  # L C R Ls Rs LFE in the file
    with aaf2.open(str(plan.out)) as file:
        (composition,) = file.content.toplevel()
        (slot,) = (s for s in composition.slots if s.name == "SFX 1")
        assert {t.name: t.value for t in slot["TimelineMobAttributeList"].value} == {
            "_TRACK_FORMAT": 3
        }


def test_linked_waves_are_named_with_their_headers(tmp_path) -> None:
    timeline = cut(tmp_path, Fraction(25), False)
    write_timeline(timeline, tmp_path / "cut.otio")
    plan = plan_reel(tmp_path / "cut.otio", tmp_path / "out.aaf", handles=5)
    made = sound_reel(plan, GenerateConfig(air=False), Clicks(), embed=False)
    back = read_timeline(plan.out)
    found = sorted((e for t in back.sounds for e in t.events), key=lambda e: e.start)
    assert [e.media.path for e in found] == [str(sound.wav) for sound in made.sounds]
    assert [e.media.channels for e in found] == [2, 2, 2]
    with aaf2.open(str(plan.out)) as file:
        waves = [m.descriptor for m in file.content.sourcemobs()
                 if type(m.descriptor).__name__ == "WAVEDescriptor"]  # fmt: skip
        assert len(waves) == 3 and not list(file.content.essencedata)
        assert all(bytes(w["Summary"].value)[:4] == b"RIFF" for w in waves)


def test_gain_and_volume_keyframes_come_back(tmp_path) -> None:
    timeline = cut(tmp_path, Fraction(25), False)
    own = Media(name="atmo.mov", path="/film/atmo.mov", start=Fraction(7200), channels=1,
                sample_rate=48_000, duration=Fraction(60))  # fmt: skip
    heard = Event(name="atmo", media=own, start=Fraction(1, 25), duration=Fraction(1),
                  source=Fraction(7210), levels=(Level(Fraction(0), -6.0),))  # fmt: skip
    points = (Level(Fraction(0), 0.0), Level(Fraction(1, 2), -12.0), Level(Fraction(1), -3.0))
    drawn = replace(heard, name="drawn", start=Fraction(34, 25), levels=points,
                    fade_in=Fraction(4, 25))  # fmt: skip
    track = Track(kind="sound", events=(heard, drawn), name="A1")
    whole = replace(timeline, tracks=(*timeline.tracks, track))
    for suffix in (".aaf", ".fcpxml", ".xml", ".otio"):
        write_timeline(whole, tmp_path / f"out{suffix}")
        first, second = read_timeline(tmp_path / f"out{suffix}").sounds[0].events
        assert (first.start, first.source, second.fade_in) == (
            1 / Fraction(25),
            7210,
            Fraction(4, 25),
        )
        assert first.levels[0].gain_db == pytest.approx(-6, abs=1e-3)
        assert [level.time for level in second.levels] == [
            round(level.time * 25) / Fraction(25) if suffix == ".xml" else level.time
            for level in points
        ]
        assert [level.gain_db for level in second.levels] == pytest.approx([0, -12, -3], abs=1e-3)


def test_speeds_and_a_films_own_timecode(tmp_path) -> None:
    rate = Fraction(25)
    media = Media(name="a.mov", path="/film/a.mov", start=Fraction(36_000), rate=rate,
                  duration=Fraction(100))  # fmt: skip
    plain = Event(name="a.mov", media=media, start=Fraction(0), duration=Fraction(1),
                  source=Fraction(36_004))  # fmt: skip
    fast = replace(plain, start=Fraction(2), speed=Fraction(2))
    track = Track(kind="picture", events=(plain, fast), name="V1")
    write_timeline(Timeline(name="R", rate=rate, start=90_000, tracks=(track,)), tmp_path / "o.aaf")
    first, second = on_screen(read_timeline(tmp_path / "o.aaf"))
    assert (first.start, first.source, first.speed) == (0, 36_004, 1)
    assert (second.start, second.duration, second.speed) == (2, 1, 2)
    assert second.source == 36_004


def test_overlaps_take_from_their_neighbours() -> None:
    media = Media(name="a.wav", start=Fraction(0))

    def event(start, length, **more):
        return Event(name="a", media=media, start=Fraction(start), duration=Fraction(length),
                     source=Fraction(start + 100), **more)  # fmt: skip

    fade_in = Transition(before=Fraction(0), after=Fraction(2))
    fade_out = Transition(before=Fraction(3), after=Fraction(0))
    cross = Transition(before=Fraction(1), after=Fraction(4))
    events = [event(5, 10, intro=fade_in), event(15, 10, intro=cross, outro=fade_out)]
    parts = list(lay_out(events, int, 40))
    assert [(type(p), p.length) for p in parts] == [
        (Gap, 7), (Overlap, 2), (Laid, 14), (Overlap, 5), (Laid, 11), (Overlap, 3), (Gap, 18)
    ]  # fmt: skip
    total = sum(p.length * (-1 if isinstance(p, Overlap) else 1) for p in parts)
    assert total == 40
    assert [p.event.source for p in parts if isinstance(p, Laid)] == [105, 114]
    assert [p.cut for p in parts if isinstance(p, Overlap)] == [0, 1, 3]
