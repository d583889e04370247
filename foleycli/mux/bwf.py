"""Broadcast wave: a .wav that says what it is and where it belongs on a film's clock.

bext version 2 (EBU Tech 3285) and iXML 1.61 (gallery.co.uk/ixml), in RIFF and RF64.
"""

import os
import struct
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from foleycli.waveform.loudness import LoudnessMeter, PeakMeter
from foleycli.waveform.space import SPEAKERS
from foleycli.waveform.write import BITS, Chunk, write_waveform

_UNKNOWN = 0x7FFF  # a loudness field that says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """What a broadcast wave says of itself."""

    description: str = ""  # 256 bytes are kept
    originator: str = "foleycli"
    originated: datetime | None = None  # None: when it is written, or $SOURCE_DATE_EPOCH
    start: Fraction = Fraction(0)  # seconds from midnight of the first sample: the film's timecode
    frame_rate: Fraction | None = None  # of the film's timecode, such as 24000/1001
    drop_frame: bool = False
    project: str = ""
    scene: str = ""
    take: str = ""
    track_names: tuple[str, ...] = ("Foley",)

    def time_reference(self, sample_rate: int) -> int:
        """Samples from midnight to the first one, rounded once."""
        return round(self.start * sample_rate)


def write_broadcast(
    path: str | Path,
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    channels: int = 1,
    *,
    about: Broadcast | None = None,
    overwrite: bool = False,
) -> str:
    """Stream blocks into a 24-bit broadcast wave; loudness is measured as it passes.

    Args:
        blocks: float (samples,) or (samples, channels).
        sample_rate: Hz.
        about: what the file says of itself.

    Returns:
        BLAKE2b of the 24-bit samples, in hexadecimal.

    Raises:
        FoleyError: as `atomic_output`.
    """
    about = about or Broadcast()
    about = replace(about, originated=about.originated or _today())
    loudness, peak = LoudnessMeter(sample_rate, channels), PeakMeter()

    def heard() -> Iterator[np.ndarray]:
        for block in blocks:
            loudness.add(block)
            peak.add(block)
            yield block

    def chunks() -> list[Chunk]:
        return describe(about, sample_rate, channels, loudness, peak)

    return write_waveform(path, heard(), sample_rate, channels, overwrite=overwrite, chunks=chunks)


def describe(
    about: Broadcast, sample_rate: int, channels: int, loudness: LoudnessMeter, peak: PeakMeter
) -> list[Chunk]:
    """The chunks that say what a wave is: bext and iXML."""
    about = replace(about, originated=about.originated or _today())
    return [
        (b"bext", _even(_bext(about, sample_rate, channels, loudness, peak), b"\0")),
        (b"iXML", _even(_ixml(about, sample_rate, channels), b"\n")),
    ]


def _today() -> datetime:
    """Now, on this machine's clock; what $SOURCE_DATE_EPOCH says, for bytes that are the same again
    (https://reproducible-builds.org/specs/source-date-epoch/)."""
    with suppress(KeyError, ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    return datetime.now().astimezone()


def _even(content: bytes, filler: bytes) -> bytes:
    """libsndfile loses its way after an odd chunk of an RF64 file."""
    return content + filler * (len(content) % 2)


def _bext(
    about: Broadcast, sample_rate: int, channels: int, loudness: LoudnessMeter, peak: PeakMeter
) -> bytes:
    day = about.originated.strftime("%Y-%m-%d") if about.originated else ""
    time = about.originated.strftime("%H:%M:%S") if about.originated else ""
    mode = {1: "mono", 2: "stereo"}.get(channels, "multichannel")
    history = f"A=PCM,F={sample_rate},W={BITS},M={mode},T=foleycli\r\n"
    levels = [
        loudness.integrated(),
        loudness.loudness_range(),
        peak.peak_db(),
        loudness.max_momentary(),
        loudness.max_short_term(),
    ]
    return b"".join(
        [
            _text(about.description, 256),
            _text(about.originator, 32),
            _text("", 32),  # OriginatorReference
            _text(day, 10),
            _text(time, 8),
            struct.pack("<QH", about.time_reference(sample_rate), 2),
            bytes(64),  # UMID: none
            struct.pack("<5h", *(_hundredths(level) for level in levels)),
            bytes(180),
            history.encode("ascii"),
        ]
    )


def _text(value: str, size: int) -> bytes:
    """ASCII, as EBU asks and strict readers insist; accents fall off, iXML keeps them."""
    letters = (c for c in unicodedata.normalize("NFKD", value) if not unicodedata.combining(c))
    return "".join(letters).encode("ascii", errors="replace")[:size].ljust(size, b"\0")


def _hundredths(level: float) -> int:
    hundredths = round(level * 100) if np.isfinite(level) else _UNKNOWN
    return hundredths if -9999 <= hundredths <= 9999 else _UNKNOWN


def _ixml(about: Broadcast, sample_rate: int, channels: int) -> bytes:
    names = [*about.track_names, *[""] * channels][:channels]
    if len(about.track_names) == 1 and channels in SPEAKERS and channels > 1:
        names = [f"{names[0]} {speaker}" for speaker in SPEAKERS[channels]]
    tracks = "".join(
        f"<TRACK><CHANNEL_INDEX>{number}</CHANNEL_INDEX><INTERLEAVE_INDEX>{number}"
        f"</INTERLEAVE_INDEX><NAME>{escape(name)}</NAME><FUNCTION>FX</FUNCTION></TRACK>"
        for number, name in enumerate(names, 1)
    )
    head = {
        "IXML_VERSION": "1.61",
        "PROJECT": about.project,
        "SCENE": about.scene,
        "TAKE": about.take,
        "NOTE": about.description,
    }
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<BWFXML>'
        + _elements(head)
        + f"<SPEED>{_elements(_speed(about, sample_rate))}</SPEED>"
        + f"<TRACK_LIST><TRACK_COUNT>{channels}</TRACK_COUNT>{tracks}</TRACK_LIST></BWFXML>"
    ).encode(errors="replace")


def _speed(about: Broadcast, sample_rate: int) -> dict[str, str]:
    reference = about.time_reference(sample_rate)
    speed = {
        "FILE_SAMPLE_RATE": str(sample_rate),
        "AUDIO_BIT_DEPTH": str(BITS),
        "DIGITIZER_SAMPLE_RATE": str(sample_rate),
        "TIMESTAMP_SAMPLE_RATE": str(sample_rate),
        "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI": str(reference >> 32),
        "TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO": str(reference & 0xFFFF_FFFF),
    }
    if about.frame_rate:
        rate = f"{about.frame_rate.numerator}/{about.frame_rate.denominator}"
        flag = "DF" if about.drop_frame else "NDF"
        speed |= {"MASTER_SPEED": rate, "CURRENT_SPEED": rate, "TIMECODE_RATE": rate,
                  "TIMECODE_FLAG": flag}  # fmt: skip
    return speed


def _elements(values: dict[str, str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
