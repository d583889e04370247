"""What the effects lack: planted holes are all found, and what is there is not called missing."""

import csv
import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from foleycli.cli.main import app
from foleycli.config import FILL, GenerateConfig
from foleycli.errors import UsageError
from foleycli.mux.bwf import Broadcast, write_broadcast
from foleycli.spot.cues import Cue, read_cues
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.fill.gaps import SeenShot, find_gaps, match_times
from foleycli.timeline.fill.heard import Heard, Piece, TrackSound, listen, open_sound
from foleycli.timeline.fill.missing import Asked, find_missing, gap_rows, make_missing
from foleycli.timeline.model import Event, Media, Timeline, Track
from foleycli.timeline.reel import plan_reel, sound_reel
from tests.films import strikes, write_film
from tests.timeline.clicks import Clicks
from tests.timeline.test_reconform import NTSC, cut

RATE = 48_000
REEL = Timeline(name="Reel", rate=Fraction(25), start=90_000)


def air(seconds: float, db: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 10 ** (db / 20), round(seconds * RATE))
    return noise.astype(np.float32)


def with_hits(track: np.ndarray, times, seed: int = 0) -> np.ndarray:
    """Bursts of noise that die away, of several levels, from -14 to -32 dBFS."""
    chance = np.random.default_rng(seed)
    track = track.copy()
    for at in times:
        length = round(float(chance.uniform(0.05, 0.3)) * RATE)
        burst = chance.normal(0, 10 ** (chance.uniform(-32, -14) / 20), length)
        burst *= np.exp(-np.arange(length) / length * 5)
        first = round(float(at) * RATE)
        part = burst[: len(track) - first]
        track[first : first + len(part)] += part.astype(np.float32)
    return track


def track_of(tmp_path, name: str, samples: np.ndarray) -> TrackSound:
    soundfile.write(tmp_path / name, samples, RATE, subtype="PCM_24")
    return open_sound(tmp_path / name)


def hit(at, what="step", confidence=0.8) -> Cue:
    return Cue(start=Fraction(at), duration=Fraction(1), kind="hit", what=what, layer="feet",
               confidence=confidence)  # fmt: skip


def bed(start, end, what="engine") -> Cue:
    start = Fraction(start)
    return Cue(start=start, duration=Fraction(end) - start, kind="bed", what=what, layer="hard")


def shot(cues, start=0, end=20) -> SeenShot:
    return SeenShot(1, "one", Fraction(start), Fraction(end), tuple(cues))


def test_every_hit_that_was_taken_out_is_found_and_no_other(tmp_path) -> None:
    chance = np.random.default_rng(3)
    times = np.cumsum(chance.uniform(0.25, 0.9, 60)) + 0.3
    length = float(times[-1]) + 1
    gone = set(chance.choice(60, 20, replace=False).tolist())
    there = [t for n, t in enumerate(times) if n not in gone]
    track = track_of(tmp_path, "fx.wav", with_hits(air(length, -62), there))
    late = [Fraction(round((t + chance.uniform(-0.08, 0.08)) * 1000), 1000) for t in times]
    found = find_gaps(REEL, [shot([hit(t) for t in late], 0, Fraction(length))], [track])
    assert found.actions == 60 and not found.holes
    assert [gap.start for gap in found.missing] == [late[n] for n in sorted(gone)]


def test_one_sound_is_of_one_action_unless_both_are_at_once() -> None:
    assert match_times([1.0, 1.15], [1.02], 0.2) == [0, None]
    assert match_times([1.0, 1.15], [1.14], 0.2) == [None, 0]
    assert match_times([1.0, 1.3], [1.16, 1.45], 0.2) == [0, 1]  # the nearest goes on
    fx = TrackSound("none", ())
    two = [hit(Fraction(1), confidence=0.4), hit(Fraction(21, 20), "cloth", 0.6)]
    found = find_gaps(REEL, [shot(two, 0, 3)], [fx])
    assert [gap.cue.what for gap in found.missing if gap.cue] == ["cloth"]


def test_a_sound_that_lasts_is_missing_where_only_air_is_heard(tmp_path) -> None:
    track = air(20, -60)
    track[5 * RATE : 8 * RATE] += air(3, -36, 1)
    fx = track_of(tmp_path, "fx.wav", track)
    cues = [bed(5, 8), bed(12, 14), bed(14, 16), hit(5)]
    found = find_gaps(REEL, [shot(cues)], [fx])
    (gap,) = found.missing
    assert (gap.kind, gap.start, gap.end) == ("bed", 12, 16)  # parts that touch are one
    assert found.actions == 3


