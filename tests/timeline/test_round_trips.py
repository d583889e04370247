"""Every cut to the frame and every sound to the sample, through every format and rate."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from fractions import Fraction

import pytest

from foleycli.clip.timecode import Timecode
from foleycli.errors import MediaError, UsageError
from foleycli.timeline import edl, fcp7, fcpxml
from foleycli.timeline.edl import read_edl, write_edl
from foleycli.timeline.fcpxml import read_fcpxml
from foleycli.timeline.files import add_sounds, read_timeline, write_timeline
from foleycli.timeline.model import (
    Event,
    Marker,
    Media,
    Timeline,
    Track,
    Transition,
    exact_rate,
    on_screen,
)

NTSC = Fraction(1000, 1001)
RATES = [
    (24 * NTSC, False),
    (Fraction(24), False),
    (Fraction(25), False),
    (30 * NTSC, True),
    (30 * NTSC, False),
    (Fraction(30), False),
    (Fraction(50), False),
    (60 * NTSC, True),
    (60 * NTSC, False),
]
NAMES = [f"{float(rate):.2f}{'DF' if drop else ''}" for rate, drop in RATES]
SUFFIXES = [".edl", ".fcpxml", ".xml", ".otio"]
each_rate = pytest.mark.parametrize(("rate", "drop"), RATES, ids=NAMES)
each_format = pytest.mark.parametrize("suffix", SUFFIXES)


def media(name: str, rate: Fraction, hour: int = 0) -> Media:
    start = Fraction(hour * 3600 * round(rate)) / rate
    length = Fraction(100 * round(rate)) / rate
    return Media(name=name, path=f"/films/{name}", start=start, duration=length, rate=rate)


def reel(rate: Fraction, drop: bool) -> Timeline:
    """Cuts, a gap, dissolves of even and odd length, speeds, a freeze, and a disabled event."""

    def event(name: str, start: int, frames: int, at: int, hour: int = 0, **more) -> Event:
        film = media(name, rate, hour)
        source = (film.start or 0) + at / rate
        return Event(
            name=name, media=film, start=start / rate, duration=frames / rate, source=source, **more
        )

    def dissolve(before: int, after: int) -> Transition:
        return Transition(before=before / rate, after=after / rate)

    events = (
        event("a.mov", 0, 17, 5),
        event("b c.mov", 17, 31, 40, hour=1, intro=dissolve(0, 12)),
        event("Ärger & Söhne.mov", 48, 1801, 0, hour=2, outro=dissolve(0, 7)),
        event("d.mov", 1900, 33, 60),
        event("e.mov", 1933, 40, 80, hour=3, speed=Fraction(2)),
        event("f.mov", 1973, 20, 90, hour=3, speed=Fraction(-1)),
        event("g.mov", 1993, 24, 10, speed=Fraction(1, 2)),
        event("h.mov", 2017, 9, 11, hour=4, speed=Fraction(0)),
    )
    return Timeline(
        name="Reel 1",
        rate=rate,
        drop=drop,
        start=Timecode.parse("00:59:58:00", rate, drop).frames,
        tracks=(Track(kind="picture", events=events, name="V1"),),
        markers=(Marker(start=20 / rate, duration=1 / rate, name="door"),),
    )


def sound_tracks(timeline: Timeline) -> tuple[Track, ...]:
    """Two tracks of sounds stamped with the timeline's own time, as ours are."""
    tracks = []
    for number, events in enumerate(
        (timeline.tracks[0].events[::2], timeline.tracks[0].events[1::2])
    ):
        placed = tuple(
            Event(
                name=f"{event.name}.wav",
                media=Media(
                    name=f"{event.name}.wav",
                    path=f"/sounds/{event.name}.wav",
                    start=timeline.start_seconds + event.start,
                    duration=event.duration,
                    rate=timeline.rate,
                    channels=1,
                    sample_rate=48_000,
                ),
                start=event.start,
                duration=event.duration,
                source=timeline.start_seconds + event.start,
            )
            for event in events
        )
        tracks.append(Track(kind="sound", events=placed, name=f"A{number + 1}"))
    return tuple(tracks)


