"""Recordings that sound like a file."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from foleycli.errors import MediaError
from foleycli.library.bank import Bank, split_phrases
from foleycli.library.like import ask_like, describe, likeness
from foleycli.spot.cues import Cue, find_likes, read_cues, split_like


def cue(what: str, kind="hit") -> Cue:
    return Cue(start=Fraction(0), duration=Fraction(1), kind=kind, what=what)


def test_words_and_file_are_told_apart(tmp_path) -> None:
    assert split_like("door slam") == ("door slam", "")
    assert split_like("door like:a, b/c.wav") == ("door", "a, b/c.wav")
    assert split_phrases("door, glass like:a, b/c.wav") == [
        "door like:a, b/c.wav", "glass like:a, b/c.wav"]  # fmt: skip
    assert split_phrases("like:/x/y.wav") == ["like:/x/y.wav"]
    sheet = tmp_path / "s.csv"
    sheet.write_text("start,what\n1,door like:a.wav\n")
    with pytest.raises(MediaError, match=r"a\.wav is not there"):
        find_likes(read_cues(sheet), tmp_path)
    (tmp_path / "a.wav").write_bytes(b"x")
    assert find_likes(read_cues(sheet), tmp_path)[0].what == f"door like:{tmp_path / 'a.wav'}"


@pytest.fixture(scope="module")
def bank() -> Bank:
    return Bank.open(None)


def test_a_recording_is_most_like_itself_at_another_level_and_pitch(bank, tmp_path) -> None:
    """Played a third of a semitone higher, 8 dB softer, with half a second before it."""
    chance = np.random.default_rng(3)
    hits = [r for r in bank.recordings if r.kind == "hit"]
    ranks = []
    for number in chance.choice(len(hits), 6, replace=False):
        samples = hits[number].read()
        positions = np.arange(0, len(samples) - 1, 2 ** (1 / 36))
        other = np.interp(positions, np.arange(len(samples)), samples) * 0.4
        path = Path(tmp_path / f"{number}.wav")
        soundfile.write(path, np.concatenate([np.zeros(24_000), other]), 48_000)
        order = np.argsort(-likeness(bank.sounds, path))
        ranks.append([bank.recordings[n].id for n in order[:20]].index(hits[number].id))
    assert np.median(ranks) == 0


def test_cues_ask_for_sounds_like_a_file(bank, tmp_path) -> None:
    door = next(r for r in bank.recordings if r.kind == "hit" and "door" in r.label)
    path = tmp_path / "mine.wav"
    soundfile.write(path, door.read(), 48_000)
    cues = ask_like([cue("wood impact"), cue("wind", "bed")], path)
    assert [c.what for c in cues] == [f"like:{path}", "wind"]
    assert ask_like([cue("wood impact")], path, True)[0].what == f"wood impact like:{path}"
    assert bank.find(cues[0].what, "hit", 3)[0].recording == door
    soundfile.write(path, np.zeros(4800), 48_000)
    with pytest.raises(MediaError, match="silent"):
        ask_like(cues, path)


def test_a_description_does_not_depend_on_level() -> None:
    noise = np.random.default_rng(0).standard_normal(24_000).astype(np.float32)
    noise *= np.exp(-np.arange(24_000) / 3000).astype(np.float32) * 0.3
    assert np.abs(describe(noise) - describe(noise * 0.25)).max() < 0.7
