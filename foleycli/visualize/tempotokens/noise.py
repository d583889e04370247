"""How well a sound's tokens let a text-to-video model tell the noise in its own film's pictures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from foleycli.clip.probe import probe
from foleycli.frames.decode import decode_ticks
from foleycli.listeners.beats import SAMPLE_RATE, Beats, beats_fbank
from foleycli.visualize.tempotokens.make import Networks
from foleycli.visualize.tempotokens.prompts import FIRST, frame_prompts, prompt_ids
from foleycli.visualize.tempotokens.sample import predict
from foleycli.visualize.tempotokens.tokens import FRAMES, NAMES, Mapper
from foleycli.waveform.sound import read_sound

STEP = FRAMES // 2  # frames from one window of a film to the next
STEPS = 1000  # of the noise schedule


@dataclass(frozen=True, slots=True)
class Window:
    """A second of film, encoded."""

    latents: NDArray[np.float16]  # (24, 4, h, w)
    rows: NDArray[np.float16]  # (48, features) of BEATs


@torch.no_grad()
def encode_film(
    film: Path, frozen: Networks, frames_a_second: int, size: tuple[int, int]
) -> list[Window]:
    """Every 24 pictures of a film, half overlapping: their latents, rows of the sound beside them.

    Args:
        size: width and height in pixels that pictures are squeezed to.
    """
    clip, device = probe(film), frozen.device
    waveform = read_sound(film)
    pictures = list(
        decode_ticks(
            clip, frames_a_second, lambda frame: frame.reformat(*size, "rgb24").to_ndarray()
        )
    )
    samples = FRAMES * SAMPLE_RATE // frames_a_second
    windows = []
    for first in range(0, len(pictures) - FRAMES + 1, STEP):
        begin = first * SAMPLE_RATE // frames_a_second
        part = waveform[begin : begin + samples]
        if len(part) < samples:
            break
        frames = torch.from_numpy(np.stack(pictures[first : first + FRAMES]))
        values = frames.permute(0, 3, 1, 2).float().to(device) / 127.5 - 1
        mean = frozen.vae.encode(values).latent_dist.mean * frozen.vae.config.scaling_factor
        windows.append(Window(mean.half().cpu().numpy(), _rows(frozen.beats, part)))
    return windows


def _rows(beats: Beats, part: NDArray[np.float32]) -> NDArray[np.float16]:
    return beats(beats_fbank(torch.from_numpy(part))[None])[0].half().numpy()


def losses(
    window: Window,
    time: int,
    noise: Tensor,
    mapper: Mapper,
    frozen: Networks,
    ids: Tensor,
    alphas: Tensor,
) -> tuple[Tensor, Tensor]:
    """How wrong the noise is told (mean square), and how large the frames' tokens are.

    Args:
        time: step of the noise schedule, 0 to 999.
        noise: (24, 4, h, w), the same for what is compared.
        ids: (1, 77) of the prompt.
        alphas: (1000,) of the schedule, what is left of the pictures.
    """
    device = ids.device
    tokens = mapper(torch.from_numpy(window.rows).float().to(device)[None])
    prompts = frame_prompts(frozen.text, ids, tokens)
    clean = torch.from_numpy(window.latents).float()
    kept = alphas[time].float()
    noisy = kept.sqrt() * clean + (1 - kept).sqrt() * noise
    folded = noisy.transpose(0, 1)[None].to(device)
    told = predict(frozen.unet, folded, time, prompts)
    wanted = noise.transpose(0, 1)[None].to(device)
    return F.mse_loss(told.float(), wanted), tokens.temp.abs().mean()


@torch.no_grad()
def compare(
    window: Window,
    other: Window,
    numbers: Iterable[int],
    looks: int,
    mapper: Mapper,
    frozen: Networks,
    ids: Tensor,
    alphas: Tensor,
) -> tuple[float, float]:
    """Mean loss of a window by its own sound's tokens, and by another's; the same noise for both.

    Args:
        numbers: which of the ``looks`` times, spread over the schedule, are looked at.
    """
    swapped = Window(window.latents, other.rows)
    right, wrong = [], []
    for number in numbers:
        time = (number * 2 + 1) * STEPS // (2 * looks)
        noise = torch.randn(window.latents.shape, generator=torch.Generator().manual_seed(number))
        right.append(float(losses(window, time, noise, mapper, frozen, ids, alphas)[0]))
        wrong.append(float(losses(swapped, time, noise, mapper, frozen, ids, alphas)[0]))
    return float(np.mean(right)), float(np.mean(wrong))


def prompt_of(frozen: Networks, windows: Sequence[int]) -> Tensor:
    """(1, 77) ids of the tokens that this many windows make, without words."""
    ids = prompt_ids(frozen.tokenizer, None)
    last = FIRST + NAMES.index("class")
    unused = (ids > FIRST + len(windows)) & (ids >= FIRST) & (ids != last)
    kept = ids[~unused]
    return F.pad(kept, (0, ids.shape[1] - len(kept)), value=frozen.tokenizer.pad_token_id)[None]
