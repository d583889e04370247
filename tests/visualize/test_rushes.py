"""Rushes are indexed once, chosen by words and motion, cut to the frame, and listed as they lie."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from foleycli.config import FEATURES, VISUALIZE
from foleycli.errors import MediaError
from foleycli.timeline.files import read_timeline
from foleycli.visualize import index as index_room
from foleycli.visualize.cutting import Slot, find_slots
from foleycli.visualize.hear import Heard, hear
from foleycli.visualize.index import Seen, open_index
from foleycli.visualize.make import visualize
from foleycli.visualize.match import motion_score, slide
from foleycli.visualize.request import Request
from foleycli.visualize.rushes import choose, list_shots
from foleycli.visualize.sound import open_sound
from tests.films import strikes, write_film
from tests.visualize.sounds import clicks, write_wave

RATE = Fraction(25)


def made_up(path: Path, seconds: float, moves: tuple[float, ...], seed: int = 0) -> Seen:
    """What might be seen in a film in which something moves at these times."""
    random = np.random.default_rng(seed)
    motion = 0.02 * random.random(round(25 * seconds)).astype(np.float32)
    for time in moves:
        motion[round(25 * time)] = 1
    return Seen(
        path=path,
        duration=Fraction(seconds),
        frame_rate=RATE,
        start=Fraction(3600),
        drop=False,
        cuts=(),
        what=random.standard_normal((round(4 * seconds), FEATURES.what_size)).astype(np.float32),
        classes=np.zeros((round(2 * seconds), 1000), np.float32),
        motion=motion,
        hits=(motion > 0.5).astype(np.float32),
    )


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """3 s with one strong click at 1.0 s."""
    path = tmp_path_factory.mktemp("sound") / "a.wav"
    return hear(open_sound(write_wave(path, clicks([1.0], 3.0))))


def test_an_index_goes_on_where_it_stopped(tmp_path: Path, monkeypatch) -> None:
    rushes, kept = tmp_path / "rushes", tmp_path / "index"
    rushes.mkdir()
    looked: list[str] = []

    def look(path: Path) -> Seen:
        looked.append(path.name)
        if path.name == "c.mov":
            raise MediaError("No picture of c.mov can be decoded.", "Copy it again.")
        return made_up(path, 4, (1.0,))

    monkeypatch.setattr(index_room, "look_at", look)
    for name in "ab":
        (rushes / f"{name}.mov").write_bytes(b"film")
    assert [seen.path.name for seen in open_index(rushes, kept)] == ["a.mov", "b.mov"]
    (rushes / "c.mov").write_bytes(b"broken")
    (rushes / "d.mov").write_bytes(b"film")
    again = open_index(rushes, kept)
    assert [seen.path.name for seen in again] == ["a.mov", "b.mov", "d.mov"]
    assert looked == ["a.mov", "b.mov", "c.mov", "d.mov"]
    assert np.array_equal(again[0].motion, made_up(Path("x"), 4, (1.0,)).motion)


def test_a_damaged_entry_is_named_and_left_out(tmp_path: Path, monkeypatch, caplog) -> None:
    rushes, kept = tmp_path / "rushes", tmp_path / "index"
    rushes.mkdir()
    monkeypatch.setattr(index_room, "look_at", lambda path: made_up(path, 4, (1.0,)))
    for name in "ab":
        (rushes / f"{name}.mov").write_bytes(b"film")
    open_index(rushes, kept)
    next(kept.glob("*.npz")).write_bytes(b"PK")
    assert len(open_index(rushes, kept)) == 1
    assert "damaged" in caplog.text


def test_the_best_piece_of_motion_is_where_it_was_cut_from() -> None:
    random = np.random.default_rng(3)
    motion = random.random(400).astype(np.float32)
    score, at = motion_score(motion[137:237], motion, motion)
    assert at == 137 and score > 1.94
    assert len(slide(motion[:100], motion)) == 301


def test_the_strongest_onset_meets_the_strongest_motion(heard: Heard, tmp_path: Path) -> None:
    shots = list_shots([made_up(tmp_path / "a.mov", 10, (4.0,))])
    (choice,) = choose(shots, [Slot(0, 75)], heard, RATE)
    shown = (4.0 - float(choice.source)) / float(choice.speed)
    assert shown == pytest.approx(1.0, abs=0.06)
    assert abs(float(choice.speed) - 1) <= VISUALIZE.retime + 1e-9


def test_no_stretch_is_shown_twice_and_a_slot_too_long_is_halved(
    heard: Heard, tmp_path: Path
) -> None:
    shots = list_shots([made_up(tmp_path / f"{n}.mov", 2, (0.5,), n) for n in range(3)])
    choices = choose(shots, [Slot(0, 75)], heard, RATE)
    assert [choice.slot.first for choice in choices] == sorted(c.slot.first for c in choices)
    assert sum(choice.slot.frames for choice in choices) == 75
    spans = [
        (c.shot.number, float(c.source), float(c.slot.frames / RATE * c.speed)) for c in choices
    ]
    for n, (shot, start, length) in enumerate(spans):
        for other, begin, _ in spans[n + 1 :]:
            assert shot != other or begin >= start + length - 0.05 or begin < start


def test_words_decide_where_motion_does_not(heard: Heard, tmp_path: Path) -> None:
    wanted = np.tile(heard.vectors.mean(axis=0), (16, 1))
    films = [made_up(tmp_path / f"{n}.mov", 4, (2.0,), n) for n in range(6)]
    films[4] = replace(films[4], what=wanted.astype(np.float32))
    heard = replace(heard, scores=np.zeros_like(heard.scores))
    (choice,) = choose(list_shots(films), [Slot(0, 75)], heard, RATE)
    assert choice.shot.seen.path.name == "4.mov"


def test_slots_cover_all_frames_and_none_is_too_short(tmp_path: Path) -> None:
    wave = np.concatenate([clicks([0.2, 0.9, 1.6], 4.0), 20 * clicks([], 4.0, seed=1)])
    sound = open_sound(write_wave(tmp_path / "a.wav", wave))
    slots = find_slots(hear(sound), sound.frames(RATE), RATE)
    assert (slots[0].first, slots[-1].last) == (0, 200)
    assert all(a.last == b.first for a, b in pairwise(slots))
    assert min(slot.frames for slot in slots) >= VISUALIZE.shot_seconds * 25 - 1
    assert max(slot.frames for slot in slots) <= VISUALIZE.longest_shot * 25 + 1
    assert any(abs(slot.first - 100) <= 15 for slot in slots)  # where hiss follows clicks


def test_a_cut_is_exact_and_its_lists_say_what_is_seen(tmp_path: Path) -> None:
    rushes = tmp_path / "rushes"
    rushes.mkdir()
    write_film(rushes / "hits.mp4", strikes([1.5], 4.0, 25), 25)
    write_film(rushes / "other.mp4", strikes([0.4, 3.6], 4.0, 25), 25)
    sound = write_wave(
        tmp_path / "a.wav", clicks([1.0], 2.0), start=Fraction(3600), frame_rate=RATE
    )
    request = Request(
        way="rushes", material=rushes, index=tmp_path / "index", width=320, height=180, takes=2
    )
    result = visualize(sound, tmp_path / "cut.mov", request)
    with av.open(str(tmp_path / "cut.mov")) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(frames) == 50
    first = result.takes[0].facts["cuts"][0]
    assert first["film"] == "hits.mp4"
    shown = (1.5 - first["source_seconds"]) / first["speed"]
    assert shown == pytest.approx(1.0, abs=0.09)
    changes = [float(np.abs(b[:140].astype(int) - a[:140]).mean()) for a, b in pairwise(frames)]
    assert abs((int(np.argmax(changes)) + 1) / 25 - shown) <= 0.05
    edl = read_timeline(tmp_path / "cut.edl", RATE)
    otio = read_timeline(tmp_path / "cut.otio")
    for timeline in (edl, otio):
        event = timeline.pictures[0].events[0]
        assert float(event.source) == pytest.approx(first["source_seconds"], abs=0.021)
        assert str(timeline.timecode(Fraction(0))) == "01:00:00:00"
    assert otio.pictures[0].events[0].speed == Fraction(first["speed"]).limit_denominator(100)
    assert result.takes[1].facts["cuts"][0]["film"] != "hits.mp4"
