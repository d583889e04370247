"""The new sound as files: one wave, or also a wave of each layer, which add up to it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile

from foleycli.config import OUTPUT, LoudnessTarget
from foleycli.mux.bwf import Broadcast, write_broadcast
from foleycli.mux.loudness import gain_to, measure_blocks
from foleycli.mux.names import stem_path
from foleycli.output import scratch_folder
from foleycli.waveform.loudness import from_db
from foleycli.waveform.stems import round_stems
from foleycli.waveform.write import write_waveform

RATE = OUTPUT.sample_rate


def write_sound(
    wav: Path,
    blocks: Iterable[np.ndarray],
    about: Callable[[Path], Broadcast],
    *,
    stems: Sequence[str] = (),
    target: LoudnessTarget | None = None,
    overwrite: bool = False,
) -> str:
    """Write a broadcast wave, and beside it one for each of its stems.

    Args:
        blocks: float32 (samples,) at 48 kHz; or (samples, stems), that add up to it.
        about: what a file of this name says of itself.
        stems: their names, in the order of the columns.
        target: one gain for all brings the whole as near to it as true peaks allow.

    Returns:
        BLAKE2b of the whole one's samples; to the last bit it is the sum of its stems.
    """
    if not stems and target is None:
        return write_broadcast(wav, blocks, RATE, about=about(wav), overwrite=overwrite)
    with scratch_folder(wav.parent) as folder:
        raw = folder / "raw.wav"
        write_waveform(raw, map(round_stems, blocks), RATE, len(stems) or 1)
        gain = np.float32(from_db(_gain_db(raw, target)))

        def put(path: Path, part: Callable[[np.ndarray], np.ndarray]) -> str:
            chosen = (part(round_stems(block * gain)) for block in _blocks(raw))
            return write_broadcast(path, chosen, RATE, about=about(path), overwrite=overwrite)

        for column, name in enumerate(stems):
            put(stem_path(wav, name), lambda block, column=column: block[:, column])
        return put(wav, _summed)


def _gain_db(raw: Path, target: LoudnessTarget | None) -> float:
    if target is None:
        return 0.0
    whole = measure_blocks(raw, (_summed(block) for block in _blocks(raw)), RATE, 1)
    stems = measure_blocks(raw, _blocks(raw), RATE, soundfile.info(str(raw)).channels)
    return gain_to([whole, stems], target) if np.isfinite(whole.integrated) else 0.0


def _summed(block: np.ndarray) -> np.ndarray:
    return block.sum(axis=1, dtype=np.float32)


def _blocks(wav: Path) -> Iterator[np.ndarray]:
    with soundfile.SoundFile(str(wav)) as file:
        yield from file.blocks(blocksize=RATE, dtype="float32", always_2d=True)
