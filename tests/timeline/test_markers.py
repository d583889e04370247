"""Cues as markers and back: what nobody touches stays exact."""

import contextlib
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from foleycli.clip.probe import probe
from foleycli.clip.timecode import Timecode
from foleycli.errors import UsageError
from foleycli.spot.cues import Cue, read_cues
from foleycli.timeline.cuts import find_cuts
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.markers import (
    clip_timeline,
    cue_markers,
    marker_cues,
    read_markers,
    write_markers,
)
from foleycli.timeline.model import Marker, Timeline
from tests.films import still, strikes, write_film
from tests.timeline.test_reel import films, run  # noqa: F401

NTSC = Fraction(24_000, 1001)
CUES = [
    Cue(start=Fraction(33, 64), duration=Fraction(3, 2), kind="hit", what="wood, hit", level_db=-6),
    Cue(start=Fraction(1), duration=Fraction(2), kind="bed", what='rain "heavy"', confidence=0.5),
    Cue(
        start=Fraction(7, 2),
        duration=Fraction(1),
        kind="hit",
        what="boot step",
        layer="feet",
        surface="wet gravel",
        pan=-0.25,
        distance=3.5,
        evidence="left ankle lands, yard .4",
        recording="footsteps_012",
    ),
]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "two.mp4"
    return write_film(path, [*still(1, level=20), *strikes([0.5], 1)], NTSC)


@pytest.mark.parametrize("suffix", [".edl", ".csv", ".fcpxml", ".xml", ".otio"])
def test_cues_come_back_exactly(film, tmp_path, suffix) -> None:
    timeline, path = clip_timeline(probe(film)), tmp_path / f"cues{suffix}"
    write_markers(timeline, cue_markers(CUES, timeline.rate), path)
    assert marker_cues(read_markers(path, timeline), timeline.rate) == CUES


@pytest.mark.parametrize("suffix", [".edl", ".csv", ".fcpxml"])
def test_a_marker_that_is_moved_moves_its_cue_alone(film, tmp_path, suffix) -> None:
    timeline, path = clip_timeline(probe(film)), tmp_path / f"cues{suffix}"
    first, second = cue_markers(CUES[:2], timeline.rate)
    moved = replace(first, start=first.start + 3 / NTSC, name="metal hit")
    write_markers(timeline, [moved, second], path)
    cues = marker_cues(read_markers(path, timeline), timeline.rate)
    assert cues == [replace(CUES[0], start=moved.start, what="metal hit"), CUES[1]]


def test_a_marker_set_by_hand_is_a_hit() -> None:
    timeline = Timeline(name="", rate=Fraction(25), start=90_000)
    (cue,) = marker_cues([replace(cue_markers(CUES, timeline.rate)[0], note="")], timeline.rate)
    assert (cue.kind, cue.duration, cue.what) == ("hit", 1, "wood, hit")


def test_cuts_inside_a_file_become_a_timeline(film, tmp_path) -> None:
    clip = probe(film)
    cuts, end = find_cuts(clip)
    assert cuts == (24 / NTSC,) and end == 48 / NTSC
    write_timeline(clip_timeline(clip, cuts), tmp_path / "shots.edl")
    events = read_timeline(tmp_path / "shots.edl").tracks[0].events
    assert [(e.start * NTSC, e.duration * NTSC) for e in events] == [(0, 24), (24, 24)]


def test_a_marker_changed_over_a_timeline_changes_that_event_only(tmp_path, films) -> None:  # noqa: F811
    first = run(tmp_path, films)
    before = [soundfile.read(s.wav)[0] for s in first.sounds]
    markers = first.plan.folder / "out_markers.edl"
    text = markers.read_text()
    assert text.count("|M:") == 3
    assert [s.kept for s in run(tmp_path, films, overwrite=True).sounds] == [True] * 3
    edited = tmp_path / "edited.edl"
    line = next(x for x in text.splitlines() if x.startswith("003"))
    label = line.split()[-2]
    moved = Timecode.parse(label, NTSC) + 5
    edited.write_text(text.replace(label, str(moved)))
    again = run(tmp_path, films, overwrite=True, sheets=edited)
    changed = [
        not np.array_equal(soundfile.read(s.wav)[0], b)
        for s, b in zip(again.sounds, before, strict=True)
    ]
    assert changed == [False, False, True]
    assert [s.kept for s in again.sounds] == [True, True, False]
    untouched = run(tmp_path, films, overwrite=True, sheets=edited)
    assert [s.kept for s in untouched.sounds] == [True] * 3
    assert [read_cues(s.wav.with_suffix(".csv"))[0].start for s in untouched.sounds] == [
        pytest.approx(float(s.cues[0].start), abs=1e-6) for s in again.sounds
    ]
    found = run(tmp_path, films, overwrite=True)  # the edit is taken back
    assert [s.kept for s in found.sounds] == [True, True, False]


