"""Two small gray pictures -> what moved between them, cell by cell, camera motion taken out.

The camera's own motion (pan, tilt, zoom, shake) is fitted as one shift and one scale an axis:
phase correlation finds large shifts (Kuglin and Hines, 1975), robust Gauss-Newton steps refine
them (Lucas and Kanade, 1981). What the fit does not explain moved by itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foleycli.config import FRAMES

Floats = NDArray[np.floating]

ROWS, COLUMNS = 9, 16  # cells of 10 x 10 pixels in a 90 x 160 picture
CHANNELS = ("residual", "difference", "brighter", "right", "down")
STEPS = 3  # Gauss-Newton steps of the camera fit
MAX_FLOW = 3.0  # half-size pixels a cell may move between two pictures
HEIGHT, WIDTH = FRAMES.luma_height, FRAMES.luma_width


@dataclass(frozen=True, slots=True)
class Picture:
    """One gray picture and what every comparison with it needs, computed once."""

    full: Floats  # (90, 160), levels 0..255
    half: Floats  # (45, 80)
    spectrum: NDArray[np.complex64]  # (45, 41) of the windowed half-size picture
    right: Floats  # (45, 80) gradient, levels per half-size pixel
    down: Floats


@dataclass(frozen=True, slots=True)
class Change:
    """What happened between two pictures."""

    cells: Floats  # (5, 9, 16), in the order of CHANNELS
    camera: Floats  # (4,): shift right, down (half-size pixels), scale right, down (per picture)
    brightness: float  # levels that the whole picture gained


def _window() -> Floats:
    rows, columns = np.hanning(HEIGHT // 2), np.hanning(WIDTH // 2)
    return (rows[:, None] * columns[None, :]).astype(np.float32)


WINDOW = _window()
X = np.linspace(-1, 1, WIDTH // 2, dtype=np.float32)[None, :]  # centre 0, so scale moves the edges
Y = np.linspace(-1, 1, HEIGHT // 2, dtype=np.float32)[:, None]
DAMPING = np.diag([20.0, 20.0, 20.0, 20.0, 1e-3])  # a flat picture has no motion to find


def prepare(luma: NDArray[np.uint8]) -> Picture:
    """Read one picture: float levels, half size, spectrum and gradients.

    Args:
        luma: (90, 160) uint8.
    """
    full = luma.astype(np.float32)
    half = 0.25 * (full[::2, ::2] + full[1::2, ::2] + full[::2, 1::2] + full[1::2, 1::2])
    spectrum = np.fft.rfft2((half - half.mean()) * WINDOW).astype(np.complex64)
    right = np.empty_like(half)
    right[:, 1:-1] = 0.5 * (half[:, 2:] - half[:, :-2])
    right[:, 0], right[:, -1] = right[:, 1], right[:, -2]
    down = np.empty_like(half)
    down[1:-1] = 0.5 * (half[2:] - half[:-2])
    down[0], down[-1] = down[1], down[-2]
    return Picture(full, half, spectrum, right, down)


def compare(earlier: Picture, later: Picture) -> Change:
    """Measure what moved from ``earlier`` to ``later`` once the camera's motion is undone."""
    camera, brightness = fit_camera(earlier, later)
    still = np.abs(camera).max() < 0.02
    warped = earlier.full if still else _warp(earlier.full, camera, 2.0)
    warped = warped + brightness
    difference = later.full - warped
    inside = _inside(camera)  # what the camera uncovers has not moved
    difference = difference * inside
    beyond = np.maximum(difference - (_around(warped, np.maximum) - warped), 0)
    beyond += np.maximum((_around(warped, np.minimum) - warped) - difference, 0)
    right, down = _flow(earlier, later, camera, brightness, inside[::2, ::2])
    cells = np.stack([_cells(beyond), _cells(np.abs(difference)), _cells(difference), right, down])
    return Change(cells, camera, brightness)


def fit_camera(earlier: Picture, later: Picture) -> tuple[Floats, float]:
    """Fit shift, scale and brightness that carry most of ``earlier`` onto ``later``.

    The later picture is moved back onto the earlier one, whose gradients then serve every step.

    Returns:
        (4,) shift right, shift down, scale right, scale down (half-size pixels at the edge),
        and the gain of brightness in levels.
    """
    camera = _start(earlier, later)
    brightness = 0.0
    right, down = earlier.right, earlier.down
    slopes = np.stack([right, down, right * X, down * Y, np.ones_like(right)]).reshape(5, -1)
    for _ in range(STEPS):
        back = _warp(later.half, -camera, 1.0) if camera.any() else later.half
        step = _solve(slopes, (back - earlier.half - brightness).ravel())
        camera = camera - step[:4]
        brightness += float(step[4])
        if np.abs(step[:4]).max() < 0.03:
            break
    return camera.astype(np.float32), brightness


