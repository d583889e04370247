"""Pictures of sound a person would rather look at than read, drawn with what every install has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from foleycli.clip.probe import Clip, probe
from foleycli.evaluate.sync import CURVE_RATE, motion_curve, strength_curve
from foleycli.evaluate.timing import onset_strength
from foleycli.frames.decode import decode_pictures
from foleycli.spot.cues import Cue
from foleycli.waveform.sound import read_sound

STRIP = 10  # pictures in the film strip
RATE = 48_000  # Hz
HIGHEST = 16_000  # Hz that the spectrogram reaches
WINDOW, HOP = 1024, 256  # samples
QUIET_DB, LOUD_DB = -100.0, -20.0  # of a sine's peak, from black to white

WIDTH = 1120  # pixels of the sheet
LEFT, RIGHT, GAP, FOOT = 96, 12, 6, 34  # pixels around and between the rows
WAVE, SPECTRUM, CURVES = 60, 130, 80  # pixels of a row's height
PAPER, INK, FAINT = (255, 255, 255), (40, 40, 40), (150, 150, 150)
BLUE, RED, GREEN = (31, 119, 180), (214, 39, 40), (44, 160, 44)
LINES = (BLUE, (255, 127, 14), (148, 103, 189), (140, 86, 75), (227, 119, 194), (23, 190, 207))
# "magma", sampled: five colours of equal steps in lightness.
MAGMA = ((0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191))

Span = tuple[Fraction, Fraction | None]  # seconds
WHOLE: Span = (Fraction(0), None)


@dataclass(frozen=True, slots=True)
class _Row:
    """A strip of the sheet: its pixels and the seconds that they stand for."""

    top: int
    height: int
    seconds: float

    @property
    def bottom(self) -> int:
        return self.top + self.height

    def x(self, time: float) -> int:
        """Where an instant stands, from the sheet's left edge."""
        inside = min(max(time / self.seconds, 0.0), 1.0) if self.seconds > 0 else 0.0
        return LEFT + round(inside * (PLOT - 1))


PLOT = WIDTH - LEFT - RIGHT  # pixels of a row's width