def cuts(timeline: Timeline) -> list[tuple]:
    return [
        (e.name, e.start, e.duration, e.source, e.speed, e.enabled, e.intro, e.outro)
        for track in timeline.pictures
        for e in track.events
    ]


def heard(timeline: Timeline) -> list[list[tuple]]:
    return [
        [(e.name, e.start, e.duration, e.source) for e in track.events] for track in timeline.sounds
    ]


@each_rate
@each_format
def test_pictures_come_back_to_the_frame(tmp_path, rate, drop, suffix) -> None:
    there = reel(rate, drop)
    path = tmp_path / f"reel{suffix}"
    write_timeline(there, path)
    back = read_timeline(path)
    assert cuts(back) == cuts(there)
    assert (back.rate, back.drop, back.start) == (there.rate, there.drop, there.start)
    assert [m.start for m in back.markers] == [20 / rate]


@each_rate
@each_format
def test_sounds_are_added_to_the_sample_and_nothing_else_moves(
    tmp_path, rate, drop, suffix
) -> None:
    there = reel(rate, drop)
    path, out = tmp_path / f"reel{suffix}", tmp_path / f"out{suffix}"
    write_timeline(there, path)
    add_sounds(path, there, sound_tracks(there), out)
    back = read_timeline(out)
    assert cuts(back) == cuts(there)
    expected = heard(Timeline(name="", rate=rate, tracks=sound_tracks(there)))
    assert heard(back) == expected
    for track in expected:
        for _, start, duration, source in track:
            first = round((there.start_seconds + start) * 48_000)
            assert round(source * 48_000) == first
            assert (duration * rate).denominator == 1


@pytest.mark.parametrize("to", SUFFIXES)
@each_format
def test_from_format_to_format(tmp_path, suffix, to) -> None:
    there = reel(24 * NTSC, False)
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{to}"
    write_timeline(there, first)
    add_sounds(first, read_timeline(first), sound_tracks(there), second)
    back = read_timeline(second)
    assert cuts(back) == cuts(there)
    assert heard(back) == heard(Timeline(name="", rate=there.rate, tracks=sound_tracks(there)))


def nested(rate: Fraction) -> Timeline:
    inner = replace(reel(rate, False), name="inner", markers=())
    whole = Event(
        name="inner",
        media=inner,
        start=10 / rate,
        duration=30 / rate,
        source=inner.start_seconds + 10 / rate,
    )
    below = Event(name="z.mov", media=media("z.mov", rate), start=Fraction(0), duration=60 / rate,
                  source=Fraction(0), enabled=True)  # fmt: skip
    off = replace(below, name="off.mov", enabled=False)
    return Timeline(
        name="outer",
        rate=rate,
        start=0,
        tracks=(
            Track(kind="picture", events=(below,), name="V1"),
            Track(kind="picture", events=(whole,), name="V2"),
            Track(kind="picture", events=(off,), name="V3"),
        ),
    )


@pytest.mark.parametrize("suffix", [".fcpxml", ".xml", ".otio"])
def test_nested_and_stacked_timelines_come_back(tmp_path, suffix) -> None:
    there = nested(25 * Fraction(1))
    path = tmp_path / f"outer{suffix}"
    write_timeline(there, path)
    back = read_timeline(path)
    assert [cuts(back), on_screen(back)[0].duration] == [cuts(there), Fraction(10, 25)]
    assert [(e.name, e.start, e.end, e.source) for e in on_screen(back)] == [
        (e.name, e.start, e.end, e.source) for e in on_screen(there)
    ]


def test_what_is_on_screen_is_the_upper_picture_with_nests_opened() -> None:
    rate = Fraction(25)
    shown = [(e.name, e.start * rate, e.end * rate) for e in on_screen(nested(rate))]
    assert shown == [
        ("z.mov", 0, 10),
        ("a.mov", 10, 17),
        ("b c.mov", 17, 40),
        ("z.mov", 40, 60),
    ]


def test_a_centred_dissolve_is_the_same_picture_in_an_edl() -> None:
    rate = Fraction(25)
    there = reel(rate, False)
    events = list(there.tracks[0].events)
    centred = Transition(before=6 / rate, after=6 / rate)
    events[1] = replace(events[1], intro=centred)
    back = read_edl(
        write_edl(replace(there, tracks=(Track(kind="picture", events=tuple(events)),)))
    )
    first, second = back.tracks[0].events[:2]
    assert first.end == second.start == 11 / rate
    assert second.intro == Transition(before=Fraction(0), after=12 / rate)
    assert second.source == events[1].source - 6 / rate
    assert second.end == events[1].end


