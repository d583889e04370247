"""A bed and objects as one wave with its Audio Definition Model: ADM BWF.

ITU-R BS.2076 (the model, in the chunk ``axml``), BS.2088 (the file, and ``chna``, which says whose
each track is), BS.2127 (the renderer whose panning the positions are given for).
"""

import re
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from foleycli.config import OUTPUT, LoudnessTarget
from foleycli.errors import MediaError
from foleycli.mux.bwf import Broadcast, describe
from foleycli.mux.loudness import gain_to, measure_blocks
from foleycli.output import scratch_folder
from foleycli.sources.objects import Moving, Scene, Stay
from foleycli.waveform.loudness import LoudnessMeter, PeakMeter, from_db, limit_peaks
from foleycli.waveform.space import SPEAKERS
from foleycli.waveform.write import Chunk, write_waveform

RATE = OUTPUT.sample_rate
TRACK_PEAK = -0.1  # dBTP of a track; the mix keeps to an output's ceiling
TICKS = 100_000  # of a second, in which BS.2076 writes times: hh:mm:ss.zzzzz
NAMESPACE = "urn:ebu:metadata-schema:ebuCore_2014"
FRONT = np.radians(30)  # from the middle to the left speaker (BS.2051)
# BS.2094: common packs, and the channel formats of their speakers in the order of `SPEAKERS`.
PACKS = {1: "AP_00010001", 2: "AP_00010002", 6: "AP_00010003"}
COMMON = {"M": "00010003", "L": "00010001", "R": "00010002", "C": "00010003", "LFE": "00010004",
          "Ls": "00010005", "Rs": "00010006"}  # fmt: skip
FIRST = 0x1001  # numbers below are the common definitions'


@dataclass(frozen=True, slots=True)
class Layout:
    """What the tracks of an ADM BWF are, in their order: bed, room, objects."""

    channels: int  # of bed and room
    has_room: bool
    objects: tuple[Moving, ...]
    length: int  # samples

    @classmethod
    def of(cls, scene: Scene) -> "Layout":
        """What the columns of a scene are."""
        return cls(scene.channels, scene.has_room, scene.objects, scene.length)

    def fitted(self, length: int) -> "Layout":
        """As of a file of so many samples: what is over is cut, the last places last longer."""

        def fit(one: Moving) -> Moving:
            inside = [replace(s, end=min(s.end, length)) for s in one.stays if s.start < length]
            inside[-1] = replace(inside[-1], end=length)
            return replace(one, stays=tuple(inside))

        return replace(self, objects=tuple(map(fit, self.objects)), length=length)

    @property
    def tracks(self) -> int:
        """How many there are."""
        return self.channels * (1 + self.has_room) + len(self.objects)


def azimuth_of(pan: float, channels: int) -> float:
    """Degrees, left positive, at which BS.2127's panner gives speakers the gains that a pan has
    here: for stereo its 0+2+0, for 5.1 its 0+5+0; for mono as for stereo."""
    side = min(1.0, abs(pan))
    if channels == 6:
        left, middle = np.sin(side * np.pi / 2), np.cos(side * np.pi / 2)
        angle = np.arctan2(left * np.sin(FRONT), middle + left * np.cos(FRONT))
    else:
        angle = np.arctan(np.tan(FRONT) * np.tan(side * np.pi / 4))
    return float(-np.sign(pan) * np.degrees(angle)) + 0.0


def pan_of(azimuth: float, channels: int) -> float:
    """The way back from `azimuth_of`."""
    angle = np.radians(min(30.0, abs(azimuth)))
    if channels == 6:
        left, middle = np.sin(angle) / np.sin(FRONT), np.sin(FRONT - angle) / np.sin(FRONT)
        side = np.arctan2(left, middle) * 2 / np.pi
    else:
        side = np.arctan(np.tan(angle) / np.tan(FRONT)) * 4 / np.pi
    return float(-np.sign(azimuth) * side) + 0.0


