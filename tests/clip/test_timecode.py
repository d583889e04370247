"""Timecode arithmetic, against SMPTE 12M's rule and counts that can be checked by hand."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from foleycli.clip.moment import parse_time
from foleycli.clip.timecode import Timecode
from foleycli.errors import UsageError

FILM = Fraction(24000, 1001)
NTSC = Fraction(30000, 1001)
NTSC60 = Fraction(60000, 1001)


def clip(**values):
    known = {"path": Path("shot.mov"), "timecode": None, "frame_rate": FILM, "duration": None}
    return SimpleNamespace(**known | values)


@pytest.mark.parametrize(
    ("label", "rate", "frames"),
    [
        ("01:00:00:00", FILM, 86_400),
        ("01:00:00:00", Fraction(25), 90_000),
        ("01:00:00:00", NTSC, 108_000),
        ("01:00:00;00", NTSC, 107_892),  # 108 labels dropped in an hour
        ("00:00:59;29", NTSC, 1799),
        ("00:01:00;02", NTSC, 1800),
        ("00:10:00;00", NTSC, 17_982),
        ("00:01:00;04", NTSC60, 3600),
        ("01:00:00;00", NTSC60, 215_784),
        ("23:59:59:59", Fraction(60), 24 * 3600 * 60 - 1),
    ],
)
def test_labels_count_frames(label, rate, frames):
    timecode = Timecode.parse(label, rate)
    assert timecode.frames == frames
    assert str(timecode) == label


@pytest.mark.parametrize("rate", [NTSC, NTSC60])
def test_every_drop_frame_label_of_twenty_minutes_reads_back(rate):
    labels = [str(Timecode(i, rate, True)) for i in range(0, 20 * 60 * round(rate), 7)]
    assert [Timecode.parse(label, rate).frames for label in labels] == list(
        range(0, 20 * 60 * round(rate), 7)
    )


def test_one_hour_at_23976_is_this_sample_of_48_khz():
    start = Timecode.parse("01:00:00:00", FILM)
    assert start.seconds == Fraction(36036, 10)
    assert start.samples(48_000) == 172_972_800


def test_drop_frame_keeps_up_with_the_clock():
    hour = Timecode.parse("01:00:00;00", NTSC)
    assert abs(hour.seconds - 3600) < Fraction(1, 100)
    assert Timecode.from_seconds(hour.seconds, NTSC, drop=True) == hour


def test_labels_start_again_at_midnight():
    assert str(Timecode.parse("23:59:59:23", FILM) + 1) == "00:00:00:00"
    assert str(Timecode.parse("23:59:59;29", NTSC) + 1) == "00:00:00;00"


@pytest.mark.parametrize(
    ("label", "rate", "named"),
    [
        ("00:01:00;00", NTSC, "frames 00 to 01"),
        ("00:01:00;03", NTSC60, "frames 00 to 03"),
        ("01:00:00:24", FILM, "0 to 23"),
        ("01:60:00:00", FILM, "minutes"),
        ("25:00:00:00", FILM, "hours"),
        ("01:00:00;00", Fraction(25), "25"),
        ("now", FILM, "now"),
    ],
)
def test_impossible_labels_are_refused_by_name(label, rate, named):
    with pytest.raises(UsageError) as caught:
        Timecode.parse(label, rate)
    assert named in caught.value.problem
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12.5", Fraction(25, 2)),
        ("3s", Fraction(3)),
        ("300f", 300 / FILM),
        ("1:02.5", Fraction(125, 2)),
        ("00:01:02.5", Fraction(125, 2)),
        ("00:00:01:00", 24 / FILM),
    ],
)
def test_times_are_read_as_people_write_them(text, seconds):
    assert parse_time(text, clip()) == seconds


def test_timecode_of_the_footage_counts_from_its_first_frame():
    footage = clip(timecode=Timecode.parse("01:00:00:00", FILM), duration=Fraction(10))
    assert parse_time("01:00:02:00", footage) == 48 / FILM
    assert parse_time("00:00:02:00", footage) == 48 / FILM  # outside its own: from zero
    with pytest.raises(UsageError, match="runs from 01:00:00:00 to 01:00:09:23"):
        parse_time("02:00:00:00", footage)


def test_footage_may_run_past_midnight():
    footage = clip(timecode=Timecode.parse("23:59:59:00", FILM), duration=Fraction(10))
    assert parse_time("00:00:01:00", footage) == 48 / FILM


def test_colons_are_read_as_the_footage_counts():
    footage = clip(timecode=Timecode.parse("01:00:59;28", NTSC), frame_rate=NTSC)
    assert parse_time("01:01:00:02", footage) == 2 / NTSC
    with pytest.raises(UsageError, match="without dropping"):
        parse_time("01:00:00;00", clip(timecode=Timecode.parse("01:00:00:00", NTSC)))


@pytest.mark.parametrize("text", ["", "-1", "soon", "1:2:3:4:5", "00:00:61:00"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError):
        parse_time(text, clip())


def test_frames_need_a_frame_rate():
    with pytest.raises(UsageError, match="seconds"):
        parse_time("300f", clip(frame_rate=None))
