"""Shots inside one file: its cuts, found on the pictures as they are decoded."""

from collections.abc import Callable
from fractions import Fraction

from foleycli.clip.probe import Clip
from foleycli.clip.shots import ShotDetector
from foleycli.frames.decode import decode_pictures


def find_cuts(
    clip: Clip, progress: Callable[[str, float], None] = lambda stage, done: None
) -> tuple[tuple[Fraction, ...], Fraction]:
    """When each new shot begins, and how long the clip is, in seconds from its first frame.

    Raises:
        MediaError: nothing decodes.
    """
    detector, end = ShotDetector(), Fraction(0)
    for picture in decode_pictures(clip):
        detector.add(picture.time, picture.luma)
        end = picture.end
        progress("looking", min(1.0, float(end / clip.duration)) if clip.duration else 0.0)
    return detector.finish(), end