def hold_peaks(blocks: Iterable[np.ndarray], tracks: int) -> Iterator[np.ndarray]:
    """Hold the mix under an output's ceiling, and every track under `TRACK_PEAK`, by one gain for
    all: what one speaker alone plays is louder than a share of it.

    Args:
        blocks: (samples, tracks + channels), the mix last.
    """
    apart = np.float32(from_db(TRACK_PEAK - OUTPUT.true_peak_db))
    raised = (np.concatenate([b[:, :tracks], b[:, tracks:] * apart], axis=1) for b in blocks)
    for block in limit_peaks(raised, TRACK_PEAK, RATE):
        yield np.concatenate([block[:, :tracks], block[:, tracks:] / apart], axis=1)


def write_scene(
    path: Path, scene: Scene, about: Broadcast, target: LoudnessTarget | None = None
) -> None:
    """Write a scene, its peaks held, as an ADM BWF; as `write_adm`."""
    layout = Layout.of(scene)
    write_adm(path, hold_peaks(scene.blocks, layout.tracks), layout, about, target=target)


def write_adm(
    path: Path,
    blocks: Iterable[np.ndarray],
    layout: Layout,
    about: Broadcast,
    *,
    target: LoudnessTarget | None = None,
    overwrite: bool = False,
) -> str:
    """Write an ADM BWF: 48 kHz, 24 bit.

    Args:
        blocks: (samples, tracks + channels) float32, limited: the tracks, and the mix of all,
            which is not written: the file's loudness is its.
        target: one gain for all tracks brings the mix as near to it as true peaks allow.

    Returns:
        BLAKE2b of the samples.

    Raises:
        FoleyError: as `atomic_output`.
    """
    if target is None:
        return _write(path, blocks, layout, about, overwrite=overwrite)
    with scratch_folder(path.parent) as folder:
        raw, columns = folder / "raw.wav", layout.tracks + layout.channels
        write_waveform(raw, blocks, RATE, columns)
        mix = (block[:, layout.tracks :] for block in _read(raw))
        whole = measure_blocks(raw, mix, RATE, layout.channels)
        every = measure_blocks(raw, _read(raw), RATE, columns)
        every = replace(every, true_peak_db=every.true_peak_db + target.true_peak_db - TRACK_PEAK)
        silent = not np.isfinite(whole.integrated)
        gain = np.float32(1 if silent else from_db(gain_to([whole, every], target)))
        turned = (block * gain for block in _read(raw))
        return _write(path, turned, layout, about, overwrite=overwrite)


def _write(
    path: Path, blocks: Iterable[np.ndarray], layout: Layout, about: Broadcast, *, overwrite: bool
) -> str:
    loudness, peak = LoudnessMeter(RATE, layout.channels), PeakMeter()
    about = replace(about, track_names=tuple(track_names(layout)))
    model, index = _even(axml(layout, about.scene or path.stem).encode()), chna(layout)

    def heard() -> Iterator[np.ndarray]:
        for block in blocks:
            mix = block[:, layout.tracks :]
            loudness.add(mix)
            peak.add(mix)
            yield block[:, : layout.tracks]

    def chunks() -> list[Chunk]:
        words = describe(about, RATE, layout.tracks, loudness, peak)
        return [*words, (b"chna", index), (b"axml", model)]

    return write_waveform(path, heard(), RATE, layout.tracks, overwrite=overwrite, chunks=chunks,
                          is_bw64=True)  # fmt: skip


def _even(content: bytes) -> bytes:
    return content + b"\n" * (len(content) % 2)


def _read(wav: Path) -> Iterator[np.ndarray]:
    import soundfile

    with soundfile.SoundFile(str(wav)) as file:
        yield from file.blocks(blocksize=RATE, dtype="float32", always_2d=True)


def track_names(layout: Layout) -> list[str]:
    """What each track is called."""
    beds = ["Bed", *(["Room"] if layout.has_room else [])]
    named = [f"{bed} {speaker}" for bed in beds for speaker in SPEAKERS[layout.channels]]
    return [*named, *(one.name for one in layout.objects)]


@dataclass(frozen=True, slots=True)
class _Track:
    """A track: of which object, with which formats."""

    number: int  # from 1
    format: str  # audioTrackFormat
    pack: str


