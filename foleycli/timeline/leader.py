"""A two-pop: one frame of tone, two seconds of timecode before the picture and after its end."""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from foleycli.timeline.model import Timeline

POP_HZ = 1000.0
POP_DB = -20.0  # dBFS peak of the sine, SMPTE's alignment level
SECONDS = 2


def pop_lead(timeline: Timeline) -> Fraction:
    """Real seconds from the pop's first sample to the first frame: 2.002 at 23.976."""
    return SECONDS * round(timeline.rate) / timeline.rate


def with_pops(
    blocks: Iterable[np.ndarray], timeline: Timeline, sample_rate: int, channels: int = 1
) -> Iterator[np.ndarray]:
    """A stem with a pop in all channels before it and one after, each ``pop_lead`` away."""
    lead = round((timeline.start_seconds) * sample_rate) - round(
        (timeline.start_seconds - pop_lead(timeline)) * sample_rate
    )
    frame = round(sample_rate / timeline.rate)
    pop = np.sin(2 * np.pi * POP_HZ * np.arange(frame) / sample_rate) * 10 ** (POP_DB / 20)
    head = np.zeros((lead, channels), np.float32)
    head[:frame] = pop[:, None]
    yield head
    yield from blocks
    tail = np.zeros((lead + frame, channels), np.float32)
    tail[lead:] = pop[:, None]
    yield tail
