"""A decoded picture -> the two small ones that are kept: 224 x 224 RGB and a 160 x 90 gray."""

from typing import Any, cast

import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from foleycli.config import FRAMES

# AVColorSpace numbers of files that say which matrix they were coded with (ITU-T H.273)
TAGGED = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
HD_HEIGHT = 576  # lines; untagged pictures above it are taken for BT.709, as players do
LARGE = 1280 * 720  # pixels; from here on PIL takes longer than decoding the frame did


def resize_rgb(rgb: NDArray[np.uint8], size: int = FRAMES.size) -> NDArray[np.uint8]:
    """Squash to a square with PIL's bilinear filter, which averages when it shrinks.

    The public encoder was trained on exactly this; FFmpeg's scalers differ by 3/255 on average,
    since they go through YCbCr.

    Args:
        rgb: (height, width, 3 or 4) uint8; a fourth channel is ignored.

    Returns:
        (size, size, 3) uint8
    """
    height, width, channels = rgb.shape
    mode = "RGB" if channels == 3 else "RGBX"  # picking three of four first takes longer
    packed = np.ascontiguousarray(rgb)
    image = Image.frombuffer(mode, (width, height), packed, "raw", mode, 0, 1)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))[..., :3]


class _PlaneScaler:
    """Planes of one size to squares, by FFmpeg's bilinear filter, which averages too."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def resize(self, plane: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        """(height, width) -> (size, size); a view, valid until it is not held any more."""
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(plane), "gray")
        square = self._reformatter.reformat(
            frame,
            size,
            size,
            "gray",
            interpolation=Interpolation.BILINEAR,
            src_color_range=ColorRange.JPEG,  # no level is moved
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        return _pixels(square, 1)[..., 0]


def middle_square(rgb: NDArray[np.uint8], size: int = FRAMES.size) -> NDArray[np.uint8]:
    """The middle of a picture whose short side is brought to ``size`` (bicubic, averaging).

    What torchvision's Resize(size, BICUBIC) and CenterCrop(size) make of a picture of bytes.

    Args:
        rgb: (height, width, 3 or 4) uint8; a fourth channel is ignored.

    Returns:
        (size, size, 3) uint8
    """
    import torch  # for `decode_squares` alone

    short = min(rgb.shape[:2])
    height, width = (size * side // short for side in rgb.shape[:2])
    pixels = torch.from_numpy(np.array(rgb)).permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(
        pixels, (height, width), mode="bicubic", antialias=True
    )[0, :3].numpy()
    top, left = round((height - size) / 2), round((width - size) / 2)
    square = small[:, top : top + size, left : left + size]
    return np.ascontiguousarray(square.transpose(1, 2, 0))


class Shrinker:
    """Makes both small pictures; holds one FFmpeg scaler each, since setting one up costs 1 ms."""

    def __init__(self, rotation: int = 0) -> None:
        """Args: rotation: degrees counter-clockwise that make the picture upright."""
        self._turns = rotation // 90 % 4
        self._gray = VideoReformatter()
        self._color = VideoReformatter()
        self._planes = _PlaneScaler()
        self._larger = VideoReformatter()  # of its own: it may be used in another thread

    def luma(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Area average of the brightness, black at 0 and white at 255: (90, 160) uint8."""
        width, height = FRAMES.luma_width, FRAMES.luma_height
        if self._turns % 2:
            width, height = height, width
        # one matrix for both sides, whichever, or FFmpeg goes through RGB: slower, other grays
        small = self._gray.reformat(
            frame,
            width,
            height,
            "gray",
            src_colorspace=Colorspace.ITU601,
            dst_colorspace=Colorspace.ITU601,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        return self._upright(_pixels(small, 1)[..., 0])

    def rgb(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """The picture in colour as the encoders take it: (224, 224, 3) uint8.

        Of pictures larger than 720p the red, green and blue planes are made small by FFmpeg's
        scaler one by one, three times as fast as PIL: the same filter in whole numbers, so that
        one value in seven differs, nearly always by 1.
        """
        if frame.width * frame.height <= LARGE:
            return self._upright(resize_rgb(self._whole(frame)))
        planar = self._color.reformat(
            frame, format="gbrp", src_colorspace=color_matrix(frame), threads=1
        )
        green, blue, red = (self._planes.resize(_plane(planar, n), FRAMES.size) for n in range(3))
        return self._upright(np.stack([red, green, blue], axis=2))

    def larger(self, frame: VideoFrame, longest: int = FRAMES.longest) -> NDArray[np.uint8]:
        """The whole picture in colour, longest side at most ``longest``: (height, width, 3) uint8.

        FFmpeg's area average, which costs a third of `rgb`; for detectors, which were not trained
        on one way to shrink.
        """
        scale = min(1.0, longest / max(frame.width, frame.height))
        small = self._larger.reformat(
            frame,
            max(1, round(frame.width * scale)),
            max(1, round(frame.height * scale)),
            "rgb24",
            src_colorspace=color_matrix(frame),
            interpolation=Interpolation.AREA,
            threads=1,
        )
        return self._upright(_pixels(small, 3))

    def squashed(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """The same by `squash`: (224, 224, 3) uint8."""
        return self._upright(squash(self._whole(frame)))

    def square(self, frame: VideoFrame, size: int) -> NDArray[np.uint8]:
        """Its middle in colour, not squashed: (size, size, 3) uint8."""
        return middle_square(np.rot90(self._whole(frame), self._turns), size)

    def _whole(self, frame: VideoFrame) -> NDArray[np.uint8]:
        # four bytes a pixel, which FFmpeg writes faster than three
        full = self._color.reformat(
            frame, format="rgba", src_colorspace=color_matrix(frame), threads=1
        )
        return _pixels(full, 4)

    def _upright(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(np.rot90(picture, self._turns))


def color_matrix(frame: VideoFrame) -> Colorspace:
    """The YCbCr matrix that a frame says it has, or the one players assume for its size."""
    if frame.colorspace in TAGGED:
        return TAGGED[frame.colorspace]
    return Colorspace.ITU709 if frame.height > HD_HEIGHT else Colorspace.ITU601


def _pixels(frame: VideoFrame, channels: int) -> NDArray[np.uint8]:
    """A view of a packed frame: (height, width, channels); valid as long as the frame."""
    return _plane(frame, 0, channels).reshape(frame.height, frame.width, channels)


def _plane(frame: VideoFrame, number: int, channels: int = 1) -> NDArray[np.uint8]:
    """A view of a plane as large as the frame: (height, width * channels)."""
    plane = frame.planes[number]
    rows = np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width * channels]


def squash(rgb: NDArray[np.uint8], size: int = FRAMES.size) -> NDArray[np.uint8]:
    """A whole picture as a square, by torch's bicubic filter over bytes (averaging).

    What torchvision's Resize((size, size), BICUBIC) makes of a picture of bytes, as the readers of
    MMAudio and SelVA do.

    Args:
        rgb: (height, width, 3 or 4) uint8; a fourth channel is ignored.

    Returns:
        (size, size, 3) uint8
    """
    import torch  # for the sources that read pictures so

    pixels = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None]
    square = torch.nn.functional.interpolate(pixels, (size, size), mode="bicubic", antialias=True)
    return np.ascontiguousarray(square[0, :3].numpy().transpose(1, 2, 0))
