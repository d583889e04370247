"""Train encoders of pictures and of sound whose rows agree when the two belong together.

    foley data prepare VIDEOS data --parts frames,mels
    foley train cavp --data data --out runs/cavp

Two contrasts over segments of films: among all of a batch (semantic: what it is), and among those
of one film (temporal: when it is).

Source: Luo et al. 2023, arXiv 2306.17203, section 3.2; the loss as in its published code.
"""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from foleycli.config import CavpTraining
from foleycli.output import atomic_output
from foleycli.sight.cavp import Cavp, pool_time
from foleycli.sources.small import write_tensors
from foleycli.train.films import Films, squeeze
from foleycli.train.prepare import PreparedClip
from foleycli.train.run import Run, RunOptions, gather

LARGEST_SCALE = math.log(100)
STEPS = 16  # mel frames a row of the audio network
HELD_OUT = 16  # films


def train(data: Path, out: Path, config: CavpTraining, options: RunOptions) -> Path:
    """Train, or go on; the path of ``cavp.safetensors``."""
    with Run(out, "cavp", config, options) as run:
        # what is learned from
        needed = config.rows + (config.segments - 1) * config.apart
        films = Films(data, ("frames", "mels"), needed, run.seed)

        # what learns
        cavp = Cavp(config.sizes).to(run.device).train()
        average = run.average_of(cavp).eval()
        optimizer = torch.optim.AdamW(decay_groups(cavp, config.weight_decay), config.rate)
        run.begin(
            {"cavp": cavp, "average": average}, {"optimizer": optimizer}, {"films": films.random}
        )

        # learn
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                clips = films.draw(run.share)
                frames, mels = cut_segments(clips, films, config, films.random)
                with run.autocast():
                    seen = cavp.encode_frames(frames.to(run.device))
                    heard = cavp.encode_mel(mels.to(run.device)).float()
                seen, heard = (gather(pool_time(rows), run.world) for rows in (seen, heard))
                run.backward(contrast(seen, heard, cavp.logit_scale, config))
            run.step(optimizer)
            cavp.logit_scale.data.clamp_(0, LARGEST_SCALE)
            run.follow(average, cavp)
            run.end_update()
            if run.is_due() and films.held_out:
                run.validated(**look(average, films, config, run))

        path = out / "cavp.safetensors"
        if run.rank == 0:
            write(path, average, config)
        return path


def cut_segments(
    clips: list[PreparedClip], films: Films, config: CavpTraining, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Segments of each film, at least ``apart`` rows from one another, in order.

    Returns:
        frames (clips * segments, rows, 3, picture, picture) and log mel
        (clips * segments, n_mels, rows * 16).
    """
    frames, mels = [], []
    for clip in clips:
        assert clip.frames is not None
        length = round(config.rows * films.mel_rate)
        spare = len(clip.frames) - config.rows - (config.segments - 1) * config.apart
        gaps = np.sort(random.integers(0, spare + 1, config.segments))
        for number, gap in enumerate(gaps):
            first = int(gap) + number * config.apart
            pictures = squeeze(clip.frames[first : first + config.rows], config.picture)
            frames.append(pictures)
            mels.append(torch.from_numpy(films.mel_of(clip, first, length)))
    sized = F.interpolate(torch.stack(mels), config.rows * STEPS, mode="linear")
    return torch.stack(frames), sized


def contrast(seen: Tensor, heard: Tensor, logit_scale: Tensor, config: CavpTraining) -> Tensor:
    """Each picture shall know its sound, and each sound its picture: among all, and in its film.

    Args:
        seen, heard: (films * segments, size), unit rows.
    """
    logits = logit_scale.exp() * seen @ heard.T
    films = len(logits) // config.segments
    within = logits.view(films, config.segments, films, config.segments)
    within = within.diagonal(dim1=0, dim2=2).permute(2, 0, 1)  # (films, segments, segments)
    return both_ways(logits[None]) + config.temporal * both_ways(within)


def both_ways(logits: Tensor) -> Tensor:
    """Cross entropy of (n, k, k) logits whose diagonal is right, by rows and by columns."""
    right = torch.arange(logits.shape[1], device=logits.device).expand(len(logits), -1)
    rows, columns = F.cross_entropy(logits.mT, right), F.cross_entropy(logits, right)
    return (rows + columns) / 2


@torch.no_grad()
def look(
    average: Cavp, films: Films, config: CavpTraining, run: Run[CavpTraining]
) -> dict[str, float]:
    """Loss over held-out films, and how often a segment's own sound is the nearest in its film."""
    clips = [films.prepared[number] for number in films.held_out[:HELD_OUT]]
    frames, mels = cut_segments(clips, films, config, np.random.default_rng(0))
    parts = zip(frames.split(config.segments), mels.split(config.segments), strict=True)
    seen, heard = [], []
    for pictures, sounds in parts:
        seen.append(pool_time(average.encode_frames(pictures.to(run.device))))
        heard.append(pool_time(average.encode_mel(sounds.to(run.device))))
    own = [bool((s @ h.T).argmax(1)[n] == n) for s, h in zip(seen, heard, strict=True)
           for n in range(config.segments)]  # fmt: skip
    loss = contrast(torch.cat(seen), torch.cat(heard), average.logit_scale, config)
    return {"loss": float(loss), "own_nearest": sum(own) / len(own)}


def decay_groups(cavp: Cavp, decay: float) -> list[dict]:
    """Norms, biases and the temperature do not decay."""
    parameters = list(cavp.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def write(path: Path, cavp: Cavp, config: CavpTraining) -> None:
    """Weights under the public names, their sizes in the metadata."""
    sizes = {name: getattr(config.sizes, name) for name in config.sizes.__dataclass_fields__}
    with atomic_output(path, overwrite=True) as beside:
        write_tensors(beside, cavp.state_dict(), sizes)
