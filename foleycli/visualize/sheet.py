"""The sound sheet: waveform, spectrogram, onsets and what is heard run past a playhead.

Everything that moves is one long strip, of which a few seconds exist at a time; a frame is a window
onto it, so memory does not grow with the sound and a frame costs a millisecond.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.sparse import csr_matrix

from foleycli.clip.timecode import Timecode
from foleycli.visualize.hear import Heard, Progress, Span
from foleycli.visualize.paint import (
    AMBER,
    FAINT,
    INK,
    LINE,
    PANEL,
    PAPER,
    Rgb,
    blank_frame,
    draw_text,
    heat_map,
    luma_of,
    pitch_colours,
    shorten,
    text_width,
    tint,
    to_planes,
)
from foleycli.visualize.sound import Sound, read_blocks

SPEED = 100  # pixels of a 1280 wide sheet that go by in a second, about
PLAYHEAD = 0.34  # of the width: what is to come takes more room than what was
LOWEST, HIGHEST = 40.0, 16_000.0  # Hz of the spectrogram
RANGE_DB = 78.0  # from the loudest to what is drawn as silence
N_FFT = 0.043  # seconds of a window of the spectrogram
LANES = 3  # of words
REACH = 4.0  # seconds that words may take beyond their sound where nothing follows
LABEL = 1.2  # seconds of a lane that words take at least
AHEAD = 0.6  # brightness of what is to come
SHADE = 0.72  # of the ground under words that stand on the spectrogram
GLOW = 0.3  # seconds that an onset glows
PALE = np.round(128 + (np.arange(256) - 128) * (1 - SHADE)).astype(np.uint8)  # colour under words
Gray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are on a sheet, in pixels; all edges even."""

    width: int
    height: int
    column: int  # pixels that go by from one frame to the next, even

    @classmethod
    def of(cls, width: int, height: int, frame_rate: Fraction) -> "Layout":
        asked = SPEED * width / 1280 / float(frame_rate)
        return cls(width, height, max(2, 2 * round(asked / 2)))

    def scaled(self, units: float) -> int:
        """Pixels of a length that is given for a height of 720."""
        return max(1, round(units * self.height / 720))

    def _edge(self, units: float) -> int:
        return 2 * round(units * self.height / 1440)

    @property
    def playhead(self) -> int:
        return 2 * round(self.width * PLAYHEAD / 2)

    @property
    def body(self) -> tuple[int, int]:
        """First and last row of what moves."""
        return self._edge(122), self._edge(650)

    def band(self, name: str) -> tuple[int, int]:
        """First and last row of a band, counted from the top of what moves."""
        first, last = {
            "words": (0, 96),
            "wave": (104, 262),
            "onsets": (266, 290),
            "heat": (294, 498),
            "ruler": (500, 528),
        }[name]
        return self._edge(first), self._edge(last)

    @property
    def overview(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the whole sound's shape."""
        margin = self._edge(28)
        return margin, self._edge(664), self.width - margin, self._edge(706)


def draw_sheet(
    sound: Sound,
    heard: Heard,
    frame_rate: Fraction,
    size: tuple[int, int],
    progress: Progress = lambda _: None,
) -> Iterator[VideoFrame]:
    """The frames of a sheet: as many as the sound's duration times the rate, rounded half up.

    Args:
        size: width and height in pixels, even, at least 320 x 180.
    """
    layout = Layout.of(*size, frame_rate)
    total = sound.frames(frame_rate)
    strip = _Strip(sound, heard, layout, frame_rate)
    page = _Page(sound, heard, layout, frame_rate)
    for number in range(total):
        bright, dim, peak = strip.window(number)
        yield page.frame(number, total, bright, dim, peak)
        if number % 64 == 0:
            progress(number / total)
    progress(1.0)


class _Strip:
    """The part of the long picture that is on screen, drawn in blocks as the sound is read."""

    def __init__(self, sound: Sound, heard: Heard, layout: Layout, frame_rate: Fraction) -> None:
        self._layout, self._sound = layout, sound
        self._rate = layout.column * frame_rate  # columns a second
        self._total = sound.frames(frame_rate) * layout.column
        self._block = layout.column * max(8, 2 * layout.width // (5 * layout.column))
        self._height = layout.body[1] - layout.body[0]
        self._painter = _Painter(sound, heard, layout, self._rate, frame_rate)
        self._columns = _columns(sound, self._rate, self._block)
        blank = to_planes(np.full((self._height, layout.playhead, 3), INK, np.uint8))
        self._first = -layout.playhead  # column at the left edge of what is held
        self._held = [blank]
        self._peaks = np.zeros(layout.playhead, np.float32)
        self._planes = self._dims = blank

    def window(self, number: int) -> tuple[tuple[Gray, Gray, Gray], tuple[Gray, Gray, Gray], float]:
        """Planes of what is on screen at a frame, bright and dim, and the loudest sample in it."""
        left = number * self._layout.column - self._layout.playhead
        right = left + self._layout.width
        while self._first + self._width() < right:
            self._grow(left)
        a = left - self._first
        b = a + self._layout.width
        bright, dim = (
            (p[0][:, a:b], p[1][:, a // 2 : b // 2], p[2][:, a // 2 : b // 2])
            for p in (self._planes, self._dims)
        )
        here = a + self._layout.playhead
        return bright, dim, float(self._peaks[here : here + self._layout.column].max(initial=0))

    def _width(self) -> int:
        return self._planes[0].shape[1]

    def _grow(self, left: int) -> None:
        """Forget what has gone by, draw the next block."""
        block = next(self._columns, None)
        if block is None:
            rgb = np.full((self._height, self._block, 3), INK, np.uint8)
            peaks = np.zeros(self._block, np.float32)
        else:
            rgb, peaks = self._painter.paint(block)
        gone = max(0, (left - self._first) // 2 * 2)
        new = to_planes(rgb)
        kept = [p[:, gone:] if n == 0 else p[:, gone // 2 :] for n, p in enumerate(self._planes)]
        kept_dim = [p[:, gone:] if n == 0 else p[:, gone // 2 :] for n, p in enumerate(self._dims)]
        joined = [np.concatenate(pair, axis=1) for pair in zip(kept, new, strict=True)]
        dimmed = [np.concatenate(pair, axis=1) for pair in zip(kept_dim, _dimmed(new), strict=True)]
        self._planes, self._dims = (tuple(joined), tuple(dimmed))  # type: ignore[assignment]
        self._peaks = np.concatenate([self._peaks[gone:], peaks])
        self._first += gone


def _dimmed(planes: tuple[Gray, Gray, Gray]) -> tuple[Gray, Gray, Gray]:
    luma, colour = _dim_tables()
    return luma[planes[0]], colour[planes[1]], colour[planes[2]]


@lru_cache(maxsize=1)
def _dim_tables() -> tuple[Gray, Gray]:
    """What becomes of each luma, and of each colour, of what is still to come."""
    levels, ground = np.arange(256), luma_of(INK)
    luma = ground + (levels - ground) * AHEAD
    colour = 128 + (levels - 128) * (AHEAD + 0.15)
    return luma.clip(0, 255).astype(np.uint8), colour.astype(np.uint8)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Samples under a block of columns, and those around it that its windows reach."""

    first: int  # column
    edges: NDArray[np.int64]  # (columns + 1,) first sample of each, within ``samples``
    samples: NDArray[np.float32]  # (n,) mono


def _columns(sound: Sound, rate: Fraction, block: int) -> Iterator[_Columns]:
    """The sound in blocks of columns; the last one may reach beyond its end, in silence."""
    reach = round(N_FFT * sound.sample_rate)
    total = -(-sound.samples * rate // sound.sample_rate)
    held, origin = np.zeros(reach, np.float32), -reach
    blocks = read_blocks(sound)
    for first in range(0, int(total), block):
        columns = np.arange(first, first + block + 1)
        edges = (columns * sound.sample_rate * rate.denominator) // rate.numerator
        while origin + len(held) < edges[-1] + reach:
            more = next(blocks, None)
            if more is None:
                held = np.pad(held, (0, int(edges[-1]) + reach - origin - len(held)))
            else:
                held = np.concatenate([held, more.mean(axis=1)])
        start = int(edges[0]) - reach - origin
        end = int(edges[-1]) + reach - origin
        yield _Columns(first, edges - edges[0] + reach, held[start:end])
        keep = int(edges[-1]) - reach - origin
        held, origin = held[keep:], origin + keep


class _Painter:
    """Draws blocks of the strip."""

    def __init__(
        self,
        sound: Sound,
        heard: Heard,
        layout: Layout,
        rate: Fraction,
        frame_rate: Fraction,
    ) -> None:
        self._layout, self._heard, self._rate = layout, heard, float(rate)
        self._sound, self._frame_rate = sound, frame_rate
        self._origin = sound.timecode(frame_rate)
        self._height = layout.body[1] - layout.body[0]
        self._peak = max(float(np.abs(heard.overview).max(initial=0)), 1e-4)
        self._window = 2 ** round(np.log2(N_FFT * sound.sample_rate))
        top, bottom = layout.band("heat")
        self._rows = _log_rows(bottom - top, self._window, sound.sample_rate)
        self._lanes = _with_room(assign_lanes(heard.spans))

    def paint(self, block: _Columns) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """(rows, columns, 3), and the loudest sample of each column, 0 to 1."""
        count = len(block.edges) - 1
        rgb = np.empty((self._height, count, 3), np.uint8)
        rgb[:] = INK
        for name in ("words", "wave", "onsets", "ruler"):
            top, bottom = self._layout.band(name)
            rgb[top:bottom] = PANEL if name != "onsets" else INK
        levels = self._spectrum(block)
        top, bottom = self._layout.band("heat")
        rgb[top:bottom] = heat_map()[(levels * 255).astype(np.uint8)]
        peaks = self._wave(rgb, block, levels)
        self._onsets(rgb, block.first, count)
        canvas = Image.fromarray(rgb)
        self._words(canvas, block.first, count)
        self._ruler(canvas, block.first, count)
        return np.asarray(canvas), peaks

    def _spectrum(self, block: _Columns) -> NDArray[np.float32]:
        """(rows, columns) 0 to 1, the highest pitch first."""
        centres = (block.edges[:-1] + block.edges[1:]) // 2 - self._window // 2
        frames = np.lib.stride_tricks.sliding_window_view(block.samples, self._window)
        picked = frames[np.clip(centres, 0, len(frames) - 1)] * _hann(self._window)
        power = np.square(np.abs(np.fft.rfft(picked, axis=1).astype(np.complex64)))
        rows = self._rows @ power.T
        decibels = 10 * np.log10(rows + 1e-14) - 20 * np.log10(self._window / 4)
        top = 20 * np.log10(self._peak) - 9
        return np.clip((decibels - top) / RANGE_DB + 1, 0, 1).astype(np.float32)

    def _wave(
        self, rgb: NDArray[np.uint8], block: _Columns, levels: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        starts, last = block.edges[:-1], int(block.edges[-1])
        inner = np.abs(block.samples[:last])
        peaks = np.maximum.reduceat(inner, starts)
        power = np.add.reduceat(np.square(inner), starts) / np.maximum(np.diff(block.edges), 1)
        top, bottom = self._layout.band("wave")
        half = (bottom - top) / 2
        rows = np.abs(np.arange(top, bottom) + 0.5 - (top + half))[:, None]
        tall = np.power(np.minimum(peaks / self._peak, 1), 0.7) * (half - 3) + 0.6
        core = np.power(np.minimum(np.sqrt(power) / self._peak, 1), 0.7) * (half - 3)
        outer, middle = (np.clip(h - rows + 0.5, 0, 1)[..., None] for h in (tall, core))
        weights = np.square(levels) + 1e-6
        pitch = (weights * np.linspace(1, 0, len(levels))[:, None]).sum(0) / weights.sum(0)
        colours = pitch_colours(np.clip((pitch - 0.25) * 2.2, 0, 1))[None]
        wave = rgb[top:bottom].astype(np.float32)
        wave += outer * (colours * 0.55 - wave)
        wave += middle * (colours - wave)
        rgb[top:bottom] = wave.astype(np.uint8)
        return peaks

    def _onsets(self, rgb: NDArray[np.uint8], first: int, count: int) -> None:
        heard, layout = self._heard, self._layout
        places = np.round(heard.onsets * self._rate).astype(int) - first
        top, bottom = layout.band("onsets")
        base = bottom - layout.scaled(2)
        thick = max(2, layout.scaled(2))
        for column, size in zip(places, heard.sizes, strict=True):
            if not -thick < column < count + thick:
                continue
            columns = slice(max(0, column - thick // 2), max(0, column - thick // 2 + thick))
            tall = round((0.25 + 0.75 * float(size)) * (base - top))
            rgb[base - tall : base, columns] = AMBER
            for band, share in (("heat", 0.34), ("wave", 0.26)):
                a, b = layout.band(band)
                part = rgb[a:b, columns].astype(np.float32)
                mixed = part + (np.array(AMBER) - part) * share * (0.1 + 0.9 * float(size) ** 2)
                rgb[a:b, columns] = mixed.astype(np.uint8)

    def _words(self, canvas: Image.Image, first: int, count: int) -> None:
        layout, pen = self._layout, ImageDraw.Draw(canvas)
        top, bottom = layout.band("words")
        lane_height = (bottom - top) / LANES
        size, gap = layout.scaled(16), layout.scaled(4)
        for span, lane, until in self._lanes:
            left, right = (time * self._rate - first for time in (span.start, span.end))
            if max(right, until * self._rate - first) < 0 or left > count:
                continue
            y0, y1 = top + lane * lane_height + gap / 2, top + (lane + 1) * lane_height - gap / 2
            colour = tint(span.name, self._heard.classes)
            body: Rgb = tuple(round(p + (c - p) * 0.3) for p, c in zip(PANEL, colour, strict=True))  # type: ignore[assignment]
            right = max(right - 2, left + 4)
            pen.rounded_rectangle((left, y0, right, y1), layout.scaled(6), fill=body)
            pen.rounded_rectangle((left, y0, left + layout.scaled(4), y1), 1, fill=colour)
            room = max(right, until * self._rate - first) - left - layout.scaled(18)
            words = shorten(span.label, size, round(room))
            every = max(layout.width // 2, text_width(words, size) + layout.scaled(60))
            at = left + layout.scaled(12)
            while words and (at < left + every or at + text_width(words, size) < right):
                if at < count and at + text_width(words, size) > 0:
                    middle = ((at), (y0 + y1) / 2)
                    draw_text(canvas, middle, words, size, PAPER, "lm")
                at += every

    def _ruler(self, canvas: Image.Image, first: int, count: int) -> None:
        layout, pen = self._layout, ImageDraw.Draw(canvas)
        top, bottom = layout.band("ruler")
        size = layout.scaled(13)
        step = 1 if self._rate > 3 * text_width("00:00:00:00", size) else 2
        reach = text_width("00:00:00:00", size) + 8
        nominal = round(self._frame_rate)
        last = (first + count) / self._rate
        second = max(0, int((first - reach) / self._rate) - 1)
        while second <= last and second <= float(self._sound.duration) + 1:
            frames = second * nominal
            x = frames * layout.column - first
            labelled = second % step == 0
            pen.line((x, top, x, top + layout.scaled(9 if labelled else 5)), FAINT, 1)
            if labelled:
                label = str(self._origin + frames)
                at = (x + layout.scaled(5), bottom - layout.scaled(6))
                draw_text(canvas, at, label, size, FAINT, "ls")
            second += 1


def assign_lanes(spans: tuple[Span, ...]) -> list[tuple[Span, int]]:
    """Spans in lanes where they do not overlap; the least sure ones are left out if there are more.

    In order of time.
    """
    free = [0.0] * LANES
    placed: list[tuple[Span, int]] = []
    for span in spans:
        lane = next((lane for lane, end in enumerate(free) if end <= span.start + 1e-6), None)
        if lane is None:
            running = [(n, s) for n, (s, _) in enumerate(placed) if s.end > span.start]
            weakest, other = min(running, key=lambda pair: pair[1].sure)
            if other.sure >= span.sure or other.start < span.start - 0.01:
                continue
            lane = placed.pop(weakest)[1]
        placed.append((span, lane))
        free[lane] = max(span.end, span.start + LABEL)
    return placed


def _with_room(placed: list[tuple[Span, int]]) -> list[tuple[Span, int, float]]:
    """Spans, their lanes, and until when their words may reach: the next span of the lane, or
    a few seconds."""
    following = dict.fromkeys(range(LANES), float("inf"))
    roomy = []
    for span, lane in reversed(placed):
        roomy.append((span, lane, min(following[lane], span.start + REACH)))
        following[lane] = span.start
    return roomy[::-1]


@lru_cache(maxsize=2)
def _hann(samples: int) -> NDArray[np.float32]:
    return np.hanning(samples).astype(np.float32)


def _log_rows(rows: int, window: int, sample_rate: int) -> csr_matrix:
    """(rows, bins): triangles even in the logarithm of pitch, highest first; narrow ones blend
    two bins."""
    bins = np.arange(window // 2 + 1) * sample_rate / window
    highest = min(HIGHEST, sample_rate / 2.05)
    edges = np.geomspace(LOWEST, highest, rows + 2)[::-1]
    spacing = sample_rate / window
    matrix = np.zeros((rows, len(bins)), np.float32)
    for row in range(rows):
        high, centre, low = edges[row : row + 3]
        reach = max(high - centre, centre - low, spacing)
        weight = np.maximum(0, 1 - np.abs(bins - centre) / reach)
        matrix[row] = weight / max(weight.sum(), 1e-9) * max(1.0, reach / spacing) ** 0.5
    return csr_matrix(matrix)


@dataclass(frozen=True, slots=True)
class _Mark:
    """Words on what moves: how much of its luma they leave, and what they add."""

    row: int
    column: int
    kept: NDArray[np.float32]
    added: NDArray[np.float32]


class _Page:
    """What stands still, and what changes on it: time, words, level, the whole's shape."""

    def __init__(self, sound: Sound, heard: Heard, layout: Layout, frame_rate: Fraction) -> None:
        self._layout, self._heard, self._frame_rate = layout, heard, frame_rate
        self._origin = sound.timecode(frame_rate)
        rgb = self._ground(sound)
        self._base = to_planes(rgb)
        self._lit = to_planes(self._shape(rgb.copy(), lit=True))
        self._clock = _Clock(layout, self._origin)
        self._axis = self._axis_labels(sound)
        self._level, self._spans = -60.0, list(heard.spans)
        self._starts = np.array([span.start for span in heard.spans])
        self._glow = _disc(layout.scaled(44))
        self._peak = max(float(np.abs(heard.overview).max(initial=0)), 1e-4)

    def _ground(self, sound: Sound) -> NDArray[np.uint8]:
        layout = self._layout
        canvas = Image.new("RGB", (layout.width, layout.height), INK)
        margin = layout.scaled(28)
        size, room = layout.scaled(26), layout.width - self._clock_width() - 3 * margin
        name = shorten(sound.path.name, size, room)
        draw_text(canvas, (margin, layout.scaled(46)), name, size, PAPER, "ls")
        facts = describe(sound, self._frame_rate)
        small = layout.scaled(15)
        facts = shorten(facts, small, room)
        draw_text(canvas, (margin, layout.scaled(70)), facts, small, FAINT, "ls")
        pen = ImageDraw.Draw(canvas)
        left, top, right, bottom = layout.overview
        pen.rounded_rectangle((left - 4, top - 4, right + 4, bottom + 4), 6, fill=PANEL)
        return self._shape(np.array(canvas), lit=False)

    def _clock_width(self) -> int:
        return 11 * _Clock.advance(self._layout)

    def _shape(self, rgb: NDArray[np.uint8], lit: bool) -> NDArray[np.uint8]:
        left, top, right, bottom = self._layout.overview
        width, half = right - left, (bottom - top) / 2
        points = self._heard.overview
        places = np.arange(width) * len(points) // width
        ends = np.maximum(places + 1, (np.arange(width) + 1) * len(points) // width)
        size = np.abs(points).max(axis=1)
        tall = np.array([size[a:b].max() for a, b in zip(places, ends, strict=True)])
        tall = np.power(tall / max(size.max(initial=0), 1e-4), 0.7) * (half - 2) + 0.5
        rows = np.abs(np.arange(top, bottom) + 0.5 - (top + half))[:, None]
        ink = np.clip(tall - rows + 0.5, 0, 1)[..., None]
        colour = np.array(PAPER if lit else (74, 84, 104), np.float32)
        part = rgb[top:bottom, left:right].astype(np.float32)
        rgb[top:bottom, left:right] = (part + ink * (colour - part)).astype(np.uint8)
        return rgb

    def _axis_labels(self, sound: Sound) -> list[_Mark]:
        """Marks of pitch, on a shade of their own, or they drown in a loud sound."""
        layout = self._layout
        top, bottom = layout.band("heat")
        highest = min(HIGHEST, sound.sample_rate / 2.05)
        labels = []
        for hertz, words in ((100, "100 Hz"), (1000, "1 kHz"), (10_000, "10 kHz")):
            if hertz > 0.9 * highest:
                continue
            share = np.log(highest / hertz) / np.log(highest / LOWEST)
            row = layout.body[0] + top + round(share * (bottom - top))
            size = layout.scaled(12)
            width, height = (2 * -(-side // 2) for side in (text_width(words, size) + 8, size + 6))
            image = Image.new("L", (width, height), 0)
            at = (4, size + 1)
            ImageDraw.Draw(image).text(at, words, fill=255, font=_small_font(size), anchor="ls")
            place = 2 * ((row - height // 2) // 2), 2 * (layout.scaled(8) // 2)
            ink = np.asarray(image, np.float32) / 255 * 0.9
            ground = luma_of(INK) * SHADE * (1 - ink) + luma_of(PAPER) * ink
            kept = (1 - SHADE) * (1 - ink)
            labels.append(_Mark(*place, kept.astype(np.float32), ground.astype(np.float32)))
        return labels

    def frame(
        self,
        number: int,
        total: int,
        bright: tuple[Gray, Gray, Gray],
        dim: tuple[Gray, Gray, Gray],
        peak: float,
    ) -> VideoFrame:
        """One picture."""
        layout = self._layout
        made, (luma, *chroma) = blank_frame(layout.width, layout.height)
        top, bottom = layout.body
        for plane, base, lit, was, comes, scale in zip(
            (luma, *chroma), self._base, self._lit, bright, dim, (1, 2, 2), strict=True
        ):
            plane[: top // scale] = base[: top // scale]
            plane[bottom // scale :] = base[bottom // scale :]
            edge = layout.playhead // scale
            plane[top // scale : bottom // scale, :edge] = was[:, :edge]
            plane[top // scale : bottom // scale, edge:] = comes[:, edge:]
            self._progress(plane, lit, (number + 0.5) / total, scale)
        time = float(number / self._frame_rate)
        self._clock.draw(luma, number)
        self._say(luma, chroma, time)
        self._meter(luma, chroma, peak)
        self._needle(luma, time)
        for mark in self._axis:
            row, column, (high, wide) = mark.row, mark.column, mark.kept.shape
            part = luma[row : row + high, column : column + wide]
            part[:] = part * mark.kept + mark.added
            for plane in chroma:
                half = plane[row // 2 :, column // 2 :][: high // 2, : wide // 2]
                half[:] = PALE[half]
        return made

    def _progress(self, plane: Gray, lit: Gray, share: float, scale: int) -> None:
        left, top, right, bottom = (edge // scale for edge in self._layout.overview)
        here = left + round(share * (right - left))
        plane[top:bottom, left:here] = lit[top:bottom, left:here]
        if scale == 1:
            plane[top - 3 : bottom + 3, here : here + 2] = 235

    def _needle(self, luma: Gray, time: float) -> None:
        layout = self._layout
        top, bottom = layout.body
        x = layout.playhead
        recent = (self._heard.onsets > time - GLOW) & (self._heard.onsets <= time + 0.01)
        ages = time - self._heard.onsets[recent]
        glow = float((self._heard.sizes[recent] * np.exp(-ages / (GLOW / 3))).max(initial=0))
        first, last = layout.band("wave")
        if glow > 0.02:
            disc, middle = self._glow, top + (first + last) // 2
            half = len(disc) // 2
            part = luma[middle - half : middle - half + len(disc), x - half : x - half + len(disc)]
            part[:] = np.minimum(235, part + disc * (170 * glow))
        wide = max(2, layout.scaled(2))
        luma[top : bottom - layout.scaled(24), x : x + wide] = 235

    def _meter(self, luma: Gray, chroma: list[Gray], peak: float) -> None:
        """A level that falls 26 dB a second, as meters of programmes do."""
        layout = self._layout
        fallen = self._level - 26 / float(self._frame_rate)
        self._level = max(fallen, 20 * np.log10(max(peak, 1e-6)), -60)
        right = layout.width - layout.scaled(28)
        left = right - self._clock_width()
        top = 2 * (layout.scaled(84) // 2)
        rows = slice(top, top + 2 * max(1, layout.scaled(5) // 2))
        lit = left + round((self._level + 60) / 60 * (right - left))
        luma[rows, left:right] = luma_of(LINE)
        luma[rows, left:lit] = luma_of(AMBER) if self._level < -6 else luma_of(PAPER)
        half = slice(rows.start // 2, rows.stop // 2)
        for plane, value in zip(chroma, _chroma(AMBER), strict=True):
            plane[half, left // 2 : lit // 2] = value

    def _say(self, luma: Gray, chroma: list[Gray], time: float) -> None:
        """What is heard now, in the words' own colours."""
        layout = self._layout
        last = int(np.searchsorted(self._starts, time, side="right"))
        now = [span for span in self._spans[max(0, last - 40) : last] if span.end > time]
        now = sorted(now, key=lambda span: -span.sure)[:LANES]
        words = tuple((s.label, tint(s.name, self._heard.classes)) for s in now)
        if not words:
            return
        planes = _words_image(words, layout)
        x, y = layout.scaled(28) // 2 * 2, layout.scaled(82) // 2 * 2
        for plane, made, scale in zip((luma, *chroma), planes, (1, 2, 2), strict=True):
            height, width = made.shape
            plane[y // scale : y // scale + height, x // scale : x // scale + width] = made


class _Clock:
    """Timecode in letters of equal width, drawn once."""

    def __init__(self, layout: Layout, origin: Timecode) -> None:
        self._layout, self._origin = layout, origin
        size = layout.scaled(44)
        advance = self.advance(layout)
        self._glyphs = {}
        for letter in "0123456789:;":
            image = Image.new("RGB", (advance, layout.scaled(52)), INK)
            at = (advance / 2, layout.scaled(44))
            draw_text(image, at, letter, size, PAPER, "ms")
            levels = np.asarray(image, np.float32)[..., 1]
            ground, paper = INK[1], PAPER[1]
            share = (levels - ground) / (paper - ground)
            self._glyphs[letter] = (luma_of(INK) + share * (luma_of(PAPER) - luma_of(INK))).astype(
                np.uint8
            )

    @staticmethod
    def advance(layout: Layout) -> int:
        return layout.scaled(27)

    def draw(self, luma: Gray, number: int) -> None:
        label = str(self._origin + number)
        advance = self.advance(self._layout)
        x = self._layout.width - self._layout.scaled(28) - 11 * advance
        y = self._layout.scaled(24)
        for letter in label:
            glyph = self._glyphs[letter]
            luma[y : y + glyph.shape[0], x : x + advance] = glyph
            x += advance


@lru_cache(maxsize=32)
def _words_image(words: tuple[tuple[str, Rgb], ...], layout: Layout) -> tuple[Gray, Gray, Gray]:
    size = layout.scaled(24)
    gap = layout.scaled(22)
    limit = layout.width - 14 * _Clock.advance(layout)
    kept, width = [], 0
    for text, colour in words:
        wide = text_width(text, size)
        if kept and width + wide > limit:
            break
        kept.append((text, colour, width))
        width += wide + gap
    even = 2 * ((width + 3) // 2)
    canvas = Image.new("RGB", (even, 2 * (layout.scaled(36) // 2)), INK)
    for text, colour, x in kept:
        draw_text(canvas, (x, layout.scaled(25)), text, size, colour, "ls")
    return to_planes(np.asarray(canvas))


@lru_cache(maxsize=8)
def _chroma(colour: Rgb) -> NDArray[np.uint8]:
    _, u, v = to_planes(np.full((2, 2, 3), colour, np.uint8))
    return np.array([u[0, 0], v[0, 0]], np.uint8)


@lru_cache(maxsize=4)
def _small_font(size: int):
    from foleycli.visualize.paint import font

    return font(size)


def _disc(radius: int) -> NDArray[np.float32]:
    axis = np.arange(-radius, radius + 1, dtype=np.float32) / radius
    return np.exp(-4 * (axis[:, None] ** 2 + axis[None] ** 2)).astype(np.float32)


def describe(sound: Sound, frame_rate: Fraction) -> str:
    """Length, kind and rate of a sound in one line."""
    from foleycli.clip.timecode import rate_name

    minutes, seconds = divmod(float(sound.duration), 60)
    channels = {1: "mono", 2: "stereo"}.get(sound.channels, f"{sound.channels} channels")
    return (
        f"{int(minutes)}:{seconds:06.3f}   {sound.sample_rate / 1000:g} kHz {channels} "
        f"{sound.codec}   {rate_name(frame_rate)} fps"
    )