@pytest.mark.parametrize("suffix", [".fcpxml", ".xml", ".otio"])
@pytest.mark.parametrize(("before", "after"), [(6, 6), (5, 6), (9, 0), (3, 10)])
def test_dissolves_keep_their_cut(tmp_path, suffix, before, after) -> None:
    rate = 24 * NTSC
    there = reel(rate, False)
    events = list(there.tracks[0].events)
    events[1] = replace(events[1], intro=Transition(before=before / rate, after=after / rate))
    there = replace(there, tracks=(Track(kind="picture", events=tuple(events)),))
    write_timeline(there, tmp_path / f"a{suffix}")
    assert cuts(read_timeline(tmp_path / f"a{suffix}")) == cuts(there)


def test_an_edl_must_be_told_its_rate() -> None:
    text = "001  AX V C 01:00:00:00 01:00:01:00 01:00:00:00 01:00:01:00\n"
    with pytest.raises(UsageError, match="frame rate"):
        read_edl(text)
    assert read_edl(text, Fraction(25)).rate == 25
    assert read_edl("FCM: DROP FRAME\n" + text).rate == 30 * NTSC


def test_avid_and_premiere_ways_of_writing_an_edl() -> None:
    text = (
        "TITLE:   REEL_1 \r\nFCM: NON-DROP FRAME\r\n"
        "000001  A001C003_210101_R1AB             V     C        "
        "10:00:00:00 10:00:01:00 01:00:00:00 01:00:01:00 \r\n"
        "* FROM CLIP NAME:  A001C003\r\n* LOC: 01:00:00:12 RED     HERE\r\n"
        "002  BL       V     C        00:00:00:00 00:00:01:00 01:00:01:00 01:00:02:00\r\n"
        "003  AX       AA/V  C        00:00:00:00 00:00:02:00 01:00:02:00 01:00:03:00\r\n"
        "M2   AX       050.0                00:00:00:00\r\n"
        "* FROM CLIP NAME:  two.mov\r\n* SOURCE FILE: two.mov\r\n"
    )  # fmt: skip
    timeline = read_edl(text, Fraction(25))
    first, second = timeline.tracks[0].events
    assert (first.media.reel, first.name, first.source) == (
        "A001C003_210101_R1AB",
        "A001C003",
        36000,
    )
    assert (second.start, second.speed, second.media.path) == (2, 2, "two.mov")
    assert [track.name for track in timeline.sounds] == ["A1", "A2"]
    assert [(m.start, m.name) for m in timeline.markers] == [(Fraction(12, 25), "HERE")]


@pytest.mark.parametrize(
    ("rate", "written", "speed"),
    [
        (30 * NTSC, "059.94", Fraction(2)),
        (30 * NTSC, "-029.97", Fraction(-1)),
        (24 * NTSC, "047.952", Fraction(2)),
        (24 * NTSC, "012.0", Fraction(1, 2)),
        (60 * NTSC, "059.94", Fraction(1)),
        (Fraction(25), "031.3", Fraction(5, 4)),
        (Fraction(25), "033.3", Fraction(4, 3)),
        (Fraction(25), "000.0", Fraction(0)),
    ],
)
def test_a_speed_is_the_simplest_that_is_written_so(rate, written, speed) -> None:
    text = (
        "001  AX V C 00:00:04:00 00:00:06:00 01:00:00:00 01:00:01:00\n"
        f"M2   AX             {written}                00:00:04:00\n"
    )
    assert read_edl(text, rate).tracks[0].events[0].speed == speed


def test_a_reverse_shot_starts_where_its_effect_does() -> None:
    text = (
        "001  AX V C 00:00:04:00 00:00:06:00 01:00:00:00 01:00:02:00\n"
        "M2   AX             -025.0                {}\n"
    )
    starts = [
        read_edl(text.format(at), Fraction(25)).tracks[0].events[0].source
        for at in ("00:00:04:00", "00:00:06:00")
    ]
    assert starts == [4, 6]


