"""DeSync: by how many seconds Synchformer holds sound and picture to be apart.

As hkchengrex/av-benchmark computes it (av_bench/evaluate.py, extract.py, data/video_dataset.py;
MMAudio, arXiv 2412.15322): the film 25 times a second, its short side brought to 224 pixels and the
middle square cut out; mono sound at 16 kHz, as loud as it is; segments of 16 frames, one every 8.
The first 14 segments and the last 14, 4.8 s each, are given an offset of -2 to 2 s in steps of 0.2;
the score is the mean of their two sizes. Pictures and sound count from the film's first picture to
its end, where the script takes a length that its caller states.
"""

from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foleycli.clip.probe import probe
from foleycli.config import SYNCHFORMER, SynchformerConfig
from foleycli.evaluate.kept import kept
from foleycli.evaluate.material import Film, Sound
from foleycli.frames.decode import decode_squares
from foleycli.listeners.pulled import load_listener
from foleycli.sight.motionformer import FRAME_RATE, SEGMENT, STEP
from foleycli.sight.synchformer import (
    FRAME,
    OFFSETS,
    SAMPLE_RATE,
    SEGMENTS,
    Synchformer,
    segment_mel,
)

NAME = "eval-synchformer"
WINDOW = SEGMENT + (SEGMENTS - 1) * STEP  # frames: 4.8 s
Frames = NDArray[np.uint8]


def desync(sound: Sound, film: Film) -> float:
    """Seconds that sound and picture are apart, from 0 to 2; nan for a film under 4.8 s.

    Raises:
        ModelError: the network is not here; the remedy says how it comes.
    """
    judge = open_judge()
    key = f"{film.digest}-{sound.digest}"
    made = kept(f"desync-{judge.fingerprint}", key, lambda: {"offsets": judge(sound, film)})
    offsets = made["offsets"]
    return float(np.abs(offsets).mean()) if len(offsets) else float("nan")


@lru_cache(maxsize=1)
def open_judge() -> "SyncJudge":
    """The network, opened once."""
    return SyncJudge()


class SyncJudge:
    """Synchformer as it was pulled.

    Raises:
        ModelError: it was not; the remedy names the command.
    """

    def __init__(self, config: SynchformerConfig = SYNCHFORMER) -> None:
        self._size = config.picture_size
        self._net, self.fingerprint = load_listener(NAME, lambda: Synchformer(config), mapped=True)

    def __call__(self, sound: Sound, film: Film) -> NDArray[np.float32]:
        """The offsets of the film's two ends in seconds, (2,), more when the sound is early; (0,)
        of a film under 4.8 s. What was seen is kept on disk by content."""
        seen = kept(f"synchformer-{self.fingerprint}", film.digest, lambda: self.see(film))
        segments = int(seen["segments"])
        if segments < SEGMENTS:
            return np.zeros(0, np.float32)
        rows = torch.from_numpy(seen["rows"])
        ends = ((rows[:SEGMENTS], 0), (rows[-SEGMENTS:], segments - SEGMENTS))
        found = [self._offset(rows, sound, first) for rows, first in ends]
        return np.array(found, np.float32)

    @torch.inference_mode()
    def see(self, film: Film) -> dict[str, NDArray]:
        """How many segments a film has, and the rows of those that are compared, each once:
        (up to 28, 8, size)."""
        pictures = decode_squares(probe(film.path), FRAME_RATE, self._size)
        count, segments = two_ends(pictures)
        rows = [self._net.vfeat_extractor(_tensor(frames)) for frames in segments]
        seen = torch.cat(rows) if rows else torch.zeros(0)
        return {"segments": np.array(count), "rows": seen.numpy()}

    @torch.inference_mode()
    def _offset(self, seen: Tensor, sound: Sound, first: int) -> float:
        """Of 14 segments from the ``first`` on."""
        heard = self._net.afeat_extractor(segment_mel(_segments(sound, first)))
        return float(OFFSETS[self._net(seen[None], heard[None]).argmax()])


def two_ends(pictures: Iterator[Frames]) -> tuple[int, list[list[Frames]]]:
    """The segments of a film's first and last 4.8 s, in memory that does not grow with the film.

    Returns:
        how many segments the film has, and 16 frames for each that is wanted, in order; those of
        both ends once. None are wanted of a film that is too short.
    """
    head = list(islice(pictures, WINDOW))
    tail = deque(head, WINDOW + STEP - 1)
    frames = len(head)
    for picture in pictures:
        tail.append(picture)
        frames += 1
    segments = (frames - SEGMENT) // STEP + 1
    if segments < SEGMENTS:
        return max(0, segments), []
    begins = frames - len(tail)  # the tail's first frame
    last = list(tail)
    chosen = []
    for index in sorted({*range(SEGMENTS), *range(segments - SEGMENTS, segments)}):
        start = index * STEP
        part = head[start:] if index < SEGMENTS else last[start - begins :]
        chosen.append(part[:SEGMENT])
    return segments, chosen


def _tensor(frames: list[Frames]) -> Tensor:
    """(1, 16, 3, height, width) uint8"""
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)[None]


def _segments(sound: Sound, first: int) -> Tensor:
    """(14, 10240) at 16 kHz, from a segment on; a sound that ends early is filled with silence."""
    start = first * STEP * FRAME
    waveform = sound.at(SAMPLE_RATE)[start : start + WINDOW * FRAME]
    waveform = np.pad(waveform, (0, WINDOW * FRAME - len(waveform)))
    return torch.from_numpy(waveform).unfold(0, SEGMENT * FRAME, STEP * FRAME)
