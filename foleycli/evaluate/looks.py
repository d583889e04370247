"""What models see in a clip, looked at once for all models with the same eyes."""

import hashlib
import json
from dataclasses import asdict
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np

from foleycli.clip.media import content_hash
from foleycli.clip.probe import probe
from foleycli.config import CinematicConfig, GenerateConfig
from foleycli.evaluate.clipset import Example
from foleycli.evaluate.contestants import FULL
from foleycli.evaluate.kept import Arrays, kept
from foleycli.frames.decode import decode_pictures
from foleycli.frames.windows import clip_window, crop_for
from foleycli.sources.identity import DIFF_FOLEY, find_family, find_folder, resolve
from foleycli.sources.open import Source
from foleycli.spot.features import Features
from foleycli.version import VERSION

KINDS = ("*.safetensors", "*.json")  # files of an encoder


def look(
    source: Source,
    config: GenerateConfig,
    example: Example,
    variant: str,
    cinematic: CinematicConfig,
) -> Features:
    """The features of a clip: seen whole, in a close-up, or by a moving camera.

    Args:
        config: what the source was opened with.

    Raises:
        MediaError: the clip cannot be used.
    """

    def see() -> Features:
        film = probe(example.clip)
        crop = None
        if variant != FULL:
            crop = crop_for(film, clip_window(variant, film, example.id, cinematic))
        return source.encode(decode_pictures(film, crop=crop))

    if not shares_eyes(config):
        return see()
    window = None if variant == FULL else [variant, example.id, asdict(cinematic)]
    clip = content_hash(example.clip)
    told = json.dumps([VERSION, config.encoder, encoder_hashes(config.encoder), clip, window])
    key = hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
    return _features(kept("looks", key, lambda: _arrays(see())))


def shares_eyes(config: GenerateConfig) -> bool:
    """Whether a source sees with one of the encoders that library and small have in common."""
    name = resolve(config)
    return name in ("library", "small") or find_family(find_folder(name)) != DIFF_FOLEY


@lru_cache(maxsize=8)
def encoder_hashes(encoder: str) -> list[str]:
    """Of the files of an encoder that was trained; those that ship change with the package."""
    folder = Path(encoder)
    return [content_hash(path) for kind in KINDS for path in sorted(folder.glob(kind))]


def _arrays(features: Features) -> Arrays:
    times = [features.duration, *features.cuts]
    return {
        "rows": features.rows,
        "times": np.array([[time.numerator, time.denominator] for time in times], np.int64),
    }


def _features(arrays: Arrays) -> Features:
    duration, *cuts = (Fraction(int(a), int(b)) for a, b in arrays["times"])
    return Features(arrays["rows"], duration, tuple(cuts))
