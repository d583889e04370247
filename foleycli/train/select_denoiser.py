"""Train what sounds to be led by eyes that select: keys and values of diff-foley's denoiser.

    foley data prepare VIDEOS data --table CSV --model diff-foley --parts frames,mels
    foley train select --preset paper --data data --out runs/eyes
    foley train select --stage 2 --data data --model runs/eyes/bundle --out runs/select

Two clips stand side by side, as in stage 1; from the rows that the frozen eyes select by the words
of one, the denoiser learns that one's sound. Only what it reads rows with is trained: the
conditioner, and keys and values of its attention to rows. ``--one-stage`` leaves stage 1 out: what
selects learns from nothing, by the sound alone.

Source: SelVA, arXiv 2512.02650, section 3.3, moved to the denoiser of arXiv 2306.17203. Whether the
pictures of its second stage are mixed is not stated; here they are.
"""

from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from foleycli.config import DIFF_FOLEY_MEL, FEATURES, SelectSoundTraining, TextSelectConfig
from foleycli.errors import UsageError
from foleycli.latents.diff_foley import DiffFoley
from foleycli.latents.schedule import NoiseSchedule
from foleycli.models.bundle import Bundle
from foleycli.sight.cavp import Cavp, unit_rows
from foleycli.sight.words import TextSelect
from foleycli.sources.identity import find_folder
from foleycli.sources.public import load_part
from foleycli.spot.text import embed_text
from foleycli.train.denoiser_unet import diffusion_loss
from foleycli.train.films import Films
from foleycli.train.run import Run, RunOptions
from foleycli.train.select import PART, mix_batch, write_learned

ROWS, MEL_FRAMES = 32, 512  # of a window
HELD_OUT = 16
NOTE = """## Sounds what is selected
Its denoiser's keys and values learned to follow eyes that select ({updates} updates of {batch}, on
the model with sha256 {base}): see arXiv 2512.02650 and `foley train select --stage 2`.
"""


def train(
    data: Path, model: str, out: Path, config: SelectSoundTraining, options: RunOptions
) -> Path:
    """Train, or go on; the folder of the bundle.

    Args:
        data: what ``foley data prepare`` wrote, with frames, mels and labels.
        model: a bundle that selects; of a single stage, any of its family.

    Raises:
        UsageError: the bundle does not select, or there is nothing to learn from.
    """
    base = Bundle.open(find_folder(model))
    if PART not in base.config["parts"] and not config.one_stage:
        raise UsageError(
            f"{model} does not look for words.", "Train stage 1 first, or give --one-stage."
        )
    with Run(out, "select-denoiser", config, options) as run:
        # what is learned from
        films = Films(data, ("frames", "mels"), 1, run.seed, DIFF_FOLEY_MEL)
        words = [row["label"] or row["prompt"] for row in films.prepared.rows]
        heard, held_out = (
            [number for number in numbers if words[number]]
            for numbers in (films.heard, films.held_out)
        )
        if not heard:
            raise UsageError(f"{data} has no labels.", "Prepare it with --table.")
        vectors = torch.from_numpy(embed_text(words)).to(run.device)
        schedule = NoiseSchedule.scaled_linear()

        # who sees, and what learns
        cavp = cast(Cavp, load_part(base, "cavp", torch.float32, ("spec_encoder",))).to(run.device)
        select = open_select(base, cavp, config).to(run.device)
        diffusion = cast(DiffFoley, load_part(base, "diffusion", torch.float32)).to(run.device)
        learned = let_learn(diffusion, select, config)
        learning = nn.ModuleList([diffusion.denoiser, diffusion.conditioner, select])
        average = run.average_of(learning)
        optimizer = torch.optim.AdamW(learned, config.rate, weight_decay=config.weight_decay)
        noise, chance = run.generator(), np.random.default_rng(run.seed)
        run.begin(
            {"learning": learning, "average": average},
            {"optimizer": optimizer},
            {"chance": chance, "noise": noise},
        )

        def loss_of(numbers: list[int], chance: np.random.Generator, noise: torch.Generator):
            mels, frames = windows(films, numbers, chance)
            named = [words[number] for number in numbers]
            mixed, film = mix_batch(frames, named, config, chance)
            with torch.no_grad(), run.autocast():
                maps = cavp.maps(torch.stack(mixed).to(run.device))
            with run.autocast():
                rows = cavp.rows(select(maps[film], vectors[numbers])[0])
            features = unit_rows(rows).cpu()
            return diffusion_loss(diffusion, mels, features, schedule, noise, run)

        # learn
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                numbers = chance.choice(heard, run.share, replace=run.share > len(heard)).tolist()
                run.backward(loss_of(numbers, chance, noise))
            run.step(optimizer)
            run.follow(average, learning)
            run.end_update()
            if run.is_due() and held_out:
                with torch.no_grad():
                    fixed = np.random.default_rng(0), torch.Generator().manual_seed(0)
                    run.validated(loss=loss_of(held_out[:HELD_OUT], *fixed))

        if run.rank == 0:
            learning.load_state_dict(average.state_dict())
            facts = {"updates": run.done, "seed": options.seed, **asdict(config)}
            parts = {"diffusion": diffusion, PART: select}
            sizes = {PART: asdict(select.config)}
            write_learned(base, parts, out / "bundle", "sounds_selected", facts, NOTE, sizes)
        return out / "bundle"


def open_select(base: Bundle, cavp: Cavp, config: SelectSoundTraining) -> TextSelect:
    """The bundle's, frozen; of a single stage a new one."""
    if not config.one_stage:
        return cast(TextSelect, load_part(base, PART, torch.float32))
    channels = cavp.video_encoder.channels
    return TextSelect(TextSelectConfig(channels=channels, extra_words=config.extra_words))


def let_learn(
    diffusion: DiffFoley, select: TextSelect, config: SelectSoundTraining
) -> list[nn.Parameter]:
    """The weights that are trained: the denoiser reads rows with them, and with no others."""
    read = {
        name: weight
        for name, weight in diffusion.denoiser.named_parameters()
        if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
    }
    learned = [*read.values(), *diffusion.conditioner.parameters()]
    if config.one_stage:
        kept = (w for name, w in select.named_parameters() if not name.startswith("presence"))
        learned += [weight for weight in kept if weight.numel()]
    for weight in learned:
        weight.requires_grad_(True)
    return learned


def windows(films: Films, numbers: list[int], chance: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A window of each film, a shorter film repeated: log mel (n, 128, 512) and frames (n, 32, 3,
    height, width) uint8."""
    mels, frames = [], []
    for number in numbers:
        clip = films.prepared[number]
        assert clip.frames is not None
        first = int(chance.integers(max(1, len(clip.frames) - ROWS + 1)))
        mels.append(torch.from_numpy(films.mel_of(clip, first, MEL_FRAMES)))
        seen = clip.frames[(first + np.arange(ROWS)) % len(clip.frames)]
        frames.append(torch.from_numpy(seen).permute(0, 3, 1, 2))
    return torch.stack(mels), torch.stack(frames)


assert 8 * FEATURES.frame_rate == ROWS
