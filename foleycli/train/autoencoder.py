"""Fit the autoencoder of ``small``: principal components of mel patches, in two minutes.

    foley train autoencoder --sounds SOUNDS --out runs/autoencoder

SOUNDS is a folder with ``sounds.csv`` (or ``--table CSV``), see `train.data`. The one of the full
size is `train.autoencoder_kl`.
"""

import logging
from dataclasses import asdict
from pathlib import Path

import torch

from foleycli.config import MEL, PatchConfig
from foleycli.latents.autoencoder import PatchAutoencoder
from foleycli.output import atomic_output
from foleycli.sources.small import write_tensors
from foleycli.train.data import Scenes, SoundSet
from foleycli.train.run import RunOptions, check_folder, keep_folder

logger = logging.getLogger("foleycli")


def fit(
    sounds: Path,
    table: Path,
    cache: Path,
    out: Path,
    config: PatchConfig,
    options: RunOptions | None = None,
) -> Path:
    """Fit it; the path of ``autoencoder.safetensors`` in ``out``.

    Raises:
        UsageError: the folder holds another one.
        MediaError: there is no sound to learn from.
    """
    options = options or RunOptions()
    about = {"stage": "autoencoder", "preset": options.preset, "seed": options.seed}
    check_folder(out, about | asdict(config))
    scenes = Scenes(SoundSet(sounds, table, cache), options.seed)
    autoencoder = PatchAutoencoder(MEL.n_mels, config.patch, config.channels)
    patches = []
    for done in range(config.scenes):
        patches.append(autoencoder.patches(scenes.batch(1)[0]))
        options.progress(done + 1, config.scenes, 0.0)
    variances = autoencoder.fit(torch.cat(patches).flatten(0, 1), config.whitening)
    kept = float(variances[: config.channels].sum() / variances.sum())
    logger.info("%d components keep %.1f %% of the variance", config.channels, 100 * kept)
    sizes = {"n_mels": MEL.n_mels, "patch": config.patch, "channels": config.channels}
    keep_folder(out, about | asdict(config))
    path = out / "autoencoder.safetensors"
    with atomic_output(path, overwrite=True) as beside:
        write_tensors(beside, autoencoder.state_dict(), sizes)
    return path
