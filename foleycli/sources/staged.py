"""Cues sounded in the space of the film: dry parts side by side, and the room as a return of them.

A source that sets each sound itself (``library``) gives every sound its own place. Any other makes
one waveform of a part, which stands where most of it comes from.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from foleycli.config import CHANNELS, OUTPUT, SPACE, GenerateConfig
from foleycli.errors import UsageError
from foleycli.sources.asked import for_source
from foleycli.sources.library import LibrarySource
from foleycli.sources.open import Source
from foleycli.spot.cues import LAYERS, Cue
from foleycli.spot.features import Features
from foleycli.spot.phrases import in_layers
from foleycli.spot.select import cues_of
from foleycli.spot.stage import rooms_of, stage_cues
from foleycli.waveform.join import Share, nobody
from foleycli.waveform.rooms import Response, Return, add_return, read_impulse, room_response
from foleycli.waveform.space import ROOM, Space, Where
from foleycli.waveform.stems import side_by_side

RATE = OUTPUT.sample_rate


@dataclass(frozen=True, slots=True)
class Part:
    """What is rendered on its own, to be a stem or to be summed."""

    name: str
    cues: list[Cue]
    config: GenerateConfig


@dataclass(frozen=True, slots=True)
class Staged:
    """A sound in its parts.

    Attributes:
        names: of the parts; the room's return, where there is one, is the last.
        channels: of each part.
        blocks: (samples, parts * channels) float32 at 48 kHz, part by part, before any limiter.
    """

    names: tuple[str, ...]
    channels: int
    blocks: Iterator[np.ndarray]


def keep_layers(cues: list[Cue], features: Features, config: GenerateConfig) -> list[Cue]:
    """The cues of those layers that are asked for, or all.

    Raises:
        UsageError: the model makes its sound of the picture itself, without layers.
    """
    if not config.layers:
        return cues
    if not features.says_what:
        raise UsageError(
            "This model makes one sound, in which layers are not told apart.",
            "Leave out --layers, or take --model library or small.",
        )
    dealt = in_layers(cues)
    kept = {id(cue) for layer in config.layers for cue in dealt.get(layer, [])}  # type: ignore
    return [cue for cue in cues if id(cue) in kept]


def split_cues(cues: list[Cue], config: GenerateConfig, *, every: bool = False) -> list[Part]:
    """The parts that a sound is rendered in: one for each source that is named, or each layer that
    sounds (with ``every``, each there is) where stems are asked for; else one of all.
    """
    if config.source:
        return [
            Part(words, cues_of(cues, words), for_source(config, words)) for words in config.source
        ]
    dealt = in_layers(cues) if config.stems else {}
    if config.stems and every:
        return [Part(layer, dealt.get(layer, []), config) for layer in LAYERS]
    return [Part(layer, part, config) for layer, part in dealt.items()] or [Part("", cues, config)]


def sound_parts(
    source: Source,
    features: Features,
    parts: Sequence[Part],
    config: GenerateConfig,
    told: Share = nobody,
) -> Staged:
    """Render parts, and the answer of the rooms to them; told how much of the sound is made.

    Raises:
        MediaError: the impulse response cannot be read.
    """
    rooms = find_rooms(features, config)
    channels = CHANNELS[config.channels]
    space = Space(channels, config.width, config.perspective, sends=bool(rooms))
    shares = [0.0] * len(parts)

    def part_told(number: int, done: float) -> None:
        shares[number] = done
        told(sum(shares) / len(shares))

    rendered = [
        _rendered(source, features, part, space, partial(part_told, number))
        for number, part in enumerate(parts)
    ]
    names = tuple(part.name for part in parts)
    if not rooms:
        blocks = rendered[0] if len(parts) == 1 else side_by_side(rendered, space.columns)
        return Staged(names, channels, iter(blocks))
    blocks = side_by_side(rendered, space.columns)
    returned = Return(rooms, channels)
    return Staged((*names, ROOM), channels, add_return(blocks, len(parts), returned))


def find_rooms(
    features: Features, config: GenerateConfig
) -> list[tuple[int, int, Response | None]]:
    """The rooms of a film as `Return` takes them: spans of samples; none where it stays dry."""
    if config.is_dry:
        return []
    channels, side = CHANNELS[config.channels], Space(width=config.width).side
    total = round(features.duration * RATE)
    if config.impulse:
        return [(0, total, read_impulse(Path(config.impulse), channels))]
    if config.room != "auto":
        return [(0, total, room_response(config.room, channels, side))]
    spans = [
        (
            round(span.start * RATE),
            round(span.end * RATE),
            room_response(span.room, channels, side) if span.room else None,
        )
        for span in rooms_of(features)
    ]
    return spans if any(response is not None for _, _, response in spans) else []


def _rendered(
    source: Source, features: Features, part: Part, space: Space, told: Share
) -> Iterable[np.ndarray]:
    """Blocks (samples, columns) of a part."""
    if not part.cues and features.says_what and part.name:
        return iter(())  # a layer in which nothing sounds
    staged = stage_cues(part.cues, features.cuts)
    if isinstance(source, LibrarySource):
        return source.render_in(space, features, staged, part.config)
    blocks = source.render(features, part.cues, part.config, told)
    return _set_whole(blocks, space, middle_of(staged, features))


def _set_whole(blocks: Iterable[np.ndarray], space: Space, where: Where) -> Iterator[np.ndarray]:
    """One waveform (samples,) set where most of it comes from."""
    at = 0
    for block in blocks:
        yield space.lay(block, at, RATE, where)
        at += len(block)


def middle_of(cues: Sequence[Cue], features: Features) -> Where:
    """Shot by shot where cues are, those that are loud weighing most; air is everywhere."""
    standing = [cue for cue in cues if cue.layer != "air"]
    if cues and not standing:
        return Where(layer="air")
    usual = dict(SPACE.usual)
    edges, pans, distances = [], [], []
    for start, end in features.shots() or [(0, features.duration)]:
        inside = [cue for cue in standing if start <= cue.start < end]
        weights = np.array([10 ** (cue.level_db / 20) for cue in inside])
        pan, away = 0.0, 0.0
        if weights.sum() > 0:
            ratios = [
                np.log((cue.distance or usual[cue.layer]) / usual[cue.layer]) for cue in inside
            ]
            pan = float(np.average([cue.pan for cue in inside], weights=weights))
            away = SPACE.usual[0][1] * float(np.exp(np.average(ratios, weights=weights)))
        edges.append(round(start * RATE))
        pans.append(pan)
        distances.append(away)
    return Where(tuple(edges), tuple(pans), tuple(distances))
