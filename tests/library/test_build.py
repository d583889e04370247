"""A bank is cut from a folder of sounds and its table."""

import csv
import zlib

import numpy as np
import pytest
import soundfile

from foleycli.errors import UsageError
from foleycli.library.bank import Bank
from foleycli.library.build import build_bank, held_out, sound_label
from foleycli.library.level import SAMPLE_RATE
from foleycli.library.typical import typicality

COLUMNS = ("file", "class", "label", "licence", "author", "url", "source")


@pytest.fixture
def sounds(tmp_path):
    """A knock, a hiss, a clipped crash, a broken file, and a knock that is held out."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    rng = np.random.default_rng(0)
    decay = np.exp(-np.arange(24_000) / 1500)
    knock = np.concatenate([np.zeros(4800), 0.3 * decay * rng.standard_normal(24_000)])
    secret = next(f"k{n}.wav" for n in range(99) if zlib.crc32(f"k{n}.wav".encode()) % 10 == 0)
    files = {
        "knock.wav": ("door", "door knock 01", knock),
        "hiss.wav": ("rain", "rain heavy", 0.1 * rng.standard_normal(5 * SAMPLE_RATE)),
        "crash.wav": ("metal", "crash", np.sign(rng.standard_normal(24_000))),
        secret: ("door", "door slam", knock),
    }
    rows = [(f, c, label, "CC0", "A", "", "t") for f, (c, label, _) in files.items()]
    rows.append(("torn.wav", "door", "door", "CC0", "A", "", "t"))
    for name, (_, _, samples) in files.items():
        soundfile.write(folder / name, samples, SAMPLE_RATE)
    (folder / "torn.wav").write_bytes(b"no sound")
    with (folder / "sounds.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return folder


def test_build(sounds, tmp_path, caplog):
    build_bank(sounds, tmp_path / "bank", clean=False)
    bank = Bank.open(tmp_path / "bank")
    assert [(r.kind, r.label) for r in bank.recordings] == [
        ("bed", "rain heavy"),
        ("hit", "door knock"),
    ]
    knock = bank.find("knocking on a door", "hit", 1)[0].recording
    samples = knock.read()
    attack = int(np.argmax(np.abs(samples) > 0.3 * np.abs(samples).max()))
    assert abs(attack - knock.onset) < 48  # 1 ms, after Opus
    assert "torn.wav" in caplog.text
    assert "A" in (tmp_path / "bank" / "CREDITS.csv").read_text()
    assert not list(tmp_path.glob("*.building"))


def test_no_table(tmp_path):
    with pytest.raises(UsageError, match=r"sounds\.csv"):
        build_bank(tmp_path, tmp_path / "bank", clean=False)


def test_held_out_is_one_in_ten():
    assert 80 < sum(held_out(f"door/{n}.opus") for n in range(1000)) < 120


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("src dog bark", "dog bark"),
        ("dspistol", "pistol shot"),
        ("dsbgact", ""),
        ("piano hit 2", ""),
        ("assets 450755 florianreichelt waves of hawaii", "waves hawaii"),
    ],
)
def test_sound_label(label, words):
    assert sound_label(label) == words


def test_typicality_tells_a_stranger():
    rng = np.random.default_rng(0)
    centres = np.eye(2, 16)
    rows = np.concatenate([centres[k] + 0.1 * rng.standard_normal((20, 16)) for k in (0, 1)])
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    classes = ["a"] * 20 + ["b"] * 19 + ["a"]  # the last one is mislabelled
    shares = typicality(rows, classes, [str(n) for n in range(40)])
    assert shares[:39].min() > 0.5
    assert shares[39] < 0.1
