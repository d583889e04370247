"""What a session says of its sounds comes back to the sample: RPP, AAF, FCPXML and OTIO, each at
23.976, 25, 29.97 drop-frame and 59.94 frames a second.

The RPP is read by the package `rpp`, the others by our readers; `test_aaf_session.py` mixes an
AAF's own samples, read by pyaaf2, and `test_rpp.py` a project's.
"""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from foleycli.clip.timecode import Timecode
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.model import Event, Level, Media, Timeline, Track

SAMPLE_RATE = 48_000
RATES = {
    "23.976": (Fraction(24_000, 1001), False),
    "25": (Fraction(25), False),
    "29.97DF": (Fraction(30_000, 1001), True),
    "59.94": (Fraction(60_000, 1001), False),
}
# Of each sound in frames: where it begins, how long it is, its handle, how it comes and goes.
SOUNDS = {
    "SFX feet 1": ((0, 31, 0, 0, 4), (40, 1801, 12, 2, 2), (2999, 7, 1, 0, 0)),
    "SFX feet 2": ((29, 13, 9, 4, 0), (1839, 1160, 5, 4, 3)),
    "SFX air 1": ((0, 3006, 144, 0, 0),),
}


def timeline_of(rate: Fraction, drop: bool) -> Timeline:
    """Sounds with handles, fades, a gain and keyframes under one picture, from 00:59:58:00 on."""
    begin = Timecode.parse("00:59:58:00", rate, drop).frames
    clock = begin / rate
    tracks = []
    for name, sounds in SOUNDS.items():
        events = []
        for number, (start, length, head, rise, fall) in enumerate(sounds, 1):
            title = f"{name} {number}"
            wave = Media(name=f"{title}.wav", path=f"/sounds/{title}.wav", rate=rate, channels=2,
                         start=clock + (start - head) / rate, duration=(length + 200) / rate,
                         sample_rate=SAMPLE_RATE)  # fmt: skip
            levels = ()
            if number == 2:
                levels = tuple(Level(n * length / rate / 2, -6.0 * n) for n in (0, 1, 2))
            events.append(
                Event(
                    name=title,
                    media=wave,
                    start=start / rate,
                    duration=length / rate,
                    source=clock + start / rate,
                    fade_in=rise / rate,
                    fade_out=fall / rate,
                    levels=levels,
                )
            )
        tracks.append(Track(kind="sound", events=tuple(events), name=name, made=True))
    film = Media(name="a.mov", path="/films/a.mov", start=Fraction(0), rate=rate,
                 duration=4000 / rate)  # fmt: skip
    shown = Event(name="a", media=film, start=Fraction(0), duration=3006 / rate, source=7 / rate)
    picture = Track(kind="picture", events=(shown,), name="V1")
    return Timeline(name="Reel", rate=rate, drop=drop, start=begin, tracks=(picture, *tracks))


def stated(timeline: Timeline) -> list[tuple]:
    """Of every sound: name, wave, and in samples from midnight where it begins and ends, where its
    fades end and begin, and how far into its wave it starts."""
    said = []
    for track in timeline.sounds:
        for e in track.events:
            assert isinstance(e.media, Media) and e.media.start is not None
            times = (e.start, e.end, e.start + e.fade_in, e.end - e.fade_out)
            places = [samples(timeline.start_seconds + at) for at in times]
            lead = samples(e.source) - samples(e.media.start)
            said.append((e.name, Path(e.media.path).name, *places, lead))
    return sorted(said)


def samples(seconds: Fraction) -> int:
    return round(seconds * SAMPLE_RATE)


def of_project(path: Path, begin: int) -> list[tuple]:
    """The same of a REAPER project, as the package `rpp` reads it."""
    rpp = pytest.importorskip("rpp")
    said = []
    for track in rpp.loads(path.read_text()):
        for item in track if getattr(track, "tag", "") == "TRACK" else ():
            if getattr(item, "tag", "") != "ITEM":
                continue
            one = {line[0]: line[1:] for line in item if isinstance(line, list)}
            source = next(x for x in item if getattr(x, "tag", "") == "SOURCE")
            if source.attrib != ["WAVE"]:
                continue
            file = next(line[1] for line in source if line[0] == "FILE")
            start, length, lead, rise, fall = (
                whole(one[key][place])
                for key, place in (("POSITION", 0), ("LENGTH", 0), ("SOFFS", 0), ("FADEIN", 1),
                                   ("FADEOUT", 1))
            )  # fmt: skip
            first, last = begin + start, begin + start + length
            said.append(
                (one["NAME"][0], Path(file).name, first, last, first + rise, last - fall, lead)
            )
    return sorted(said)


def whole(text: str) -> int:
    exact = Fraction(Decimal(text)) * SAMPLE_RATE
    assert abs(exact - round(exact)) < Fraction(1, 10_000)  # of a sample
    return round(exact)


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("suffix", [".rpp", ".aaf", ".fcpxml", ".otio"])
def test_every_sound_comes_back_to_the_sample(tmp_path, suffix, name) -> None:
    if suffix == ".aaf":
        pytest.importorskip("otio_aaf_adapter")
    there = timeline_of(*RATES[name])
    path = tmp_path / f"reel{suffix}"
    write_timeline(there, path)
    if suffix == ".rpp":
        assert of_project(path, samples(there.start_seconds)) == stated(there)
        return
    back = read_timeline(path)
    assert stated(back) == stated(there)
    assert (back.rate, back.drop, back.start) == (there.rate, there.drop, there.start)
    levels = {e.name: [(samples(p.time), round(p.gain_db, 3)) for p in e.levels]
              for t in back.sounds for e in t.events}  # fmt: skip
    drawn = {e.name: [(samples(p.time), p.gain_db) for p in e.levels]
             for t in there.sounds for e in t.events}  # fmt: skip
    assert levels == drawn
