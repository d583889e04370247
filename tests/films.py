"""Small films that tests make for themselves: frames drawn with numpy, encoded by PyAV."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]  # (height, width, 3)


def write_film(path: Path, frames: Iterable[Frame], rate: Fraction | int = 24) -> Path:
    """Encode frames as H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate))
        stream.options = {"preset": "ultrafast", "crf": "18"}
        for i, pixels in enumerate(frames):
            if i == 0:
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = i, 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def strikes(times: Iterable[float], seconds: float, rate: int = 24) -> Iterable[Frame]:
    """A pale bar that swings down onto a dark block and stops there at each of ``times``."""
    strike_times = np.array(list(times))
    for i in range(round(seconds * rate)):
        frame = np.full((180, 320, 3), 90, np.uint8)
        frame[130:] = (60, 40, 30)
        until = np.min(np.abs(strike_times - i / rate), initial=1.0)
        height = int(min(100, 100 * (until / 0.2) ** 0.5))  # above the block, falls within 0.2 s
        frame[110 - height : 130 - height, 120:220] = (220, 210, 190)
        yield frame


def still(seconds: float, rate: int = 24, level: int = 0) -> Iterable[Frame]:
    """Nothing happens."""
    for _ in range(round(seconds * rate)):
        yield np.full((180, 320, 3), level, np.uint8)


Draw = Callable[[], Iterable[Frame]]
