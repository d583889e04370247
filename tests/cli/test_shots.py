"""`foley shots` and `foley cues --from` as they are typed."""

import csv
import subprocess
import xml.etree.ElementTree as ET

import pytest

from foleycli.timeline.files import read_timeline
from tests.films import still, strikes, write_film


def test_shots_are_printed_and_exported(foley, tmp_path) -> None:
    film = write_film(tmp_path / "two.mp4", [*still(1, level=20), *strikes([0.5], 1)])
    code, lines, _ = foley("shots", film)
    rows = list(csv.DictReader(lines))
    assert code == 0
    assert [(row["start"], row["end_frame"]) for row in rows] == [
        ("0.000000", "24"),
        ("1.000000", "48"),
    ]
    for suffix in (".edl", ".fcpxml", ".csv"):
        code, _, _ = foley("shots", film, "-o", tmp_path / f"shots{suffix}")
        assert code == 0
    assert len(read_timeline(tmp_path / "shots.fcpxml").tracks[0].events) == 2
    assert foley("shots", film, "-o", tmp_path / "shots.doc")[0] == 2


def test_markers_become_a_sheet(foley, tmp_path) -> None:
    film = write_film(tmp_path / "film.mp4", strikes([0.5], 1))
    markers = tmp_path / "markers.edl"
    markers.write_text(
        "TITLE: film\n\n"
        "001  001      V     C        00:00:00:12 00:00:00:13 00:00:00:12 00:00:00:13  \n"
        " |C:ResolveColorBlue |M:door slam |D:1\n"
    )
    code, lines, _ = foley("cues", film, "--from", markers)
    assert code == 0
    assert lines[1].startswith("0.500000,1.000000,hit,door slam,0.0,1.00")


RESOLVE = """TITLE: t
FCM: NON-DROP FRAME

1  001      V     C        {0}:00:01:00 {0}:00:01:01 {0}:00:01:00 {0}:00:01:01
 |C:ResolveColorBlue |M:door |D:1

2  001      V     C        {0}:00:01:12 {1}:00:01:13 {1}:00:01:12 {1}:00:01:13
 |C:ResolveColorRed |M:click |D:1
"""


def test_markers_of_a_timeline_from_one_hour_on_and_with_one_digit_hours(foley, tmp_path) -> None:
    film = write_film(tmp_path / "film.mp4", strikes([0.5], 2))
    markers = tmp_path / "markers.edl"
    markers.write_text(RESOLVE.format("00", "0"))
    starts = ["1.000000", "1.500000"]
    _, lines, _ = foley("cues", film, "--from", markers)
    assert [line.split(",")[0] for line in lines[1:]] == starts
    markers.write_text(RESOLVE.format("01", "1"))
    code, _, error = foley("cues", film, "--from", markers)
    assert code == 3 and "the first is at 01:00:01:00" in error and "--offset 01:00:00:00" in error
    _, lines, _ = foley("cues", film, "--from", markers, "--offset", "01:00:00:00")
    assert [line.split(",")[0] for line in lines[1:]] == starts
    for suffix in (".edl", ".fcpxml"):
        sheet = tmp_path / f"out{suffix}"
        options = ("--from", markers, "--offset", "01:00:00:00")
        assert foley("cues", film, *options, "-o", sheet)[0] == 0
        assert "01:00:01:12" in sheet.read_text() or 'tcStart="3600s"' in sheet.read_text()
        _, lines, _ = foley("cues", film, "--from", sheet, "--offset", "1:00:00:00")
        assert [line.split(",")[0] for line in lines[1:]] == starts


def test_a_marker_whose_time_cannot_be_read_takes_no_others(foley, tmp_path) -> None:
    film = write_film(tmp_path / "film.mp4", strikes([0.5], 2))
    markers = tmp_path / "markers.edl"
    text = RESOLVE.format("00", "0")
    for broken, says in (
        (text.replace("0:00:01:12 0:00:01:13\n", "\n"), "Line 7 has no four timecodes"),
        (text.replace("0:00:01:12 0:00:01:13\n", "0:00:99:12 0:00:99:13\n"), "Line 8"),
        (text.rpartition("2  001")[0] + " |C:ResolveColorRed |M:click |D:1\n", "Line 7"),
    ):
        markers.write_text(broken)
        code, _, error = foley("cues", film, "--from", markers)
        assert code == 3 and says in error


def test_timelines_of_shots_carry_the_films_sound(foley, tmp_path) -> None:
    silent = write_film(tmp_path / "silent.mp4", [*still(1, level=20), *strikes([0.5], 1)])
    film = tmp_path / "film.mov"
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", silent, "-f", "lavfi", "-i",
         "anoisesrc=d=2:r=48000:c=pink", "-ac", "2", "-c:v", "copy", film], check=True,
    )  # fmt: skip
    for suffix in (".fcpxml", ".xml", ".otio", ".edl"):
        if suffix == ".otio":
            pytest.importorskip("opentimelineio")
        foley("shots", film, "-o", tmp_path / f"shots{suffix}")
    final_cut = ET.parse(tmp_path / "shots.fcpxml").getroot()
    (asset,) = final_cut.iter("asset")
    said = [asset.get(name) for name in ("hasAudio", "audioSources", "audioChannels", "audioRate")]
    assert said == ["1", "1", "2", "48000"]
    assert len(list(final_cut.iter("asset-clip"))) == 2  # picture and sound in one
    seven = ET.parse(tmp_path / "shots.xml").getroot()
    tracks = seven.findall("sequence/media/audio/track")
    assert [t.findtext("clipitem/sourcetrack/trackindex") for t in tracks] == ["1", "2"]
    assert [len(track.findall("clipitem")) for track in tracks] == [2, 2]
    for suffix, tracks in ((".xml", 2), (".otio", 1), (".edl", 2), (".fcpxml", 0)):
        timeline = read_timeline(tmp_path / f"shots{suffix}")
        assert len(timeline.sounds) == tracks, suffix
        for track in timeline.sounds:
            assert [(e.start, e.duration) for e in track.events] == [(0, 1), (1, 1)]
    silent_too = tmp_path / "silent.fcpxml"
    foley("shots", silent, "-o", silent_too)
    assert "hasAudio" not in silent_too.read_text()