def test_a_marker_set_over_a_timeline_by_hand_is_heard_in_the_shot_it_lies_in(
    tmp_path,
    films,  # noqa: F811
    caplog,
) -> None:
    first = run(tmp_path, films)
    markers = first.plan.folder / "out_markers.edl"
    at = Timecode(86_400 + 57, NTSC)  # three frames before the third shot, in its handle
    beyond = Timecode(86_400 + 900, NTSC)
    added = f"\n* LOC: {at} RED     glass\n* LOC: {beyond} RED     nowhere\n"
    edited = tmp_path / "edited.edl"
    edited.write_text(markers.read_text() + added)
    again = run(tmp_path, films, overwrite=True, sheets=edited)
    assert [s.kept for s in again.sounds] == [True, False, True]
    cue = next(cue for cue in again.sounds[1].cues if cue.what == "glass")
    assert cue.start == 57 / NTSC - again.sounds[1].shot.begins
    assert "nowhere" in caplog.text


@pytest.mark.parametrize("suffix", [".edl", ".csv", ".fcpxml", ".xml", ".otio"])
def test_a_bed_is_as_long_as_its_marker_was_made(film, tmp_path, suffix) -> None:
    timeline, path = clip_timeline(probe(film)), tmp_path / f"cues{suffix}"
    hit, bed = cue_markers(CUES[:2], timeline.rate)
    write_markers(timeline, [hit, replace(bed, duration=12 / NTSC)], path)
    cues = marker_cues(read_markers(path, timeline), timeline.rate)
    assert cues == [CUES[0], replace(CUES[1], duration=12 / NTSC)]
    one = replace(bed, duration=1 / NTSC)  # an editor that keeps no lengths
    assert marker_cues([one], timeline.rate) == [CUES[1]]


@pytest.mark.parametrize(
    ("hour", "text", "says"),
    [
        ("01", "t\xfcr", "No marker of markers.edl lies in two.mp4, from 00:00:00:00 to"),
        ("00", "", "holds no markers"),
        ("00", "t\xfcr", ""),
    ],
)
def test_markers_that_are_none_of_the_clips_are_refused(
    film, tmp_path, monkeypatch, capsys, hour, text, says
) -> None:
    from foleycli.cli import main

    line = f"* LOC: {hour}:00:01:00 RED     {text}\n" if text else ""
    (tmp_path / "markers.edl").write_text(f"TITLE: x\n{line}", encoding="latin-1")
    monkeypatch.setattr(
        "sys.argv", ["foley", "cues", str(film), "--from", str(tmp_path / "markers.edl")]
    )
    if says:
        with pytest.raises(SystemExit):
            main.main()
        assert says in capsys.readouterr().err
    else:
        with contextlib.suppress(SystemExit):
            main.main()
        assert "hit,t\xfcr" in capsys.readouterr().out


def test_resolves_own_name_gives_way_to_the_note() -> None:
    marker = Marker(start=Fraction(1), duration=Fraction(1, 25), name="Marker 3", note="door slam")
    assert [cue.what for cue in marker_cues([marker], Fraction(25))] == ["door slam"]


def test_a_folder_without_sheets_of_the_sounds_is_refused(tmp_path, films) -> None:  # noqa: F811
    (tmp_path / "sheets").mkdir()
    with pytest.raises(UsageError, match="no sheet"):
        run(tmp_path, films, sheets=tmp_path / "sheets")
