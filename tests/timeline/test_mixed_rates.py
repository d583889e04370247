"""Timelines as Final Cut, Premiere and Resolve write them where rates are mixed, and where media is
not there."""

import logging
from dataclasses import replace
from fractions import Fraction

import pytest

from foleycli.errors import MediaError
from foleycli.timeline import fcpxml
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.media import find_media
from foleycli.timeline.model import Event, Media, Timeline, Track, sounding
from foleycli.timeline.reel import plan_reel
from tests.films import strikes, write_film

FCPXML = """<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE fcpxml><fcpxml version="1.11">
<resources>
<format id="r1" frameDuration="{frame}s"/><format id="r3" name="FFVideoFormat1080p{named}"/>
<asset id="r2" name="a" src="a.mov" start="{start}s" duration="{length}s" hasVideo="1" format="r3"/>
</resources><library><event><project name="p"><sequence format="r1" tcStart="0s"><spine>{items}
</spine></sequence></project></event></library></fcpxml>"""


def xeml(items: str, rate: int = 24) -> str:
    return (
        '<?xml version="1.0"?><xmeml version="4"><sequence id="s1"><name>s</name><rate><timebase>'
        f"{rate}</timebase></rate><media><video><track>{items}</track></video></media></sequence>"
        "</xmeml>"
    )


def clipitem(name: str, start, end, into, out, rate: int, more: str = "", file: str = "") -> str:
    file = file or (
        f"<file><name>a.mov</name><pathurl>a.mov</pathurl><duration>900</duration>"
        f"<rate><timebase>{rate}</timebase></rate></file>"
    )
    return (
        f"<clipitem><name>{name}</name><start>{start}</start><end>{end}</end><in>{into}</in><out>"
        f"{out}</out><rate><timebase>{rate}</timebase></rate>{more}{file}</clipitem>"
    )


def conformed(items: str, frame="1/24", named="25", start="0", length="29.52") -> Timeline:
    text = FCPXML.format(items=items, frame=frame, named=named, start=start, length=length)
    return fcpxml.read_fcpxml(text)


def test_a_cut_between_frames_keeps_its_time_and_is_called_by_its_frame(tmp_path, caplog) -> None:
    write_film(tmp_path / "a.mov", strikes([0.2], 7))
    items = (
        '<asset-clip ref="r2" offset="0s" name="A" duration="67169/20000s"/>'
        '<asset-clip ref="r2" offset="67169/20000s" name="B" start="4s" duration="2s"/>'
    )
    text = FCPXML.format(items=items, frame="1/24", named="24", start="0", length="7")
    cut = tmp_path / "cut.fcpxml"
    cut.write_text(text)
    plan = plan_reel(cut, tmp_path / "out.fcpxml", naming=replace_naming())
    assert plan.names[1] == "00000308_B"
    assert plan.shots[1].start == Fraction(67169, 20000)
    with caplog.at_level(logging.WARNING):
        write_timeline(read_timeline(cut), tmp_path / "out.edl")
    assert "lie between frames, such as A" in caplog.text
    again = read_timeline(tmp_path / "out.edl")
    assert [event.start * 24 for event in sounding(again)] == [0, 80]


def replace_naming():
    from foleycli.timeline.naming import Naming

    return Naming(template="{timecode}_{clip}")


@pytest.mark.parametrize("suffix", [".edl", ".xml"])
def test_what_is_put_onto_frames_stays_in_time(tmp_path, suffix) -> None:
    """Start and source move together, so that each instant shows what it did, to the frame."""
    media = Media(name="a.mov", path="/a.mov", start=Fraction(0), duration=Fraction(60))
    start, source = Fraction(67169, 20000), Fraction(10)
    event = Event(name="B", media=media, start=start, duration=Fraction(2), source=source)
    track = Track(kind="picture", events=(event,))
    timeline = Timeline(name="t", rate=Fraction(24), tracks=(track,))
    write_timeline(timeline, tmp_path / f"o{suffix}")
    (again,) = sounding(read_timeline(tmp_path / f"o{suffix}", Fraction(24)))
    if suffix == ".edl":  # a list counts from its first record time
        again = replace(again, start=Fraction(80, 24))
    assert again.start == Fraction(80, 24)
    moved = again.source - source
    assert abs(moved - (again.start - start)) <= Fraction(1, 48)


def test_media_of_a_near_rate_plays_frame_for_frame() -> None:
    """Final Cut's 25 in 24: 2.25 s at 24/25 end where the film of 29.52 s does; the start counts
    on the media's clock, as do Resolve's: 1206/25 + 98 frames is 1304/25."""
    item = (
        '<asset-clip ref="r2" offset="0s" name="A" start="{}s" duration="{}s">'
        '<conform-rate srcFrameRate="25"/></asset-clip>'
    )
    (event,) = sounding(conformed(item.format("684/25", "9/4")))
    assert (event.source, event.speed) == (Fraction(684, 25), Fraction(24, 25))
    assert event.source_end == Fraction(2952, 100)
    (event,) = sounding(conformed(item.format("1206/25", "49/12")))
    assert event.source_end == Fraction(1304, 25)


