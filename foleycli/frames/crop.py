"""A part of a decoded picture, to fractions of a pixel, so that a slow pan moves smoothly; two
pictures in one; and a picture in another light."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from av import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray
from PIL import Image

from foleycli.frames.resize import TAGGED, color_matrix

Box = tuple[float, float, float, float]  # left, top, width, height
# stored plane by plane, a byte a value: cut as they are, with no change of colour
FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
PLANAR = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gray", "gbrp")


@dataclass(frozen=True, slots=True)
class Tone:
    """How the levels of a picture change; see `foleycli.frames.windows.Grade`."""

    gamma: float
    gain: float
    saturation: float
    warmth: float

    def luma(self, black: int = 0, white: int = 255) -> NDArray[np.uint8]:
        """(256,): what becomes of each level of brightness."""
        share = np.clip((np.arange(256) - black) / (white - black), 0, 1)
        return np.rint(
            black + (white - black) * np.clip(self.gain * share**self.gamma, 0, 1)
        ).astype(np.uint8)

    def chroma(self, warm: int) -> NDArray[np.uint8]:
        """(256,): what becomes of each level of blueness, -1, or redness, 1."""
        levels = 128 + self.saturation * (np.arange(256) - 128.0) + warm * self.warmth
        return np.rint(np.clip(levels, 16, 240)).astype(np.uint8)


def crop_frame(frame: VideoFrame, box: Box, size: tuple[int, int] | None = None) -> VideoFrame:
    """Cut ``box`` out of a frame and give it ``size``.

    Args:
        box: in stored pixels of the frame, within it; fractions are interpolated (bicubic).
        size: width and height to write; None for the box's own, rounded.

    Returns:
        A frame with the same colours, 8 bits a value, without a time stamp.
    """
    matrix = color_matrix(frame)
    if frame.format.name not in PLANAR:
        frame = frame.reformat(format="yuv444p", src_colorspace=matrix, dst_colorspace=matrix)
    width, height = size or (round(box[2]), round(box[3]))
    part = VideoFrame(width, height, frame.format.name)
    for whole, plane in zip(frame.planes, part.planes, strict=True):
        across, down = whole.width / frame.width, whole.height / frame.height
        scaled = (box[0] * across, box[1] * down, box[2] * across, box[3] * down)
        pixels = crop_pixels(_pixels(whole), scaled, (plane.width, plane.height))
        _pixels(plane)[:] = pixels
    # said outright, for players guess the matrix from the height, and the part is less high
    part.colorspace = next(number for number, known in TAGGED.items() if known is matrix)
    part.color_range = frame.color_range
    return part


def mix_frames(before: VideoFrame, after: VideoFrame, weight: float) -> VideoFrame:
    """Two frames of one size in one; ``weight`` is how much of it is ``after``."""
    mixed = VideoFrame(before.width, before.height, before.format.name)
    for one, other, plane in zip(before.planes, after.planes, mixed.planes, strict=True):
        _pixels(plane)[:] = mix_pixels(_pixels(one), _pixels(other), weight)
    mixed.colorspace, mixed.color_range = before.colorspace, before.color_range
    return mixed


def mix_pixels(
    before: NDArray[np.uint8], after: NDArray[np.uint8], weight: float
) -> NDArray[np.uint8]:
    """Two pictures of one shape in one; ``weight`` is how much of it is ``after``."""
    return np.rint(before * np.float32(1 - weight) + after * np.float32(weight)).astype(np.uint8)


def grade_frame(frame: VideoFrame, tone: Tone, size: tuple[int, int] | None = None) -> VideoFrame:
    """A frame in another light, 8 bits a value, without a time stamp."""
    whole = crop_frame(frame, (0, 0, frame.width, frame.height), size)
    if whole.format.name == "gbrp":
        matrix = color_matrix(whole)
        whole = crop_frame(
            whole.reformat(format="yuv444p", src_colorspace=matrix, dst_colorspace=matrix),
            (0, 0, whole.width, whole.height),
        )
    full = whole.color_range == FULL_RANGE or whole.format.name.startswith(("yuvj", "gray"))
    tables = [tone.luma() if full else tone.luma(16, 235), tone.chroma(-1), tone.chroma(1)]
    for plane, table in zip(whole.planes, tables, strict=False):
        _pixels(plane)[:] = table[_pixels(plane)]
    return whole


def grade_pixels(pixels: NDArray[np.uint8], tone: Tone) -> NDArray[np.uint8]:
    """The same of brightness (height, width) or of colour (height, width, 3)."""
    if pixels.ndim == 2:
        return tone.luma()[pixels]
    planes = np.asarray(Image.fromarray(pixels).convert("YCbCr"))
    tables = (tone.luma(), tone.chroma(-1), tone.chroma(1))
    graded = np.stack([table[planes[..., n]] for n, table in enumerate(tables)], axis=2)
    return np.asarray(Image.fromarray(graded, "YCbCr").convert("RGB"))


def turn_frame(frame: VideoFrame, rotation: int) -> VideoFrame:
    """Turn a planar frame counter-clockwise by 0, 90, 180 or 270 degrees; 4:2:2 cannot be."""
    turns = rotation // 90 % 4
    if not turns:
        return frame
    sides = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
    turned = VideoFrame(*sides, frame.format.name)
    for before, after in zip(frame.planes, turned.planes, strict=True):
        _pixels(after)[:] = np.rot90(_pixels(before), turns)
    return turned


def crop_pixels(pixels: NDArray[np.uint8], box: Box, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Cut ``box`` out of (height, width) or (height, width, 3) and resize it to ``size``.

    Args:
        size: width and height. A box of whole pixels that has this size already is a plain copy.

    Returns:
        (size[1], size[0]) or (size[1], size[0], 3) uint8
    """
    left, top, width, height = box
    if (width, height) == size and left == int(left) and top == int(top):
        return pixels[int(top) : int(top) + size[1], int(left) : int(left) + size[0]]
    edges = (left, top, min(left + width, pixels.shape[1]), min(top + height, pixels.shape[0]))
    image = Image.fromarray(pixels)
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=edges))


def _pixels(plane: VideoPlane) -> NDArray[np.uint8]:
    """A view of one plane that can be written to: (height, width); valid as long as the frame."""
    rows = np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]
