"""A film seen otherwise: close up, by a moving camera, zoomed, dissolved, or in another light.

The two variations of arXiv 2507.02271: a close-up is one window of H r_h x W r_w, r ~ U(a1, a2),
for the whole clip; a camera move is a window of the same size that slides along the picture's
longer axis, either way. Three more, for what the paper leaves to others: a slow zoom between the
whole picture and a close-up, a dissolve from one close-up to another, and another grade of the
whole picture. All functions are pure; the same seed and id give the same view.

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
from foleycli.frames.crop import (
    Box,
    Tone,
    crop_frame,
    crop_pixels,
    grade_frame,
    grade_pixels,
    mix_frames,
    mix_pixels,
)
from foleycli.frames.decode import Crop, Picture, decode_pictures

CUT_OUT = ("cu", "cm", "zoom")  # kinds of one window
KINDS = (*CUT_OUT, "transition", "grade")
DISSOLVE = (0.5, 1.5)  # seconds, of a third of a short clip at most
GAMMA = (0.6, 1.7)
GAIN = (0.7, 1.2)  # of the light, at the beginning and at the end
SATURATION = (0.3, 1.5)
WARMTH = 12.0  # levels of chroma, to blue or to amber
EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda part: part,
    "smooth": lambda part: part * part * (3 - 2 * part),
}
LEAST = 16  # pixels a window is wide and high at least, which every encoder takes


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a picture that is seen, which may slide and grow.

    Attributes:
        picture_width, picture_height: pixels of the upright picture it is cut from.
        width, height: pixels of the window, even.
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
    last_size: tuple[int, int] | None = None  # pixels at the end, of a zoom

    @property
    def size_share(self) -> tuple[float, float]:
        """Width and height of what is written, in shares: where it is smallest nothing is
        invented, and where it is largest nothing but detail is lost."""
        sizes = [(self.width, self.height), *([self.last_size] if self.last_size else [])]
        width, height = min(sizes)
        return width / self.picture_width, height / self.picture_height

    def at(self, time: float | Fraction) -> Box:
        """(left, top, width, height) in pixels, ``time`` seconds from the clip's first frame."""
        part = min(1.0, max(0.0, float(time) / self.seconds)) if self.seconds else 0.0
        gone = EASINGS[self.easing](part)
        left, top = (a + (b - a) * gone for a, b in zip(self.first, self.last, strict=True))
        if self.last_size is None:
            return left, top, self.width, self.height
        wide, high = self.last_size
        across = self.width + (wide - self.width) * gone
        return left, top, across, self.height + (high - self.height) * gone

    def share_at(self, time: float | Fraction) -> Box:
        """The same in shares of the picture's width and height."""
        left, top, width, height = self.at(time)
        across, down = self.picture_width, self.picture_height
        return left / across, top / down, width / across, height / down


@dataclass(frozen=True, slots=True)
class Dissolve:
    """A shot that becomes another one of the same thing: two windows of one size.

    Attributes:
        start: seconds from the clip's first frame, when ``after`` begins to show.
        seconds: until nothing of ``before`` is left.
    """

    before: Window
    after: Window
    start: float
    seconds: float

    @property
    def size_share(self) -> tuple[float, float]:
        """Width and height of what is written, in shares."""
        return self.before.size_share

    def weight_at(self, time: float | Fraction) -> float:
        """How much of what is seen is ``after``: 0 to 1."""
        return min(1.0, max(0.0, (float(time) - self.start) / self.seconds))


@dataclass(frozen=True, slots=True)
class Grade:
    """The whole picture in other colours and another light, which may grow or fade.

    Attributes:
        gain, last_gain: of the light, at the beginning and after ``seconds``.
        warmth: levels of chroma, above 0 to amber, below to blue.
    """

    gamma: float
    gain: float
    last_gain: float
    saturation: float
    warmth: float
    seconds: float

    @property
    def size_share(self) -> tuple[float, float]:
        """Width and height of what is written, in shares: all."""
        return 1.0, 1.0

    def at(self, time: float | Fraction) -> Tone:
        """How levels change, ``time`` seconds from the clip's first frame."""
        part = min(1.0, max(0.0, float(time) / self.seconds))
        gain = self.gain + (self.last_gain - self.gain) * part
        return Tone(self.gamma, gain, self.saturation, self.warmth)


View = Window | Dissolve | Grade


