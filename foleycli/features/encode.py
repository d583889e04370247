"""Pictures to features, in one pass over the film and in memory that does not grow with it."""

from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from foleycli.clip.shots import ShotDetector
from foleycli.errors import MediaError
from foleycli.features.features import Features
from foleycli.features.what import Seer
from foleycli.features.when import MotionReader
from foleycli.frames.decode import Picture

BATCH = 16  # pictures the encoder sees at once


def encode_video(pictures: Iterable[Picture], seer: Seer) -> Features:
    """What is seen, four times a second, and when it moves, 64 times a second.

    Raises:
        MediaError: there is not one picture.
    """
    motion, shots = MotionReader(), ShotDetector()
    what: list[np.ndarray] = []
    waiting: list[Picture] = []
    end = Fraction(0)
    for picture in pictures:
        motion.push(picture.time, picture.luma)
        shots.add(picture.time, picture.luma)
        end = picture.end
        if picture.rgb is not None:
            waiting.append(picture)
        if len(waiting) == BATCH:
            what.append(_look(seer, waiting))
            waiting.clear()
    if waiting:
        what.append(_look(seer, waiting))
    if not what:
        raise MediaError("The clip has no picture in that span.", "Check --in and --out.")
    hits, activity = motion.curves(end)
    return Features.assemble(np.concatenate(what), hits, activity, end, shots.finish())


def _look(seer: Seer, pictures: list[Picture]) -> np.ndarray:
    frames = np.stack([picture.rgb for picture in pictures if picture.rgb is not None])
    return np.repeat(seer.look(frames), [picture.repeats for picture in pictures], axis=0)
