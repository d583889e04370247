"""Which recordings are played for cues, known before anything is rendered."""

from collections.abc import Iterable, Sequence

from foleycli.config import GenerateConfig
from foleycli.library.table import Recording
from foleycli.sources.asked import for_source
from foleycli.sources.open import Source
from foleycli.spot.cues import NO_RECORDING, Cue
from foleycli.spot.features import Features
from foleycli.spot.phrases import in_layers
from foleycli.spot.select import cues_of

MOST_NAMED = 3  # recordings of one cue that are named in words
# Of one cue, in the order they are heard: empty where there is no recording of that; None where it
# begins after the end.
Played = tuple[Recording, ...] | None


def find_played(
    source: Source, features: Features, cues: Sequence[Cue], config: GenerateConfig
) -> list[Played] | None:
    """The recordings that each cue is rendered with by this seed; None of a source that makes its
    sounds itself."""
    choose = getattr(source, "choose", None)
    if choose is None:
        return None
    found: dict[int, Played] = {}
    for part, asked in _parts(cues, config):
        for cue, played in zip(part, choose(features, part, asked), strict=True):
            found.setdefault(id(cue), played)
    return [found.get(id(cue)) for cue in cues]


def _parts(
    cues: Sequence[Cue], config: GenerateConfig
) -> Iterable[tuple[Sequence[Cue], GenerateConfig]]:
    """Cues as they are rendered: those of each source or stem apart."""
    if config.source:
        return [(cues_of(cues, words), for_source(config, words)) for words in config.source]
    if config.stems:
        return [(part, config) for part in in_layers(cues).values()]
    return [(cues, config)]


def say_played(cues: Sequence[Cue], found: Sequence[Played] | None) -> list[str]:
    """What is played for each cue, in words: "dog_012: dog bark; dog_3: puppy bark"."""
    if found is None:
        return [""] * len(cues)
    return ["" if played is None else _in_words(played) for played in found]


def _in_words(played: tuple[Recording, ...]) -> str:
    named = "; ".join(f"{one.id}: {one.label}" for one in played[:MOST_NAMED])
    more = len(played) - MOST_NAMED
    return f"{named}; {more} more" if more > 0 else named or NO_RECORDING


def find_unheard(cues: Sequence[Cue], found: Sequence[Played] | None) -> tuple[str, ...]:
    """The words that there is no recording of, each once."""
    pairs = zip(cues, found or [], strict=False)
    return tuple(dict.fromkeys(cue.what for cue, played in pairs if played == ()))
