"""A scene from phrases scored against pictures, by eyes that were pulled (``--eyes siglip2``).

Every sound of the vocabulary and every place is a text; how likely it belongs to the stills of a
shot is averaged over them. Sounds over their limit are heard, the likeliest first; the likeliest
place is where it is. `foley eval calibrate` sets the limits on pictures whose sounds are known.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foleycli.config import EYES
from foleycli.documents import parse_json
from foleycli.folders import cache_folder, make_folder
from foleycli.output import atomic_output
from foleycli.spot.phrases import Phrase, vocabulary
from foleycli.spot.scene import all_places

PULLED = "siglip2"  # --eyes by this name
PROMPT = "This is a photo of {}."  # SigLIP's own, as transformers' pipeline has it
UNCALIBRATED = 0.1  # limit of a sound before anybody has calibrated; nobody has measured it


@dataclass(frozen=True, slots=True)
class Limits:
    """How likely a sound must be, to be heard."""

    all: float = UNCALIBRATED
    own: dict[str, float] = field(default_factory=dict)  # of single phrases

    def of(self, words: str) -> float:
        """The limit of a phrase."""
        return self.own.get(words, self.all)


class PulledEyes:
    """What `told.tell` asks, on this machine.

    Args:
        net: a `foleycli.sight.siglip.SiglipEyes`.
    """

    is_gone = False
    name = PULLED
    config = EYES

    def __init__(self, net: Any) -> None:
        self.net = net
        self.limits = read_limits(net.fingerprint)

    @cached_property
    def _sounds(self) -> NDArray[np.float32]:
        return self.net.read([PROMPT.format(phrase.words) for phrase in seen_sounds()])

    @cached_property
    def _places(self) -> NDArray[np.float32]:
        return self.net.read([PROMPT.format(place.name) for place in all_places()])

    def likely(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(pictures, sounds): how likely each of `seen_sounds` belongs to each picture."""
        return self.net.belong(self.net.look(pictures), self._sounds)

    def answer(self, stills: Sequence[NDArray[np.uint8]]) -> dict[str, Any]:
        """A shot's scene, as a server would tell it."""
        rows = self.net.look(stills)
        sounds = self.net.belong(rows, self._sounds).mean(axis=0)
        place = all_places()[int((rows @ self._places.T).mean(axis=0).argmax())]
        order = np.argsort(-sounds, kind="stable")
        found = [
            {"words": phrase.words, "layer": phrase.layer, "how": phrase.how,
             "seen": f"{sounds[i]:.2f}".replace("0.", ".")}
            for i in order
            if sounds[i] >= self.limits.of((phrase := seen_sounds()[i]).words)
        ]  # fmt: skip
        return {"place": place.name, "sounds": found[: EYES.sounds], "struck": ""}


@lru_cache(maxsize=1)
def seen_sounds() -> tuple[Phrase, ...]:
    """The sounds that a picture can show: all of the vocabulary but the air of places."""
    return tuple(phrase for phrase in vocabulary() if phrase.layer != "air")


@lru_cache(maxsize=1)
def open_pulled() -> PulledEyes:
    """The eyes that were pulled, once a process.

    Raises:
        ModelError: they were not; naming the command.
    """
    from foleycli.sight.siglip import SiglipEyes  # torch loads here

    return PulledEyes(SiglipEyes())


def limits_file() -> Path:
    """Where `foley eval calibrate` leaves the limits."""
    return cache_folder("eyes") / "limits.json"


def read_limits(fingerprint: str) -> Limits:
    """The limits of these weights; those that nobody has calibrated where there are none."""
    try:
        said = parse_json(limits_file().read_text(encoding="utf-8"))
        if said["fingerprint"] != fingerprint:
            return Limits()
        own = {str(words): float(limit) for words, limit in said["own"].items()}
        return Limits(float(said["all"]), own)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Limits()


def write_limits(limits: Limits, fingerprint: str) -> Path:
    """Keep limits for these weights."""
    path = limits_file()
    make_folder(path.parent)
    said = {"fingerprint": fingerprint, "all": limits.all, "own": limits.own}
    with atomic_output(path, overwrite=True) as beside:
        beside.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    return path
