"""Sounds on the tracks of a mixing room's template, in every format alike."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from foleycli.config import GenerateConfig
from foleycli.errors import MediaError
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.model import Event, Media, Timeline, Track, Transition, as_overlaps
from foleycli.timeline.reel import plan_reel, sound_reel
from foleycli.timeline.rpp import write_rpp
from foleycli.timeline.template import Template, kind_of, lay_on, lay_own, read_template
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks
from tests.timeline.laid import play

NAMES = ("DX 1", "FS A", "FS B", "FOLEY PROPS A", "FOLEY PROPS B", "HFX", "AMB 1", "AMB 2")
RATE = Fraction(25)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("FS 1", "feet"), ("Footsteps_L", "feet"), ("foleyFS2", "feet"), ("CLOTH", "moves")),
        *(("FOLEY PROPS A", "props"), ("HFX 3", "hard"), ("Hard FX", "hard"), ("WALLA", "voices")),
        *(("BG-1", "air"), ("Room Tone", "air"), ("ROOM", "room"), ("Verb Rtn", "room")),
        *(
            ("FLY 2", "foley"),
            ("SFX 12", "all"),
            ("MX 1", None),
            ("DX", "own"),
            ("SFX air 1", "air"),
        ),
    ],
)
def test_names_say_what_lies_on_a_track(name, kind) -> None:
    assert kind_of(name) == kind


def wave(name: str, start: int, end: int, **more) -> Event:
    media = Media(name=f"{name}.wav", start=Fraction(0), duration=Fraction(100))
    return Event(name=name, media=media, start=start / RATE, duration=(end - start) / RATE,
                 source=start / RATE, **more)  # fmt: skip


def ours(name: str, *events: Event) -> Track:
    return Track(kind="sound", events=events, name=name, made=True)


def laid(template: Template, *tracks: Track) -> dict[str, list[tuple]]:
    found = lay_on(template, tracks)
    return {
        t.name: [(e.name, int(e.start * RATE), int(e.end * RATE)) for e in t.events] for t in found
    }


def test_layers_find_their_tracks_and_neighbours_take_turns() -> None:
    fades = {"fade_in": 2 / RATE, "fade_out": 2 / RATE}
    feet = ours("SFX feet 1", wave("a", 0, 12, **fades), wave("c", 18, 30, **fades))
    more = ours("SFX feet 2", wave("b", 10, 20, **fades))
    found = laid(Template(NAMES), feet, more, ours("SFX air 1", wave("d", 0, 30)))
    assert found["FS A"] == [("a", 0, 12), ("c", 18, 30)]
    assert found["FS B"] == [("b", 10, 20)]
    assert found["AMB 1"] == [("d", 0, 30)]
    assert tuple(found) == NAMES and not found["DX 1"]


def test_what_has_no_track_goes_to_its_kin_and_is_said(caplog) -> None:
    template = Template(("FOLEY", "SFX", "BG"))
    found = laid(template, ours("SFX feet 1", wave("a", 0, 5)), ours("SFX hard 1", wave("b", 3, 9)))
    assert found == {"FOLEY": [("a", 0, 5)], "SFX": [("b", 3, 9)], "BG": []}
    assert "no track for feet (on FOLEY), hard (on SFX)" in caplog.text


def test_on_one_track_neighbours_cross() -> None:
    a, b = wave("a", 0, 12, fade_out=4 / RATE), wave("b", 8, 20, fade_in=4 / RATE)
    (track,) = lay_on(Template(("FS",)), (ours("SFX feet 1", a), ours("SFX feet 2", b)))
    first, second = track.events
    assert (first.end, first.fade_out, second.start) == (10 / RATE, 0, 10 / RATE)
    assert second.intro == Transition(before=2 / RATE, after=2 / RATE) and not second.fade_in
    assert second.source == 10 / RATE
    assert as_overlaps(track).events == (a, b)


def test_where_tracks_are_too_few_sounds_are_cut_in_the_overlap(caplog) -> None:
    tracks = ours("SFX feet 1", wave("a", 0, 12)), ours("SFX feet 2", wave("b", 8, 20))
    (track,) = lay_on(Template(("FS",)), tracks)
    assert [(int(e.start * RATE), int(e.end * RATE)) for e in track.events] == [(0, 10), (10, 20)]
    assert track.events[1].source == 10 / RATE
    assert "1 on FS" in caplog.text
    added = laid(Template(("FS",), adds=True), *tracks)
    assert added == {"FS": [("a", 0, 12)], "SFX feet 1": [("b", 8, 20)]}


def test_the_cuts_own_sound_lies_on_dialogue_tracks(caplog) -> None:
    own = replace(ours("A1", wave("take", 0, 9)), made=False)
    two = replace(own, name="A2")
    template = Template(("BG", "DIA 1"))
    named, kept = lay_own(
        template, (own, two), lay_on(template, [ours("SFX air 1", wave("a", 0, 5))])
    )
    assert [track.name for track in named] == ["DIA 1", "A2"]
    assert [track.name for track in kept] == ["BG"]
    assert "the cut's own sound keeps A2" in caplog.text


def test_a_list_may_say_it_outright(tmp_path) -> None:
    listed = tmp_path / "tracks.txt"
    listed.write_text("# ours\nMX\nair = ROOM TONE\nfeet= LB1\nfeet = LB2\nFS spare\n")
    template = read_template(listed)
    assert template.tracks == ("MX", "ROOM TONE", "LB1", "LB2", "FS spare")
    assert template.of("feet") == ("LB1", "LB2") and template.of("air") == ("ROOM TONE",)
    listed.write_text("shoes = FS\n")
    with pytest.raises(MediaError, match="line 1: shoes is no layer"):
        read_template(listed)
    listed.write_text("\n")
    with pytest.raises(MediaError, match="names no tracks"):
        read_template(listed)


@pytest.mark.parametrize("suffix", [".aaf", ".rpp", ".otio"])
def test_tracks_of_a_session_are_read_though_nothing_lies_on_them(tmp_path, suffix) -> None:
    if suffix == ".aaf":
        pytest.importorskip("aaf2")
    path = tmp_path / f"room{suffix}"
    tracks = tuple(ours(name) for name in NAMES)
    write_timeline(Timeline(name="Room", rate=RATE, tracks=tracks), path)
    assert tuple(n for n in read_template(path).tracks if n != "Picture") == NAMES


ROOM = """<REAPER_PROJECT 0.1 "6.0" 0
  PROJOFFS 0 0 0
  TIMEMODE 1 5 -1 30 0 0 -1
  <MASTERFXLIST
  >
  <TRACK {1}
    NAME "FS A"
    PEAKCOL 16576
    <FXCHAIN
      <VST "VST: ReaEQ" reaeq.dll 0 "" 1
        Y2VyZQ==
      >
    >
  >
  <TRACK {2}
    NAME REC
    <ITEM
      POSITION 1
      NAME "FS A"
    >
  >
