"""The new sound as files: one wave, or also a wave of each layer, which add up to it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from foleycli.config import OUTPUT, LoudnessTarget
from foleycli.mux.bwf import Broadcast, write_broadcast
from foleycli.mux.loudness import gain_to, measure_blocks
from foleycli.mux.names import channel_path, stem_path
from foleycli.output import scratch_folder
from foleycli.waveform.loudness import from_db
from foleycli.waveform.space import SPEAKERS
from foleycli.waveform.stems import round_stems, sum_stems
from foleycli.waveform.write import write_waveform

RATE = OUTPUT.sample_rate


def write_sound(
    wav: Path,
    blocks: Iterable[np.ndarray],
    about: Callable[[Path], Broadcast],
    *,
    stems: Sequence[str] = (),
    channels: int = 1,
    split: bool = False,
    target: LoudnessTarget | None = None,
    overwrite: bool = False,
) -> str:
    """Write a broadcast wave, and beside it one for each of its stems.

    Args:
        blocks: float32 (samples, channels) at 48 kHz; or (samples, stems * channels), stem by stem,
            that add up to it.
        about: what a file of this name says of itself.
        stems: their names, in their order.
        split: also a mono wave of each channel of each.
        target: one gain for all brings the whole as near to it as true peaks allow.

    Returns:
        BLAKE2b of the whole one's samples; to the last bit it is the sum of its stems.
    """
    if not stems and target is None:
        digest = write_broadcast(wav, blocks, RATE, channels, about=about(wav), overwrite=overwrite)
        _split(wav, channels if split else 0, about, overwrite=overwrite)
        return digest
    with scratch_folder(wav.parent) as folder:
        raw = folder / "raw.wav"
        write_waveform(raw, map(round_stems, blocks), RATE, (len(stems) or 1) * channels)
        gain = np.float32(from_db(_gain_db(raw, channels, target)))

        def put(path: Path, part: Callable[[np.ndarray], np.ndarray]) -> str:
            chosen = (part(round_stems(block * gain)) for block in _blocks(raw))
            digest = write_broadcast(
                path, chosen, RATE, channels, about=about(path), overwrite=overwrite
            )
            _split(path, channels if split else 0, about, overwrite=overwrite)
            return digest

        for number, name in enumerate(stems):
            own = slice(number * channels, (number + 1) * channels)
            put(stem_path(wav, name), lambda block, own=own: block[:, own])
        return put(wav, lambda block: sum_stems(block, channels))


def _split(
    wav: Path, channels: int, about: Callable[[Path], Broadcast], *, overwrite: bool
) -> None:
    """A mono wave of each channel beside a wave; of one channel that wave itself."""
    for column, speaker in enumerate(SPEAKERS[channels] if channels > 1 else ()):
        path = channel_path(wav, speaker)
        named = replace(about(path), track_names=(f"Foley {speaker}",))
        own = (block[:, column] for block in _blocks(wav))
        write_broadcast(path, own, RATE, about=named, overwrite=overwrite)


def _gain_db(raw: Path, channels: int, target: LoudnessTarget | None) -> float:
    if target is None:
        return 0.0
    summed = (sum_stems(block, channels) for block in _blocks(raw))
    whole = measure_blocks(raw, summed, RATE, channels)
    stems = measure_blocks(raw, _blocks(raw), RATE, soundfile.info(str(raw)).channels)
    return gain_to([whole, stems], target) if np.isfinite(whole.integrated) else 0.0


def _blocks(wav: Path) -> Iterator[np.ndarray]:
    with soundfile.SoundFile(str(wav)) as file:
        yield from file.blocks(blocksize=RATE, dtype="float32", always_2d=True)
