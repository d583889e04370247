"""Clip -> Pictures: every frame by its time stamp, and which of them the 4-fps rule takes."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import repeat
from typing import TypeVar

import numpy as np
from av import VideoFrame
from av.error import FFmpegError
from numpy.typing import NDArray

from foleycli.clip.media import Damage, decoded, open_media
from foleycli.clip.probe import Clip
from foleycli.config import FRAMES
from foleycli.errors import MediaError, UsageError
from foleycli.frames.resize import LARGE, Shrinker

LOG = logging.getLogger("foleycli")
# a picture that touches a span by less than this is a rounded time stamp (Matroska counts
# milliseconds), not a picture of the span
SLIVER = Fraction(1, 1000)  # seconds
ROUNDING = Fraction(1, 5000)  # seconds; MPEG program streams are off by 3 ticks of 1/90000
GAP = 10  # seconds; a longer jump in a transport stream is a new clock, not a held picture
HELD = 3600  # seconds; no picture is held for longer, unless the header's duration agrees
BACKWARD = 1  # seconds; a smaller step back is one bad stamp, a larger one a new clock
SEEK_MARGINS = (3, 15)  # seconds before the span: where to seek first, and then
JUMPING_FORMATS = ("mpegts", "mpeg")
Made = TypeVar("Made")
Crop = Callable[[VideoFrame, Fraction], VideoFrame]  # a frame and its time -> the part to look at


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One frame as it is shown.

    Attributes:
        time: seconds from the start of the span.
        duration: seconds until the next picture, or the end.
        luma: (90, 160) uint8, brightness, area average, upright.
        rgb: (224, 224, 3) uint8 when the 4-fps rule takes this frame, else None.
        repeats: rows of the 4-fps sequence that this frame fills: 0 without ``rgb``.
        larger: makes (height, width, 3) uint8, upright, not squashed, of the frame (see
            `Shrinker.larger`), which is held for it: do not keep many pictures. Not in two threads
            at once.
        squashed: makes (224, 224, 3) uint8 of it by `frames.resize.squash`; the same holds.
    """

    time: Fraction
    duration: Fraction
    luma: NDArray[np.uint8]
    rgb: NDArray[np.uint8] | None
    repeats: int
    larger: Callable[[], NDArray[np.uint8]] | None = None
    squashed: Callable[[], NDArray[np.uint8]] | None = None

    @property
    def end(self) -> Fraction:
        """When the next picture follows; of the last one, the exact length of what decoded."""
        return self.time + self.duration


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """A decoded frame and when it is on screen, in seconds from the clip's first frame.

    ``time`` and ``end`` lie on the frame grid; ``end_stamp`` is the next frame's time as the file
    states it, in ticks: FFmpeg samples by stamps, and Matroska's milliseconds decide ties.
    """

    time: Fraction
    end: Fraction
    end_stamp: Fraction
    frame: VideoFrame


def decode_pictures(
    clip: Clip,
    start: Fraction = Fraction(0),
    end: Fraction | None = None,
    crop: Crop | None = None,
) -> Iterator[Picture]:
    """Decode the pictures on screen from ``start`` to ``end``, one at a time.

    The first picture begins at 0 even when it was on screen before ``start``, the last one stops
    at ``end``: durations add up to the span exactly, or to what decodes of it. Files that end
    early or are damaged give what they have and a warning.

    Args:
        start: seconds from the clip's first frame.
        end: the same, exclusive; None for all that decodes.
        crop: what is cut out of each frame before it is made small, by its time from the clip's
            first frame (see ``frames.windows``); None for the whole picture.

    Raises:
        MediaError: nothing decodes.
        UsageError: the span is empty, or begins after the last frame.
    """
    if start < 0 or (end is not None and end <= start):
        raise UsageError("The span is empty.", "Let --out come after --in.")
    shrinker, damage, rows, time = Shrinker(clip.rotation), Damage(), 0, Fraction(0)
    for shown, stop, last in _span(clip, start, end, damage):
        filled = max(count_rows(stop), 1, rows) if last else count_rows(shown.end_stamp - start)
        repeats, rows = filled - rows, filled
        with _converting(clip):
            frame = crop(shown.frame, start + time) if crop else shown.frame
            luma = shrinker.luma(frame)
            rgb = shrinker.rgb(frame) if repeats else None
        larger = partial(_made, clip, shrinker.larger, frame)
        squashed = partial(_made, clip, shrinker.squashed, frame)
        yield Picture(time, stop - time, luma, rgb, repeats, larger, squashed)
        damage.pictures += shown.frame.is_corrupt
        time = stop
    if damage.packets or damage.pictures:
        LOG.warning(
            "%s is damaged: %d packets do not decode, %d pictures are broken; "
            "the sound follows what can be seen.",
            clip.path.name,
            damage.packets,
            damage.pictures,
        )


