"""Rendered scenes seen whole, close up and through a moving window: what `when` is distilled on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foleycli.config import CINEMATIC, FRAMES, CinematicConfig
from foleycli.features.track import Track
from foleycli.output import atomic_output
from foleycli.train.cinematic import Window, clip_random, draw_window
from foleycli.train.scenes import Photos, render_scene
from foleycli.train.when import DURATION, SHARD, track_arrays, watch

VIEWS = ("full", "cu", "cm")
FINE = 8  # a scene has no pixels: windows are drawn on a grid this much finer than the picture's


@dataclass(frozen=True, slots=True)
class SeenScene:
    """One scene as the reader of motion sees it."""

    views: dict[str, Track]  # full, cu and cm
    hits: np.ndarray  # (k, 2) seconds and strength of what is heard in the whole picture
    activity: np.ndarray  # (256,)


def scene_window(kind: str, name: str, config: CinematicConfig = CINEMATIC) -> Window | None:
    """The window a scene is seen through; None for all of it."""
    if kind == "full":
        return None
    width, height = FINE * FRAMES.luma_width, FINE * FRAMES.luma_height
    return draw_window(kind, width, height, DURATION, clip_random(config.seed, name), config)


def render_views(photos: Path, out: Path, seed: int, shard: int, scenes: int = SHARD) -> None:
    """Render the scenes of one file thrice, and keep what the reader of motion sees of them.

    The same scenes, with the same grain and compression, only seen otherwise. A file that is
    there already is left as it is.
    """
    if out.exists():
        return
    rng = np.random.default_rng((seed, shard))
    held = Photos(photos, rng)
    arrays: dict[str, np.ndarray] = {}
    for n in range(scenes):
        state, seen = rng.bit_generator.state, {}
        for kind in VIEWS:
            rng.bit_generator.state = state
            scene = render_scene(rng, held, DURATION, scene_window(kind, f"{seed}-{shard}-{n}"))
            track = watch(scene)
            if track is None:
                break
            seen |= track_arrays(f"{n}.{kind}.", track)
        else:
            seen |= {f"{n}.hits": np.array(scene.hits).reshape(-1, 2), f"{n}.activity": scene.activity}
            arrays |= seen
    with atomic_output(out, overwrite=True) as beside:
        np.savez(beside, **arrays)  # pyright: ignore[reportArgumentType]


def load_views(path: Path) -> list[SeenScene]:
    """Scenes of one file, cells still in half precision."""
    with np.load(path) as arrays:
        numbers = sorted({int(name.partition(".")[0]) for name in arrays.files})
        return [
            SeenScene(
                {
                    kind: Track(*(arrays[f"{n}.{kind}.{part}"] for part in Track.__slots__))
                    for kind in VIEWS
                },
                arrays[f"{n}.hits"],
                arrays[f"{n}.activity"],
            )
            for n in numbers
        ]
