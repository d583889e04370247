"""Which recordings are played for cues, known before anything is rendered."""

from collections.abc import Iterable, Sequence

from foleycli.config import GenerateConfig
from foleycli.library.table import Recording
from foleycli.sources.open import Source
from foleycli.sources.staged import split_cues
from foleycli.spot.cues import NO_RECORDING, Cue
from foleycli.spot.features import Features

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
    for part in split_cues(list(cues), config):  # as they are rendered
        chosen = choose(features, part.cues, part.config)
        for cue, played in zip(part.cues, chosen, strict=True):
            found.setdefault(id(cue), played)
    return [found.get(id(cue)) for cue in cues]


def say_played(cues: Sequence[Cue], found: Sequence[Played] | None) -> list[str]:
    """What is played for each cue, in words: "dog_012: dog bark; dog_3: puppy bark"."""
    if found is None:
        return [""] * len(cues)
    return ["" if played is None else _in_words(played) for played in found]


def list_played(found: Sequence[Played] | None) -> list[list[str]]:
    """The ids of the recordings of each cue; nothing of a source that makes its sounds itself."""
    return [[one.id for one in played or ()] for played in found or []]


def _in_words(played: tuple[Recording, ...]) -> str:
    named = "; ".join(f"{one.id}: {one.label}" for one in played[:MOST_NAMED])
    more = len(played) - MOST_NAMED
    return f"{named}; {more} more" if more > 0 else named or NO_RECORDING


def played_by_ids(source: Source, ids: Iterable[str]) -> Played:
    """The recordings of those ids, as far as the source has them."""
    bank = getattr(source, "bank", None)
    known = bank.by_id if bank is not None else {}
    return tuple(known[one] for one in ids if one in known)


def find_unheard(cues: Sequence[Cue], found: Sequence[Played] | None) -> tuple[str, ...]:
    """The words that there is no recording of, each once."""
    pairs = zip(cues, found or [], strict=False)
    return tuple(dict.fromkeys(cue.what for cue, played in pairs if played == ()))