def _made(
    clip: Clip, make: Callable[[VideoFrame], NDArray[np.uint8]], frame: VideoFrame
) -> NDArray[np.uint8]:
    with _converting(clip):
        return make(frame)


def decode_frames(
    clip: Clip, start: Fraction, end: Fraction
) -> Iterator[tuple[Fraction, Fraction, VideoFrame]]:
    """Decode the frames on screen from ``start`` to ``end``, whole, as the file stores them.

    Yields:
        when the frame appears and when it makes way, in seconds from the clip's first frame; a
        frame that is on screen at ``start`` may have appeared earlier.

    Raises:
        MediaError: nothing decodes.
        UsageError: the span begins after the last frame.
    """
    for shown, stop, last in _span(clip, start, end, Damage()):
        yield shown.time, max(shown.end, start + stop) if last else shown.end, shown.frame


@contextmanager
def _converting(clip: Clip) -> Iterator[None]:
    try:
        yield
    except (FFmpegError, ValueError) as error:
        raise MediaError(
            f"{clip.path.name} has pictures ({clip.pixel_format}) that cannot be converted.",
            "Export it as H.264 .mp4 or ProRes .mov.",
        ) from error


def decode_squares(clip: Clip, frame_rate: int, size: int) -> Iterator[NDArray[np.uint8]]:
    """Decode the pictures on screen at every tick of a rate, one at a time.

    Of each the middle square is taken, see `foleycli.frames.resize.middle_square`.

    Yields:
        (size, size, 3) uint8, upright.

    Raises:
        MediaError: nothing decodes.
    """
    shrinker = Shrinker(clip.rotation)
    return decode_ticks(clip, frame_rate, lambda frame: shrinker.square(frame, size))


def decode_ticks(
    clip: Clip, frame_rate: int | Fraction, make: Callable[[VideoFrame], Made]
) -> Iterator[Made]:
    """What ``make`` makes of the frame on screen at every tick of a rate, one at a time.

    The frame of a tick is chosen as in `count_rows`. What was made of a frame that is held is
    yielded again, not copied.

    Raises:
        MediaError: nothing decodes.
    """
    rows = 0
    for shown, stop, last in _span(clip, Fraction(0), None, Damage()):
        filled = (
            max(count_rows(stop, frame_rate), 1, rows)
            if last
            else count_rows(shown.end_stamp, frame_rate)
        )
        if filled > rows:
            with _converting(clip):
                made = make(shown.frame)
            yield from repeat(made, filled - rows)
            rows = filled


def decode_from(clip: Clip, start: Fraction) -> Iterator[tuple[Fraction, Fraction, VideoFrame]]:
    """Whole frames from the one on screen at ``start``, or a few earlier, to the end.

    Yields:
        when it is shown, when the next one follows (seconds from the clip's first frame), and it.

    Raises:
        MediaError: nothing decodes.
    """
    for shown in _from(clip, start, Damage()):
        yield shown.time, shown.end, shown.frame


def count_rows(duration: Fraction, frame_rate: int | Fraction = FRAMES.frame_rate) -> int:
    """Rows of the sequence at a rate that have been filled after ``duration`` seconds.

    Row n is the last frame that begins before (n + 1/2) / 4 s, as FFmpeg's ``fps=4`` takes it,
    so 8.2 s make 33 rows and 8.0 s make 32. (A clip shorter than 1/8 s still gets one.)
    """
    over, under = duration.numerator, duration.denominator  # whole numbers: it is asked often
    return (2 * frame_rate * over + under) // (2 * under)


def _span(
    clip: Clip, start: Fraction, end: Fraction | None, damage: Damage
) -> Iterator[tuple[_Shown, Fraction, bool]]:
    """Frames on screen in the span, when each ends in span time, and whether it is the last."""
    held: _Shown | None = None
    for shown in _from(clip, start, damage):
        if shown.end - start <= SLIVER:
            continue
        if held is not None:
            yield held, held.end - start, False
        held = shown
        if end is not None and shown.end >= end - SLIVER:
            yield held, end - start, True
            return
    if held is None:
        raise UsageError(
            f"{clip.path.name} ends before {float(start):g} s.", "Give an earlier --in."
        )
    _compare_with_header(clip, held.end)
    yield held, held.end - start, True


def _from(clip: Clip, start: Fraction, damage: Damage) -> Iterator[_Shown]:
    """Frames from one that is on screen at ``start``, or earlier: seek, and check where it led."""
    for margin in SEEK_MARGINS if clip.timed else ():
        if start > 2 * margin:
            frames = _shown(clip, start - margin, damage)
            first = next(frames, None)
            if first is not None and first.time <= start:
                yield first
                yield from frames
                return
    damage.packets = 0
    yield from _shown(clip, None, damage)