def test_of_a_line_with_both_kinds_of_timecode_colons_do_not_drop() -> None:
    text = "FCM: DROP FRAME\n001  AX V C 01:00:00:00 01:00:01:00 01:00:00;00 01:00:01;00\n"
    event = read_edl(text).tracks[0].events[0]
    assert event.source == 3600 / NTSC
    comma = "001  AX V C 01:00:00,00 01:00:01,00 01:00:00,00 01:00:01,00\n"
    assert read_edl(comma, 30 * NTSC).tracks[0].events[0].source == 107_892 / (30 * NTSC)


@pytest.mark.parametrize(
    "note",
    [
        "*FROM CLIP NAME:one.mov",
        "* from clip name: one.mov",
        "* FROM CLIP NAME IS: one.mov",
        "* FROM CLIP NAME IS one.mov",
        "FROM CLIP NAME: one.mov",
        "* CLIP NAME: one.mov",
        "* FROM CLIP: one.mov",
    ],
)
def test_a_clips_name_as_editors_write_it(note) -> None:
    text = f"001  AX V C 01:00:00:00 01:00:01:00 01:00:00:00 01:00:01:00\n{note}\n"
    assert read_edl(text, Fraction(25)).tracks[0].events[0].name == "one.mov"


def test_a_dissolves_first_line_may_be_a_whole_event() -> None:
    text = (
        "001  AX V C     00:00:00:00 00:00:02:00 01:00:00:00 01:00:02:00\n"
        "001  AX V D 012 00:00:01:00 00:00:03:00 01:00:02:00 01:00:04:00\n"
        "* FROM CLIP NAME: one.mov\n* TO CLIP NAME: two.mov\n"
    )
    events = read_edl(text, Fraction(25)).tracks[0].events
    assert [event.name for event in events] == ["one.mov", "two.mov"]
    assert events[1].intro == Transition(before=Fraction(0), after=Fraction(12, 25))


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ("", "* FROM CLIP NAME: one.mov\n* TO CLIP NAME: two.mov\n", "two.mov"),
        ("", "* FROM CLIP NAME: one.mov\n", "TAPE"),  # the reel: nothing names the clip
        ("* FROM CLIP NAME: one.mov\n", "* TO CLIP NAME: two.mov\n", "two.mov"),
        ("* FROM CLIP NAME: one.mov\n", "* FROM CLIP NAME: two.mov\n", "two.mov"),
    ],
)
def test_what_a_dissolve_leads_to_is_not_what_it_comes_from(first, second, name) -> None:
    text = (
        "001  AX   V C     00:00:02:00 00:00:02:00 01:00:02:00 01:00:02:00\n" + first
        + "001  TAPE V D 012 00:00:01:00 00:00:03:00 01:00:02:00 01:00:04:00\n" + second
    )  # fmt: skip
    (event,) = read_edl(text, Fraction(25)).tracks[0].events
    assert event.name == name


@pytest.mark.parametrize("channel", ["V", "V2"])
def test_an_event_over_another_hides_it(channel) -> None:
    text = (
        "001  AX V  C 00:00:00:00 00:00:04:00 01:00:00:00 01:00:04:00\n"
        f"002  BX {channel} C 00:00:00:00 00:00:01:00 01:00:01:00 01:00:02:00\n"
    )
    seen = on_screen(read_edl(text, Fraction(25)))
    assert [(e.name, e.start, e.end) for e in seen] == [("AX", 0, 1), ("BX", 1, 2), ("AX", 2, 4)]


@pytest.mark.parametrize(
    ("field", "pictures", "sounds"),
    [
        ("V", 1, []),
        ("AA/V", 1, ["A1", "A2"]),
        ("VA1A2", 1, ["A1", "A2"]),
        ("B", 1, ["A1"]),
        ("A3", 0, ["A3"]),
        ("V2", 1, []),
        ("NONE", 0, []),
    ],
)
def test_channels_as_editors_write_them(field, pictures, sounds) -> None:
    text = f"001  AX {field} C 01:00:00:00 01:00:01:00 01:00:00:00 01:00:01:00\n"
    timeline = read_edl(text, Fraction(25))
    assert len(timeline.pictures) == pictures
    assert [track.name for track in timeline.sounds] == sounds


