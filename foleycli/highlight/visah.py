"""A mix of any length through the network that hears ten seconds of it, window by window.

Windows overlap by a second, in which one goes over into the next; half a second before the sound
and after it is its mirror image, for a window's ends fade. The network is mono: what it makes of
the mean of the channels, frequency by frequency, is asked of every channel, so the image stays.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foleycli.config import VISAH, VISAH_TEXT, VISAH_TINY, VisahConfig
from foleycli.errors import ModelError
from foleycli.highlight.network import HOP, N_FFT, HighlightNet

RATE = 44_100  # Hz
WINDOW, OVERLAP = 10 * RATE, RATE  # samples
LEAD = OVERLAP // 2
ROWS = 10  # of what is seen, in a window, one a second
MOST_DB = 24.0  # that a frequency of a channel is turned, in several channels
QUIET = 1e-5  # of a magnitude that tells no gain
Block = NDArray[np.float32]


def open_visah(path: Path) -> HighlightNet:
    """Read the network's weights: a published checkpoint, or one of ``foley train highlight``.

    Raises:
        ModelError: they cannot be read or do not fit.
    """
    try:
        weights, config = _read(path)
        net = HighlightNet(config)
        net.load_state_dict(weights)
    except Exception as error:  # whatever a broken file makes its reader raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{path.name} holds no weights of VisAH: {reason}.",
            "Give its .ckpt, or a visah.safetensors of foley train highlight.",
        ) from error
    return net.eval()


def _read(path: Path) -> tuple[dict[str, Tensor], VisahConfig]:
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(str(path), "pt") as file:
            held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            sizes = (file.metadata() or {}).get("sizes")
        if sizes:
            return held, VisahConfig(**json.loads(sizes))
    else:
        held = torch.load(path, map_location="cpu", weights_only=True)
        held = held.get("state_dict", held)
    weights = {name.removeprefix("model."): t for name, t in held.items() if "loss" not in name}
    columns = weights["latent_transformer.context_proj.weight"].shape[1]
    known = (VISAH, VISAH_TEXT, VISAH_TINY)
    return weights, next(config for config in known if config.context_size == columns)


def highlight_mix(
    blocks: Iterable[Block],
    samples: int,
    net: HighlightNet,
    context: Block | None = None,
    strength: float = 1.0,
    told: Callable[[float], None] = lambda done: None,
) -> Iterator[Block]:
    """A mix (samples, channels) at 44.1 kHz as the network would have it.

    Args:
        samples: of each channel.
        context: (seconds, size) of what is seen; zeros where nothing is known.
        strength: 0 leaves the mix, 1 takes the network's.

    Yields:
        float32 blocks, in total the same shape.
    """
    step = WINDOW - OVERLAP
    tail: Block | None = None
    given = 0
    for number, window in enumerate(cut_windows(blocks, samples)):
        seconds = number * step / RATE
        made = _run(net, window, _rows(context, net.config.context_size, seconds))
        made = (window + np.float32(strength) * (made - window)).astype(np.float32)
        if tail is not None:
            fade = np.linspace(0, 1, OVERLAP, dtype=np.float32)[:, None]
            made[:OVERLAP] = (tail * (1 - fade) + made[:OVERLAP] * fade).astype(np.float32)
        first = 0 if number else LEAD
        ready = made[first:step][: samples - given]
        tail = made[step:].copy()
        given += len(ready)
        told(given / max(1, samples))
        yield ready
    if tail is not None and given < samples:
        yield tail[: samples - given]


def cut_windows(blocks: Iterable[Block], samples: int) -> Iterator[Block]:
    """Ten seconds every nine, the first from half a second before the sound; mirrored ends."""
    source = iter(blocks)
    held = np.concatenate([block for block in [next(source, None)] if block is not None] or
                          [np.zeros((0, 1), np.float32)])  # fmt: skip
    at = 0  # where `held` begins
    start = -LEAD
    while start + OVERLAP // 2 < samples or start < 0:
        end = start + WINDOW
        while at + len(held) < min(end + LEAD, samples):
            block = next(source, None)
            if block is None:
                break
            held = np.concatenate([held, block])
        inside = held[max(start, 0) - at : max(0, min(end, samples) - at)]
        before, after = max(0, -start), max(0, WINDOW - max(0, -start) - len(inside))
        yield _mirrored(inside, before, after)
        start += WINDOW - OVERLAP
        drop = max(0, min(start - at, len(held)))
        held, at = held[drop:], at + drop
        if end >= samples:
            return


def _mirrored(sound: Block, before: int, after: int) -> Block:
    if not len(sound):
        return np.zeros((before + after, sound.shape[1]), np.float32)
    mode = "reflect" if len(sound) > 1 else "edge"
    return np.pad(sound, ((before, after), (0, 0)), mode=mode)


def _rows(context: Block | None, size: int, seconds: float) -> Tensor:
    """(1, rows, size) of what is seen in a window; the last row holds on."""
    if context is None or not len(context):
        return torch.zeros(1, ROWS, size)
    first = min(max(0, round(seconds)), len(context) - 1)
    return torch.from_numpy(np.ascontiguousarray(context[first : first + ROWS]))[None]


@torch.inference_mode()
def _run(net: HighlightNet, window: Block, context: Tensor) -> Block:
    """What the network makes of a window (samples, channels)."""
    channels = torch.from_numpy(np.ascontiguousarray(window.T))
    heard = channels.mean(dim=0)
    made = net(heard[None, None], context)[0, 0]
    if len(channels) == 1:
        return made[:, None].numpy()
    hann = torch.hann_window(N_FFT)
    spectra = [torch.stft(s, N_FFT, HOP, window=hann, return_complex=True)
               for s in (heard, made)]  # fmt: skip
    most = 10 ** (MOST_DB / 20)
    gain = (spectra[1].abs() + QUIET) / (spectra[0].abs() + QUIET)
    gain = gain.clamp(1 / most, most)
    turned = [
        torch.istft(torch.stft(c, N_FFT, HOP, window=hann, return_complex=True) * gain,
                    N_FFT, HOP, window=hann, length=len(heard))
        for c in channels
    ]  # fmt: skip
    return torch.stack(turned, dim=1).numpy()
