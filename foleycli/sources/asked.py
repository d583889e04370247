"""What is asked of a source of sound for each of several things that sound (``--source``)."""

from collections.abc import Sequence
from dataclasses import replace

from foleycli.config import GenerateConfig


def others_of(words: Sequence[str], one: str, unwanted: str | None = None) -> str | None:
    """What must not sound beside one of several sources: the others, and what is unwanted anyway.

    >>> others_of(["rain", "a dog"], "a dog", "music")
    'music, rain'
    """
    texts = [*([unwanted] if unwanted else []), *(text for text in words if text != one)]
    return ", ".join(texts) or None


def for_source(config: GenerateConfig, words: str) -> GenerateConfig:
    """The options by which one of ``config.source`` is sounded alone."""
    unwanted = config.negative_prompt
    if config.others_as_negative:
        unwanted = others_of(config.source, words, unwanted)
    return replace(config, prompt=words, negative_prompt=unwanted, source=(), stems=False)
