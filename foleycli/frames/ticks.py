"""Which frame is on screen at each tick of a rate, by the times at which frames begin."""

from collections.abc import Iterable, Sequence
from fractions import Fraction


def take_ticks(times: Sequence[Fraction], frame_rate: int, count: int) -> list[int]:
    """For ticks 0, 1/rate, 2/rate ... the first frame that begins then or later; else the last.

    Compared as fractions, so that a frame at a tick is that tick's.

    >>> take_ticks([Fraction(n, 50) for n in range(6)], 25, 4)
    [0, 2, 4, 5]
    """
    taken, frame = [], 0
    for tick in range(count):
        while frame < len(times) - 1 and times[frame] * frame_rate < tick:
            frame += 1
        taken.append(frame)
    return taken


def take_float_ticks(times: Iterable[float], frame_rate: int, duration: float) -> list[int]:
    """The same as SelVA's and MMAudio's readers take it: ticks are summed in float64.

    Two hundred times 0.04 is more than 8, so that a clip of 8 s loses a tick, and 183 of its 200
    ticks take the frame after theirs. Kept to compare with, not used.
    """
    taken, tick, step = [], 0.0, 1 / frame_rate
    for frame, time in enumerate(times):
        if time > duration:
            break
        while time >= 0 and time >= tick:
            taken.append(frame)
            tick += step
    return taken
