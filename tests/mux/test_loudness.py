"""Loudness against delivery presets."""

import contextlib
import json
from datetime import datetime
from fractions import Fraction

import numpy as np
import pytest
import soundfile

from foleycli.config import LOUDNESS
from foleycli.errors import UsageError
from foleycli.mux.bwf import Broadcast, write_broadcast
from foleycli.mux.bwf_read import read_broadcast
from foleycli.mux.loudness import gain_to, measure_loudness, write_at_gain

RATE = 48_000
ABOUT = Broadcast(description="Reel <1>", originated=datetime(2024, 3, 5, 10, 11, 12),
                  start=Fraction(18_018, 5), project="A & B", frame_rate=Fraction(24_000, 1001),
                  scene="7", take="2")  # fmt: skip


@pytest.fixture
def tone(tmp_path):
    """A 1 kHz sine at -30 dBFS in mono: -33.0 LUFS by BS.1770."""
    sound = np.sin(2 * np.pi * 1000 * np.arange(4 * RATE) / RATE) * 10 ** (-30 / 20)
    write_broadcast(tmp_path / "tone.wav", [sound.astype(np.float32)], RATE, about=ABOUT)
    return tmp_path / "tone.wav"


def test_a_broadcast_wave_is_read_back(tone) -> None:
    assert read_broadcast(tone) == ABOUT
    soundfile.write(tone.with_name("plain.wav"), np.zeros(10), RATE)
    assert read_broadcast(tone.with_name("plain.wav")) is None


def test_a_tone_is_measured_and_compared(tone) -> None:
    measured = measure_loudness(tone)
    assert measured.integrated == pytest.approx(-33.0, abs=0.1)
    assert measured.true_peak_db == pytest.approx(-30, abs=0.1)
    assert measured.misses(LOUDNESS["ebu"]) == ["-33.0 LUFS, wanted -23 ± 0.5"]


@pytest.mark.parametrize("preset", list(LOUDNESS))
def test_one_gain_brings_files_to_a_preset_and_keeps_their_stamp(tone, tmp_path, preset) -> None:
    target = LOUDNESS[preset]
    gain = gain_to([measure_loudness(tone)], target)
    (out,) = write_at_gain([tone], tmp_path / "set", gain)
    assert measure_loudness(out).misses(target) == []
    assert read_broadcast(out) == ABOUT


def test_copies_of_stems_add_up_as_the_stems_do(tmp_path) -> None:
    chance = np.random.default_rng(0)
    hits, beds = (chance.integers(-(2**20), 2**20, RATE).astype(np.int32) << 8 for _ in range(2))
    for name, sound in {"stem": hits + beds, "hits": hits, "beds": beds}.items():
        soundfile.write(tmp_path / f"{name}.wav", sound, RATE, subtype="PCM_24")
    paths = [tmp_path / f"{name}.wav" for name in ("stem", "hits", "beds")]
    outs = write_at_gain(paths, tmp_path / "set", -1.37)
    whole, *parts = (soundfile.read(out, dtype="int32")[0] for out in outs)
    assert np.array_equal(whole, sum(parts))


def test_silence_is_said_in_json_that_all_can_read(tmp_path, monkeypatch, capsys) -> None:
    from foleycli.cli import main

    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    command = ["foley", "loudness", str(tmp_path / "silent.wav"), "--json"]
    monkeypatch.setattr("sys.argv", command)
    with contextlib.suppress(SystemExit):
        main.main()

    def refuse(word: str):
        raise ValueError(word)

    assert json.loads(capsys.readouterr().out, parse_constant=refuse)["integrated"] is None


def test_peaks_are_never_pushed_through_the_ceiling(tone, tmp_path, caplog) -> None:
    sound, _ = soundfile.read(tone)
    sound[RATE] = 0.5
    soundfile.write(tone, sound, RATE, subtype="PCM_24")
    gain = gain_to([measure_loudness(tone)], LOUDNESS["ebu"])
    assert "peaks allow no more" in caplog.text
    (out,) = write_at_gain([tone], tmp_path / "set", gain)
    assert measure_loudness(out).true_peak_db == pytest.approx(-2.0, abs=0.05)
    assert measure_loudness(out).misses(LOUDNESS["ebu"])


def test_files_are_not_replaced_by_their_copies(tone) -> None:
    with pytest.raises(UsageError):
        write_at_gain([tone], tone.parent, 1.0, overwrite=True)
