"""Words burnt into a rough picture, so that nobody takes it for a finished one."""

from functools import lru_cache

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray
from PIL import Image

from foleycli.clip.probe import Clip
from foleycli.visualize.paint import AMBER, PAPER, Rgb, draw_text, shorten, text_width

SHADE = 0.42  # brightness of the picture under words


def fit_frame(frame: VideoFrame, clip: Clip, width: int, height: int) -> NDArray[np.uint8]:
    """A frame as it is meant to be seen, whole, in the middle of a black picture (h, w, 3)."""
    scale = min(width / clip.width, height / clip.height)
    across = min(width, 2 * round(clip.width * scale / 2))
    down = min(height, 2 * round(clip.height * scale / 2))
    turned = clip.rotation in (90, 270)
    size = (down, across) if turned else (across, down)
    made = frame.reformat(*size, format="rgb24", interpolation="BILINEAR").to_ndarray()
    rgb = made.astype(np.uint8, copy=False)
    if clip.rotation:
        rgb = np.rot90(rgb, clip.rotation // 90)
    if (across, down) == (width, height):
        return np.ascontiguousarray(rgb)
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - across) // 2, (height - down) // 2
    canvas[top : top + down, left : left + across] = rgb
    return canvas


class Burn:
    """Writes time, source and words along the lower edge."""

    def __init__(self, width: int, height: int, shown: bool = True) -> None:
        self._width, self._height, self._shown = width, height, shown
        self._size = max(11, round(20 * height / 720))

    def frame(self, rgb: NDArray[np.uint8], time: str, source: str, words: str) -> VideoFrame:
        """The picture with its strip of words; ``rgb`` is written to."""
        if not self._shown:
            return _coded(rgb)
        margin, pad = round(0.022 * self._width), self._size // 2
        strip = self._size + 2 * pad
        top = self._height - strip
        under = rgb[top:]
        under[:] = (under * SHADE).astype(np.uint8)
        room = (self._width - 2 * margin - _time_width(self._size)) // 2 - 2 * pad
        name = shorten(source, self._size, room)
        said = shorten(words, self._size, room)
        _blend(under, margin, time, self._size, PAPER, strip)
        _blend(under, margin + _time_width(self._size) + 2 * pad, said, self._size, AMBER, strip)
        right = self._width - margin - text_width(name, self._size)
        _blend(under, right, name, self._size, PAPER, strip)
        return _coded(rgb)


def _coded(rgb: NDArray[np.uint8]) -> VideoFrame:
    frame = VideoFrame.from_ndarray(rgb, format="rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace="ITU709")


@lru_cache(maxsize=8)
def _time_width(size: int) -> int:
    return text_width("00:00:00:00", size) + size


@lru_cache(maxsize=256)
def _ink(text: str, size: int, strip: int) -> NDArray[np.float32]:
    canvas = Image.new("RGB", (text_width(text, size) + 2, strip), (0, 0, 0))
    draw_text(canvas, (0, strip / 2), text, size, (255, 255, 255), "lm")
    return (np.asarray(canvas, np.float32)[..., :1] / 255).astype(np.float32)


def _blend(
    under: NDArray[np.uint8], left: int, text: str, size: int, colour: Rgb, strip: int
) -> None:
    if not text:
        return
    ink = _ink(text, size, strip)
    part = under[:, max(0, left) : left + ink.shape[1]]
    ink = ink[: part.shape[0], : part.shape[1]]
    part[:] = (part + (np.array(colour, np.float32) - part) * ink).astype(np.uint8)
