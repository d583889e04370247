"""An editor's own folder of sounds."""

import json

import numpy as np
import pytest
import soundfile

from foleycli.errors import UsageError
from foleycli.library import index
from foleycli.library.index import open_bank
from foleycli.library.level import SAMPLE_RATE


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """Two slams in a UCS-named 44.1 kHz stereo file, a wind, a broken file, a text."""
    root = tmp_path / "My Sounds"
    (root / "Weather").mkdir(parents=True)
    rng = np.random.default_rng(0)
    slams = 1e-4 * rng.standard_normal((2 * 44_100, 2))
    for at in (0.5, 1.2):
        first = round(at * 44_100)
        slams[first : first + 8000] += np.exp(-np.arange(8000) / 800)[:, None] * 0.3
    soundfile.write(root / "DOORWood_Heavy Slam_AB_XYZ.wav", slams, 44_100)
    soundfile.write(
        root / "Weather" / "strong wind.flac", 0.1 * rng.standard_normal(4 * 48_000), 48_000
    )
    (root / "broken.wav").write_bytes(b"RIFF0000WAVEnothing")
    (root / "notes.txt").write_text("no sound")
    return root


def test_hits_and_beds_are_found_with_their_words(folder):
    bank = open_bank(folder)
    hits = [r for r in bank.recordings if r.kind == "hit"]
    assert [r.label for r in hits] == ["heavy slam door wood"] * 2
    attacks = [(r.start + r.onset) / SAMPLE_RATE for r in hits]
    assert np.allclose(attacks, [0.5, 1.2], atol=0.002)
    assert bank.find("wind blowing", "bed", 1)[0].recording.label == "strong wind weather"
    assert bank.recordings[0].category in {"door", "wood"}


def test_a_recording_inside_a_file_of_another_rate_is_cut_exactly(folder):
    recording = next(r for r in open_bank(folder).recordings if r.kind == "hit")
    samples = recording.read()
    assert len(samples) == recording.samples
    assert abs(int(np.argmax(np.abs(samples) > 0.1)) - recording.onset) < 48


def test_files_are_heard_once(folder, monkeypatch):
    open_bank(folder)
    monkeypatch.setattr(index, "listen", lambda *_: pytest.fail("heard again"))
    assert len(open_bank(folder).recordings) == 3


def test_an_interrupted_index_goes_on(folder, monkeypatch):
    open_bank(folder)
    (memory,) = index.cache_folder("library").glob("*.jsonl")
    lines = memory.read_text().splitlines()
    kept = [line for line in lines if "Slam" in json.loads(line)[1]]
    memory.write_text(kept[0] + "\n" + lines[-1][:10])
    heard = []
    listen = index.listen
    monkeypatch.setattr(
        index, "listen", lambda file, root: heard.append(file.name) or listen(file, root)
    )
    assert len(open_bank(folder).recordings) == 3
    assert sorted(heard) == ["broken.wav", "strong wind.flac"]


def test_unusable_files_are_named(folder, caplog):
    open_bank(folder)
    assert "broken.wav" in caplog.text


def test_description_inside_a_file(folder):
    path = folder / "0001.wav"
    soundfile.write(path, np.zeros(4800), 48_000)
    bext = b"bext" + (602).to_bytes(4, "little") + b"Crow calls twice".ljust(602, b"\0")
    path.write_bytes(path.read_bytes() + bext)
    assert index.listen(path, folder).words == "crow calls twice"


@pytest.mark.parametrize("content", [{}, {"a.txt": b"x"}])
def test_empty_folder(tmp_path, content):
    (tmp_path / "sounds").mkdir()
    for name, text in content.items():
        (tmp_path / "sounds" / name).write_bytes(text)
    with pytest.raises(UsageError, match="no sound files"):
        open_bank(tmp_path / "sounds")


def test_only_silence(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(48_000), 48_000)
    with pytest.raises(UsageError, match="silent"):
        open_bank(tmp_path)


def test_a_cache_nobody_may_write_costs_a_line(folder, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path / "file" / "x"))
    assert len(open_bank(folder).recordings) == 3
    assert "cannot be written" in caplog.text and "FOLEY_CACHE" in caplog.text


def test_a_cache_that_holds_something_else_is_made_again(folder, tmp_path):
    open_bank(folder)
    cache = tmp_path / "cache" / "library"
    for file in cache.iterdir():
        file.write_bytes(b"[1]\n[[[\n" + b"[" * 5000 + b"\n" + b'[1, "a", "b", [["hit"]]]\n\xff')
    assert len(open_bank(folder).recordings) == 3


def test_links_in_a_loop_are_no_sounds(folder):
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "Weather" / "up").symlink_to(folder)
    assert len(open_bank(folder).recordings) == 3
