"""A part of a decoded picture, to fractions of a pixel, so that a slow pan moves smoothly."""

from typing import Any, cast

import numpy as np
from av import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray
from PIL import Image

from foleycli.frames.resize import TAGGED, color_matrix

Box = tuple[float, float, float, float]  # left, top, width, height
# stored plane by plane, a byte a value: cut as they are, with no change of colour
PLANAR = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "gray", "gbrp")


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
