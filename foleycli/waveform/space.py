"""Where a sound stands: from left to right, near or far, in one, two or six channels.

Pans go from -1, the left edge of the picture, to 1. Six channels are L R C LFE Ls Rs (ITU-R BS.775,
SMPTE order); nothing goes to LFE. Gains keep the power of what they are given, so a sound is as
loud by BS.1770 wherever it stands.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from foleycli.config import CHANNELS, SPACE

Samples = NDArray[np.float32]
Curve = NDArray[np.float64]

ROOM = "room"  # the part that is the return of the room
SPEAKERS = {1: ("M",), 2: ("L", "R"), 6: ("L", "R", "C", "LFE", "Ls", "Rs")}
HALF = float(np.sqrt(0.5))
# ITU-R BS.775: what each channel of L R C LFE Ls Rs gives to fewer; LFE gives nothing.
TO_STEREO = np.array(
    [[1, 0], [0, 1], [HALF, HALF], [0, 0], [HALF, 0], [0, HALF]], np.float32
)  # (6, 2)
TO_MONO = {
    1: np.ones(1, np.float32),
    2: np.array([HALF, HALF], np.float32),
    6: np.array([HALF, HALF, 1, 0, 0.5, 0.5], np.float32),
}
SHARED = 0.5  # likeness of what surrounds have to what the front has, of what is wide
TREBLE = 8000  # Hz, whose loss in air is that of the treble
SHELF, SHELF_TAPS = 1500.0, 96  # Hz of the shelf's corner; samples, the next one is 7e-9 of the sum


def pan_gains(pan: Curve | float, channels: int) -> NDArray[np.float32]:
    """Gains of equal power for pans (...,): (..., channels).

    Stereo by sine and cosine, .707 each in the middle; in 5.1 between the middle and one side, so
    that what stands in the middle comes from C alone.
    """
    place = np.clip(np.asarray(pan, np.float64), -1, 1)
    if channels == 1:
        return np.ones((*place.shape, 1), np.float32)
    if channels == 2:
        turn = (place + 1) * (np.pi / 4)
        return np.stack([np.cos(turn), np.sin(turn)], axis=-1).astype(np.float32)
    turn = np.abs(place) * (np.pi / 2)
    gains = np.zeros((*place.shape, channels), np.float32)
    gains[..., 0] = np.where(place < 0, np.sin(turn), 0)
    gains[..., 1] = np.where(place > 0, np.sin(turn), 0)
    gains[..., 2] = np.cos(turn)
    return gains


@lru_cache(maxsize=8)
def wide_gains(channels: int, side: float = SPACE.side) -> NDArray[np.float32]:
    """(3, channels): what three independent sounds of one power give to each channel, to be one
    sound as powerful that is heard from everywhere.

    The first is the middle, the second the difference of the sides, ``side`` times as large; the
    third is what surrounds have for themselves. A mono sum has the first and loses
    10 log10(1 + side²) dB; nothing is heard twice at different times, so nothing is coloured.
    """
    if channels == 1:
        return np.array([[1], [0], [0]], np.float32)
    middle = HALF / np.sqrt(1 + side**2)
    if channels == 2:
        return np.array([[middle, middle], [side * middle, -side * middle], [0, 0]], np.float32)
    front, rear = np.sqrt([1 - SPACE.surround, SPACE.surround]) * middle
    own = np.sqrt(1 - SHARED**2)
    gains = np.zeros((3, channels), np.float32)
    gains[:, 0], gains[:, 1] = (front, side * front, 0), (front, -side * front, 0)
    gains[:, 4] = SHARED * rear, side * rear, own * rear
    gains[:, 5] = SHARED * rear, -side * rear, own * rear
    return gains


def distance_db(distance: Curve | float, usual: float, perspective: float) -> NDArray[np.float64]:
    """What distance in metres does to a level that is right at the usual one; 0 m: unknown.

    The inverse distance law, 6 dB for each doubling, times ``perspective``.
    """
    away = np.asarray(distance, np.float64)
    change = -20 * np.log10(np.where(away > 0, away, usual) / usual)
    return perspective * np.clip(change, SPACE.farthest_db, SPACE.nearest_db)


def treble_loss_db(distance: float, usual: float, perspective: float) -> float:
    """How much less treble what is farther than usual has, in dB at 8 kHz, 0 or more.

    A director's ear: the air's own absorption of `SPACE.air_heard` times the way.
    """
    way = max(0.0, distance - usual) * SPACE.air_heard * perspective
    return min(SPACE.dullest_db, way * air_absorption(TREBLE))


def air_absorption(frequency: float, celsius: float = 20.0, humidity: float = 50.0) -> float:
    """What air takes from a tone, in dB a metre, at one atmosphere (ISO 9613-1:1993, 3 to 5).

    Args:
        frequency: Hz.
        humidity: relative, in per cent.
    """
    kelvin, reference = celsius + 273.15, 293.15
    warm = kelvin / reference
    vapour = humidity * 10 ** (-6.8346 * (273.16 / kelvin) ** 1.261 + 4.6151)
    oxygen = 24 + 4.04e4 * vapour * (0.02 + vapour) / (0.391 + vapour)
    nitrogen = warm**-0.5 * (9 + 280 * vapour * np.exp(-4.170 * (warm ** (-1 / 3) - 1)))
    squared = float(frequency) ** 2
    relaxing = 0.01275 * np.exp(-2239.1 / kelvin) / (oxygen + squared / oxygen)
    relaxing += 0.1068 * np.exp(-3352.0 / kelvin) / (nitrogen + squared / nitrogen)
    return float(8.686 * squared * (1.84e-11 * np.sqrt(warm) + warm**-2.5 * relaxing))


def dull(samples: Samples, loss_db: float, sample_rate: int) -> Samples:
    """Less treble, so much at 8 kHz, by a shelf of first order; as long as it was."""
    if loss_db < 0.25:
        return samples
    mix = 1 - np.exp(-2 * np.pi * SHELF / sample_rate)
    low = mix / (1 - (1 - mix) * np.exp(-2j * np.pi * TREBLE / sample_rate))  # pass, at 8 kHz
    a, b = abs(1 - low) ** 2, 2 * float((low * np.conj(1 - low)).real)
    c = abs(low) ** 2 - 10 ** (-loss_db / 10)  # of |low + direct (1 - low)|^2 = the loss
    direct = max(0.0, (-b + np.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a))
    taps = (1 - direct) * mix * (1 - mix) ** np.arange(SHELF_TAPS)
    taps[0] += direct
    return np.convolve(samples, taps)[: len(samples)].astype(np.float32)


def glide(
    at: NDArray[np.int64], edges: Sequence[int], values: Sequence[float], length: int
) -> Curve:
    """Values that each hold from their edge on, gone over from one to the next around the edge.

    Args:
        at: (n,) samples at which it is asked.
        edges: samples at which each value begins, in order.
        length: samples of a passage; shorter where the neighbours are.
    """
    if len(values) == 1 or max(values) == min(values):
        return np.full(len(at), values[0], np.float64)
    spans = np.diff(edges)
    around = np.minimum(spans, np.append(spans[1:], length))  # of edge 1, 2, ...
    half = np.minimum(length, around) / 2
    middle = np.asarray(edges[1:], np.float64)
    points = np.stack([middle - half, middle + half], axis=1).ravel()
    return np.interp(at, points, np.repeat(values, 2)[1:-1])


@dataclass(frozen=True, slots=True)
class Where:
    """Where a sound is: pans and distances, each from its edge on (samples)."""

    edges: tuple[int, ...] = (0,)
    pans: tuple[float, ...] = (0.0,)
    distances: tuple[float, ...] = (0.0,)  # metres; 0: unknown
    layer: str = ""

    @property
    def is_wide(self) -> bool:
        """Whether it is heard from everywhere: the sound of a place."""
        return self.layer == "air"

    def joined(self, later: "Where") -> "Where":
        """One sound that is first here, then there."""
        return Where(
            self.edges + later.edges,
            self.pans + later.pans,
            self.distances + later.distances,
            self.layer,
        )


@dataclass(frozen=True, slots=True)
class Space:
    """How sounds are set: in so many channels, how far to the sides, and how near or far.

    ``sends``: one more column is what goes to the room. Of what is far, half as many dB less go
    there as are heard of it, so the room's share grows; the air of a place has a room already, and
    does not go there.
    """

    channels: int = CHANNELS["mono"]
    width: float = SPACE.width
    perspective: float = SPACE.perspective
    sends: bool = False

    @property
    def columns(self) -> int:
        """Of what `set` gives: channels, and what goes to the room."""
        return self.channels + self.sends

    @property
    def side(self) -> float:
        """How large the difference of the sides is in what is wide."""
        return SPACE.side * min(1.0, self.width / SPACE.width)

    def set(
        self,
        samples: Samples,
        start: int,
        sample_rate: int,
        where: Where,
        stretch: Callable[[float], Samples] | None = None,
    ) -> NDArray[np.float32]:
        """A sound (n,) that begins at a sample, at its place: (n, columns).

        Args:
            stretch: of what is wide, other stretches of the same, by a share of the recording; as
                long and as loud.
        """
        if not where.is_wide:
            known = [distance for distance in where.distances if distance > 0]
            away = float(np.mean(known)) if known else 0.0
            loss = treble_loss_db(away, _usual(where), self.perspective)
            return self.lay(dull(samples, loss, sample_rate), start, sample_rate, where)
        if stretch is None or self.channels == 1 or not self.side:
            return self.lay(samples, start, sample_rate, where)
        others = [samples, *(_as_loud(stretch(share), samples) for share in (1 / 2, 1 / 3))]
        gains = wide_gains(self.channels, self.side)
        wide = sum(np.outer(one, row) for one, row in zip(others, gains, strict=True))
        return self._with_send(np.asarray(wide, np.float32), None)

    def lay(
        self, samples: Samples, start: int, sample_rate: int, where: Where
    ) -> NDArray[np.float32]:
        """As `set`, for a part of a sound: no treble is lost, and what is wide is in the middle."""
        if where.is_wide:
            return self._with_send(samples[:, None] * wide_gains(self.channels, 0.0)[0], None)
        at = np.arange(start, start + len(samples)) if len(where.edges) > 1 else np.array([start])
        length = round(SPACE.glide * sample_rate)
        pans = glide(at, where.edges, where.pans, length) * self.width
        usual = _usual(where)
        known = [float(np.log(distance or usual)) for distance in where.distances]
        away = np.exp(glide(at, where.edges, known, length))
        level = distance_db(away, usual, self.perspective)
        heard = (samples * 10 ** (level / 20)).astype(np.float32) if np.any(level) else samples
        send = samples * 10 ** (level / 2 / 20) if self.sends else None
        return self._with_send(heard[:, None] * pan_gains(pans, self.channels), send)

    def _with_send(self, placed: Samples, send: Curve | None) -> NDArray[np.float32]:
        if not self.sends:
            return placed
        sent = np.zeros(len(placed), np.float32) if send is None else send.astype(np.float32)
        return np.concatenate([placed, sent[:, None]], axis=1)


def to_mono(sound: NDArray[np.float32]) -> Samples:
    """(samples, channels) of 1, 2 or 6 -> (samples,), by ITU-R BS.775."""
    return np.asarray(sound @ TO_MONO[sound.shape[1]], np.float32)


def to_stereo(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """(samples, 6) -> (samples, 2), by ITU-R BS.775."""
    return np.asarray(sound @ TO_STEREO, np.float32)


def _usual(where: Where) -> float:
    """Metres at which a sound of its layer has its usual level."""
    return dict(SPACE.usual).get(where.layer, SPACE.usual[0][1])


def _as_loud(one: Samples, other: Samples) -> Samples:
    """A sound with the power of another."""
    powers = [float(np.mean(np.square(s, dtype=np.float64))) for s in (one, other)]
    return one * np.float32(np.sqrt(powers[1] / powers[0])) if powers[0] > 0 else one
