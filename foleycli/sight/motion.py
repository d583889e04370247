"""Two small gray pictures -> what moved between them, cell by cell, camera motion taken out.

The camera's own motion (pan, tilt, zoom, shake) is fitted as one shift and one scale an axis:
phase correlation finds large shifts (Kuglin and Hines, 1975), robust Gauss-Newton steps refine
them (Lucas and Kanade, 1981). What the fit does not explain moved by itself.

Pairs of pictures are compared many at once: one pair alone costs more in calls than in sums.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foleycli.config import FRAMES

Floats = NDArray[np.floating]

ROWS, COLUMNS = 9, 16  # cells of 10 x 10 pixels in a 90 x 160 picture
CHANNELS = ("residual", "difference", "brighter", "right", "down")
STEPS = 3  # Gauss-Newton steps of the camera fit
CHANGED = 12.0  # levels by which a pixel differs where something moves
MAX_FLOW = 3.0  # half-size pixels a cell may move between two pictures
HEIGHT, WIDTH = FRAMES.luma_height, FRAMES.luma_width
HALF = HEIGHT // 2, WIDTH // 2


@dataclass(frozen=True, slots=True)
class Pictures:
    """Gray pictures and what every comparison with them needs, computed once."""

    full: Floats  # (n, 90, 160), levels 0..255
    half: Floats  # (n, 45, 80)
    spectrum: NDArray[np.complex64]  # (n, 45, 41) of the windowed half-size pictures
    right: Floats  # (n, 45, 80) gradient, levels per half-size pixel
    down: Floats

    def __getitem__(self, chosen: slice | list[int]) -> "Pictures":
        """Some of them."""
        return Pictures(
            self.full[chosen],
            self.half[chosen],
            self.spectrum[chosen],
            self.right[chosen],
            self.down[chosen],
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened between the two pictures of each pair."""

    cells: Floats  # (n, 5, 9, 16), in the order of CHANNELS
    camera: Floats  # (n, 4): shift right, down (half-size pixels), scale right, down (per picture)
    brightness: Floats  # (n,) levels that the whole picture gained
    # (n, 3, 9, 16): the share of a cell's pixels that changed, and the means over it of where
    # these lie, to the right and down from the picture's corner, in picture heights
    moved: Floats


