"""Alignment accuracy: the share of sounds that a classifier holds to belong to their picture.

Diff-Foley's measure (Luo et al. 2023, arXiv 2306.17203, section 4). With its public classifier
(``foley models pull eval-align``) the number is ``align_acc``; with one that ``foley train align``
made of free recordings it is ``align_acc (own classifier)``, and the two cannot be compared.

As published, the first window of 8 s is judged; a shorter sound is filled with silence.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray

from foleycli.clip.probe import probe
from foleycli.config import DIFF_FOLEY_MEL, AlignmentConfig, MelConfig
from foleycli.errors import ModelError
from foleycli.evaluate.kept import kept
from foleycli.evaluate.material import Film, Sound
from foleycli.folders import cache_folder
from foleycli.frames.decode import decode_pictures
from foleycli.waveform.mel import log_mel

ROWS, FRAMES = 32, 512  # of a window, 8 s: rows of features, frames of the spectrogram
OWN_FILE = "align.safetensors"
CLASSIFIER = "FOLEY_ALIGN"  # environment variable: the file of a classifier of one's own
Rows = NDArray[np.float32]


class Judge(Protocol):
    """A classifier with what it needs to see a film."""

    fingerprint: str  # of what sees the film

    def see(self, film: Film) -> Rows:
        """(rows, 512) of a film, four a second."""
        ...

    def probability(self, sound: Sound, rows: Rows) -> float:
        """That the first 8 s belong to rows (32, 512)."""
        ...


def aligned(name: str, sound: Sound, film: Film) -> float:
    """100 when the classifier holds that sound and picture belong together, else 0.

    Args:
        name: ``align`` for the public classifier, ``align-own`` for one trained here.

    Raises:
        ModelError: it is not here; the remedy says how it comes.
    """
    judge = open_judge(name)
    kind = f"{name}-{judge.fingerprint}"
    rows = kept(kind, film.digest, lambda: {"rows": judge.see(film)})["rows"]
    return 100.0 * (judge.probability(sound, _window(rows)) > 0.5)


@lru_cache(maxsize=2)
def open_judge(name: str) -> Judge:
    """The classifier of that name, opened once."""
    return PublicJudge() if name == "align" else OwnJudge(own_file())


def own_file() -> Path:
    """Where a classifier trained here is: ``$FOLEY_ALIGN``, or in foleycli's folder of models."""
    return Path(os.environ.get(CLASSIFIER) or cache_folder("models") / "eval-align-own" / OWN_FILE)


class PublicJudge:
    """Diff-Foley's classifier, over CAVP's rows.

    Raises:
        ModelError: the classifier or diff-foley is not installed.
    """

    def __init__(self) -> None:
        from foleycli.models.bundle import Bundle
        from foleycli.models.registry import find_model, require_installed
        from foleycli.sources.diff_foley import DiffFoleyModel  # diffusers takes seconds to import
        from foleycli.sources.public import load_part

        classifier = Bundle.open(require_installed(find_model("eval-align")).folder)
        seeing = Bundle.open(require_installed(find_model("diff-foley")).folder)
        self.fingerprint = seeing.fingerprint[:16]
        self._model = DiffFoleyModel(seeing)
        self._classifier = load_part(classifier, "align", torch.float32)

    def see(self, film: Film) -> Rows:
        """CAVP's unit rows of the whole film."""
        pictures = decode_pictures(probe(film.path))
        shown = (rgb for picture in pictures for rgb in [picture.rgb] * picture.repeats)
        return np.concatenate(list(self._model.see(rgb for rgb in shown if rgb is not None)))

    def probability(self, sound: Sound, rows: Rows) -> float:
        """By the classifier's own autoencoder, at time 0."""
        from foleycli.latents.align import Alignment, alignment

        mel = _mel(sound, DIFF_FOLEY_MEL)
        judged = alignment(cast(Alignment, self._classifier), mel, torch.from_numpy(rows)[None])
        return float(judged[0])


class OwnJudge:
    """A classifier of ``foley train align``, over the rows that a film's cues render to.

    Raises:
        ModelError: the file is missing, or of another network.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ModelError(
                f"There is no classifier of alignment at {path}.",
                f"Make one with `foley train align`, and set {CLASSIFIER} to its {OWN_FILE}.",
            )
        from foleycli.latents.align import Alignment
        from foleycli.sources.small import read_tensors

        try:
            tensors, sizes = read_tensors(path)
            self._classifier = Alignment(AlignmentConfig(**_tuples(sizes))).eval()
            self._classifier.load_state_dict(tensors)
        except (RuntimeError, TypeError, KeyError, ValueError) as error:
            raise ModelError(f"{path} is no classifier of alignment.", "Train it again.") from error
        self.fingerprint = "cues"

    def see(self, film: Film) -> Rows:
        """Rows of the cues that are found in the film."""
        from foleycli.spot.encode import Encoder, encode_video
        from foleycli.spot.find import find_cues
        from foleycli.spot.render import render_features

        features = encode_video(decode_pictures(probe(film.path)), Encoder.open())
        return render_features(find_cues(features), features.duration).rows

    @torch.inference_mode()
    def probability(self, sound: Sound, rows: Rows) -> float:
        """At time 0, by averages of the spectrogram in place of an autoencoder."""
        from foleycli.latents.align import picture_latents

        latent = picture_latents(_mel(sound, MelConfig()))
        context = self._classifier.conditioner(torch.from_numpy(rows)[None])
        return float(self._classifier(latent, torch.zeros(1), context).sigmoid()[0])


def _tuples(sizes: dict) -> dict:
    return {key: tuple(size) if isinstance(size, list) else size for key, size in sizes.items()}


def _mel(sound: Sound, config: MelConfig) -> torch.Tensor:
    """(1, 128, 512) of the first window."""
    waveform = sound.at(config.sample_rate)[: FRAMES * config.hop_length]
    missing = FRAMES * config.hop_length - len(waveform)
    return log_mel(torch.from_numpy(np.pad(waveform, (0, missing))), config)[None]


def _window(rows: Rows) -> Rows:
    """The first 32; of a shorter film, the last one again."""
    return rows[np.minimum(np.arange(ROWS), len(rows) - 1)].astype(np.float32)
