"""Close-ups and camera moves cut out of a film: where the window is, and what is seen in it.

The two variations of arXiv 2507.02271: a close-up is one window of H r_h x W r_w, r ~ U(a1, a2),
for the whole clip; a camera move is a window of the same size that slides along the picture's
longer axis, either way. All functions are pure; the same seed and id give the same window.

    window = clip_window("cm", clip, "q7N9pVwEq6o_000030")
    pictures = decode_pictures(clip, crop=crop_for(clip, window))
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from random import Random

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from foleycli.clip.probe import Clip
from foleycli.config import CINEMATIC, FRAMES, CinematicConfig
from foleycli.errors import UsageError
from foleycli.frames.crop import Box, crop_frame, crop_pixels
from foleycli.frames.decode import Crop, Picture, decode_pictures

KINDS = ("cu", "cm")
EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda part: part,
    "smooth": lambda part: part * part * (3 - 2 * part),
}
LEAST = 16  # pixels a window is wide and high at least, which every encoder takes


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a picture that is seen, which may slide.

    Attributes:
        picture_width, picture_height: pixels of the upright picture it is cut from.
        width, height: pixels of the window, even, the same all the time.
        first, last: (left, top) when the move begins and when it has ended; equal in a close-up.
        seconds: how long the move takes, from the clip's first frame.
        easing: a name in `EASINGS`.
    """

    picture_width: int
    picture_height: int
    width: int
    height: int
    first: tuple[float, float]
    last: tuple[float, float]
    seconds: float = 0.0
    easing: str = "linear"

    def at(self, time: float | Fraction) -> Box:
        """(left, top, width, height) in pixels, ``time`` seconds from the clip's first frame."""
        part = min(1.0, max(0.0, float(time) / self.seconds)) if self.seconds else 0.0
        gone = EASINGS[self.easing](part)
        left, top = (a + (b - a) * gone for a, b in zip(self.first, self.last, strict=True))
        return left, top, self.width, self.height

    def share_at(self, time: float | Fraction) -> Box:
        """The same in shares of the picture's width and height."""
        left, top, width, height = self.at(time)
        across, down = self.picture_width, self.picture_height
        return left / across, top / down, width / across, height / down


