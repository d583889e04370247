"""Is it as loud as the delivery sheet says? Measured, and set by one linear gain."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import soundfile

from foleycli.config import LoudnessTarget
from foleycli.errors import MediaError, UsageError
from foleycli.mux.bwf import write_broadcast
from foleycli.mux.bwf_read import read_broadcast
from foleycli.output import check_output
from foleycli.waveform.loudness import LoudnessMeter, PeakMeter, from_db
from foleycli.waveform.stems import round_stems

LOG = logging.getLogger("foleycli")


@dataclass(frozen=True, slots=True)
class Loudness:
    """What was measured of a file (ITU-R BS.1770-4, EBU Tech 3342)."""

    path: Path
    integrated: float  # LUFS; -inf for silence
    range: float  # LU
    true_peak_db: float  # dBTP
    max_momentary: float  # LUFS
    max_short_term: float  # LUFS

    def misses(self, target: LoudnessTarget) -> list[str]:
        """What a target asks for that this does not keep."""
        found = []
        if abs(self.integrated - target.integrated) > target.tolerance:
            wanted = f"{target.integrated:g} ± {target.tolerance:g}"
            found.append(f"{self.integrated:.1f} LUFS, wanted {wanted}")
        if self.true_peak_db > target.true_peak_db + 0.05:
            found.append(f"{self.true_peak_db:.1f} dBTP, wanted {target.true_peak_db:g} at most")
        return found


def measure_loudness(path: Path) -> Loudness:
    """Measure a sound file of any length.

    Raises:
        MediaError: it is not a sound file.
    """
    try:
        with soundfile.SoundFile(str(path)) as file:
            blocks = file.blocks(blocksize=file.samplerate, dtype="float32", always_2d=True)
            return measure_blocks(path, blocks, file.samplerate, file.channels)
    except soundfile.SoundFileError as error:
        raise MediaError(f"{path.name} is no sound file.", "Give .wav files.") from error


def measure_blocks(
    path: Path, blocks: Iterable[np.ndarray], sample_rate: int, channels: int
) -> Loudness:
    """Measure blocks (samples,) or (samples, channels), under the name of a file."""
    meter, peak = LoudnessMeter(sample_rate, channels), PeakMeter()
    for block in blocks:
        meter.add(block)
        peak.add(block)
    return Loudness(
        path,
        meter.integrated(),
        meter.loudness_range(),
        peak.peak_db(),
        meter.max_momentary(),
        meter.max_short_term(),
    )


def gain_to(measured: Sequence[Loudness], target: LoudnessTarget) -> float:
    """dB that bring the first file to a target, as far as no file passes the ceiling.

    One gain for all: stems keep their balance. Nothing is compressed: where peaks forbid the
    whole way, the rest is left to the mixer.

    Raises:
        MediaError: the first file is silent.
    """
    if not np.isfinite(measured[0].integrated):
        raise MediaError(f"{measured[0].path.name} is silent.", "Name the mix first.")
    room = min(target.true_peak_db - one.true_peak_db for one in measured)
    gain = min(target.integrated - measured[0].integrated, room)
    reached = measured[0].integrated + gain
    if reached < target.integrated - target.tolerance:
        LOG.warning("%.1f LUFS, not %g: its peaks allow no more", reached, target.integrated)
    return gain


def write_at_gain(
    paths: Sequence[Path], folder: Path, gain_db: float, *, overwrite: bool = False
) -> list[Path]:
    """Copies of waves with a gain, which keep their time reference and names. Where the first is
    the sum of the others to the last bit, so is its copy.

    Raises:
        UsageError: the folder is the files' own.
        OutputExistsError: a copy is there already.
    """
    outs = [folder / path.name for path in paths]
    if any(out.resolve() == path.resolve() for out, path in zip(outs, paths, strict=True)):
        raise UsageError("The copies would replace the files.", "Give another folder with -o.")
    folder.mkdir(parents=True, exist_ok=True)
    for out in outs:
        check_output(out, overwrite=overwrite)
    gain = np.float32(from_db(gain_db))
    parts = paths[1:] if _add_up(paths) else ()
    for path, out in zip(paths, outs, strict=True):
        info, about = soundfile.info(str(path)), read_broadcast(path)
        blocks = _turned(path, gain) if path != paths[0] or not parts else _summed(parts, gain)
        write_broadcast(
            out, blocks, info.samplerate, info.channels, about=about, overwrite=overwrite
        )
    return outs


def _turned(path: Path, gain: np.float32) -> Iterator[np.ndarray]:
    with soundfile.SoundFile(str(path)) as file:
        for block in file.blocks(blocksize=file.samplerate, dtype="float32", always_2d=True):
            yield round_stems(block * gain)


def _summed(paths: Sequence[Path], gain: np.float32) -> Iterator[np.ndarray]:
    """The sum of waves as `_turned` gives them; of a few it is exact in 32 bits."""
    for blocks in zip(*(_turned(path, gain) for path in paths), strict=True):
        yield reduce(np.add, blocks)


def _add_up(paths: Sequence[Path]) -> bool:
    """Whether the first of several waves is the sum of the others, sample by sample."""
    shapes = {(i.frames, i.samplerate, i.channels) for i in (soundfile.info(str(p)) for p in paths)}
    if len(paths) < 2 or len(shapes) > 1:
        return False
    whole, *parts = (_turned(path, np.float32(1)) for path in paths)
    return all(
        np.array_equal(block, reduce(np.add, others))
        for block, *others in zip(whole, *parts, strict=True)
    )


def set_loudness(wav: Path, target: LoudnessTarget) -> Path:
    """A copy in a folder beside it, as near to a target as its peaks allow; silence stays."""
    measured = measure_loudness(wav)
    if not np.isfinite(measured.integrated):
        return wav
    (copy,) = write_at_gain([wav], wav.with_name("levelled"), gain_to([measured], target))
    return copy