def _start(earlier: Picture, later: Picture) -> Floats:
    """The whole-pixel shift of the phase correlation, if it explains more than no shift does."""
    cross = later.spectrum * earlier.spectrum.conj()
    peak = np.fft.irfft2(cross / (np.abs(cross) + 1e-3), s=later.half.shape)
    row, column = np.unravel_index(int(peak.argmax()), peak.shape)
    down = int(row) if row <= peak.shape[0] // 2 else int(row) - peak.shape[0]
    right = int(column) if column <= peak.shape[1] // 2 else int(column) - peak.shape[1]
    shifted = np.array([right, down, 0, 0], np.float32)
    if not shifted.any() or abs(right) > 30 or abs(down) > 15:
        return np.zeros(4, np.float32)
    inner = np.s_[abs(down) : later.half.shape[0] - abs(down), abs(right) : -abs(right) or None]
    moved = np.abs(later.half - _warp(earlier.half, shifted, 1.0))[inner]
    unmoved = np.abs(later.half - earlier.half)[inner]
    return shifted if np.median(moved) < 0.8 * np.median(unmoved) else np.zeros(4, np.float32)


def _solve(slopes: Floats, error: Floats) -> Floats:
    """One weighted least-squares step; pixels that move by themselves weigh little."""
    size = np.abs(error)
    typical = float(np.median(size[::3]))
    weighted = slopes * (1 / (1 + (size / (1.5 * typical + 0.5)) ** 2))
    return np.linalg.solve(weighted @ slopes.T + DAMPING, weighted @ error)


def _inside(camera: Floats) -> NDArray[np.bool_]:
    """Which of the later picture's pixels the earlier one held, a pixel and a half aside."""
    margin = 1.5 if np.abs(camera).max() > 0.1 else 0.0
    inside = []
    for size, shift, scale in ((HEIGHT, camera[1], camera[3]), (WIDTH, camera[0], camera[2])):
        low, _, part = _sources(size, 2 * shift, 2 * scale)
        inside.append((low + part >= margin) & (low + part <= size - 1 - margin))
    return inside[0][:, None] & inside[1]


def _warp(picture: Floats, camera: Floats, scale: float) -> Floats:
    """Move a picture as the camera moved it; beyond the edge the edge repeats."""
    rows = _sources(picture.shape[0], camera[1] * scale, camera[3] * scale)
    columns = _sources(picture.shape[1], camera[0] * scale, camera[2] * scale)
    low, high, part = rows
    moved = picture[low] + (picture[high] - picture[low]) * part[:, None]
    low, high, part = columns
    return moved[:, low] + (moved[:, high] - moved[:, low]) * part


def _sources(size: int, shift: float, scale: float) -> tuple[NDArray, NDArray, Floats]:
    """Where each output position comes from: the two neighbours and the part of the second."""
    place = np.arange(size) - shift - scale * np.linspace(-1, 1, size)
    place = np.clip(place, 0, size - 1)
    low = np.minimum(place.astype(np.intp), size - 2)
    return low, low + 1, (place - low).astype(np.float32)


def _around(picture: Floats, extreme: np.ufunc) -> Floats:
    """Largest or smallest level among each pixel's 3 x 3 neighbours."""
    wide = picture.copy()
    extreme(wide[:, 1:], picture[:, :-1], out=wide[:, 1:])
    extreme(wide[:, :-1], picture[:, 1:], out=wide[:, :-1])
    tall = wide.copy()
    extreme(tall[1:], wide[:-1], out=tall[1:])
    extreme(tall[:-1], wide[1:], out=tall[:-1])
    return tall


def _cells(picture: Floats) -> Floats:
    """Mean over each cell: (9, 16)."""
    height, width = picture.shape[0] // ROWS, picture.shape[1] // COLUMNS
    return picture.reshape(ROWS, height, COLUMNS, width).mean((1, 3))


def _flow(
    earlier: Picture, later: Picture, camera: Floats, brightness: float, inside: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """One Lucas-Kanade step in each cell, after the camera: (9, 16) right and down."""
    warped = _warp(earlier.half, camera, 1.0) if camera.any() else earlier.half
    error = (later.half - warped - brightness) * inside
    right, down = later.right, later.down
    sums = np.stack([right * right, right * down, down * down, right * error, down * error])
    xx, xy, yy, xe, ye = sums.reshape(5, ROWS, 5, COLUMNS, 5).sum((2, 4))
    xx, yy = xx + 50, yy + 50  # levels squared: a flat cell stays still
    inverse = -1 / (xx * yy - xy * xy)
    flow_right = np.clip((yy * xe - xy * ye) * inverse, -MAX_FLOW, MAX_FLOW)
    flow_down = np.clip((xx * ye - xy * xe) * inverse, -MAX_FLOW, MAX_FLOW)
    return flow_right, flow_down