def test_air_that_lives_in_the_dialogue_is_a_hole(tmp_path) -> None:
    steps = [Fraction(n, 2) + Fraction(1, 4) for n in range(39)]
    effects = with_hits(air(20, -56), steps)
    quiet = with_hits(np.zeros(20 * RATE, np.float32), steps)
    for first, last in ((4, 6), (14, 17)):
        effects[first * RATE : last * RATE] = quiet[first * RATE : last * RATE]
    dialogue = np.zeros(20 * RATE, np.float32)
    for first, last in ((4, 6), (9, 11), (14, 17)):  # the second has air under it
        span = slice(first * RATE, last * RATE)
        dialogue[span] = air(last - first, -57, first) + 0.1 * np.sin(
            np.arange((last - first) * RATE) / 20
        ) * (np.arange((last - first) * RATE) % 24_000 < 14_000)
    fx, dx = (track_of(tmp_path, f"{n}.wav", s) for n, s in (("fx", effects), ("dx", dialogue)))
    shots = [shot([hit(t) for t in steps if t < 10], 0, 10),
             replace(shot([hit(t) for t in steps if t >= 10], 10, 20), number=2)]  # fmt: skip
    found = find_gaps(REEL, shots, [fx], [dx])
    assert [(g.shot.number, round(g.start, 1), round(g.end, 1)) for g in found.holes] == [
        (1, 4, 6),
        (2, 14, 17),
    ]
    assert not found.missing
    assert not find_gaps(REEL, shots, [fx]).holes  # without dialogue nobody asks


def test_tracks_lie_where_their_time_stamp_says(tmp_path) -> None:
    samples = with_hits(air(3, -70), [1.0])
    about = Broadcast(start=Fraction(3598))  # a pop, two seconds before the hour
    write_broadcast(tmp_path / "fx.wav", [samples[:, None]], RATE, 1, about=about)
    (piece,) = open_sound(tmp_path / "fx.wav", Fraction(3600)).pieces
    assert piece.at == -2
    for start, length in ((0, None), (0, 9), (36_000, 9), (3000, 9)):  # no clock, another reel's
        (piece,) = open_sound(tmp_path / "fx.wav", Fraction(start), length).pieces
        assert piece.at == 0
    placed = TrackSound("fx", (Piece(tmp_path / "fx.wav", Fraction(-1, 2)),
                               Piece(tmp_path / "fx.wav", Fraction(2), Fraction(3, 4),
                                     Fraction(1))))  # fmt: skip
    heard = listen(placed.blocks(Fraction(5)), FILL.least_rise_db)
    strong = [round(t, 1) for t, s in zip(heard.onsets, heard.strengths, strict=True) if s > 20]
    assert strong == pytest.approx([0.5, 2.2], abs=0.11)
    assert len(heard.loudness) == 50 and not np.isfinite(heard.loudness[-1])


def test_blocks_of_any_length_are_heard_alike() -> None:
    track = with_hits(air(6, -60), [1, 2.5, 4])
    whole = listen([track], FILL.least_rise_db)
    parts = listen(np.array_split(track, 37), FILL.least_rise_db)
    assert np.allclose(whole.onsets, parts.onsets) and len(whole.onsets) >= 3
    assert np.allclose(whole.loudness, parts.loudness)
    both = Heard.together([whole, parts], 60)
    assert len(both.onsets) == len(whole.onsets)
    assert both.loudness[0] == pytest.approx(whole.loudness[0] + 3.01, abs=0.01)


@pytest.fixture
def reel(tmp_path):
    for name in ("one", "two"):
        write_film(tmp_path / f"{name}.mp4", strikes([0.5, 1.5], 3), NTSC)
    write_timeline(cut(("one", 10, 30), ("two", 8, 31)), tmp_path / "cut.fcpxml")
    out = tmp_path / "cut_sfx.fcpxml"
    plan = plan_reel(tmp_path / "cut.fcpxml", out, roots=[tmp_path])
    sound_reel(plan, GenerateConfig(air=False), Clicks())
    return out


