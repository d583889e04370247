"""Train the denoiser of the full-size model: noise to latents of mel pictures, following CAVP.

    foley data prepare VIDEOS data --model diff-foley --parts mels,features
    foley train denoiser --preset paper --data data --model diff-foley --out runs/denoiser

begins from the weights of a bundle (--model) and keeps its autoencoder, as the published model
began from Stable Diffusion's. Half of the examples are two films, one after the other; of one in
five the features are withheld.

Source: Luo et al. 2023, arXiv 2306.17203, section 3.3, and its published code.
"""

from dataclasses import asdict
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from foleycli.config import DIFF_FOLEY_MEL, SelectSoundTraining, UNetTraining
from foleycli.errors import UsageError
from foleycli.latents.diff_foley import DiffFoley
from foleycli.latents.schedule import NoiseSchedule
from foleycli.models.bundle import Bundle, write_bundle
from foleycli.sources.identity import DIFF_FOLEY, find_family, find_folder
from foleycli.sources.public import load_part
from foleycli.train.films import Films, window_rows
from foleycli.train.prepare import PreparedClip
from foleycli.train.run import Run, RunOptions

HELD_OUT = 32  # films the network is looked at with


def train(data: Path, model: str, out: Path, config: UNetTraining, options: RunOptions) -> Path:
    """Train, or go on; the folder of the bundle, which is ``model`` with another denoiser.

    Raises:
        UsageError: the bundle is of another family.
    """
    folder = find_folder(model)
    if find_family(folder) != DIFF_FOLEY:
        raise UsageError(f"{model} is of another family.", "Give diff-foley, or one made of it.")
    base = Bundle.open(folder)
    with Run(out, "denoiser", config, options) as run:
        # what is learned from
        films = Films(data, ("mels", "features"), config.least, run.seed, DIFF_FOLEY_MEL)
        schedule = NoiseSchedule.scaled_linear()

        # what learns
        diffusion = cast(DiffFoley, load_part(base, "diffusion", torch.float32)).to(run.device)
        diffusion.denoiser.train().requires_grad_(True)
        diffusion.conditioner.train().requires_grad_(True)
        learning = torch.nn.ModuleList([diffusion.denoiser, diffusion.conditioner])
        average = run.average_of(learning)
        optimizer = torch.optim.AdamW(
            learning.parameters(), config.rate, weight_decay=config.weight_decay
        )
        noise = run.generator()
        run.begin(
            {"learning": learning, "average": average},
            {"optimizer": optimizer},
            {"films": films.random, "noise": noise},
        )

        # learn
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                mels, features = draw(films, run.share, config)
                run.backward(diffusion_loss(diffusion, mels, features, schedule, noise, run))
            run.step(optimizer)
            run.follow(average, learning)
            run.end_update()
            if run.is_due() and films.held_out:
                run.validated(loss=look(diffusion, average, films, schedule, run))

        if run.rank == 0:
            learning.load_state_dict(average.state_dict())
            write(base, diffusion, out / "bundle", run)
        return out / "bundle"


def draw(films: Films, count: int, config: UNetTraining) -> tuple[Tensor, Tensor]:
    """Windows of films, some of them two in a row.

    Returns:
        log mel (count, 128, frames) and unit rows (count, rows, 512).
    """
    mels, features = [], []
    for clip in films.draw(count):
        mel, rows = window(films, clip, config.rows, config)
        if films.random.random() < config.joined:
            cut = int(films.random.integers(config.least, config.rows - config.least + 1))
            (after,) = films.draw(1)
            next_mel, next_rows = window(films, after, config.rows - cut, config)
            seam = round(cut * films.mel_rate)
            mel = np.concatenate([mel[:, :seam], next_mel], axis=1)[:, : config.mel_frames]
            rows = np.concatenate([rows[:cut], next_rows])[: config.rows]
        mels.append(torch.from_numpy(mel))
        features.append(torch.from_numpy(rows))
    return torch.stack(mels), F.normalize(torch.stack(features), dim=-1)