>
"""


def test_a_reaper_project_is_kept_with_all_that_is_in_it() -> None:
    rpp = pytest.importorskip("rpp")
    feet = ours("FS A", wave("a", 5, 30, fade_out=2 / RATE))
    timeline = Timeline(
        name="R", rate=RATE, start=90_000, tracks=(feet, ours("NEW", wave("b", 0, 2)))
    )
    project = rpp.loads(write_rpp(timeline, Path("/out"), ROOM))
    first, second, third = (x for x in project if getattr(x, "tag", "") == "TRACK")
    assert first.attrib == ["{1}"] and ["PEAKCOL", "16576"] in list(first)
    chain, item = (x for x in first if getattr(x, "tag", "") in ("FXCHAIN", "ITEM"))
    assert chain[0].attrib[0] == "VST: ReaEQ"
    assert ["POSITION", "0.2"] in list(item) and ["NAME", "a"] in list(item)
    assert sum(getattr(x, "tag", "") == "ITEM" for x in second) == 1
    assert ["NAME", "NEW"] in list(third)
    plain = [line for line in project if isinstance(line, list)]
    heads = [line for line in plain if line[0] in ("PROJOFFS", "TIMEMODE")]
    assert [line[:2] for line in heads] == [["PROJOFFS", "3600"], ["TIMEMODE", "1"]]
    assert heads[1][4:6] == ["25", "0"]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return write_film(tmp_path_factory.mktemp("films") / "one.mp4", strikes([0.5, 1.5], 3), RATE)


@pytest.mark.parametrize("both", [True, False], ids=["two tracks a layer", "one"])
@pytest.mark.parametrize("suffix", [".otio", ".aaf", ".rpp", ".fcpxml", ".edl"])
def test_the_same_template_serves_every_format(tmp_path, film, suffix, both, caplog) -> None:
    if suffix == ".aaf":
        pytest.importorskip("otio_aaf_adapter")
    media = Media(
        name=film.name, path=str(film), start=Fraction(0), duration=Fraction(3), rate=RATE
    )
    shown = Event(name="one", media=media, start=Fraction(0), duration=14 / RATE, source=5 / RATE)
    track = Track(kind="picture", events=(shown, replace(shown, start=14 / RATE)), name="V1")
    write_timeline(Timeline(name="R", rate=RATE, start=90_000, tracks=(track,)), tmp_path / "c.xml")
    names = NAMES if both else tuple(n for n in NAMES if not n.endswith((" B", " 2")))
    (tmp_path / "room.txt").write_text("\n".join(names))
    template = read_template(tmp_path / "room.txt")
    out = tmp_path / f"out{suffix}"
    plan = plan_reel(tmp_path / "c.xml", out, handles=5, template=template)
    assert len(plan.parts) == 6  # its tracks are for layers
    made = sound_reel(plan, GenerateConfig(air=False, cut_fade=2, channels="mono"), Clicks(),
                      embed=False)  # fmt: skip
    assert "cut in the middle" not in caplog.text
    if suffix == ".rpp":
        text = out.read_text()
        assert [f'NAME "{name}"' in text for name in names] == [True] * len(names)
        assert 'NAME "SFX"' not in text and text.count("<ITEM") == 4
        return
    back = read_timeline(out)
    laid = [track for track in back.sounds if track.events]
    stem = soundfile.read(made.plan.stem, dtype="int32", always_2d=True)[0].astype(np.int64)
    if suffix != ".edl":  # which names no files' beginnings
        assert np.array_equal(play(back, tuple(laid), *stem.shape), stem)
    if suffix in (".otio", ".aaf"):
        assert {track.name for track in laid} <= set(NAMES)
    if suffix == ".fcpxml":
        assert 'audioRole="effects.FOLEY PROPS A"' in out.read_text()


def test_a_film_becomes_a_session_from_the_command_line(
    tmp_path, film, monkeypatch, capsys
) -> None:
    pytest.importorskip("otio_aaf_adapter")
    from foleycli.cli import main
    from foleycli.timeline import reel

    monkeypatch.setattr(reel, "open_source", lambda config: Clicks())
    (tmp_path / "room.txt").write_text("DX\nFOLEY PROPS\nBG\n")
    out = tmp_path / "out.aaf"
    words = ["foley", "timeline", film, "-o", out, "--template", tmp_path / "room.txt", "--json"]
    monkeypatch.setattr("sys.argv", list(map(str, words)))
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert not ended.value.code and json.loads(capsys.readouterr().out)["timeline"] == str(out)
    assert read_template(out).tracks[-3:] == ("DX", "FOLEY PROPS", "BG")
    (shown,) = read_timeline(out).pictures[0].events
    assert shown.media.path == str(film)
