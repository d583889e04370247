"""A REAPER project, opened again by the `rpp` package: every sound to the sample, at every rate."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from foleycli.clip.timecode import Timecode
from foleycli.config import GenerateConfig
from foleycli.errors import UsageError
from foleycli.timeline.files import write_timeline
from foleycli.timeline.model import Event, Marker, Media, Timeline, Track, Transition
from foleycli.timeline.reel import plan_reel, sound_reel
from foleycli.timeline.sound import first_sample
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks
from tests.timeline.laid import faded

rpp = pytest.importorskip("rpp")
RATES = {  # frames a second, drop-frame, what TIMEMODE says
    "23.976": (Fraction(24_000, 1001), False, ["24", "2"]),
    "25": (Fraction(25), False, ["25", "0"]),
    "29.97DF": (Fraction(30_000, 1001), True, ["30", "1"]),
    "59.94": (Fraction(60_000, 1001), False, ["60", "2"]),
}


def one(element, name):
    return next(line for line in element if line[0] == name)[1:]


def items(track):
    return [item for item in track if getattr(item, "tag", "") == "ITEM"]


def samples(text: str) -> int:
    exact = Fraction(Decimal(text)) * 48_000
    assert abs(exact - round(exact)) < Fraction(1, 10_000)  # of a sample
    return round(exact)


@pytest.mark.parametrize("name", RATES)
def test_a_reel_opens_again_to_the_sample(tmp_path, name) -> None:
    rate, drop, mode = RATES[name]
    write_film(tmp_path / "one.mp4", strikes([0.5, 1.5], 3), rate)
    media = Media(name="one.mp4", path=str(tmp_path / "one.mp4"), start=Fraction(0), rate=rate,
                  duration=Fraction(int(3 * rate)) / rate)  # fmt: skip
    lengths, events, at = (17, 22, 13), [], 0
    for number, frames in enumerate(lengths):
        events.append(Event(name="one.mp4", media=media, start=at / rate, duration=frames / rate,
                            source=(4 + 9 * number) / rate))  # fmt: skip
        at += frames
    begin = Timecode.parse("01:00:00:00", rate, drop).frames
    track = Track(kind="picture", events=tuple(events), name="V1")
    timeline = Timeline(name="Reel", rate=rate, drop=drop, start=begin, tracks=(track,))
    write_timeline(timeline, tmp_path / "cut.fcpxml")
    plan = plan_reel(tmp_path / "cut.fcpxml", tmp_path / "cut.rpp", handles=4, stems=True)
    made = sound_reel(plan, GenerateConfig(air=False), Clicks())
    project = rpp.loads((tmp_path / "cut.rpp").read_text())
    assert one(project, "TIMEMODE")[3:5] == mode
    assert Fraction(Decimal(one(project, "PROJOFFS")[0])) == pytest.approx(timeline.start_seconds)
    markers = [line for line in project if line[0] == "MARKER"]
    assert len(markers) == sum(len(sound.cues) for sound in made.sounds) > 0
    tracks = [line for line in project if getattr(line, "tag", "") == "TRACK"]
    picture, folder, *layers = tracks
    assert one(picture, "NAME") == ["Picture"] and len(items(picture)) == 3
    assert one(folder, "ISBUS") == ["1", "1"] and one(layers[-1], "ISBUS") == ["2", "-1"]
    assert {one(layer, "NAME")[0].split()[1] for layer in layers} <= {"props", "feet", "hard"}
    stem, _ = soundfile.read(made.plan.stem, dtype="int32", always_2d=True)
    mixed = np.zeros_like(stem, dtype=np.int64)
    for layer in layers:
        for item in items(layer):
            source = next(x for x in item if getattr(x, "tag", "") == "SOURCE")
            assert source.attrib == ["WAVE"]
            wave, _ = soundfile.read(tmp_path / one(source, "FILE")[0], dtype="int32",
                                     always_2d=True)  # fmt: skip
            position, length, lead, rise, fall = (
                samples(one(item, key)[place])
                for key, place in (("POSITION", 0), ("LENGTH", 0), ("SOFFS", 0), ("FADEIN", 1),
                                   ("FADEOUT", 1))
            )  # fmt: skip
            assert one(item, "FADEIN")[0] == one(item, "FADEOUT")[0] == "0"  # straight lines
            part = wave[lead : lead + length].astype(np.int64)
            mixed[position : position + length] += faded(part, rise, fall)
    assert stem.any() and np.array_equal(mixed, stem)
    assert samples(one(items(layers[0])[0], "POSITION")[0]) >= 0
    assert len(stem) == first_sample(timeline, timeline.duration) - first_sample(timeline, 0)


def test_words_quotes_dissolves_and_the_cuts_own_sound(tmp_path, caplog) -> None:
    rate = Fraction(25)
    film = Media(name='a "b".mov', path="/films/a b.mov", start=Fraction(10), rate=rate)
    first = Event(name='it\'s "so"', media=film, start=Fraction(0), duration=Fraction(2),
                  source=Fraction(12))  # fmt: skip
    dissolve = Transition(before=Fraction(2, 25), after=Fraction(4, 25))
    second = Event(name="back", media=film, start=Fraction(2), duration=Fraction(1),
                   source=Fraction(11), speed=Fraction(-1), intro=dissolve)  # fmt: skip
    own = Media(name="take.wav", path="/films/take.wav", start=Fraction(0), sample_rate=48_000)
    heard = Event(name="take", media=own, start=Fraction(0), duration=Fraction(3),
                  source=Fraction(1))  # fmt: skip
    timeline = Timeline(
        name="R",
        rate=rate,
        tracks=(
            Track(kind="picture", events=(first, second), name="V1"),
            Track(kind="sound", events=(heard,), name="A1"),
        ),
        markers=(Marker(start=Fraction(1), duration=1 / rate, name="two\nlines"),),
    )
    write_timeline(timeline, tmp_path / "out.rpp")
    project = rpp.loads((tmp_path / "out.rpp").read_text())
    assert one(project, "MARKER")[1:3] == ["1", "two lines"]
    picture, sound = (line for line in project if getattr(line, "tag", "") == "TRACK")
    assert one(picture, "MAINSEND") == ["0", "0"]  # its sound is on the other track
    a, b = items(picture)
    assert one(a, "NAME") == ['it\'s "so"'] or one(a, "NAME") == ["it's 'so'"]
    assert one(a, "SOFFS") == ["2"] and one(a, "LENGTH") == ["2.16"]
    assert one(b, "POSITION") == ["1.92"] and one(b, "FADEIN")[1] == "0.24"
    assert one(items(sound)[0], "SOFFS") == ["1"]
    assert "backwards" in caplog.text


def test_a_project_is_not_read(tmp_path) -> None:
    (tmp_path / "in.rpp").write_text("<REAPER_PROJECT\n>\n")
    with pytest.raises(Exception, match="no timeline we read"):
        plan_reel(tmp_path / "in.rpp", tmp_path / "out.rpp")
    with pytest.raises(UsageError, match="no timeline we write"):
        plan_reel(tmp_path / "in.rpp", tmp_path / "out.ptx")