def clip_random(seed: int, name: str) -> Random:
    """The draws of one clip, whatever else is made with it: close-up and move share their size."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return Random(int.from_bytes(digest, "big"))


def clip_window(kind: str, clip: Clip, name: str, config: CinematicConfig = CINEMATIC) -> Window:
    """The window of a film file, which is decoded once if its header does not say how long it is.

    Args:
        name: the clip's id, of which the window is drawn together with ``config.seed``.
    """
    seconds = float(clip.duration or _decoded_length(clip))
    random = clip_random(config.seed, name)
    return draw_window(kind, clip.width, clip.height, seconds, random, config)


def _decoded_length(clip: Clip) -> Fraction:
    return max(picture.end for picture in decode_pictures(clip))


def draw_window(
    kind: str,
    width: int,
    height: int,
    duration: float,
    random: Random,
    config: CinematicConfig = CINEMATIC,
) -> Window:
    """Draw the window of a picture of ``width`` x ``height`` pixels, shown for ``duration`` s.

    Always seven draws, so that no option changes what another one draws.

    Args:
        kind: "cu", a close-up, or "cm", a camera move.

    Raises:
        UsageError: no such kind or option, or sizes that no window can have.
    """
    _check(kind, config)
    draws = [random.random() for _ in range(7)]
    shares = draws[0], draws[0] if config.aspect == "kept" else draws[1]
    across, down = (
        _even(side * (config.smallest + (config.largest - config.smallest) * share), side)
        for side, share in zip((width, height), shares, strict=True)
    )
    if config.fit == "crop":
        across = down = min(across, down)
    room = width - across, height - down
    # whole even pixels, so that a still window is cut out of 4:2:0 pictures as it is
    where = (0.5, 0.5) if config.position == "centre" else (draws[2], draws[3])
    place = tuple(2.0 * round(space * share / 2) for space, share in zip(room, where, strict=True))
    window = Window(width, height, across, down, (place[0], place[1]), (place[0], place[1]))
    if kind == "cu":
        return window
    axis = 0 if width > height else 1
    parts = (0.0, 1.0) if config.start == "edge" else (draws[5] / 2, 1 - draws[6] / 2)
    ends = [list(place), list(place)]
    for end, part in zip(ends, parts, strict=True):
        end[axis] = part * room[axis]
    first, last = ends if draws[4] < 0.5 else reversed(ends)
    return replace(
        window,
        first=(first[0], first[1]),
        last=(last[0], last[1]),
        seconds=config.move_seconds or duration,
        easing=config.easing,
    )


def _check(kind: str, config: CinematicConfig) -> None:
    known = {
        "--kind": (kind, KINDS),
        "--aspect": (config.aspect, ("free", "kept")),
        "--position": (config.position, ("random", "centre")),
        "--start": (config.start, ("edge", "random")),
        "--easing": (config.easing, tuple(EASINGS)),
        "--fit": (config.fit, ("squeeze", "crop")),
    }
    for option, (value, values) in known.items():
        if value not in values:
            raise UsageError(f"{option} {value} is unknown.", f"Choose {' or '.join(values)}.")
    if config.move_seconds is not None and not config.move_seconds > 0:
        raise UsageError(
            f"--move-seconds {config.move_seconds:g} is no length.", "Give seconds above 0."
        )
    if not 0 < config.smallest <= config.largest <= 1:
        raise UsageError(
            f"--a1 {config.smallest:g} --a2 {config.largest:g} are no range of sizes.",
            "Both are shares of the picture, above 0, at most 1, --a1 the smaller.",
        )


def _even(pixels: float, side: int) -> int:
    """The nearest even size that a picture of ``side`` pixels has room for."""
    return max(2, min(side // 2 * 2, max(LEAST, 2 * round(pixels / 2))))


def crop_for(clip: Clip, window: Window) -> Crop:
    """What `decode_pictures` needs to see a clip through a window."""

    def crop(frame: VideoFrame, time: Fraction) -> VideoFrame:
        stored = frame.width, frame.height
        return crop_frame(frame, stored_box(window.share_at(time), stored, clip.rotation))

    return crop


def stored_box(share: Box, stored: tuple[int, int], rotation: int) -> Box:
    """A part of the upright picture, in shares, as pixels of the frame as it is stored.

    Args:
        stored: width and height of the frame.
        rotation: degrees counter-clockwise that make it upright.
    """
    left, top, width, height = share
    turned = {
        0: (left, top, width, height),
        90: (1 - top - height, left, height, width),
        180: (1 - left - width, 1 - top - height, width, height),
        270: (top, 1 - left - width, height, width),
    }[rotation]
    sides = stored * 2
    # free of rounding errors, so that whole pixels stay whole
    left, top, width, height = (
        round(part * side, 6) for part, side in zip(turned, sides, strict=True)
    )
    return left, top, width, height


def vary_frames(
    frames: NDArray[np.uint8],
    times: Sequence[float | Fraction],
    window: Window,
    size: tuple[int, int] = (FRAMES.size, FRAMES.size),
) -> NDArray[np.uint8]:
    """See frames in memory through a window, which is scaled to their size.

    Args:
        frames: (n, height, width, 3) uint8, upright.
        times: when each is shown, seconds from the clip's first frame.
        size: width and height of what is made.

    Returns:
        (n, size[1], size[0], 3) uint8
    """
    return np.stack(
        [
            _vary(frame, window.share_at(time), size)
            for frame, time in zip(frames, times, strict=True)
        ]
    )


def vary_pictures(pictures: Iterable[Picture], window: Window) -> Iterator[Picture]:
    """The same for small pictures as they stream by.

    They are cut from 224 x 224 and 160 x 90 pixels and so come out soft; `crop_for` cuts from the
    film itself.
    """
    for picture in pictures:
        share = window.share_at(picture.time)
        luma = _vary(picture.luma, share, (FRAMES.luma_width, FRAMES.luma_height))
        rgb = picture.rgb
        if rgb is not None:
            rgb = _vary(rgb, share, (FRAMES.size, FRAMES.size))
        larger = partial(_vary_larger, picture.larger, share) if picture.larger else None
        yield replace(picture, luma=luma, rgb=rgb, larger=larger)


def _vary_larger(larger: Callable[[], NDArray[np.uint8]], share: Box) -> NDArray[np.uint8]:
    whole = larger()
    return _vary(whole, share, (whole.shape[1], whole.shape[0]))


def _vary(pixels: NDArray[np.uint8], share: Box, size: tuple[int, int]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    left, top, across, down = share
    return crop_pixels(pixels, (left * width, top * height, across * width, down * height), size)
