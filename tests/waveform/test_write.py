"""24-bit .wav: exact samples, any length, other chunks, RF64."""

import struct

import numpy as np
import pytest
import soundfile

import foleycli.waveform.write as write
from foleycli.waveform.write import quantise, write_waveform


def test_every_sample_is_there_rounded_to_24_bits(tmp_path):
    sound = np.random.default_rng(0).uniform(-1, 1, 4801).astype(np.float32)
    write_waveform(tmp_path / "a.wav", np.array_split(sound, 7), 48_000)
    read, rate = soundfile.read(tmp_path / "a.wav")
    assert rate == 48_000 and soundfile.info(tmp_path / "a.wav").subtype == "PCM_24"
    assert len(read) == 4801 and np.abs(read - sound).max() <= 2**-24 + 2**-30


def test_equal_sound_is_equal_bytes_whatever_the_blocks(tmp_path):
    sound = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    hashes = {
        write_waveform(tmp_path / f"{parts}.wav", np.array_split(sound, parts), 48_000)
        for parts in (1, 3, 50)
    }
    assert len(hashes) == 1
    assert (tmp_path / "1.wav").read_bytes() == (tmp_path / "50.wav").read_bytes()


def test_full_scale_clamps_and_silence_stays_silent():
    assert quantise(np.array([1.0, 2.0])) == 2 * b"\xff\xff\x7f"
    assert quantise(np.array([-1.0, -2.0])) == 2 * b"\x00\x00\x80"
    assert quantise(np.zeros(3)) == bytes(9)
    with pytest.raises(ValueError, match="finite"):
        quantise(np.array([np.nan]))


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_channels_are_interleaved(tmp_path, channels):
    sound = np.linspace(-0.9, 0.9, 30 * channels).astype(np.float32).reshape(30, channels)
    write_waveform(tmp_path / "a.wav", [sound[:11], sound[11:]], 44_100, channels)
    read, _ = soundfile.read(tmp_path / "a.wav", always_2d=True)
    assert read.shape == (30, channels) and np.allclose(read, sound, atol=2**-23)


def test_an_empty_waveform_is_a_file_too(tmp_path):
    write_waveform(tmp_path / "a.wav", [], 48_000)
    assert soundfile.info(tmp_path / "a.wav").frames == 0


def test_past_the_limit_of_riff_it_is_rf64(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "RIFF_LIMIT", 1000)
    sound = np.linspace(-0.5, 0.5, 1001).astype(np.float32)
    write_waveform(tmp_path / "a.wav", [sound], 48_000)
    content = (tmp_path / "a.wav").read_bytes()
    assert content[:4] == b"RF64" and content[12:16] == b"ds64"
    riff_size, data_size, samples = struct.unpack("<QQQ", content[20:44])
    assert (riff_size, data_size, samples) == (len(content) - 8, 3003, 1001)
    read, _ = soundfile.read(tmp_path / "a.wav")
    assert np.allclose(read, sound, atol=2**-23)


@pytest.mark.parametrize(
    ("speakers", "mask"),
    [
        ((), 0x107),  # 4.0, as FFmpeg takes four channels
        (("FL", "FR", "BL", "BR"), 0x33),  # quad
        (("NONE",) * 4, 0),
        (("BL", "BR", "FL", "FR"), 0),  # an order that the format cannot say
    ],
)
def test_speakers_are_said_where_they_are_known(tmp_path, speakers, mask):
    sound = np.zeros((10, 4), np.float32)
    write_waveform(tmp_path / "a.wav", [sound], 48_000, 4, speakers=speakers)
    data = (tmp_path / "a.wav").read_bytes()
    place = data.index(b"fmt ") + 8 + 20
    assert int.from_bytes(data[place : place + 4], "little") == mask