@pytest.mark.parametrize(
    ("frame", "element", "speed"),
    [
        ("1/24", '<conform-rate scaleEnabled="0" srcFrameRate="25"/>', Fraction(1)),
        ("1/24", '<conform-rate srcFrameRate="23.98"/>', Fraction(1001, 1000)),
        ("1001/24000", '<conform-rate srcFrameRate="23.98"/>', Fraction(1)),
        ("1/24", '<conform-rate srcFrameRate="50"/>', Fraction(24, 25)),
        ("1/30", '<conform-rate srcFrameRate="29.97"/>', Fraction(1001, 1000)),
        ("1/24", '<conform-rate srcFrameRate="30"/>', Fraction(1)),  # frames are left out
        ("1/24", "<conform-rate/>", Fraction(24, 25)),  # the format's name says 25
        ("1/24", "", Fraction(1)),
    ],
)
def test_rates_are_conformed_as_apples_chart_has_them(frame, element, speed) -> None:
    item = f'<asset-clip ref="r2" offset="0s" name="A" duration="2s">{element}</asset-clip>'
    (event,) = sounding(conformed(item, frame=frame))
    assert event.speed == speed


def test_what_is_connected_to_conformed_media_counts_on_its_clock() -> None:
    item = (
        '<asset-clip ref="r2" offset="0s" name="A" start="1304/25s" duration="8s">'
        '<conform-rate srcFrameRate="25"/><marker start="1329/25s" duration="1/25s" value="m"/>'
        '<asset-clip ref="r2" lane="1" offset="1354/25s" name="B" duration="1s"/></asset-clip>'
    )
    timeline = conformed(item)
    assert timeline.markers[0].start == Fraction(25, 24)
    assert timeline.tracks[1].events[0].start == Fraction(50, 24)


def test_resolves_assets_describe_the_stretch_that_is_used(tmp_path) -> None:
    write_film(tmp_path / "a.mov", strikes([0.2], 8))
    items = '<asset-clip ref="r2" offset="0s" name="A" start="5s" duration="2s"/>'
    text = FCPXML.format(items=items, frame="1/24", named="24", start="5", length="2")
    (tmp_path / "cut.fcpxml").write_text(text)
    plan = plan_reel(tmp_path / "cut.fcpxml", tmp_path / "out.fcpxml")
    assert plan.shots[0].span == (5, 7)


def test_a_format_may_only_be_named() -> None:
    item = '<asset-clip ref="r2" offset="0s" name="A" duration="2s"/>'
    for named, rate in (
        ("2398", Fraction(24000, 1001)),
        ("5994", Fraction(60000, 1001)),
        ("25", 25),
    ):
        (event,) = sounding(conformed(item, named=named))
        assert isinstance(event.media, Media) and event.media.rate == rate


def test_media_of_another_rate_in_final_cut_7(tmp_path) -> None:
    """98 frames of 25 over 98 of 24 are played frame for frame; 100 over 96 in real time; and
    Premiere's ticks tell at what in and out count."""
    text = xeml(
        clipitem("A", 0, 98, 25, 123, 25)
        + clipitem("B", 98, 194, 25, 125, 25)
        + clipitem("C", 194, 218, 24, 48, 25, "<pproTicksIn>254016000000</pproTicksIn>")
    )
    (tmp_path / "cut.xml").write_text(text)
    a, b, c = sounding(read_timeline(tmp_path / "cut.xml"))
    assert (a.source, a.speed, a.source_end) == (1, Fraction(24, 25), Fraction(123, 25))
    assert (b.source, b.speed, b.source_end) == (1, 1, 5)
    assert (c.source, c.speed) == (1, 1)


def test_a_placeholder_is_named_and_left_out(tmp_path, caplog) -> None:
    """Premiere writes a rate of 0 where it has no file."""
    write_film(tmp_path / "a.mov", strikes([0.2], 4))
    slot = "<file><name>slot.mov</name><rate><timebase>0</timebase></rate></file>"
    text = xeml(clipitem("slot", 0, 48, 0, 48, 0, file=slot) + clipitem("a", 48, 96, 0, 48, 24))
    (tmp_path / "cut.xml").write_text(text)
    plan = plan_reel(tmp_path / "cut.xml", tmp_path / "out.xml")
    assert [shot.event.name for shot in plan.shots] == ["a"] and plan.shots[0].start == 2
    assert "slot: placeholders without a file" in caplog.text
    events = sounding(plan.timeline)
    write_film(tmp_path / "slot.mov", strikes([0.2], 2))
    assert len(find_media(events, tmp_path)) == 2  # a file of its name is taken