def is_unlike(
    one: NDArray[np.uint8], other: NDArray[np.uint8], rows: int, columns: int, levels: float
) -> bool:
    """Whether in some cell of a grid two pictures (height, width, ...) differ by so many levels on
    average, or more."""
    difference = np.maximum(one, other) - np.minimum(one, other)
    if int(difference.sum(dtype=np.uint32)) >= levels * difference.size:
        return True  # then some cell does
    height = len(one)
    sums = difference.reshape(height, columns, -1).sum(axis=2, dtype=np.uint32)
    most = sums.reshape(rows, height // rows, columns).sum(axis=1).max()
    return bool(most >= levels * (difference.size // (rows * columns)))


def _window() -> Floats:
    rows, columns = np.hanning(HALF[0]), np.hanning(HALF[1])
    return (rows[:, None] * columns[None, :]).astype(np.float32)


def _pooling(size: int, cells: int) -> Floats:
    """(cells, size): takes pixels along an axis to the mean of each cell."""
    return np.kron(np.eye(cells), np.full(size // cells, cells / size)).astype(np.float32)


WINDOW = _window()
X = np.linspace(-1, 1, HALF[1], dtype=np.float32)[None, :]  # centre 0, so scale moves the edges
Y = np.linspace(-1, 1, HALF[0], dtype=np.float32)[:, None]
RIGHT, DOWN = (np.arange(size, dtype=np.float32) / HEIGHT for size in (WIDTH, HEIGHT))
POSITIONS = {size: np.arange(size) for size in (HEIGHT, WIDTH, *HALF)}
SIDES = {size: np.linspace(-1, 1, size) for size in POSITIONS}
DAMPING = np.diag([20.0, 20.0, 20.0, 20.0, 1e-3])  # a flat picture has no motion to find
POOL_ROWS = {size: _pooling(size, ROWS) for size in (HEIGHT, HALF[0])}
POOL_COLUMNS = {size: _pooling(size, COLUMNS).T for size in (WIDTH, HALF[1])}


def prepare(lumas: NDArray[np.uint8]) -> Pictures:
    """Read pictures: float levels, half size, spectrum and gradients.

    Args:
        lumas: (n, 90, 160) uint8.
    """
    full = lumas.astype(np.float32)
    pairs = full[:, ::2] + full[:, 1::2]
    half = 0.25 * (pairs[..., ::2] + pairs[..., 1::2])
    windowed = (half - half.mean((1, 2), keepdims=True)) * WINDOW
    spectrum = np.asarray(np.fft.rfft2(windowed), np.complex64)
    right = np.empty_like(half)
    right[..., 1:-1] = 0.5 * (half[..., 2:] - half[..., :-2])
    right[..., 0], right[..., -1] = right[..., 1], right[..., -2]
    down = np.empty_like(half)
    down[:, 1:-1] = 0.5 * (half[:, 2:] - half[:, :-2])
    down[:, 0], down[:, -1] = down[:, 1], down[:, -2]
    return Pictures(full, half, spectrum, right, down)


def compare(earlier: Pictures, later: Pictures) -> Changes:
    """What moved from each picture to its later one once the camera's motion is undone."""
    camera, brightness = fit_camera(earlier, later)
    warped = earlier.full + brightness[:, None, None]
    moving = np.abs(camera).max(1) >= 0.02
    warped[moving] = (
        _warp(earlier.full[moving], camera[moving], 2.0) + brightness[moving, None, None]
    )
    difference = later.full - warped
    inside = _inside(camera)  # what the camera uncovers has not moved
    difference *= inside
    right, down = _flow(earlier, later, camera, brightness, inside[:, ::2, ::2])
    size = np.abs(difference)
    means = map(_cells, (_beyond(difference, warped), size, difference))
    cells = np.stack([*means, right, down], 1)
    changed = (size > CHANGED).astype(np.float32)
    moved = map(_cells, (changed, changed * RIGHT, changed * DOWN[:, None]))
    return Changes(cells, camera, brightness, np.stack(list(moved), 1))


def fit_camera(earlier: Pictures, later: Pictures) -> tuple[Floats, Floats]:
    """Fit shift, scale and brightness that carry most of ``earlier`` onto ``later``.

    The later picture is moved back onto the earlier one, whose gradients then serve every step.

    Returns:
        (n, 4) shift right, shift down, scale right, scale down (half-size pixels at the edge),
        and the gain of brightness in levels, (n,).
    """
    camera = _start(earlier, later)
    brightness = np.zeros(len(camera))
    right, down = earlier.right, earlier.down
    slopes = np.stack([right, down, right * X, down * Y, np.ones_like(right)], 1)
    slopes = slopes.reshape(len(slopes), 5, -1)
    left = np.arange(len(camera))  # pairs that have not settled
    for _ in range(STEPS):
        back = _warp(later.half[left], -camera[left], 1.0)
        error = back - earlier.half[left] - brightness[left, None, None].astype(np.float32)
        step = _solve(slopes[left], error.reshape(len(left), -1))
        camera[left] -= step[:, :4]
        brightness[left] += step[:, 4]
        left = left[np.abs(step[:, :4]).max(1) >= 0.03]
        if not left.size:
            break
    return camera.astype(np.float32), brightness.astype(np.float32)


def _start(earlier: Pictures, later: Pictures) -> NDArray[np.float64]:
    """(n, 4): the whole-pixel shift of the phase correlation, if it explains more than none."""
    cross = later.spectrum * earlier.spectrum.conj()
    peaks = np.asarray(np.fft.irfft2(cross / (np.abs(cross) + np.float32(1e-3)), s=HALF))
    highest = peaks.reshape(len(cross), -1).argmax(1)
    shifts = np.zeros((len(cross), 4))
    for pair in np.flatnonzero(highest):
        row, column = divmod(int(highest[pair]), HALF[1])
        down = row if row <= HALF[0] // 2 else row - HALF[0]
        right = column if column <= HALF[1] // 2 else column - HALF[1]
        if abs(right) <= 30 and abs(down) <= 15:
            before, after = earlier.half[pair], later.half[pair]
            here, there = _inner(down, right), _inner(down, right, moved=True)
            moved, unmoved = after[here] - before[there], after[here] - before[here]
            unexplained, all_of_it = (_median(np.abs(part).ravel()) for part in (moved, unmoved))
            if unexplained < 0.8 * all_of_it:
                shifts[pair, :2] = right, down
    return shifts


def _inner(down: int, right: int, moved: bool = False) -> tuple[slice, slice]:
    """The part of a half-size picture that a shift either way leaves within it; or its source."""
    rows, columns = abs(down), abs(right)
    up, left = (down, right) if moved else (0, 0)
    return np.s_[rows - up : HALF[0] - rows - up, columns - left : HALF[1] - columns - left]


def _solve(slopes: Floats, errors: Floats) -> Floats:
    """A weighted least-squares step of each pair; pixels that move by themselves weigh little."""
    sizes = np.abs(errors)
    typical = _median(sizes[:, ::3])[:, None]
    weights = 1 / (1 + np.square(sizes / (1.5 * typical + 0.5)))
    weighted = slopes * weights[:, None]
    normal = weighted @ slopes.transpose(0, 2, 1) + DAMPING
    return np.linalg.solve(normal, weighted @ errors[..., None])[..., 0]


def _median(values: Floats) -> Floats:
    """Of the last axis, as np.median, which takes three times as long to look for nans."""
    middle = values.shape[-1] // 2
    first = middle if values.shape[-1] % 2 else middle - 1
    ordered = np.partition(values, (first, middle), axis=-1)
    return (ordered[..., first] + ordered[..., middle]) / 2


def _inside(camera: Floats) -> NDArray[np.bool_]:
    """Which of the later pictures' pixels the earlier ones held, a pixel and a half aside."""
    margin = np.where(np.abs(camera).max(1, keepdims=True) > 0.1, 1.5, 0.0)
    inside = []
    for size, shift, scale in ((HEIGHT, camera[:, 1], camera[:, 3]), (WIDTH, *camera.T[::2])):
        place = _sources(size, 2 * shift, 2 * scale)
        inside.append((place >= margin) & (place <= size - 1 - margin))
    return inside[0][:, :, None] & inside[1][:, None]


def _warp(pictures: Floats, camera: Floats, scale: float) -> Floats:
    """Move pictures as the camera moved them; beyond the edge the edge repeats.

    Each row and column is a mean of two neighbours, so the move is a product with two matrices.
    """
    height, width = pictures.shape[1:]
    rows = _hats(_sources(height, camera[:, 1] * scale, camera[:, 3] * scale))
    columns = _hats(_sources(width, camera[:, 0] * scale, camera[:, 2] * scale))
    return rows @ pictures @ columns.transpose(0, 2, 1)


def _sources(size: int, shift: Floats, scale: Floats) -> Floats:
    """Where each output position of each picture comes from: (n, size)."""
    place = POSITIONS[size] - shift[:, None] - scale[:, None] * SIDES[size]
    return np.clip(place, 0, size - 1)


def _hats(places: Floats) -> Floats:
    """Linear interpolation as matrices: (n, size, size), two weights a row."""
    size = places.shape[1]
    away = places.astype(np.float32)[..., None] - np.arange(size, dtype=np.float32)
    np.abs(away, out=away)
    np.subtract(1, away, out=away)
    return np.maximum(away, 0, out=away)


def _beyond(difference: Floats, warped: Floats) -> Floats:
    """How far a difference passes what a pixel's 3 x 3 neighbours could explain, up or down."""
    above = _around(warped, np.maximum)
    above -= warped
    np.maximum(np.subtract(difference, above, out=above), 0, out=above)
    below = _around(warped, np.minimum)
    below -= warped
    np.maximum(np.subtract(below, difference, out=below), 0, out=below)
    above += below
    return above


def _around(pictures: Floats, extreme: np.ufunc) -> Floats:
    """Largest or smallest level among each pixel's 3 x 3 neighbours."""
    wide = pictures.copy()
    extreme(wide[..., 1:], pictures[..., :-1], out=wide[..., 1:])
    extreme(wide[..., :-1], pictures[..., 1:], out=wide[..., :-1])
    tall = wide.copy()
    extreme(tall[:, 1:], wide[:, :-1], out=tall[:, 1:])
    extreme(tall[:, :-1], wide[:, 1:], out=tall[:, :-1])
    return tall


def _cells(pictures: Floats) -> Floats:
    """Means over each cell, as products: (n, 9, 16)."""
    height, width = pictures.shape[1:]
    return POOL_ROWS[height] @ (pictures @ POOL_COLUMNS[width])


def _flow(
    earlier: Pictures,
    later: Pictures,
    camera: Floats,
    brightness: Floats,
    inside: NDArray[np.bool_],
) -> tuple[Floats, Floats]:
    """One Lucas-Kanade step in each cell, after the camera: (n, 9, 16) right and down."""
    warped = earlier.half.copy()
    moving = camera.any(1)
    warped[moving] = _warp(earlier.half[moving], camera[moving], 1.0)
    error = (later.half - warped - brightness[:, None, None]) * inside
    right, down = later.right, later.down
    pairs = ((right, right), (right, down), (down, down), (right, error), (down, error))
    product = np.empty_like(right)
    xx, xy, yy, xe, ye = (25 * _cells(np.multiply(one, other, out=product)) for one, other in pairs)
    xx, yy = xx + 50, yy + 50  # levels squared: a flat cell stays still
    inverse = -1 / (xx * yy - xy * xy)
    flow_right = np.clip((yy * xe - xy * ye) * inverse, -MAX_FLOW, MAX_FLOW)
    flow_down = np.clip((xx * ye - xy * xe) * inverse, -MAX_FLOW, MAX_FLOW)
    return flow_right, flow_down
