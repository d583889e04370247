"""Features of film that runs at another speed on the timeline."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from foleycli.config import FEATURES
from foleycli.spot.features import Features, row_count


def retime_features(features: Features, speed: Fraction) -> Features:
    """What is seen, and when it moves, as it is shown: ``speed`` 2 halves every time, -1 turns
    the film round. Sounds keep their pitch: they are made for the picture that is shown.

    Raises:
        ValueError: the speed is 0: a freeze frame has no features of its own.
    """
    if speed == 1:
        return features
    if speed == 0:
        raise ValueError("a freeze frame has no time to move in")
    what, hits, activity = features.what, features.hits, features.activity
    moving = [features.places, features.sizes, features.force]
    classes, sightings = features.classes, features.sightings
    duration = features.duration / abs(speed)
    cuts = features.cuts
    if speed < 0:
        points = round(float(features.duration) * FEATURES.when_rate)
        what, hits, activity = what[::-1], hits[:points][::-1], activity[:points][::-1]
        cuts = tuple(features.duration - cut for cut in reversed(cuts))
        classes = None if classes is None else classes[::-1]
        moving = [None if curve is None else curve[:points][::-1] for curve in moving]
        sightings = tuple(
            replace(seen, time=features.duration - seen.time) for seen in reversed(sightings)
        )
    places, sizes, force = (
        None if curve is None else _stretched(curve, abs(speed)) for curve in moving
    )
    rows = (np.arange(row_count(duration)) * float(abs(speed))).astype(int)
    rows = np.minimum(rows, len(what) - 1)
    return Features.assemble(
        what[rows],
        _moved(hits, abs(speed)),
        _stretched(activity, abs(speed)),
        duration,
        tuple(cut / abs(speed) for cut in cuts),
        classes=None if classes is None else classes[rows],
        sightings=tuple(replace(seen, time=seen.time / abs(speed)) for seen in sightings),
        places=places,
        sizes=sizes,
        force=force,
    )


def _stretched(curve: np.ndarray, speed: Fraction) -> np.ndarray:
    at = np.arange(int(len(curve) / speed)) * float(speed)
    return np.interp(at, np.arange(len(curve)), curve)


def _moved(hits: np.ndarray, speed: Fraction) -> np.ndarray:
    """Each hit at its new time, as strong as it was."""
    moved = np.zeros(int(len(hits) / speed) + 1, np.float32)
    for point in np.flatnonzero(hits):
        at = int(int(point) / speed)
        moved[at] = max(moved[at], hits[point])
    return moved
