"""Broadcast wave: where it belongs on the film's clock, what it says, how loud it is."""

import struct
from datetime import datetime
from fractions import Fraction
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile

import foleycli.waveform.write as write
from foleycli.mux.bwf import Broadcast, write_broadcast
from foleycli.mux.bwf_read import read_broadcast
from foleycli.waveform.loudness import integrated_loudness, true_peak

HOUR = Fraction(86_400 * 1001, 24_000)  # 01:00:00:00 at 23.976 in seconds
ABOUT = Broadcast(
    description="Sc 12 — the <café>",
    originated=datetime(2024, 3, 5, 10, 11, 12),
    start=HOUR,
    frame_rate=Fraction(24_000, 1001),
    project="P & Q",
    scene="12A",
    take="3",
)


def sound():
    return (0.2 * np.sin(np.arange(5 * 48_000) * 0.1)).astype(np.float32)


def chunks(path):
    """Name -> content of every chunk; the data chunk's size from ds64 where it is there."""
    content, found, place = path.read_bytes(), {}, 12
    while place < len(content):
        name, size = struct.unpack("<4sI", content[place : place + 8])
        if size == 0xFFFF_FFFF:
            size = struct.unpack("<Q", found[b"ds64"][8:16])[0]
        found[name] = content[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    return found


@pytest.mark.parametrize("take", ["3", "34"])
def test_any_length_of_words_is_read_in_rf64(tmp_path, monkeypatch, take):
    monkeypatch.setattr(write, "RIFF_LIMIT", 1000)
    about = Broadcast(take=take)
    write_broadcast(tmp_path / "a.wav", [sound()], 48_000, about=about)
    assert soundfile.info(tmp_path / "a.wav").frames == 240_000


@pytest.mark.parametrize("limit", [write.RIFF_LIMIT, 1000])
def test_bext(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(write, "RIFF_LIMIT", limit)
    path = tmp_path / "a.wav"
    write_broadcast(path, np.array_split(sound(), 9), 48_000, about=ABOUT)
    bext = chunks(path)[b"bext"]
    assert bext[:256].rstrip(b"\0") == b"Sc 12 ? the <cafe>"
    assert bext[256:288].rstrip(b"\0") == b"foleycli"
    assert bext[320:338] == b"2024-03-0510:11:12"
    reference, version = struct.unpack("<QH", bext[338:348])
    assert (reference, version) == (172_972_800, 2)
    loudness, _, peak, _, _ = struct.unpack("<5h", bext[412:422])
    assert loudness == round(100 * integrated_loudness([sound()], 48_000))
    assert peak == round(100 * true_peak([sound()]))
    assert bext[602:] == b"A=PCM,F=48000,W=24,M=mono,T=foleycli\r\n"
    read, _ = soundfile.read(path)
    assert np.allclose(read, sound(), atol=2**-23)


def test_ixml(tmp_path):
    path = tmp_path / "a.wav"
    write_broadcast(path, [sound()], 48_000, about=ABOUT)
    root = ElementTree.fromstring(chunks(path)[b"iXML"])
    assert root.findtext("PROJECT") == "P & Q" and root.findtext("SCENE") == "12A"
    assert root.findtext("NOTE") == "Sc 12 — the <café>"
    assert root.findtext("SPEED/TIMECODE_RATE") == "24000/1001"
    assert root.findtext("SPEED/TIMECODE_FLAG") == "NDF"
    assert root.findtext("SPEED/TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO") == "172972800"
    assert root.findtext("TRACK_LIST/TRACK/NAME") == "Foley"


def test_silence_says_no_loudness(tmp_path):
    write_broadcast(tmp_path / "a.wav", [np.zeros(4800)], 48_000)
    bext = chunks(tmp_path / "a.wav")[b"bext"]
    loudness, _, peak, _, _ = struct.unpack("<5h", bext[412:422])
    assert (loudness, peak) == (0x7FFF, 0x7FFF)


def test_the_day_it_was_made_is_said_and_can_be_held(tmp_path, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    before = datetime.now().replace(microsecond=0)
    write_broadcast(tmp_path / "now.wav", [np.zeros(480)], 48_000)
    made = read_broadcast(tmp_path / "now.wav")
    assert made is not None and made.originated is not None
    assert before <= made.originated <= datetime.now()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1709633472")
    for name in ("a.wav", "b.wav"):
        write_broadcast(tmp_path / name, [np.zeros(480)], 48_000)
    assert chunks(tmp_path / "a.wav")[b"bext"][320:338] == b"2024-03-0510:11:12"
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


@pytest.mark.parametrize("limit", [write.RIFF_LIMIT, 1000])
def test_the_order_of_chunks_is_that_of_the_ebu(tmp_path, monkeypatch, limit):
    """EBU Tech 3285: bext, fmt, data; room for ds64 before all (EBU Tech 3306)."""
    monkeypatch.setattr(write, "RIFF_LIMIT", limit)
    write_broadcast(tmp_path / "a.wav", [sound()], 48_000, about=ABOUT)
    first = b"JUNK" if limit > 1000 else b"ds64"
    assert list(chunks(tmp_path / "a.wav")) == [first, b"bext", b"fmt ", b"iXML", b"data"]
    read = read_broadcast(tmp_path / "a.wav")
    assert read is not None and read.originated == ABOUT.originated