def _groups(layout: Layout) -> list[tuple[str, list[_Track]]]:
    """What belongs together: name, tracks."""
    groups: list[tuple[str, list[_Track]]] = []
    number = 1
    for bed in ("Bed", "Room")[: 1 + layout.has_room]:
        tracks = []
        for speaker in SPEAKERS[layout.channels]:
            form = f"AT_{COMMON[speaker]}_01"
            tracks.append(_Track(number, form, PACKS[layout.channels]))
            number += 1
        groups.append((bed, tracks))
    for place, one in enumerate(layout.objects):
        own = f"0003{FIRST + place:04x}"
        groups.append((one.name, [_Track(number, f"AT_{own}_01", f"AP_{own}")]))
        number += 1
    return groups


def chna(layout: Layout) -> bytes:
    """The chunk that says what each track is (BS.2088, 8)."""
    tracks = [track for _, group in _groups(layout) for track in group]
    rows = (
        struct.pack("<H12s14s11sx", one.number, _uid(one).encode(), one.format.encode(),
                    one.pack.encode())
        for one in tracks
    )  # fmt: skip
    return struct.pack("<HH", len(tracks), len(tracks)) + b"".join(rows)


def _uid(track: _Track) -> str:
    return f"ATU_{track.number:08x}"


def axml(layout: Layout, title: str) -> str:
    """The model (BS.2076), in the frame of EBU Core as other tools write it."""
    groups = _groups(layout)
    end = _clock(_ticks(layout.length))
    names = [name for name, _ in groups]
    objects = "".join(
        _tag(
            "audioObject",
            {"audioObjectID": f"AO_{FIRST + place:04x}", "audioObjectName": name,
             "start": _clock(0), "duration": end},
            _tag("audioPackFormatIDRef", {}, escape(tracks[0].pack))
            + "".join(_tag("audioTrackUIDRef", {}, _uid(track)) for track in tracks),
        )
        for place, (name, tracks) in enumerate(groups)
    )  # fmt: skip
    formats = "".join(
        _formats(f"0003{FIRST + place:04x}", one, layout)
        for place, one in enumerate(layout.objects)
    )
    uids = "".join(
        _tag(
            "audioTrackUID",
            {"UID": _uid(track), "sampleRate": str(RATE), "bitDepth": "24"},
            _tag("audioTrackFormatIDRef", {}, track.format)
            + _tag("audioPackFormatIDRef", {}, track.pack),
        )
        for _, tracks in groups
        for track in tracks
    )
    content = _tag(
        "audioContent",
        {"audioContentID": "ACO_1001", "audioContentName": "Effects"},
        "".join(_tag("audioObjectIDRef", {}, f"AO_{FIRST + n:04x}") for n in range(len(names)))
        + _tag("dialogue", {"nonDialogueContentKind": "2"}, "0"),
    )
    programme = _tag(
        "audioProgramme",
        {"audioProgrammeID": "APR_1001", "audioProgrammeName": _shown(title) or "Foley"},
        _tag("audioContentIDRef", {}, "ACO_1001"),
    )
    model = _tag("audioFormatExtended", {}, programme + content + objects + formats + uids)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ebuCoreMain xmlns="{NAMESPACE}"><coreMetadata><format>\n{model}'
        "</format></coreMetadata></ebuCoreMain>\n"
    )


def _formats(own: str, one: Moving, layout: Layout) -> str:
    """What an object's track is: pack, channel, stream and track formats."""
    objects = {"typeLabel": "0003", "typeDefinition": "Objects"}
    pcm = {"formatLabel": "0001", "formatDefinition": "PCM"}
    channel, pack = f"AC_{own}", f"AP_{own}"
    stream, track = f"AS_{own}", f"AT_{own}_01"
    return (
        _tag(
            "audioPackFormat",
            {"audioPackFormatID": pack, "audioPackFormatName": one.name, **objects},
            _tag("audioChannelFormatIDRef", {}, channel),
        )
        + _tag(
            "audioChannelFormat",
            {"audioChannelFormatID": channel, "audioChannelFormatName": one.name, **objects},
            "".join(_positions(own, one.stays, layout.channels)),
        )
        + _tag(
            "audioStreamFormat",
            {"audioStreamFormatID": stream, "audioStreamFormatName": one.name, **pcm},
            _tag("audioChannelFormatIDRef", {}, channel) + _tag("audioTrackFormatIDRef", {}, track),
        )
        + _tag(
            "audioTrackFormat",
            {"audioTrackFormatID": track, "audioTrackFormatName": one.name, **pcm},
            _tag("audioStreamFormatIDRef", {}, stream),
        )
    )