@torch.no_grad()
def look(
    diffusion: DiffFoley,
    average: torch.nn.ModuleList,
    films: Films,
    schedule: NoiseSchedule,
    run: Run[UNetTraining],
) -> Tensor:
    """The average's loss over the beginnings of held-out films, by the same chance each time."""
    clips = [films.prepared[number] for number in films.held_out[:HELD_OUT]]
    rows = [clip.features for clip in clips if clip.features is not None]
    rows = np.stack([window_rows(features, 0, run.config.rows) for features in rows])
    mels = np.stack([films.mel_of(clip, 0, run.config.mel_frames) for clip in clips])
    learning = diffusion.denoiser, diffusion.conditioner
    diffusion.denoiser, diffusion.conditioner = average  # type: ignore[assignment]
    try:
        features = F.normalize(torch.from_numpy(rows), dim=-1)
        chance = torch.Generator().manual_seed(0)
        return diffusion_loss(diffusion, torch.from_numpy(mels), features, schedule, chance, run)
    finally:
        diffusion.denoiser, diffusion.conditioner = learning


def window(
    films: Films, clip: PreparedClip, rows: int, config: UNetTraining
) -> tuple[np.ndarray, np.ndarray]:
    """A whole window of a film, from a place where at least ``rows`` rows are left, if any."""
    assert clip.features is not None
    first = int(films.random.integers(0, max(1, len(clip.features) - rows + 1)))
    mel = films.mel_of(clip, first, config.mel_frames)
    return mel, window_rows(clip.features, first, config.rows)


def diffusion_loss(
    diffusion: DiffFoley,
    mels: Tensor,
    features: Tensor,
    schedule: NoiseSchedule,
    random: torch.Generator,
    run: Run[UNetTraining] | Run[SelectSoundTraining],
) -> Tensor:
    """Mean squared error of the noise predicted in latents at whole timesteps."""
    batch = len(mels)
    with torch.no_grad():
        mean, log_variance = diffusion.encode(mels.to(run.device))
        chance = torch.randn(mean.shape, generator=random).to(run.device)
        latents = mean + (0.5 * log_variance).exp() * chance
    steps = torch.randint(0, schedule.timesteps, (batch,), generator=random)
    alpha, sigma = schedule.signal_and_noise((steps + 1) / schedule.timesteps)
    alpha, sigma = (part.float()[:, None, None, None].to(run.device) for part in (alpha, sigma))
    noise = torch.randn(latents.shape, generator=random).to(run.device)
    withheld = torch.rand(batch, generator=random) < run.config.drop
    features = torch.where(withheld[:, None, None], 0, features).to(run.device)
    with run.autocast():
        context = diffusion.embed(features)
        found = diffusion.denoiser(
            alpha * latents + sigma * noise, steps.to(run.device), context, return_dict=False
        )[0]
    return (found.float() - noise).square().mean()


def write(base: Bundle, diffusion: DiffFoley, folder: Path, run: Run[UNetTraining]) -> None:
    """The base's bundle with what was learned in place of its own."""
    learned = {f"diffusion.{name}": t.cpu() for name, t in diffusion.state_dict().items()}
    other = (part for part in base.config["parts"] if part != "diffusion")
    kept = {f"{part}.{name}": t for part in other for name, t in base.tensors(part).items()}
    config = {key: value for key, value in base.config.items() if key != "format"}
    config["trained"] = {"updates": run.done, **asdict(run.config)}
    card = (
        f"# A denoiser trained further\n\n{run.done} updates of {run.config.batch} windows, seed "
        f"{run.options.seed}, from a bundle whose weights have sha256 {base.fingerprint}. "
        "Command: `foley train denoiser --preset paper`. Its licence and limits are those of that "
        "bundle, whose card stands below, and of the films it learned from.\n\n"
    )
    below = base.folder / "README.md"
    card += below.read_text("utf-8") if below.exists() else ""
    write_bundle(folder, config, {**kept, **learned}, card, overwrite=True)