def clip_random(seed: int, name: str) -> Random:
    """The draws of one clip, whatever else is made with it: close-up and move share their size."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return Random(int.from_bytes(digest, "big"))


def clip_window(kind: str, clip: Clip, name: str, config: CinematicConfig = CINEMATIC) -> View:
    """How a film file is seen; it is decoded once if its header does not say how long it is.

    Args:
        name: the clip's id, of which the view is drawn together with ``config.seed``.
    """
    seconds = float(clip.duration or _decoded_length(clip))
    random = clip_random(config.seed, name)
    return draw_view(kind, clip.width, clip.height, seconds, random, config)


def _decoded_length(clip: Clip) -> Fraction:
    return max(picture.end for picture in decode_pictures(clip))


def draw_view(
    kind: str,
    width: int,
    height: int,
    duration: float,
    random: Random,
    config: CinematicConfig = CINEMATIC,
) -> View:
    """Draw how a picture of ``width`` x ``height`` pixels is seen, which is shown for
    ``duration`` s. Always seven draws.

    Args:
        kind: one of `KINDS`.

    Raises:
        UsageError: no such kind or option, or sizes that no window can have.
    """
    if kind in CUT_OUT:
        return draw_window(kind, width, height, duration, random, config)
    _check(kind, config)
    draws = [random.random() for _ in range(7)]
    if kind == "transition":
        shots = [
            draw_window(
                "cu", width, height, duration, _Drawn([*draws[:2], *place, 0, 0, 0]), config
            )
            for place in (draws[2:4], draws[5:7])
        ]
        longest = min(DISSOLVE[1], duration / 3)
        shortest = min(DISSOLVE[0], longest)
        seconds = shortest + (longest - shortest) * draws[4]
        # in the middle third, so that both shots are seen
        return Dissolve(shots[0], shots[1], (duration - seconds) * (1 + draws[4]) / 3, seconds)
    gamma, gain, last_gain, saturation = (
        low * (high / low) ** share
        for (low, high), share in zip((GAMMA, GAIN, GAIN, SATURATION), draws, strict=False)
    )
    warmth = WARMTH * (2 * draws[4] - 1)
    return Grade(gamma, gain, last_gain, saturation, warmth, config.move_seconds or duration)


class _Drawn(Random):
    """Chance that was drawn before."""

    def __init__(self, draws: Sequence[float]) -> None:
        super().__init__(0)
        self._draws = iter(draws)

    def random(self) -> float:
        return next(self._draws)


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
        kind: "cu", a close-up, "cm", a camera move, or "zoom", between the whole picture and a
            close-up of its own proportions, either way.

    Raises:
        UsageError: no such kind or option, or sizes that no window can have.
    """
    _check(kind, config)
    draws = [random.random() for _ in range(7)]
    shares = draws[0], draws[0] if config.aspect == "kept" or kind == "zoom" else draws[1]
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
    seconds = config.move_seconds or duration
    if kind == "zoom":
        whole = _even(width, width), _even(height, height)
        if config.fit == "crop":
            whole = min(whole), min(whole)
        middle = 2.0 * round((width - whole[0]) / 4), 2.0 * round((height - whole[1]) / 4)
        window = replace(window, seconds=seconds, easing=config.easing)
        if draws[4] < 0.5:
            return replace(window, last=middle, last_size=whole)
        small, place = (across, down), window.first
        return replace(
            window, width=whole[0], height=whole[1], first=middle, last=place, last_size=small
        )
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
        seconds=seconds,
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


def crop_for(clip: Clip, view: View) -> Crop:
    """What `decode_pictures` needs to see a clip otherwise."""

    def crop(frame: VideoFrame, time: Fraction) -> VideoFrame:
        return see_frame(frame, view, time, clip.rotation)

    return crop


def see_frame(
    frame: VideoFrame,
    view: View,
    time: float | Fraction,
    rotation: int,
    size: tuple[int, int] | None = None,
) -> VideoFrame:
    """A frame, as it is stored, as a view shows it.

    Args:
        time: seconds from the clip's first frame.
        rotation: degrees counter-clockwise that make it upright.
        size: stored width and height to write; None for the view's own.
    """
    if isinstance(view, Grade):
        return grade_frame(frame, view.at(time), size)
    if isinstance(view, Window):
        stored = frame.width, frame.height
        box = stored_box(view.share_at(time), stored, rotation)
        if size is None and view.last_size:
            size = 2 * round(box[2] / 2), 2 * round(box[3] / 2)
        return crop_frame(frame, box, size)
    weight = view.weight_at(time)
    if weight in (0, 1):
        return see_frame(frame, view.after if weight else view.before, time, rotation, size)
    before, after = (
        see_frame(frame, shot, time, rotation, size) for shot in (view.before, view.after)
    )
    return mix_frames(before, after, weight)


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
    view: View,
    size: tuple[int, int] = (FRAMES.size, FRAMES.size),
) -> NDArray[np.uint8]:
    """See frames in memory otherwise, scaled to their size.

    Args:
        frames: (n, height, width, 3) uint8, upright.
        times: when each is shown, seconds from the clip's first frame.
        size: width and height of what is made.

    Returns:
        (n, size[1], size[0], 3) uint8
    """
    return np.stack(
        [_vary(frame, view, time, size) for frame, time in zip(frames, times, strict=True)]
    )


def vary_pictures(pictures: Iterable[Picture], view: View) -> Iterator[Picture]:
    """The same for small pictures as they stream by.

    They are cut from 224 x 224 and 160 x 90 pixels and so come out soft; `crop_for` cuts from the
    film itself.
    """
    for picture in pictures:
        luma = _vary(picture.luma, view, picture.time, (FRAMES.luma_width, FRAMES.luma_height))
        rgb = picture.rgb
        if rgb is not None:
            rgb = _vary(rgb, view, picture.time, (FRAMES.size, FRAMES.size))
        larger = picture.larger
        if larger:
            larger = partial(_vary_larger, larger, view, picture.time)
        yield replace(picture, luma=luma, rgb=rgb, larger=larger)


def _vary_larger(
    larger: Callable[[], NDArray[np.uint8]], view: View, time: Fraction
) -> NDArray[np.uint8]:
    whole = larger()
    return _vary(whole, view, time, (whole.shape[1], whole.shape[0]))


def _vary(
    pixels: NDArray[np.uint8], view: View, time: float | Fraction, size: tuple[int, int]
) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    if isinstance(view, Grade):
        return grade_pixels(crop_pixels(pixels, (0, 0, width, height), size), view.at(time))
    if isinstance(view, Window):
        left, top, across, down = view.share_at(time)
        box = left * width, top * height, across * width, down * height
        return crop_pixels(pixels, box, size)
    before, after = (_vary(pixels, shot, time, size) for shot in (view.before, view.after))
    return mix_pixels(before, after, view.weight_at(time))
