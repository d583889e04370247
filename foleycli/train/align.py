"""Train the classifier of what belongs together: a sound and a picture's features.

    foley train align --sounds SOUNDS --out runs/align                       # small
    foley train align --preset paper --data DATA --model diff-foley --out runs/align

It sees true pairs, pairs whose features come too early or late, and pairs of two examples. Small
looks at scenes of sounds and their own features (see `train.data`); the paper's at latents of
prepared films. Both parts of a pair are turned round in time by a random amount, a shifted one by
different amounts: so the seam that turning leaves tells nothing.

Source: Luo et al. 2023, arXiv 2306.17203, section 3.4 (half true, a quarter each of the others).
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from foleycli.config import DIFF_FOLEY_MEL, AlignmentTraining
from foleycli.errors import UsageError
from foleycli.latents.align import Alignment, picture_latents
from foleycli.latents.schedule import NoiseSchedule
from foleycli.output import atomic_output
from foleycli.sources.small import write_tensors
from foleycli.train.prepare import PreparedClip
from foleycli.train.run import Run, RunOptions

ROWS, MEL_FRAMES = 32, 512  # of a window of prepared films
HELD_OUT = 96  # pairs the classifier is looked at with
TRUE, SHIFTED, SWAPPED = range(3)

Draw = Callable[[int], tuple[Tensor, Tensor]]  # count -> latents (n, 4, h, w), features (n, T, 512)
# Drawers of what may be learned from and of what is held out, and what the first draws by.
Examples = tuple[Draw, Draw, dict[str, np.random.Generator]]


def train(
    examples: Callable[[int, torch.device], Examples],
    out: Path,
    config: AlignmentTraining,
    options: RunOptions,
) -> Path:
    """Train, or go on; the path of ``align.safetensors``.

    Args:
        examples: seed and device -> where examples that belong together come from: `from_sounds` or
            `from_films`, with their other arguments given.
    """
    with Run(out, "align", config, options) as run:
        # what is learned from
        with run.first_alone():
            draw, draw_held_out, randoms = examples(run.seed, run.device)

        # what learns
        classifier = Alignment(config.sizes).to(run.device)
        average = run.average_of(classifier)
        optimizer = torch.optim.AdamW(
            classifier.parameters(), config.rate, weight_decay=config.weight_decay
        )
        pairs, noise = np.random.default_rng(run.seed + 1), run.generator()
        run.begin(
            {"classifier": classifier, "average": average},
            {"optimizer": optimizer},
            {"pairs": pairs, "noise": noise, **randoms},
        )
        schedule = NoiseSchedule.scaled_linear()
        held_out = make_pairs(*draw_held_out(HELD_OUT), config, np.random.default_rng(0))

        # learn
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                latents, features, kinds = make_pairs(*draw(run.share), config, pairs)
                times = torch.zeros(len(latents))
                if config.noisy:
                    times = torch.rand(len(latents), generator=noise).clamp(1 / 1000)
                    latents = add_noise(latents, times, schedule, noise)
                    times = schedule.model_time(times)
                with run.autocast():
                    context = classifier.conditioner(features.to(run.device))
                    logits = classifier(latents.to(run.device), times.to(run.device), context)
                right = (kinds == TRUE).float().to(run.device)
                run.backward(F.binary_cross_entropy_with_logits(logits.float(), right))
            run.step(optimizer)
            run.follow(average, classifier)
            run.end_update()
            if run.is_due():
                run.validated(**look(average, *held_out, run))

        path = out / "align.safetensors"
        if run.rank == 0:
            with atomic_output(path, overwrite=True) as beside:
                write_tensors(beside, average.state_dict(), asdict(config.sizes))
        return path


def from_sounds(
    sounds: Path, table: Path, cache: Path, seed: int, device: torch.device
) -> Examples:
    """Scenes of sounds, and held-out sounds alone, with the features that ask for them.

    They are made on the CPU, whatever the device.
    """
    from foleycli.train.data import Scenes, SoundSet, held_out_examples

    known = SoundSet(sounds, table, cache)
    scenes = Scenes(known, seed)

    def draw(count: int) -> tuple[Tensor, Tensor]:
        mels, features = scenes.batch(count)
        return picture_latents(mels), features

    def draw_held_out(count: int) -> tuple[Tensor, Tensor]:
        examples = held_out_examples(known)[:count]
        if len(examples) < 2:
            return draw(count)
        mels = torch.from_numpy(np.stack([mel.T for _, mel, _ in examples]))
        features = torch.from_numpy(np.stack([rows for _, _, rows in examples]))
        return picture_latents(mels), features

    return draw, draw_held_out, {"scenes": scenes.random}


def from_films(data: Path, model: str, seed: int, device: torch.device) -> Examples:
    """Windows of prepared films, as latents of a bundle's autoencoder, with CAVP's rows.

    Raises:
        UsageError: the bundle is of another family.
    """
    from foleycli.latents.diff_foley import DiffFoley
    from foleycli.models.bundle import Bundle
    from foleycli.sources.identity import DIFF_FOLEY, find_family, find_folder
    from foleycli.sources.public import load_part
    from foleycli.train.films import Films, window_rows

    folder = find_folder(model)
    if find_family(folder) != DIFF_FOLEY:
        raise UsageError(f"{model} has no autoencoder of pictures.", "Give diff-foley.")
    part = load_part(Bundle.open(folder), "diffusion", torch.float32, ("denoiser",))
    diffusion = cast(DiffFoley, part).to(device)
    films = Films(data, ("mels", "features"), 1, seed, DIFF_FOLEY_MEL)

    def cut(clips: list[PreparedClip]) -> tuple[Tensor, Tensor]:
        seen = [clip.features for clip in clips if clip.features is not None]
        rows = np.stack([window_rows(features, 0, ROWS) for features in seen])
        mels = np.stack([films.mel_of(clip, 0, MEL_FRAMES) for clip in clips])
        with torch.no_grad():
            mean, _ = diffusion.encode(torch.from_numpy(mels).to(device))
        return mean.cpu(), F.normalize(torch.from_numpy(rows), dim=-1)

    def draw_held_out(count: int) -> tuple[Tensor, Tensor]:
        numbers = (films.held_out or films.heard)[:count]
        return cut([films.prepared[number] for number in numbers])

    return lambda count: cut(films.draw(count)), draw_held_out, {"films": films.random}


def make_pairs(
    latents: Tensor, features: Tensor, config: AlignmentTraining, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Turn examples round in time, and pull some of them apart.

    Returns:
        latents and features as they came, and (batch,) the kind of each pair.
    """
    batch, rows, width = len(latents), features.shape[1], latents.shape[-1]
    shares = (1 - config.shifted - config.swapped, config.shifted, config.swapped)
    kinds = random.choice(3, batch, p=shares)
    if batch == 1:
        kinds[kinds == SWAPPED] = SHIFTED
    turned_latents, turned_features = [], []
    for n, kind in enumerate(kinds):
        turn = int(random.integers(rows))
        other = turn
        if kind == SHIFTED:
            other += int(random.integers(config.least_shift, rows - config.least_shift + 1))
        source = (n + 1) % batch if kind == SWAPPED else n
        turned_latents.append(latents[n].roll(turn * width // rows, -1))
        turned_features.append(features[source].roll(other, 0))
    return torch.stack(turned_latents), torch.stack(turned_features), torch.from_numpy(kinds)


def add_noise(
    latents: Tensor, times: Tensor, schedule: NoiseSchedule, random: torch.Generator
) -> Tensor:
    """Latents as they are at (batch,) times of the diffusion."""
    alpha, sigma = (part.float()[:, None, None, None] for part in schedule.signal_and_noise(times))
    return alpha * latents + sigma * torch.randn(latents.shape, generator=random)


@torch.no_grad()
def look(
    average: Alignment,
    latents: Tensor,
    features: Tensor,
    kinds: Tensor,
    run: Run[AlignmentTraining],
) -> dict[str, float]:
    """Loss over held-out pairs, and the share of each kind that is told right."""
    latents, features = latents.to(run.device), features.to(run.device)
    logits = average(latents, torch.zeros(len(latents)), average.conditioner(features)).cpu()
    loss = F.binary_cross_entropy_with_logits(logits, (kinds == TRUE).float())
    right = (logits > 0) == (kinds == TRUE)
    names = {TRUE: "true", SHIFTED: "shifted", SWAPPED: "swapped"}
    told = {name: float(right[kinds == kind].float().mean()) for kind, name in names.items()}
    return {"loss": float(loss), **told}