def test_sounds_are_added_on_channels_nobody_uses() -> None:
    text = (
        "001  AX V C 00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\n"
        "002  AX AA C 00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00\nAUD  3  4\n"
    )
    timeline = read_edl(text, Fraction(25))
    assert [track.name for track in timeline.sounds] == ["A1", "A2", "A3", "A4"]
    sound = replace(timeline.sounds[0].events[0], name="sfx")
    written = edl.add_sounds(text, timeline, (Track(kind="sound", events=(sound,)),))
    assert "003  AX       A5 " in written


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("001  AX V C 01:00:00:00 01:00:01:00 01:00:00:00", "Line 1"),
        ("001  AX V C 01:00:00:30 01:00:01:00 01:00:00:00 01:00:01:00", "Line 1"),
        ("001  AX V K B 01:00:00:00 01:00:01:00 01:00:00:00 01:00:01:00", "key"),
        ("001  AX XYZ C 01:00:00:00 01:00:01:00 01:00:00:00 01:00:01:00", "XYZ"),
        ("TITLE: nothing", "no events"),
    ],
)
def test_what_cannot_be_followed_is_named(line, says) -> None:
    with pytest.raises(MediaError, match=says):
        read_edl(line, Fraction(25))


def test_variable_speed_and_multicam_are_refused_by_name(tmp_path) -> None:
    path = tmp_path / "a.fcpxml"
    write_timeline(reel(Fraction(25), False), path)
    text = path.read_text()
    path.write_text(text.replace('<asset-clip ref="r3"', '<mc-clip ref="r3"', 1).replace(
        "</asset-clip>", "</asset-clip>"))  # fmt: skip
    broken = text.replace("</timeMap>", '<timept time="900s" value="1s" /></timeMap>', 1)
    path.write_text(broken)
    with pytest.raises(MediaError, match=r"e\.mov changes its speed"):
        read_timeline(path)


def test_rates_as_people_write_them() -> None:
    assert exact_rate("23.98") == exact_rate(23.976) == exact_rate("24000/1001") == 24 * NTSC
    assert exact_rate("24") == 24 and exact_rate(29.97) == 30 * NTSC
    with pytest.raises(UsageError):
        exact_rate("a lot")


@pytest.mark.parametrize("suffix", [".edl", ".xml"])
def test_opentimelineios_own_readers_see_the_same_cuts(tmp_path, suffix) -> None:
    otio = pytest.importorskip("opentimelineio")
    wanted = {".edl": "cmx_3600", ".xml": "fcp_xml"}[suffix]
    if wanted not in otio.adapters.available_adapter_names():
        pytest.skip("its adapter is not installed")
    rate = 24 * NTSC
    there = reel(rate, False)
    plain = [replace(e, intro=None, outro=None) for e in there.tracks[0].events[:5]]
    there = replace(there, tracks=(Track(kind="picture", events=tuple(plain)),), markers=())
    write_timeline(there, tmp_path / f"a{suffix}")
    more = {"rate": float(rate)} if suffix == ".edl" else {}
    opened = otio.adapters.read_from_file(str(tmp_path / f"a{suffix}"), **more)
    if suffix == ".xml":
        opened = opened[0] if not hasattr(opened, "video_tracks") else opened
    clips = opened.video_tracks()[0].find_clips()
    spans = [clip.range_in_parent() for clip in clips]
    assert [round(s.start_time.value) for s in spans] == [e.start * rate for e in plain]
    assert [round(s.duration.value) for s in spans] == [e.duration * rate for e in plain]


def test_opentimelineio_reads_what_we_write(tmp_path) -> None:
    otio = pytest.importorskip("opentimelineio")
    there = replace(reel(24 * NTSC, False), markers=())
    write_timeline(there, tmp_path / "a.otio")
    track = otio.adapters.read_from_file(str(tmp_path / "a.otio")).video_tracks()[0]
    for clip, event in zip(track.find_clips(), there.tracks[0].events, strict=True):
        span = clip.range_in_parent()
        assert round(span.start_time.value) == event.start * there.rate
        assert round(span.duration.value) == event.duration * there.rate