def contact_sheet(
    clip: Path,
    sounds: Sequence[tuple[str, Path]],
    cues: Sequence[Cue],
    out: Path,
    *,
    motion: bool = False,
    span: Span = WHOLE,
) -> None:
    """Draw a clip's pictures above the waveform and spectrogram of each sound, cues marked.

    Args:
        sounds: (name, file) of each sound to compare, a video's own soundtrack included.
        cues: hits are drawn as lines, beds as bars.
        out: PNG to write.
        motion: also draw onsets of sound against those of motion.
        span: seconds from the first frame that the sounds belong to.
    """
    film = probe(clip)
    pictures, seconds = _film_strip(film, span)
    cell = PLOT // max(1, len(pictures))
    strip = max(40, min(160, round(cell * (film.height or 9) / (film.width or 16))))
    heights = [strip, *[WAVE, SPECTRUM] * len(sounds), *[CURVES] * motion]
    head = 24
    sheet = Image.new("RGB", (WIDTH, head + sum(h + GAP for h in heights) + FOOT), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((LEFT, 5), _drawn(clip.name), INK, _font(13))
    rows, top = [], head
    for height in heights:
        rows.append(_Row(top, height, seconds))
        top += height + GAP
    for number, picture in enumerate(pictures):
        shown = Image.fromarray(picture).resize((cell, strip), Image.Resampling.BILINEAR)
        sheet.paste(shown, (LEFT + number * cell, rows[0].top))
    for number, (name, file) in enumerate(sounds):
        samples = read_sound(file, RATE)
        wave, spectrum = rows[1 + 2 * number : 3 + 2 * number]
        _draw_waveform(draw, wave, samples, name)
        _draw_spectrogram(sheet, spectrum, samples)
        for row in (wave, spectrum):
            _mark_cues(draw, row, cues)
    if motion:
        _draw_motion(draw, rows[-1], motion_curve(clip, span[0]), sounds)
    _draw_seconds(draw, rows[-1])
    sheet.save(out, "PNG", optimize=True)


def _film_strip(film: Clip, span: Span) -> tuple[list[NDArray[np.uint8]], float]:
    """Pictures evenly over a span, and its seconds; memory stays flat however long it is."""
    kept: list[NDArray[np.uint8]] = []
    step, seen, end = 1, 0, 0.0
    for picture in decode_pictures(film, *span):
        end = float(picture.end)
        if picture.rgb is None:
            continue
        if seen % step == 0:
            kept.append(picture.rgb)
        seen += 1
        if len(kept) > 16 * STRIP:
            kept, step = kept[::2], 2 * step
    chosen = np.linspace(0, len(kept) - 1, min(STRIP, len(kept))).round().astype(int)
    return [kept[i] for i in chosen], end


def _drawn(name: str) -> str:
    """A file's name as a font draws it: bytes that are no UTF-8 become question marks."""
    return name.encode("utf-8", "replace").decode()


@lru_cache(maxsize=4)
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    try:
        return ImageFont.load_default(size)
    except (ImportError, OSError):  # a Pillow without FreeType has one size
        return ImageFont.load_default()


def _label(draw: ImageDraw.ImageDraw, row: _Row, text: str) -> None:
    """Words at the left of a row, as many as fit."""
    font, plain = _font(12), _drawn(text)
    while plain and draw.textlength(plain, font) > LEFT - 12:
        plain = plain[:-2] + "…" if len(plain) > 2 else ""
    draw.text((6, row.top + 2), plain, INK, font)


def _draw_waveform(
    draw: ImageDraw.ImageDraw, row: _Row, samples: NDArray[np.float32], name: str
) -> None:
    _label(draw, row, name)
    middle, half = row.top + row.height / 2, row.height / 2 - 1
    draw.line([(LEFT, middle), (LEFT + PLOT, middle)], FAINT)
    for x, part in _columns(samples, row):
        low, high = float(part.min()), float(part.max())
        top, bottom = (middle - half * min(max(value, -1.0), 1.0) for value in (high, low))
        draw.line([(x, top), (x, bottom)], BLUE)
    draw.rectangle([LEFT, row.top, LEFT + PLOT - 1, row.bottom], outline=FAINT)


def _columns(samples: NDArray[np.float32], row: _Row) -> Iterable[tuple[int, NDArray[np.float32]]]:
    """The samples that each column of pixels stands for, where there are any."""
    edges = np.linspace(0, row.seconds * RATE, PLOT + 1).astype(int)
    for number in range(PLOT):
        part = samples[edges[number] : max(edges[number + 1], edges[number] + 1)]
        if part.size:
            yield LEFT + number, part


def _draw_spectrogram(sheet: Image.Image, row: _Row, samples: NDArray[np.float32]) -> None:
    """Loudest of the frames that a column stands for, by frequency; levels are those of the file,
    so that takes can be compared."""
    window = np.hanning(WINDOW).astype(np.float32)
    padded = np.pad(samples, (WINDOW // 2, WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    bins = WINDOW * HIGHEST // RATE
    edges = np.linspace(0, row.seconds * RATE / HOP, PLOT + 1).astype(int)
    picture = np.full((bins, PLOT), QUIET_DB, np.float32)
    for number in range(PLOT):
        part = frames[edges[number] : max(edges[number + 1], edges[number] + 1)]
        if len(part):
            power = np.abs(np.fft.rfft(part * window, axis=1)[:, :bins]).max(axis=0)
            picture[:, number] = 20 * np.log10(power * 2 / window.sum() + 1e-9)
    shade = np.clip((picture[::-1] - QUIET_DB) / (LOUD_DB - QUIET_DB), 0, 1)
    steps = np.linspace(0, 1, len(MAGMA))
    colours = [np.interp(shade, steps, channel) for channel in zip(*MAGMA, strict=True)]
    image = Image.fromarray(np.stack(colours, axis=-1).round().astype(np.uint8))
    sheet.paste(image.resize((PLOT, row.height), Image.Resampling.BOX), (LEFT, row.top))
    draw = ImageDraw.Draw(sheet)
    for hertz in (5000, 10_000, 15_000):
        y = row.bottom - round(hertz / HIGHEST * row.height)
        draw.text((LEFT - 42, y - 7), f"{hertz // 1000} kHz", FAINT, _font(11))


def _draw_motion(
    draw: ImageDraw.ImageDraw,
    row: _Row,
    motion: NDArray[np.float32],
    sounds: Sequence[tuple[str, Path]],
) -> None:
    curves = [("motion", motion)]
    for name, file in sounds:
        curves.append((name, strength_curve(onset_strength(read_sound(file)))))
    _label(draw, row, "onsets")
    draw.rectangle([LEFT, row.top, LEFT + PLOT - 1, row.bottom], outline=FAINT)
    for number, (name, curve) in enumerate(curves):
        colour = LINES[number % len(LINES)]
        heights = curve / max(float(curve.max(initial=0)), 1e-9) * (row.height - 2)
        points = [(row.x(i / CURVE_RATE), row.bottom - 1 - h) for i, h in enumerate(heights)]
        if len(points) > 1:
            draw.line(points, colour, 2 if number == 0 else 1)
        draw.text((LEFT + 6 + 110 * number, row.top + 2), _drawn(name)[:16], colour, _font(11))


def _mark_cues(draw: ImageDraw.ImageDraw, row: _Row, cues: Sequence[Cue]) -> None:
    for cue in cues:
        start, end = row.x(float(cue.start)), row.x(float(cue.end))
        if cue.kind == "hit":
            draw.line([(start, row.top), (start, row.bottom)], RED)
        else:
            draw.line([(start, row.bottom - 3), (max(end, start + 1), row.bottom - 3)], GREEN, 3)


def _draw_seconds(draw: ImageDraw.ImageDraw, row: _Row) -> None:
    """A scale under the last row, with some ten marks."""
    rough = row.seconds / 10 or 1.0
    ten = 10.0 ** np.floor(np.log10(rough))
    step = next(f * ten for f in (1, 2, 5, 10) if f * ten >= rough)
    for number in range(int(row.seconds / step) + 1):
        x = row.x(number * step)
        draw.line([(x, row.bottom), (x, row.bottom + 4)], INK)
        draw.text((x, row.bottom + 5), f"{number * step:g}", INK, _font(11), anchor="ma")
    draw.text((6, row.bottom + 5), "seconds", INK, _font(11))