def _positions(own: str, stays: Sequence[Stay], channels: int) -> Iterator[str]:
    """Blocks over time; one that would last no tick is left out, the next begins where it did."""
    number, begin = 0, 0
    for stay in stays:
        end = _ticks(stay.end)
        if end <= begin:
            continue
        number += 1
        place = {"azimuth": azimuth_of(stay.pan, channels), "elevation": 0.0, "distance": 1.0}
        inside = "".join(
            _tag("position", {"coordinate": name}, f"{value:.6f}") for name, value in place.items()
        )
        if stay.jumps:
            inside += _tag("jumpPosition", {"interpolationLength": "0.00000"}, "1")
        yield _tag(
            "audioBlockFormat",
            {"audioBlockFormatID": f"AB_{own}_{number:08x}", "rtime": _clock(begin),
             "duration": _clock(end - begin)},
            inside,
        )  # fmt: skip
        begin = end


def _tag(name: str, values: dict[str, str], inside: str) -> str:
    said = "".join(f" {key}={quoteattr(_shown(value))}" for key, value in values.items())
    return f"<{name}{said}>{inside}</{name}>\n"


def _shown(text: str) -> str:
    """Without what XML cannot hold."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "_", text)


def _ticks(samples: int) -> int:
    return round(samples * TICKS / RATE)


def _clock(ticks: int) -> str:
    seconds, part = divmod(ticks, TICKS)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{part:05d}"


def _counted(clock: str) -> int:
    """The ticks of `_clock`."""
    hours, minutes, seconds = clock.split(":")
    whole, _, part = seconds.partition(".")
    return (int(hours) * 3600 + int(minutes) * 60 + int(whole)) * TICKS + int(part.ljust(5, "0"))


def read_layout(wav: Path) -> Layout:
    """What the tracks of a file of `write_adm` are.

    Raises:
        MediaError: it is no such file.
    """
    import soundfile

    try:
        model = ElementTree.fromstring(_find_chunk(wav, b"axml"))
        info = soundfile.info(str(wav))
        objects = [_read_object(one) for one in _all(model, "audioChannelFormat")]
        names = [one.get("audioObjectName") for one in _all(model, "audioObject")]
        has_room = "Room" in names[:2]
        channels = (info.channels - len(objects)) // (1 + has_room)
        moving = tuple(
            Moving(name, tuple(replace(stay, pan=pan_of(stay.pan, channels)) for stay in stays))
            for name, stays in objects
        )
        return Layout(channels, has_room, moving, info.frames)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError,
            ElementTree.ParseError) as error:  # fmt: skip
        raise MediaError(
            f"{wav.name} is no ADM wave of foleycli: {error}.", "Delete it, and run again."
        ) from error


def _all(model: ElementTree.Element, name: str) -> Iterator[ElementTree.Element]:
    return model.iter(f"{{{NAMESPACE}}}{name}")


def _read_object(channel: ElementTree.Element) -> tuple[str, list[Stay]]:
    """An object's name and stays, the azimuth in place of the pan."""
    stays = []
    for block in _all(channel, "audioBlockFormat"):
        begin, lasts = (_counted(block.attrib[name]) for name in ("rtime", "duration"))
        azimuth = next(
            float(p.text or "") for p in _all(block, "position") if p.get("coordinate") == "azimuth"
        )
        start, end = (round(ticks * RATE / TICKS) for ticks in (begin, begin + lasts))
        jumps = next(_all(block, "jumpPosition"), None) is not None
        stays.append(Stay(start, end, azimuth, jumps))
    return channel.attrib["audioChannelFormatName"], stays


def _find_chunk(wav: Path, wanted: bytes) -> bytes:
    """The content of a chunk before the samples.

    Raises:
        ValueError: there is none.
    """
    with wav.open("rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == wanted:
                return file.read(size)
            if name == b"data":
                break
            file.seek(size + size % 2, 1)
    raise ValueError(f"it has no chunk {wanted.decode()}")