WRAPPED = """<fcpxml version="1.10"><resources>
<format id="r1" frameDuration="1/25s"/>
<asset id="r2" name="tape" start="3600s" duration="9s" hasVideo="1" format="r1"/>
<asset id="r3" name="file" start="0s" duration="9s" hasVideo="1" format="r1"/>
</resources><project name="P"><sequence format="r1" tcStart="0s"><spine>{}</spine></sequence>
</project></fcpxml>"""


@pytest.mark.parametrize(
    ("item", "name", "source"),
    [
        ('<clip start="1s" duration="2s"><video ref="r2" offset="0s"/></clip>', "tape", 3601),
        ('<clip start="3601s" duration="2s"><video ref="r2"/></clip>', "tape", 3601),
        (
            '<clip start="3601s" duration="2s">'
            '<video ref="r2" offset="3600s" start="3600s"/></clip>',
            "tape",
            3601,
        ),
        (
            '<sync-clip start="1s" duration="2s"><spine>'
            '<asset-clip ref="r3" offset="0s" start="2s" duration="5s"/></spine></sync-clip>',
            "file",
            3,
        ),
        (
            '<sync-clip start="4s" duration="1s"><spine>'
            '<asset-clip ref="r3" offset="0s" start="2s" duration="3s"/>'
            '<asset-clip ref="r2" offset="3s" start="3600s" duration="3s"/></spine></sync-clip>',
            "tape",
            3601,
        ),
        (
            '<clip start="1s" duration="2s"><timeMap><timept time="0s" value="0s"/>'
            '<timept time="8s" value="4s"/></timeMap><video ref="r2" offset="0s"/></clip>',
            "tape",
            Fraction(7201, 2),
        ),
    ],
)
def test_a_picture_inside_a_clip_counts_on_the_clips_clock(item, name, source) -> None:
    event = read_fcpxml(WRAPPED.format(item)).tracks[0].events[0]
    assert event.media.name == name and event.source == source


def test_sounds_are_connected_to_the_chosen_clip_of_an_audition() -> None:
    item = (
        '<gap duration="1s"/><audition offset="1s"><asset-clip ref="r2" start="3601s" '
        'duration="2s"/><asset-clip ref="r3" duration="3s"/></audition>'
    )
    text = WRAPPED.format(item)
    timeline = read_fcpxml(text)
    (event,) = on_screen(timeline)
    assert (event.name, event.start, event.duration, event.source) == ("tape", 1, 2, 3601)
    sound = replace(event, start=Fraction(2), duration=Fraction(1))
    written = fcpxml.add_sounds(text, timeline, (Track(kind="sound", events=(sound,)),))
    audition = ET.fromstring(written).find(".//audition")
    assert audition is not None and len(audition) == 2
    assert audition[0][0].get("offset") == "3602s"


def test_a_clip_over_two_pictures_is_refused_by_name() -> None:
    item = (
        '<sync-clip name="both" start="2s" duration="2s"><spine>'
        '<asset-clip ref="r3" offset="0s" duration="3s"/>'
        '<asset-clip ref="r2" offset="3s" duration="3s"/></spine></sync-clip>'
    )
    with pytest.raises(MediaError, match="both is one clip of several pictures"):
        read_fcpxml(WRAPPED.format(item))


def test_the_sound_of_a_film_is_no_picture() -> None:
    item = (
        '<gap duration="2s"><asset-clip ref="r3" lane="1" duration="2s" srcEnable="audio"/></gap>'
    )
    timeline = read_fcpxml(WRAPPED.format(item))
    assert not timeline.pictures and len(timeline.sounds) == 1


def test_a_film_with_sound_is_written_as_both(tmp_path) -> None:
    timeline = reel(Fraction(25), False)
    events = tuple(
        replace(event, media=replace(event.media, channels=2, sample_rate=48_000))
        for event in timeline.tracks[0].events
    )
    track = replace(timeline.tracks[0], events=events)
    write_timeline(replace(timeline, tracks=(track,)), tmp_path / "out.xml")
    for file in ET.parse(tmp_path / "out.xml").iterfind(".//file/media"):
        assert [kind.tag for kind in file] == ["video", "audio"]


