"""The ImageBind score: does the sound belong to what is seen? 100 times a cosine of ImageBind's.

As av-benchmark (hkchengrex/av-benchmark, whose numbers MMAudio and those after it print) takes it:
of the film a picture every two seconds, each next two a pair, left, middle and right; of the sound
three times two seconds, at its start, middle and end; the mean of either's unit vectors, and the
cosine between the two. docs/measures.md tells where ours differs.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from av import VideoFrame
from numpy.typing import NDArray
from torch import Tensor

from foleycli.clip.probe import probe
from foleycli.evaluate.kept import kept
from foleycli.evaluate.material import Film, Sound
from foleycli.frames.decode import decode_ticks
from foleycli.frames.resize import color_matrix
from foleycli.listeners.extractors import open_extractor
from foleycli.listeners.fbank import SAMPLE_RATE, WINDOW, fbank
from foleycli.listeners.heard import Heard
from foleycli.listeners.imagebind import (
    AUDIO,
    MEL_FRAMES,
    SIDE,
    SIZE,
    VISION,
    ImageBind,
    Trunk,
)
from foleycli.listeners.pulled import load_listener

NAME = "eval-imagebind"
RATE = Fraction(1, 2)  # pictures a second
LENGTH, PIECES = 2 * SAMPLE_RATE, 3  # samples of a piece of sound, and how many of them
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]  # of RGB: CLIP's
SPREAD = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
MEL_MEAN, MEL_SPREAD = -4.268, 9.138


def imagebind_score(sound: Sound, film: Film) -> float:
    """100 times the cosine between sound and picture.

    Raises:
        ModelError: ImageBind is not here; the remedy names the command.
        MediaError: nothing of the film decodes.
    """
    listener = cast(ImageBindListener, open_extractor("imagebind"))
    kind = f"imagebind-film-{listener.fingerprint}"
    seen = kept(kind, film.digest, lambda: {"embeddings": listener.see(film.path)})
    heard = sound.heard("imagebind").embedding
    return 100 * _cosine(seen["embeddings"].mean(axis=0), heard)


def imagebind_delta(own: Sound, sound: Sound, film: Film) -> float:
    """How far a sound's score is from that of the clip's own."""
    return abs(imagebind_score(sound, film) - imagebind_score(own, film))


class ImageBindListener:
    """ImageBind as it was pulled: hears a sound, sees a film.

    Raises:
        ModelError: it was not; the remedy names the command.
    """

    name = "imagebind"
    sample_rate = SAMPLE_RATE
    levelled = False

    def __init__(self, vision: Trunk = VISION, audio: Trunk = AUDIO, size: int = SIZE) -> None:
        # gigabytes: whoever only hears never reads the vision part
        self._net, self.fingerprint = load_listener(
            NAME, lambda: ImageBind(vision, audio, size), mapped=True
        )

    @torch.inference_mode()
    def __call__(self, waveform: NDArray[np.float32]) -> Heard:
        """Hear a mono waveform (samples,) at 16 kHz: three rows, each of length 1."""
        return Heard(self._net.hear(mel_pieces(waveform)).numpy())

    @torch.inference_mode()
    def see(self, path: Path) -> NDArray[np.float32]:
        """Rows of length 1, three a pair of pictures: (3 * pairs, size).

        Of a film under three seconds there is one picture, and it is its own pair.
        """
        rows = [self._net.see(torch.stack(pair, dim=2)) for pair in pairs(look(path))]
        return torch.cat(rows).numpy()


def mel_pieces(waveform: NDArray[np.float32]) -> Tensor:
    """ImageBind's input: (samples,) at 16 kHz -> (3, 1, 128, 204), spread over the sound.

    Two seconds make 198 frames; the missing ones are 0, which is loud, as published. The three
    pieces of a sound under 6 s overlap, and those of one under 2 s are the same.
    """
    samples = torch.from_numpy(waveform.astype(np.float32))
    samples = F.pad(samples, (0, max(0, WINDOW - len(samples))))
    spare = max(0, len(samples) - LENGTH)
    starts = (spare * i // (PIECES - 1) for i in range(PIECES))
    mels = torch.stack([fbank(samples[start : start + LENGTH]).T for start in starts])
    mels = F.pad(mels, (0, MEL_FRAMES - mels.shape[-1]))
    return ((mels - MEL_MEAN) / MEL_SPREAD)[:, None]


def look(path: Path) -> Iterator[Tensor]:
    """The pictures that FFmpeg's ``fps=1/2`` takes, the last before 1, 3, 5 ... s, as `crops` makes
    them upright: (3, 3, 224, 224) each."""
    clip = probe(path)
    return decode_ticks(clip, RATE, lambda frame: crops(frame, clip.rotation // 90))


def crops(frame: VideoFrame, turns: int = 0) -> Tensor:
    """Left, middle and right of a picture whose short side is 224, of one that is higher than wide
    its top, middle and bottom: (3, 3, 224, 224), normalised."""
    rgb = frame.reformat(format="rgb24", src_colorspace=color_matrix(frame)).to_ndarray()
    pixels = torch.from_numpy(np.ascontiguousarray(np.rot90(rgb, turns))).permute(2, 0, 1)[None]
    height, width = pixels.shape[2:]
    short = min(height, width)
    size = (SIDE * height // short, SIDE * width // short)
    small = F.interpolate(pixels, size, mode="bicubic", antialias=True)[0]
    normal = (small / 255 - MEAN) / SPREAD
    axis = 1 if height > width else 2
    spare = normal.shape[axis] - SIDE
    return torch.stack([normal.narrow(axis, at, SIDE) for at in (0, -(-spare // 2), spare)])


def pairs(pictures: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Each picture with the next; a single one with itself, as ImageBind takes a still."""
    last, alone = None, True
    for picture in pictures:
        if last is not None:
            yield last, picture
            alone = False
        last = picture
    if last is not None and alone:
        yield last, last


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    one, two = a.astype(np.float64), b.astype(np.float64)
    return float(one @ two / max(np.linalg.norm(one) * np.linalg.norm(two), 1e-12))
