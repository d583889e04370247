"""Does a sound speak or play music where the clip's own does not? By YAMNet's classes."""

from foleycli.listeners.heard import Heard
from foleycli.listeners.yamnet import class_names

SPEECH = ("Speech", "Child speech, kid speaking", "Conversation", "Narration, monologue")
MUSIC = ("Music", "Musical instrument", "Singing")
HEARD = 0.5  # probability of a class within some patch


def loudest(heard: Heard, names: tuple[str, ...]) -> float:
    """Largest probability, at any time, of any of some classes."""
    known = class_names()
    return float(heard.scores[:, [known.index(name) for name in names]].max())


def hallucinates(own: Heard, candidate: Heard, names: tuple[str, ...]) -> float:
    """100 or 0, so that a mean over clips is a rate in per cent; nan where the clip's own sound
    has it too."""
    if loudest(own, names) >= HEARD:
        return float("nan")
    return 100.0 * (loudest(candidate, names) >= HEARD)
