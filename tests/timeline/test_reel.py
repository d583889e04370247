"""A timeline from end to end: films found, every shot sounded, the timeline written back."""

import json
import re
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from foleycli.config import GenerateConfig
from foleycli.errors import MediaError, OutputExistsError, UsageError
from foleycli.sight.sightings import Sighting
from foleycli.spot.cues import read_cues, write_cues
from foleycli.spot.features import Features
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.model import Event, Media, Timeline, Track, Transition
from foleycli.timeline.naming import STEMS, Naming
from foleycli.timeline.reel import plan_reel, sound_reel
from foleycli.timeline.retime import retime_features
from tests.films import strikes, write_film
from tests.timeline.clicks import SAMPLE_RATE, Clicks

NTSC = Fraction(24_000, 1001)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for name in ("one", "two", "three"):
        write_film(folder / f"{name}.mp4", strikes([0.5, 1.5], 3), NTSC)
    return folder


def reel(names=("one", "two", "three"), rate=NTSC, start=86_400) -> Timeline:
    """Three shots of 30 frames; the second comes in by a dissolve of 8, the third at twice the
    speed."""
    events = [
        Event(
            name=f"{name}.mp4",
            media=Media(name=f"{name}.mp4", start=Fraction(0), duration=72 / rate, rate=rate),
            start=number * 30 / rate,
            duration=30 / rate,
            source=10 / rate,
        )
        for number, name in enumerate(names)
    ]
    if len(events) > 2:
        dissolve = Transition(before=4 / rate, after=4 / rate)
        events[1] = replace(events[1], intro=dissolve)
        events[2] = replace(events[2], speed=Fraction(2))
    track = Track(kind="picture", events=tuple(events), name="V1")
    return Timeline(name="Reel", rate=rate, start=start, tracks=(track,))


def run(folder, films, suffix=".fcpxml", source=None, timeline=None, sheets=None, **options):
    path, out = folder / f"cut{suffix}", folder / f"out{suffix}"
    write_timeline(timeline or reel(), path, overwrite=True)
    config = GenerateConfig(**{"air": False, "channels": "mono"} | options)
    plan = plan_reel(path, out, roots=[films], handles=6, overwrite=config.overwrite)
    return sound_reel(plan, config, source or Clicks(), sheets)


def samples(seconds: Fraction) -> int:
    """From midnight, of a timeline that begins at 01:00:00:00."""
    return round((Fraction(86_400) / NTSC + seconds) * SAMPLE_RATE)


@pytest.mark.parametrize("suffix", [".edl", ".fcpxml", ".xml", ".otio"])
def test_every_sound_lies_where_its_shot_is(tmp_path, films, suffix) -> None:
    result = run(tmp_path, films, suffix)
    assert not result.failures
    back = read_timeline(result.plan.out)
    lead = 4 / NTSC if suffix == ".edl" else Fraction(0)  # its dissolves begin at the cut
    events = [e for track in back.pictures for e in track.events]
    assert [e.start for e in events] == [0, 30 / NTSC - lead, 60 / NTSC]
    sounds = sorted((e for track in back.sounds for e in track.events), key=lambda e: e.start)
    assert [e.start * NTSC for e in sounds] == [0, 26, 60]
    assert [e.duration * NTSC for e in sounds] == [34, 34, 30]
    for event, sound in zip(sounds, result.sounds, strict=True):
        info = soundfile.info(sound.wav)
        shot = sound.shot
        begins, ends = shot.begins, shot.end + shot.tail
        assert info.frames == samples(ends) - samples(begins)
        assert info.samplerate == SAMPLE_RATE and info.subtype == "PCM_24"
        assert event.source == back.start_seconds + event.start


def test_waves_are_stamped_with_the_timelines_time(tmp_path, films) -> None:
    wavinfo = pytest.importorskip("wavinfo")
    result = run(tmp_path, films)
    for sound in result.sounds:
        bext = wavinfo.WavInfoReader(str(sound.wav)).bext
        assert bext.time_reference == samples(sound.shot.start - sound.shot.head)
    stem = wavinfo.WavInfoReader(str(result.plan.stem))
    assert stem.bext.time_reference == samples(Fraction(0)) == 172_972_800


