"""Colours, words and rounded shapes as pixels; RGB as the planes that films are coded from."""

from functools import lru_cache
from typing import Any

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Rgb = tuple[int, int, int]
INK: Rgb = (10, 12, 17)  # the ground
PANEL: Rgb = (17, 20, 28)
PAPER: Rgb = (232, 236, 243)  # words
FAINT: Rgb = (122, 132, 150)
LINE: Rgb = (36, 42, 56)
AMBER: Rgb = (255, 190, 84)  # onsets
# low, middle and high sounds
WARM, BRIGHT, COOL = (255, 112, 88), (255, 206, 112), (92, 208, 255)
# silence to the loudest: ink, violet, magenta, coral, sand, white
HEAT = (
    (0.00, INK),
    (0.18, (22, 20, 48)),
    (0.38, (68, 28, 116)),
    (0.56, (148, 40, 124)),
    (0.73, (226, 78, 92)),
    (0.87, (252, 158, 86)),
    (1.00, (255, 244, 206)),
)
# of what is heard, so that each class keeps its colour
TINTS: tuple[Rgb, ...] = (
    (86, 156, 255), (255, 138, 101), (102, 212, 158), (206, 147, 255), (255, 202, 98),
    (77, 208, 225), (240, 98, 146), (174, 213, 129), (149, 160, 255), (255, 171, 145),
    (128, 203, 196), (229, 183, 255),
)  # fmt: skip
FALLBACK = (  # fonts with more letters than Pillow's own, by the names systems know them by
    "DejaVuSans.ttf", "NotoSansCJK-Regular.ttc", "Arial Unicode.ttf", "Hiragino Sans GB.ttc",
    "msgothic.ttc", "arial.ttf",
)  # fmt: skip


@lru_cache(maxsize=64)
def font(size: int, plain: bool = True) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own letters; for what they lack, the first font of the system that is there."""
    if not plain:
        for name in FALLBACK:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue
    return ImageFont.load_default(size)


def font_for(text: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font that has the letters of a text, as far as one is installed."""
    return font(size, all(ord(letter) < 0x180 for letter in text))


def text_width(text: str, size: int) -> int:
    """Pixels from the first to the last letter."""
    return int(np.ceil(font_for(text, size).getlength(text)))


def shorten(text: str, size: int, width: int) -> str:
    """A text that fits into so many pixels, its end cut off if need be."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "...", size) > width:
        text = text[:-1]
    return text.rstrip() + "..." if text else ""


def draw_text(
    canvas: Image.Image, at: tuple[float, float], text: str, size: int, colour: Rgb, anchor: str
) -> None:
    """Write on a picture; ``anchor`` as Pillow has it: "ls" is left, on the baseline."""
    ImageDraw.Draw(canvas).text(at, text, fill=colour, font=font_for(text, size), anchor=anchor)


@lru_cache(maxsize=1)
def heat_map() -> NDArray[np.uint8]:
    """(256, 3): colour of a level."""
    stops = np.array([stop for stop, _ in HEAT])
    colours = np.array([colour for _, colour in HEAT], float)
    levels = np.linspace(0, 1, 256)
    return np.stack([np.interp(levels, stops, colours[:, c]) for c in range(3)], 1).astype(np.uint8)


def pitch_colours(height: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) 0 low to 1 high -> (n, 3), 0 to 255."""
    stops = [0.0, 0.5, 1.0]
    colours = np.array([WARM, BRIGHT, COOL], np.float32)
    return np.stack([np.interp(height, stops, colours[:, c]) for c in range(3)], 1).astype(
        np.float32
    )


def tint(name: str, names: tuple[str, ...]) -> Rgb:
    """The colour of a class."""
    return TINTS[(names.index(name) if name in names else len(name)) % len(TINTS)]


def to_planes(
    rgb: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """(height, width, 3), both even -> Y (height, width), U and V at half of both; BT.709."""
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    height, width = rgb.shape[:2]
    planes = frame.reformat(format="yuv420p", dst_colorspace="ITU709").to_ndarray()
    planes = planes.astype(np.uint8, copy=False)
    luma = planes[:height]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    return luma, chroma[0], chroma[1]


def blank_frame(width: int, height: int) -> tuple[VideoFrame, list[NDArray[np.uint8]]]:
    """A frame (yuv420p) and its three planes to write into; what is in them is left over."""
    frame = VideoFrame(width, height, "yuv420p")
    planes = []
    for plane in frame.planes:
        held: Any = plane  # it is a buffer, which its types do not say
        rows = np.frombuffer(held, np.uint8).reshape(plane.height, plane.line_size)
        planes.append(rows[:, : plane.width])
    return frame, planes


def luma_of(colour: Rgb) -> int:
    """The luma of a colour, BT.709, 16 to 235."""
    red, green, blue = colour
    return round(16 + (0.2126 * red + 0.7152 * green + 0.0722 * blue) * 219 / 255)