def test_sounds_are_connected_where_final_cut_wants_them() -> None:
    item = (
        '<asset-clip ref="r3" duration="2s"><asset-clip ref="r3" lane="1" duration="1s"/>'
        '<rating/><audio-channel-source srcCh="1, 2"/><filter-video/></asset-clip>'
    )
    text = WRAPPED.format(item)
    timeline = read_fcpxml(text)
    sound = Track(kind="sound", events=(timeline.tracks[0].events[0],))
    clip = ET.fromstring(fcpxml.add_sounds(text, timeline, (sound,))).find(".//spine/asset-clip")
    assert clip is not None
    tags = ["asset-clip", "asset-clip", "rating", "audio-channel-source", "filter-video"]
    assert [child.tag for child in clip] == tags


def test_a_film_and_the_channels_of_its_sound_are_linked(tmp_path) -> None:
    film = Media(
        name="a.mov",
        path=str(tmp_path / "a.mov"),
        rate=Fraction(25),
        duration=Fraction(4),
        channels=2,
    )
    shots = tuple(
        Event(name="shot", media=film, start=Fraction(n), duration=Fraction(1), source=Fraction(n))
        for n in range(2)
    )
    tracks = (Track(kind="picture", events=shots), Track(kind="sound", events=shots))
    timeline = Timeline(name="cut", rate=Fraction(25), tracks=tracks)
    write_timeline(timeline, tmp_path / "cut.xml")
    items = {i.get("id"): i for i in ET.parse(tmp_path / "cut.xml").iterfind(".//clipitem")}
    assert len(items) == 6
    for item in items.values():
        links = [{c.tag: c.text for c in link} for link in item.iterfind("link")]
        assert [link["mediatype"] for link in links] == ["video", "audio", "audio"]
        assert [link["trackindex"] for link in links] == ["1", "1", "2"]
        assert item.get("id") in {link["linkclipref"] for link in links}
        begins = {items[link["linkclipref"]].findtext("start") for link in links}
        assert begins == {item.findtext("start")}
        assert {link["clipindex"] for link in links} == {str(1 + int(begins.pop() or 0) // 25)}
    sounds = (Track(kind="sound", events=shots[:1]),)
    text = fcp7.add_sounds((tmp_path / "cut.xml").read_text(), timeline, sounds)
    added = ET.fromstring(text).findall(".//audio/track")[2:]
    assert [[one.findtext("trackindex") for one in t.iterfind(".//link")] for t in added] == [
        ["3", "4"]
    ] * 2


def test_what_an_editor_makes_itself_is_no_film(tmp_path) -> None:
    timeline = reel(Fraction(25), False)
    write_timeline(timeline, tmp_path / "cut.xml")
    root = ET.parse(tmp_path / "cut.xml")
    slug = root.find(".//video/track/clipitem/file")
    assert slug is not None
    url = slug.find("pathurl")
    assert url is not None
    slug.remove(url)
    ET.SubElement(slug, "mediaSource").text = "Slug"
    root.write(tmp_path / "slug.xml")
    whole, rest = (read_timeline(tmp_path / f"{name}.xml") for name in ("cut", "slug"))
    gone = whole.tracks[0].events[0].media
    assert rest.tracks[0].events == tuple(e for e in whole.tracks[0].events if e.media != gone)
    for track in root.iterfind(".//video/track"):
        for item in list(track)[1:]:
            track.remove(item)
    root.write(tmp_path / "only.xml")
    assert not read_timeline(tmp_path / "only.xml").pictures


def test_an_otio_generator_is_no_film(tmp_path) -> None:
    otio = pytest.importorskip("opentimelineio")
    span = otio.opentime.TimeRange(
        otio.opentime.RationalTime(0, 25), otio.opentime.RationalTime(25, 25)
    )
    bars = otio.schema.GeneratorReference(name="bars", generator_kind="SMPTEBars")
    film = otio.schema.ExternalReference(target_url="one.mov", available_range=span)
    timeline = otio.schema.Timeline()
    track = otio.schema.Track(kind=otio.schema.TrackKind.Video)
    for media in (bars, film):
        track.append(otio.schema.Clip(source_range=span, media_reference=media))
    timeline.tracks.append(track)
    otio.adapters.write_to_file(timeline, str(tmp_path / "cut.otio"))
    (event,) = on_screen(read_timeline(tmp_path / "cut.otio"))
    assert (event.name, event.start) == ("one.mov", 1)