def test_handles_stop_at_the_films_ends_and_where_a_dissolve_is(tmp_path, films) -> None:
    shots = run(tmp_path, films).plan.shots
    assert [(s.head * NTSC, s.tail * NTSC) for s in shots] == [(6, 0), (0, 6), (5, 1)]


def test_the_stem_is_the_sum_of_the_placed_waves_to_the_last_bit(tmp_path, films) -> None:
    result = run(tmp_path, films)
    stem, _ = soundfile.read(result.plan.stem, dtype="int32")
    total = samples(90 / NTSC) - samples(Fraction(0))
    assert len(stem) == total
    summed = np.zeros(total, np.int64)
    for sound in result.sounds:
        wave, _ = soundfile.read(sound.wav, dtype="int32")
        shot = sound.shot
        lead = samples(shot.start) - samples(shot.begins)
        first, last = (samples(at) - samples(Fraction(0)) for at in (shot.start, shot.end))
        summed[first:last] += wave[lead : lead + last - first]
    assert np.array_equal(summed, stem)


def test_a_sound_fades_with_its_dissolve(tmp_path, films) -> None:
    sounds = run(tmp_path, films).sounds
    first, second = (soundfile.read(s.wav)[0] for s in sounds[:2])
    dissolve = samples(34 / NTSC) - samples(26 / NTSC)
    assert abs(first[-1]) < 1e-6 and abs(second[0]) < 1e-6
    assert second[dissolve // 2] == pytest.approx(0.005, rel=0.01)
    together = first[-dissolve:] + second[:dissolve]
    assert together[: dissolve // 3] == pytest.approx(0.01, abs=2e-6)


def test_what_is_done_is_kept(tmp_path, films) -> None:
    first = run(tmp_path, films)
    source = Clicks()
    again = run(tmp_path, films, source=source, overwrite=True)
    assert [s.kept for s in again.sounds] == [True] * 3
    assert source.looked == 0 and again.stem_hash == first.stem_hash
    other = run(tmp_path, films, seed=1, overwrite=True)
    assert [s.kept for s in other.sounds] == [False] * 3


def test_an_edited_sheet_changes_its_own_shot_only(tmp_path, films) -> None:
    first = run(tmp_path, films)
    waves = [s.wav.read_bytes() for s in first.sounds]
    sheet = first.sounds[1].wav.with_suffix(".csv")
    cues = read_cues(sheet)
    edited = tmp_path / "edited"
    edited.mkdir()
    write_cues(edited / sheet.name, [replace(cues[0], start=cues[0].start + Fraction(1, 2))])
    again = run(tmp_path, films, overwrite=True, sheets=edited)
    assert [s.kept for s in again.sounds] == [True, False, True]
    assert [s.wav.read_bytes() == old for s, old in zip(again.sounds, waves, strict=True)] == [
        True,
        False,
        True,
    ]


def test_edited_cues_are_set_aside_when_the_picture_decides_again(tmp_path, films, caplog) -> None:
    first = run(tmp_path, films)
    sheet = first.sounds[1].wav.with_suffix(".csv")
    write_cues(sheet, [replace(read_cues(sheet)[0], what="glass")], overwrite=True)
    run(tmp_path, films, overwrite=True, sheets=sheet.parent)
    run(tmp_path, films, overwrite=True)
    assert read_cues(sheet)[0].what != "glass"
    assert read_cues(sheet.with_name(f"{sheet.stem}_by-hand.csv"))[0].what == "glass"
    assert "without --cues" in caplog.text


def test_existing_waves_of_others_are_kept(tmp_path, films) -> None:
    wav = tmp_path / "out_sfx" / "Reel_002_two.wav"
    wav.parent.mkdir()
    wav.write_text("mine")
    result = run(tmp_path, films)
    assert [f.shot.number for f in result.failures] == [2]
    assert isinstance(result.failures[0].error, OutputExistsError)
    assert wav.read_text() == "mine"


def test_all_missing_films_are_named_before_any_work(tmp_path, films) -> None:
    timeline = reel(("one", "four", "five"))
    with pytest.raises(MediaError) as error:
        run(tmp_path, films, timeline=timeline)
    assert "four.mp4" in error.value.problem and "five.mp4" in error.value.problem
    assert not (tmp_path / "out_sfx").exists()


def test_events_longer_than_their_film_are_named(tmp_path, films) -> None:
    timeline = reel()
    events = timeline.tracks[0].events
    long = replace(events[2], speed=Fraction(1), source=60 / NTSC)
    track = replace(timeline.tracks[0], events=(*events[:2], long))
    with pytest.raises(MediaError, match=r"three\.mp4"):
        run(tmp_path, films, timeline=replace(timeline, tracks=(track,)))


def test_an_edl_without_a_rate_takes_its_films(tmp_path, films) -> None:
    write_timeline(reel(), tmp_path / "cut.edl")
    text = (tmp_path / "cut.edl").read_text()
    lines = [line for line in text.splitlines() if "RATE" not in line]
    (tmp_path / "cut.edl").write_text("\n".join(lines))
    plan = plan_reel(tmp_path / "cut.edl", tmp_path / "out.edl", roots=[films])
    assert plan.timeline.rate == NTSC


@pytest.mark.parametrize("frames", ["20", "45"])
def test_a_drop_frame_list_too_takes_the_rate_of_its_films(tmp_path, frames) -> None:
    fast = Fraction(60_000, 1001)
    write_film(tmp_path / "fast; one, two.mp4", strikes([0.5], 3), fast)
    (tmp_path / "cut.edl").write_text(
        "FCM: DROP FRAME\n"
        f"001  AX V C 00:00:00;00 00:00:00;{frames} 01:00:00;00 01:00:00;{frames}\n"
        "* FROM CLIP NAME: fast; one, two.mp4\n"
    )
    plan = plan_reel(tmp_path / "cut.edl", tmp_path / "out.edl")
    assert plan.timeline.rate == fast


def test_a_take_of_the_film_is_not_taken_for_the_film(tmp_path, films) -> None:
    for folder in ("rushes", "rushes/one_takes"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.mp4").write_bytes((films / "one.mp4").read_bytes())
    (tmp_path / "rushes/one_takes/one.foley.json").write_text("{}")
    write_timeline(reel(("one",)), tmp_path / "cut.fcpxml")
    plan = plan_reel(tmp_path / "cut.fcpxml", tmp_path / "out.fcpxml", roots=[tmp_path / "rushes"])
    assert plan.shots[0].film.path == tmp_path / "rushes/one.mp4"


def test_all_films_that_cannot_be_used_are_named_at_once(tmp_path, films) -> None:
    for name in ("four", "five"):
        (tmp_path / f"{name}.mp4").write_text("no film")
    with pytest.raises(MediaError, match=r"(?s)2 of the timeline's films.*four.*five"):
        run(tmp_path, films, timeline=reel(("one", "four", "five")))


def test_missing_films_of_an_edl_are_named_before_its_rate_is_asked_for(tmp_path) -> None:
    text = "001  {0} V C 00:00:00:00 00:00:01:00 0{1}:00:00:00 0{1}:00:01:00\n"
    (tmp_path / "cut.edl").write_text(text.format("gone.mov", 1) + text.format("lost.mov", 2))
    with pytest.raises(MediaError, match=r"(?s)2 of .* not found.*gone.*lost"):
        plan_reel(tmp_path / "cut.edl", tmp_path / "out.edl")


def test_a_wrong_line_of_an_edl_is_named_with_its_file(tmp_path, films) -> None:
    text = "001  one.mp4 V C 00:00:00:00 00:00:01:61 01:00:00:00 01:00:01:61\n"
    (tmp_path / "cut.edl").write_text(text)
    with pytest.raises(MediaError, match=r"cut\.edl: Line 1") as error:
        plan_reel(tmp_path / "cut.edl", tmp_path / "out.edl", roots=[films])
    assert "--rate" in error.value.remedy


def test_a_shot_that_fails_stays_silent_and_is_named(tmp_path, films) -> None:
    class Fails(Clicks):
        def encode(self, pictures):
            features = super().encode(pictures)
            if self.looked == 2:
                raise MediaError("Broken.", "Mend it.")
            return features

    result = run(tmp_path, films, source=Fails())
    assert [f.shot.number for f in result.failures] == [2]
    assert sum(len(t.events) for t in read_timeline(result.plan.out).sounds) == 2


def test_a_film_that_changes_while_it_is_read_is_not_sounded(tmp_path) -> None:
    for name in ("one", "two", "three"):
        write_film(tmp_path / f"{name}.mp4", strikes([0.5, 1.5], 3), NTSC)

    class Grows(Clicks):
        def encode(self, pictures):
            features = super().encode(pictures)
            if self.looked == 2:
                with (tmp_path / "two.mp4").open("ab") as film:
                    film.write(b"more")
            return features

    result = run(tmp_path, tmp_path, source=Grows())
    assert [f.shot.number for f in result.failures] == [2]
    assert "changed while it was read" in result.failures[0].error.problem
    assert not list(result.plan.folder.glob("*_002_*.wav"))


def test_films_at_another_speed_sound_as_they_are_shown() -> None:
    hits = np.zeros(128, np.float32)
    hits[64] = 0.8  # at 1 s of 2 s
    classes = np.eye(8, 1000, dtype=np.float16)
    seen = tuple(Sighting(Fraction(n, 2)) for n in range(4))
    features = Features.assemble(
        np.eye(8, 384, dtype=np.float32),
        hits,
        hits,
        Fraction(2),
        classes=classes,
        sightings=seen,
    )
    double = retime_features(features, Fraction(2))
    assert double.duration == 1 and np.flatnonzero(double.hits).tolist() == [32]
    half = retime_features(features, Fraction(1, 2))
    assert half.duration == 4 and np.flatnonzero(half.hits).tolist() == [128]
    back = retime_features(features, Fraction(-1))
    assert np.flatnonzero(back.hits).tolist() == [63]
    assert np.argmax(back.what[0]) == 7
    assert double.classes is not None and back.classes is not None
    assert np.argmax(double.classes[1]) == 2 and np.argmax(back.classes[0]) == 7
    assert [s.time for s in double.sightings] == [Fraction(n, 4) for n in range(4)]
    assert [s.time for s in back.sightings] == [Fraction(n, 2) for n in range(1, 5)]


def test_a_freeze_frame_is_silent(tmp_path, films) -> None:
    timeline = reel()
    events = timeline.tracks[0].events
    frozen = replace(events[2], speed=Fraction(0))
    track = replace(timeline.tracks[0], events=(*events[:2], frozen))
    result = run(tmp_path, films, timeline=replace(timeline, tracks=(track,)))
    assert result.sounds[2].cues == ()


def test_the_command(tmp_path, films, monkeypatch, capsys) -> None:
    from foleycli.cli import main
    from foleycli.timeline import reel as module

    monkeypatch.setattr(module, "open_source", lambda config: Clicks())
    write_timeline(reel(), tmp_path / "cut.fcpxml")
    arguments = ["foley", "timeline", str(tmp_path / "cut.fcpxml"), "-o",
                 str(tmp_path / "out.otio"), "--media-root", str(films), "--json"]  # fmt: skip
    monkeypatch.setattr("sys.argv", [*arguments, "--dry-run"])
    assert ends(main.main) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["start"] for row in rows] == ["01:00:00:00", "01:00:01:06", "01:00:02:12"]
    assert not (tmp_path / "out.otio").exists()
    monkeypatch.setattr("sys.argv", arguments)
    assert ends(main.main) == 0
    assert len(json.loads(capsys.readouterr().out)["sounds"]) == 3
    monkeypatch.setattr("sys.argv", arguments)
    assert ends(main.main) == 6


def ends(command) -> int:
    """Its exit code."""
    try:
        command()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_stems_of_hits_and_beds_add_up_to_the_last_bit(tmp_path, films) -> None:
    path, out = tmp_path / "cut.fcpxml", tmp_path / "out.fcpxml"
    write_timeline(reel(), path)
    plan = plan_reel(path, out, roots=[films], stems=True, two_pop=True)
    result = sound_reel(plan, GenerateConfig(channels="mono"), Loud())
    assert not result.failures
    whole, _ = soundfile.read(plan.stem, dtype="int32")
    parts = [soundfile.read(part, dtype="int32")[0] for _, part in plan.parts]
    lead = round((Fraction(86_400) / NTSC) * SAMPLE_RATE) - samples(-48 / NTSC)
    assert lead == 96_096
    frame = round(SAMPLE_RATE / NTSC)
    assert {len(part) for part in parts} == {len(whole)}
    assert len(whole) == lead * 2 + samples(90 / NTSC) - samples(Fraction(0)) + frame
    inner = slice(lead, -lead - frame)
    assert np.array_equal(sum(part[inner].astype(np.int64) for part in parts), whole[inner])
    assert [
        layer for (layer, _), part in zip(plan.parts, parts, strict=True) if part[inner].any()
    ] == ["props", "air"]
    pop = whole[: 2 * frame] / 2**31
    assert np.abs(pop[:frame]).max() == pytest.approx(0.1, rel=0.01)
    assert not pop[frame:].any() and np.array_equal(whole[:frame], whole[-frame:])
    for sound in result.sounds:
        assert np.abs(soundfile.read(sound.wav)[0]).max() < 10 ** (-2 / 20)


class Loud(Clicks):
    """A bed under the hits, both so loud that they must be held down together."""

    def render(self, features, cues, config, told=None):
        kinds = {cue.kind for cue in cues}
        sound = np.full(round(features.duration * SAMPLE_RATE), 0.0, np.float32)
        if "hit" in kinds:
            sound[5000:6000] = 0.6
        if "bed" in kinds and "hit" not in kinds:
            sound[:] = 0.5 * np.sin(np.arange(len(sound)) / 9)
        yield from np.array_split(sound, 4)


@pytest.mark.parametrize(
    ("template", "wave", "stem"),
    [
        ("plain", "Reel_001_one", "Reel_FXStem"),
        ("ucs", "FOLYMisc_Big Film 001 one_FOLEY_Big Film",
         "FOLYMisc_Big Film FXStem_FOLEY_Big Film"),
        ("netflix", "big_film_s01e02_v03_FXPD_001_one_mono_48k_24b_23976",
         "big_film_s01e02_v03_FXStem_mono_48k_24b_23976"),
        ("{timecode}_{clip}", "01000000_one", "Reel_FXStem"),
    ],
)  # fmt: skip
def test_names_as_delivery_sheets_want_them(tmp_path, films, template, wave, stem) -> None:
    write_timeline(reel(), tmp_path / "cut.fcpxml")
    title = "Big_Film" if template in ("ucs", "netflix") else ""
    naming = Naming(template=template, title=title, reel="s01e02", version="v03")
    plan = plan_reel(tmp_path / "cut.fcpxml", tmp_path / "out.fcpxml", roots=[films], naming=naming)
    assert (plan.names[0], plan.stem.name) == (wave, f"{stem}.wav")
    if template == "ucs":  # underscores part its four blocks
        for kind in STEMS:
            assert naming.stem("x", NTSC, kind).count("_") == 3


@pytest.mark.parametrize("template", ["{nothing}", "{number", "same"])
def test_templates_that_cannot_be_filled_are_refused(tmp_path, films, template) -> None:
    write_timeline(reel(), tmp_path / "cut.fcpxml")
    with pytest.raises(UsageError):
        plan_reel(tmp_path / "cut.fcpxml", tmp_path / "out.fcpxml", roots=[films],
                  naming=Naming(template=template))  # fmt: skip


def test_a_list_that_names_no_files_becomes_xml_that_does(tmp_path, films) -> None:
    write_timeline(reel(), tmp_path / "cut.edl")
    plan = plan_reel(tmp_path / "cut.edl", tmp_path / "out.fcpxml", roots=[films])
    result = sound_reel(plan, GenerateConfig(), Clicks())
    events = read_timeline(result.plan.out).pictures[0].events
    assert [e.media.path for e in events] == [
        str(films / f"{name}.mp4") for name in ("one", "two", "three")
    ]
    assert {(e.media.start, e.media.duration, e.media.rate) for e in events} == {
        (0, 72 / NTSC, NTSC)
    }
    assert [e.source * NTSC for e in events] == [10, 6, 10]


@pytest.mark.parametrize("suffix", [".edl", ".fcpxml", ".xml", ".otio"])
def test_stills_stay_silent_and_need_not_be_there(tmp_path, films, suffix) -> None:
    plain = reel()
    events = list(plain.tracks[0].events)
    card = Media(name="Title card.PNG", path="art/Title card.PNG", rate=NTSC, duration=60 / NTSC)
    events[0] = replace(
        events[0], name="Title card.PNG", media=replace(card, start=Fraction(0)), source=Fraction(0)
    )
    cut = replace(plain, tracks=(replace(plain.tracks[0], events=tuple(events)),))
    result = run(tmp_path, films, suffix, timeline=cut)
    assert [shot.film.path.name for shot in result.plan.shots] == ["two.mp4", "three.mp4"]
    stem, _ = soundfile.read(result.plan.stem)
    assert not stem[: round(20 / NTSC * SAMPLE_RATE)].any() and stem.any()
    back = read_timeline(result.plan.out, NTSC)
    shown = [event for track in back.pictures for event in track.events]
    assert [event.name for event in shown] == ["Title card.PNG", "two.mp4", "three.mp4"]


def test_films_of_another_rate_are_named(tmp_path, films, caplog) -> None:
    run(tmp_path, films)
    assert not caplog.records
    write_film(tmp_path / "four.mp4", strikes([0.5], 3, 25), 25)
    (tmp_path / "four.mp4").rename(tmp_path / "one.mp4")  # beside the timeline, found first
    run(tmp_path, films, overwrite=True)
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "23.976" in warning and "one.mp4 (25)" in warning


def test_layers_lie_on_tracks_of_their_own_in_stereo_with_the_room(tmp_path, films) -> None:
    otio = pytest.importorskip("opentimelineio")
    path, out = tmp_path / "cut.fcpxml", tmp_path / "out.otio"
    write_timeline(reel(), path)
    plan = plan_reel(path, out, roots=[films], stems=True, room=True)
    result = sound_reel(plan, GenerateConfig(room="small"), Loud())
    assert not result.failures
    whole = soundfile.read(plan.stem, dtype="int32")[0].astype(np.int64)
    parts = {kind: soundfile.read(part, dtype="int32")[0] for kind, part in plan.parts}
    assert whole.shape[1] == 2 and [k for k, part in parts.items() if part.any()] == [
        "props", "air", "room",
    ]  # fmt: skip
    assert np.array_equal(sum(part.astype(np.int64) for part in parts.values()), whole)
    tracks = otio.adapters.read_from_file(str(out)).audio_tracks()
    names = {track.name.rsplit(" ", 1)[0] for track in tracks}
    assert names == {"SFX props", "SFX air", "SFX room"}
    assert sum(len(list(track.find_clips())) for track in tracks) == 9
    again = sound_reel(
        plan_reel(path, out, roots=[films], stems=True, room=True, overwrite=True),
        GenerateConfig(room="small", overwrite=True), Loud(),
    )  # fmt: skip
    assert all(sound.kept for sound in again.sounds) and again.stem_hash == result.stem_hash
    xml = tmp_path / "out.fcpxml"
    sound_reel(
        plan_reel(path, xml, roots=[films], stems=True, room=True, folder=plan.folder,
                  overwrite=True),
        GenerateConfig(room="small", overwrite=True), Loud(),
    )  # fmt: skip
    roles = set(re.findall('audioRole="([^"]+)"', xml.read_text()))
    assert roles == {"effects.props", "effects.air", "effects.room"}