def test_a_reel_that_was_sounded_counts_its_own_sounds(tmp_path, reel) -> None:
    there = find_missing(reel, Asked(), GenerateConfig())
    assert there.actions == 2 and not there.gaps
    waves = sorted((tmp_path / "cut_sfx_sfx").glob("Reel_00?_*.wav"))
    for wave in waves:
        samples, rate = soundfile.read(wave)
        soundfile.write(wave, samples * 0, rate, subtype="PCM_24")
    silent = find_missing(reel, Asked(), GenerateConfig())
    assert [gap.shot.number for gap in silent.gaps] == [1, 2]
    (cue,) = read_cues(waves[1].with_suffix(".csv"))
    timeline = read_timeline(reel)
    assert gap_rows(silent)[1]["first"] == str(timeline.timecode(30 / NTSC + cue.start))
    with pytest.raises(UsageError, match="no effects"):
        find_missing(tmp_path / "cut.fcpxml", Asked(), GenerateConfig())
    with pytest.raises(UsageError, match="no sound track"):
        find_missing(reel, Asked(effects=["A7"]), GenerateConfig())


def test_lists_are_written_and_only_holes_are_made(tmp_path, reel) -> None:
    timeline = read_timeline(tmp_path / "cut.fcpxml")
    cues = [read_cues(p)[0] for p in sorted((tmp_path / "cut_sfx_sfx").glob("Reel_00?_*.csv"))]
    at = cues[0].start
    fx = with_hits(np.zeros(round(timeline.duration * RATE), np.float32), [at])
    soundfile.write(tmp_path / "fx.wav", fx, RATE, subtype="PCM_24")
    words = ["fill", str(tmp_path / "cut.fcpxml"), "--effects", str(tmp_path / "fx.wav"),
             "--media-root", str(tmp_path)]  # fmt: skip
    said = CliRunner().invoke(app, [*words, "--json", "-o", str(tmp_path / "list.csv")])
    assert said.exit_code == 0, said.output
    told = json.loads(said.stdout)
    assert (told["shots"], told["actions"], told["missing"], told["holes"]) == (2, 2, 1, None)
    with (tmp_path / "list.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["shot"] == "2" and row["kind"] == "hit"
    again = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "list.md")])
    assert "1 of 2 actions in 2 shots without sound" in again.output
    assert row["first"] in (tmp_path / "list.md").read_text()
    for name in ("list.xlsx", "list.pdf"):
        pytest.importorskip({"x": "openpyxl", "p": "reportlab"}[name[5]])
        assert CliRunner().invoke(app, [*words, "-o", str(tmp_path / name)]).exit_code == 0
    asked = Asked(effects=[str(tmp_path / "fx.wav")], roots=[tmp_path])
    filling = find_missing(tmp_path / "cut.fcpxml", asked, GenerateConfig())
    made = make_missing(tmp_path / "cut.fcpxml", filling, tmp_path / "fill.fcpxml", asked,
                        GenerateConfig(), Clicks())  # fmt: skip
    assert made is not None and [one.shot.number for one in made.sounds] == [2]
    assert [len(one.cues) for one in made.sounds] == [1]
    stem = soundfile.read(made.plan.stem)[0]
    first = round(30 / NTSC * RATE)
    assert len(stem) == len(fx) and not stem[: first - 1].any() and stem[first + 1 :].any()


def test_a_track_of_the_cut_is_read_from_its_media(tmp_path, reel) -> None:
    samples = with_hits(air(4, -70), [2.0])
    (tmp_path / "sound").mkdir()
    soundfile.write(tmp_path / "sound" / "prod.wav", samples, RATE, subtype="PCM_24")
    there = read_timeline(tmp_path / "cut.fcpxml")
    media = Media(name="prod.wav", start=Fraction(0), duration=Fraction(4), channels=1,
                  sample_rate=RATE)  # fmt: skip
    shots = find_missing(reel, Asked(), GenerateConfig()).shots
    at = shots[0].cues[0].start
    event = Event(name="prod.wav", media=media, start=at - Fraction(1, 4),
                  duration=Fraction(1, 2), source=Fraction(7, 4))  # fmt: skip
    sounds = Track(kind="sound", events=(event,), name="FX")
    write_timeline(replace(there, tracks=(*there.tracks, sounds)), tmp_path / "cut.otio")
    asked = Asked(effects=["1"], roots=[tmp_path])
    found = find_missing(tmp_path / "cut.otio", asked, GenerateConfig(), Clicks())
    assert [gap.shot.number for gap in found.gaps] == [2]
