"""Train TempoTokens' mapper and pooling: tokens of a sound that lead a text-to-video model.

    foley train visualize --films FILMS --t2v ZEROSCOPE --beats BEATS.pt --out runs/visualize

Pictures (24 of a second) and sound (the same second) of films are encoded once and kept; then the
mapper learns to put into the prompts what lets the frozen U-Net tell the noise in the pictures.
Loss: mean squared error of the noise, and a hundredth of the mean size of the frames' tokens.

Source: Yariv et al. 2023, arXiv 2309.16429, equation 8; guyyariv/TempoTokens, train.py.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from foleycli.clip.find import find_clips
from foleycli.config import TempoTokensTraining
from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.output import atomic_output, make_folder
from foleycli.train.checkpoint import logger
from foleycli.train.run import Run, RunOptions
from foleycli.visualize.tempotokens.make import Networks, open_networks
from foleycli.visualize.tempotokens.noise import (
    STEPS,
    Window,
    compare,
    encode_film,
    losses,
    prompt_of,
)
from foleycli.visualize.tempotokens.tokens import NAMES, Mapper, MapperConfig

HELD_OUT = 10  # every so manieth film, by the checksum of its name
LOOKS = 8  # windows of held-out films, at as many times


def train(
    films: Path, t2v: Path, beats: Path, out: Path, config: TempoTokensTraining, options: RunOptions
) -> Path:
    """Train, or go on; the path of ``mapper.safetensors``.

    Raises:
        MediaError: no film has a second of pictures and sound.
        ModelError: weights cannot be read.
        UsageError: more windows than the prompt has places for.
    """
    if len(config.windows) > len(NAMES) - 2 or any(k < 1 for k in config.windows):
        raise UsageError(
            f"--windows {','.join(map(str, config.windows))} cannot be done.",
            "Give up to four sizes, such as 1,2,4,8.",
        )
    with Run(out, "visualize", config, options) as run:
        # what is learned from
        frozen = open_frozen(t2v, beats, run.device)
        with run.first_alone():
            heard, held_out = encode_films(films, out.parent / "kept-visualize", frozen, config)
        random, noise = np.random.default_rng(run.seed), run.generator()

        # what learns
        features = heard[0].rows.shape[1]
        size = frozen.text.config.hidden_size
        mapper = Mapper(MapperConfig(features, config.hidden, size), config.windows).to(run.device)
        optimizer = torch.optim.AdamW(
            mapper.parameters(), config.rate, weight_decay=config.weight_decay
        )
        run.begin({"mapper": mapper}, {"optimizer": optimizer}, {"random": random, "noise": noise})
        ids = prompt_of(frozen, config.windows).to(run.device)
        alphas = frozen.scheduler.alphas_cumprod

        # learn
        mapper.train()
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                loss = torch.zeros((), device=run.device)
                for _ in range(run.share):  # a prompt a frame: one film at a time
                    window = heard[int(random.integers(len(heard)))]
                    time = int(random.integers(STEPS))
                    drawn = torch.randn(window.latents.shape, generator=noise)
                    with run.autocast():
                        apart, sizes = losses(window, time, drawn, mapper, frozen, ids, alphas)
                    loss = loss + (apart + config.l1 * sizes) / run.share
                run.backward(loss)
            run.step(optimizer)
            run.end_update()
            if run.is_due() and held_out:
                run.validated(**look(mapper, held_out, frozen, ids, alphas))

        path = out / "mapper.safetensors"
        if run.rank == 0:
            with atomic_output(path, overwrite=True) as beside:
                state = {k: v.detach().cpu().contiguous() for k, v in mapper.state_dict().items()}
                save_file(state, beside, metadata={"windows": json.dumps(config.windows)})
        return path


@torch.no_grad()
def look(
    mapper: Mapper, held_out: list[Window], frozen: Networks, ids: Tensor, alphas: Tensor
) -> dict[str, float]:
    """The loss over held-out films; and what it is with another film's sound, which is more once
    the tokens say something."""
    mapper.eval()
    pairs = []
    for number in range(LOOKS):
        window = held_out[number % len(held_out)]
        other = held_out[(number + len(held_out) // 2) % len(held_out)]
        pairs.append(compare(window, other, [number], LOOKS, mapper, frozen, ids, alphas))
    mapper.train()
    right, wrong = np.mean(pairs, axis=0)
    return {"loss": float(right), "another_sound": float(wrong)}


def open_frozen(t2v: Path, beats: Path, device: torch.device) -> Networks:
    """Everything that does not learn."""
    model = {"t2v": t2v, "beats": beats, "mapper": None, "device": str(device)}
    return open_networks(model)


def encode_films(
    films: Path, cache: Path, frozen: Networks, config: TempoTokensTraining
) -> tuple[list[Window], list[Window]]:
    """Windows to learn from and held-out ones; a file a film, so that what is done stays done.

    Raises:
        MediaError: there is none to learn from.
    """
    make_folder(cache)
    heard: list[Window] = []
    held_out: list[Window] = []
    for film in find_clips([films]):
        path = cache / f"{_key(film, frozen, config)}.npz"
        if not path.exists():
            try:
                size = config.width, config.height
                windows = encode_film(film, frozen, config.frames_a_second, size)
            except FoleyError as error:
                logger.warning("%s is left out: %s", film.name, error.problem)
                continue
            with atomic_output(path, overwrite=True) as beside, beside.open("wb") as file:
                latents = np.stack([w.latents for w in windows]) if windows else np.zeros(0)
                rows = np.stack([w.rows for w in windows]) if windows else np.zeros(0)
                np.savez(file, latents=latents, rows=rows)
        with np.load(path) as arrays:
            pairs = zip(arrays["latents"], arrays["rows"], strict=True)
            kept = [Window(latents, rows) for latents, rows in pairs]
        digest = hashlib.blake2b(film.name.encode(errors="surrogateescape"), digest_size=4)
        (heard if int.from_bytes(digest.digest()) % HELD_OUT else held_out).extend(kept)
    if not heard:
        raise MediaError(
            f"No film of {films} has a second of pictures and sound.", "Give films with sound."
        )
    return heard, held_out


def _key(film: Path, frozen: Networks, config: TempoTokensTraining) -> str:
    state = film.stat()
    facts: list[Any] = [
        str(film.resolve()),
        state.st_size,
        state.st_mtime_ns,
        config.frames_a_second,
        config.width,
        config.height,
        frozen.beats.config.encoder_layers,
        frozen.beats.config.encoder_embed_dim,
        sum(p.numel() for p in frozen.vae.parameters()),
    ]
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=10).hexdigest()