def test_what_lies_over_one_another_on_a_lane_stays_where_it_is(tmp_path) -> None:
    items = (
        '<asset-clip ref="r2" offset="0s" name="A" duration="4s">'
        '<asset-clip ref="r2" lane="1" offset="1s" name="over A" duration="5s"/></asset-clip>'
        '<asset-clip ref="r2" offset="4s" name="B" start="4s" duration="4s">'
        '<asset-clip ref="r2" lane="1" offset="4s" name="over B" duration="1s"/></asset-clip>'
    )
    timeline = conformed(items)
    for suffix in (".otio", ".fcpxml", ".xml"):
        write_timeline(timeline, tmp_path / f"o{suffix}")
        again = read_timeline(tmp_path / f"o{suffix}")
        shown = [(event.name, event.start, event.end) for event in sounding(again)]
        assert shown == [
            ("A", 0, 1),
            ("over A", 1, 4),
            ("over B", 4, 5),
            ("over A", 5, 6),
            ("B", 6, 8),
        ]


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ('<asset-clip ref="r2" name="B" duration="1e999999999s"/>', 'asset-clip "B": duration'),
        ('<asset-clip ref="r2" name="B" offset="x" duration="1s"/>', 'asset-clip "B": offset "x"'),
        (
            '<asset-clip ref="r2" name="B" duration="1s"><timeMap><timept time="1s" value="0s"/>'
            '<timept time="1s" value="2s"/></timeMap></asset-clip>',
            'asset-clip "B": its timeMap',
        ),
        ('<clip name="B"><spine>' * 150 + "</spine></clip>" * 150, "nested too deeply"),
    ],
)
def test_a_refusal_names_the_element(item, says) -> None:
    with pytest.raises(MediaError, match=says):
        conformed(item)


def test_compound_clips_of_compound_clips_end(tmp_path) -> None:
    """Ten of ten of ten ... of them: 10^9 cuts in a document of 3 KB."""
    media = ""
    for level in range(9):
        what = f'ref-clip ref="m{level + 1}"' if level < 8 else 'asset-clip ref="r2"'
        inside = f'<{what} duration="1/{10**level}s"/>' * 10
        media += f'<media id="m{level}" name="m"><sequence format="r1"><spine>{inside}</spine>'
        media += "</sequence></media>"
    text = FCPXML.format(
        items='<ref-clip ref="m0" duration="10s"/>', frame="1/24", named="24", start=0, length=9
    )
    cut = tmp_path / "cut.fcpxml"
    cut.write_text(text.replace("</resources>", f"{media}</resources>"))
    timeline = read_timeline(cut)
    with pytest.raises(MediaError, match="more than 50,000 cuts"):
        sounding(timeline)
    with pytest.raises(MediaError, match="more than 50,000 events"):
        write_timeline(timeline, tmp_path / "out.otio")
    cut.write_text(
        text.replace("</resources>", media.replace('ref="m1', 'ref="m0') + "</resources>")
    )
    with pytest.raises(MediaError, match="holds itself"):
        read_timeline(cut)


def test_a_timeline_of_days_is_refused_before_its_stem_fills_the_disk(tmp_path) -> None:
    write_film(tmp_path / "a.mov", strikes([0.2], 1))
    items = (
        '<asset-clip ref="r2" name="A" duration="1s"><asset-clip ref="r2" lane="-1" '
        'srcEnable="audio" duration="500000s"/></asset-clip>'
    )
    text = FCPXML.format(items=items, frame="1/24", named="24", start="0", length="1")
    (tmp_path / "cut.fcpxml").write_text(text)
    with pytest.raises(MediaError, match="runs for 139 hours"):
        plan_reel(tmp_path / "cut.fcpxml", tmp_path / "out.fcpxml")


def test_a_feature_is_looked_at_in_a_moment() -> None:
    """Ten thousand cuts on each of two tracks; every pair used to be compared."""
    import time

    media = Media(name="a.mov", start=Fraction(0))
    tracks = tuple(
        Track(
            kind="picture",
            events=tuple(
                Event(name="a", media=media, start=Fraction(n + shift), duration=Fraction(1, 2),
                      source=Fraction(n))
                for n in range(10_000)
            ),
        )
        for shift in (0, Fraction(1, 4))
    )  # fmt: skip
    began = time.process_time()
    assert len(sounding(Timeline(name="t", rate=Fraction(24), tracks=tracks))) == 20_000
    assert time.process_time() - began < 2