def _shown(clip: Clip, seek: Fraction | None, damage: Damage) -> Iterator[_Shown]:
    """Decode from a keyframe at or before ``seek``, or from the beginning."""
    with open_media(clip.path) as container:
        stream = container.streams.video[clip.picture_number]
        stream.thread_type = "AUTO"
        if clip.coded_width * clip.coded_height > LARGE:
            # edges of blocks are not smoothed in pictures that few others are made from: made
            # small, it shows in 1 of 100 pixels, by 1 of 255, and a tenth of the time is spared
            stream.codec_context.options = {"skip_loop_filter": "bidir"}
        if seek is not None:
            try:
                container.seek(int((clip.start + seek) / clip.time_base), stream=stream)
            except FFmpegError:
                return
        yield from _timed(clip, decoded(container, stream, damage))


def _timed(clip: Clip, frames: Iterator[VideoFrame]) -> Iterator[_Shown]:
    """Give every frame its time: stamps on the clip's frame grid, mended where they jump."""
    clock = _Clock(clip)
    held: tuple[Fraction, VideoFrame] | None = None
    for frame in frames:
        stamp = clock.read(frame)
        if stamp is None:
            continue
        if held is not None:
            yield _Shown(held[0], clock.time, stamp, held[1])
        held = clock.time, frame
    if held is not None:
        yield _Shown(held[0], clock.due, clock.due, held[1])


class _Clock:
    """Time stamps -> seconds from the first frame, strictly rising.

    Attributes:
        time: of the last frame that was read, on the frame grid.
        due: when it should end by its own account.
    """

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._shift = -clip.start
        self._first = True
        self._jumps = clip.container.startswith(JUMPING_FORMATS)
        self._nominal = 1 / clip.frame_rate if clip.frame_rate else None
        # the first picture's stamp and a later one's are both rounded, to ticks if not worse
        self._rounding = max(2 * clip.time_base, ROUNDING)
        self._lengths: dict[int, Fraction] = {}  # ticks -> seconds, as there are few of them
        self._is_fine = self._nominal is not None and 8 * self._rounding <= self._nominal
        self.time = self.due = Fraction(0)

    def read(self, frame: VideoFrame) -> Fraction | None:
        """The frame's stamp in seconds, or None for one that repeats an earlier stamp."""
        ticks = frame.pts
        stamp = self.due if ticks is None else ticks * self._clip.time_base + self._shift
        time = self._on_grid(stamp)
        step = time - self.time
        if not self._first and (step < -BACKWARD or self._is_jump(step)):
            LOG.warning(
                "%s: its clock jumps after %.2f s; the pictures are joined there.",
                self._clip.path.name,
                float(self.due),
            )
            self._shift += self.due - stamp
            stamp = time = self.due
        elif not self._first and step <= 0:
            return None
        self._first = False
        self.time, self.due = time, time + self._length(frame)
        return stamp

    def _length(self, frame: VideoFrame) -> Fraction:
        """How long a frame is shown by its own account; the nominal time if that is close."""
        ticks = frame.duration or 0
        if ticks not in self._lengths:
            stated = ticks * self._clip.time_base
            if self._is_jump(stated):
                return self._nominal or Fraction(1, 25)
            self._lengths[ticks] = self._believed(stated)
        return self._lengths[ticks]

    def _believed(self, stated: Fraction) -> Fraction:
        if self._nominal is None:
            return stated or Fraction(1, 25)
        return self._nominal if not stated or self._are_near(stated, self._nominal) else stated

    def _is_jump(self, step: Fraction) -> bool:
        """Whether a step forward is a new clock or nonsense, rather than a picture that is held."""
        if step <= GAP:
            return False
        if self._jumps or self._clip.duration is None:
            return self._jumps or step > HELD
        return self.time + step > self._clip.duration + GAP

    def _on_grid(self, time: Fraction) -> Fraction:
        """Undo the rounding of stamps where the nominal rate explains them."""
        if self._nominal is None or not self._is_fine:
            return time
        exact = round(time / self._nominal) * self._nominal
        return exact if exact == time or self._are_near(exact, time) else time

    def _are_near(self, one: Fraction, other: Fraction) -> bool:
        return abs(one - other) <= self._rounding


def _compare_with_header(clip: Clip, length: Fraction) -> None:
    frame = 1 / clip.frame_rate if clip.frame_rate else Fraction(1, 10)
    if clip.duration is not None and clip.duration - length > 2 * frame:
        LOG.warning(
            "%s says it is %.3f s long, but %.3f s decode; the sound gets that length.",
            clip.path.name,
            float(clip.duration),
            float(length),
        )
