"""Rooms: early reflections and a tail that decays in each octave as it was measured, and the
return that a film's layers are sent to.

A room is made by numbers alone: reflections of a box (image sources: Allen and Berkley, JASA 65,
1979), then noise whose octaves decay at their own rates (Moorer, Computer Music Journal 3(2),
1979). No recording of a room is used, so nobody's licence binds it.

Decays go from 125 Hz to 8 kHz, in seconds to fall by 60 dB (`ROOMS`). Measured ones they keep to:

- small: between 50 British living rooms, .69 s at 125 Hz to .4 s at 8 kHz (Jackson and Leventhall),
  and the better furnished ones of the BBC, .35 to .45 s; both by Everest and Pohlmann, Master
  Handbook of Acoustics;
- hall: 1.9 s in the middle of the spectrum, as Boston's symphony hall with people in it (Beranek,
  Concert Halls and Opera Houses, 2004);
- forest: the two sparser of seven stands had about 1.2 s, others 2 s and more (Albert, Swearingen,
  Perron and Carbee, JASA 138(2), 2015).

The other rooms, and how decays differ from band to band but in small, were chosen by ear.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from foleycli.config import OUTPUT, SPACE
from foleycli.errors import MediaError
from foleycli.waveform.filters import slide_mean
from foleycli.waveform.space import pan_gains, wide_gains

Response = NDArray[np.float32]  # (samples, channels)

BANDS = (125, 250, 500, 1000, 2000, 4000, 8000)  # Hz, octaves
SOUND_SPEED = 343.0  # m/s
SEED = 1983  # of the tails' noise: a room is the same in every film
EVEN = 10  # waves of an octave's middle over which its noise is even
SLOPE = 0.25  # octaves over which one band makes way for the next
DIRECT = 0.0025  # seconds of an impulse from its peak on that are the sound itself
LONGEST = 12.0  # seconds of an impulse that are used
CHUNK = 48_000  # samples that are turned at a time
EDGE = 480  # samples in which one room takes over from another what it is fed


@dataclass(frozen=True, slots=True)
class Room:
    """A kind of room.

    Attributes:
        size: metres long, wide and high; a street's and a forest's are those of what reflects.
        decay: seconds to fall by 60 dB, of `BANDS`.
        level_db: of the whole answer to a sound at its usual distance. A director's level: softer
            than by the critical distance, for recordings have some of a room already.
            On 26 film clips tails of small rooms led away from the clips' own sound, and their
            single reflections did not: a small room is mostly those.
        early: share of the power that comes as single reflections.
        reflects: amplitude that is left at a wall; at one wall alone, the ground, when ``open``.
    """

    size: tuple[float, float, float]
    decay: tuple[float, ...]
    level_db: float
    early: float
    reflects: float = 0.8
    open: bool = False


ROOMS = {
    "small": Room((4.6, 3.7, 2.5), (0.62, 0.55, 0.48, 0.45, 0.42, 0.40, 0.36), -20.0, 0.7, 0.75),
    "large": Room((14.0, 9.0, 3.4), (1.0, 0.95, 0.9, 0.85, 0.8, 0.72, 0.55), -19.0, 0.6, 0.8),
    "hall": Room((32.0, 20.0, 9.0), (2.1, 2.05, 2.0, 1.9, 1.7, 1.35, 1.0), -18.0, 0.3, 0.85),
    "street": Room((60.0, 14.0, 18.0), (1.1, 1.2, 1.3, 1.3, 1.2, 0.95, 0.7), -23.0, 0.5, 0.75),
    "forest": Room((30.0, 24.0, 12.0), (0.8, 1.0, 1.2, 1.3, 1.2, 0.95, 0.7), -25.0, 0.2, 0.4),
    "field": Room((80.0, 60.0, 30.0), (0.5, 0.55, 0.6, 0.6, 0.5, 0.4, 0.32), -28.0, 0.5, 0.6, True),
    "vehicle": Room(
        (2.4, 1.4, 1.2), (0.11, 0.09, 0.075, 0.07, 0.065, 0.06, 0.055), -14.0, 0.5, 0.6
    ),
}  # fmt: skip


@lru_cache(maxsize=32)
def room_response(
    name: str, channels: int, side: float = SPACE.side, sample_rate: int = OUTPUT.sample_rate
) -> Response:
    """What a room answers to an impulse, without the impulse: (samples, channels).

    Its power over all channels is that of its level; its mono sum loses what `wide_gains` says.
    """
    room = ROOMS[name]
    tail = _tail(room, sample_rate) @ wide_gains(channels, side)
    early = _early(room, channels, sample_rate)
    length = max(len(tail), len(early))
    whole = np.zeros((length, channels))
    for part, share in ((tail, 1 - room.early), (early, room.early)):
        whole[: len(part)] += part * np.sqrt(share / np.square(part).sum())
    return (whole * 10 ** (room.level_db / 20)).astype(np.float32)


def _tail(room: Room, sample_rate: int) -> NDArray[np.float64]:
    """Three tails (samples, 3), each of noise of its own, whose octaves decay."""
    length = round(max(room.decay) * 1.1 * sample_rate)
    noise = np.random.default_rng(SEED).standard_normal((3, 2 * length))  # the second half is cut
    spectrum = np.fft.rfft(noise)
    time = np.arange(length) / sample_rate
    tails = np.zeros((3, length))
    masks = octave_masks(np.fft.rfftfreq(2 * length, 1 / sample_rate))
    for mask, centre, decay in zip(masks, BANDS, room.decay, strict=True):
        band = np.fft.irfft(spectrum * mask, n=2 * length)
        band = _even(band, round(EVEN / centre * sample_rate))[:, length // 2 :][:, :length]
        tails += band * 10 ** (-3 * time / decay) * np.sqrt(mask @ mask / len(mask))
    # the tail grows dense while the first reflections pass: about the root of the volume, in ms
    mixing = min(0.05, np.sqrt(np.prod(room.size)) / 1000)
    tails *= 1 - np.exp(-time / (mixing / 2))
    last = min(length, round(0.02 * sample_rate))
    tails[:, length - last :] *= np.linspace(1, 0, last)
    return tails.T


def _even(band: NDArray[np.float64], around: int) -> NDArray[np.float64]:
    """Noise of one octave whose power is 1 everywhere, over so many samples: by chance it swells
    and fades, which would be heard, and measured, as another decay."""
    power = slide_mean(np.square(band).T, max(3, around)).T
    return band / np.sqrt(np.maximum(power, 1e-12))


def octave_masks(frequencies: NDArray[np.floating]) -> NDArray[np.float64]:
    """(bands, frequencies): how much of each belongs to an octave; their squares sum to one.

    The lowest and the highest go on to the ends of the spectrum.
    """
    octaves = np.log2(np.maximum(frequencies, 1.0) / BANDS[0])
    edges = np.arange(len(BANDS) - 1) + 0.5
    above = np.clip((octaves[None] - edges[:, None]) / SLOPE + 0.5, 0, 1)
    turn = above * np.pi / 2
    rising = np.concatenate([np.ones((1, len(octaves))), np.sin(turn)])
    falling = np.concatenate([np.cos(turn), np.ones((1, len(octaves)))])
    return rising * falling


def _early(room: Room, channels: int, sample_rate: int) -> NDArray[np.float64]:
    """Reflections of the first two orders, from where they come: (samples, channels)."""
    size = np.array(room.size)
    source, ear = size * (0.35, 0.42, 0), size * (0.6, 0.55, 0)
    source[2] = ear[2] = min(1.5, room.size[2] / 2)
    direct = float(np.linalg.norm(source - ear))
    found: list[tuple[int, NDArray[np.float64]]] = []
    for images in product((-2, -1, 0, 1, 2), repeat=3):
        order = sum(map(abs, images))
        if not 0 < order <= 2 or (room.open and images != (0, 0, -1)):
            continue
        steps = np.array(images)
        mirrored = np.where(steps % 2 == 0, source + steps * size, (steps + 1) * size - source)
        way = mirrored - ear
        length = float(np.linalg.norm(way))
        at = round((length - direct) / SOUND_SPEED * sample_rate)
        pan = float(way[1] / max(1e-6, np.hypot(way[0], way[1]))) * SPACE.width
        gain = room.reflects**order * direct / length
        found.append((max(1, at), np.float64(gain) * pan_gains(pan, channels).astype(np.float64)))
    early = np.zeros((max(at for at, _ in found) + 1, channels))
    for at, gains in found:
        early[at] += gains
    return early


def read_impulse(path: Path, channels: int, sample_rate: int = OUTPUT.sample_rate) -> Response:
    """Somebody's own impulse response as `room_response` gives one, at the level of a large room.

    One channel goes everywhere a middle goes, two to L and R, six are L R C LFE Ls Rs. The sound
    itself at its beginning is left out, for the layers are that.

    Raises:
        MediaError: it cannot be read, or holds nothing.
    """
    try:
        sound, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise MediaError(f"{path.name} is no sound file.", "Give a .wav with --impulse.") from error
    sound = sound[: round(LONGEST * rate)]
    if not np.isfinite(sound).all() or not np.abs(sound).max(initial=0) > 0:
        raise MediaError(f"{path.name} holds no impulse response.", "Give another --impulse.")
    sound = np.asarray(soxr.resample(sound, rate, sample_rate), np.float64)
    begin = int(np.abs(sound).max(axis=1).argmax())
    answer = sound[begin:].copy()
    answer[: round(DIRECT * sample_rate)] = 0
    if not np.square(answer).sum() > 0:
        raise MediaError(f"{path.name} is a click without a room.", "Give another --impulse.")
    answer = answer @ _onto(answer.shape[1], channels)
    answer *= 10 ** (ROOMS["large"].level_db / 20) / np.sqrt(np.square(answer).sum())
    return answer.astype(np.float32)


def _onto(given: int, channels: int) -> NDArray[np.float32]:
    """(given, channels): how an impulse's channels lie on ours."""
    if given == channels:
        return np.eye(channels, dtype=np.float32)
    if given >= 2 and channels > 1:
        gains = np.zeros((given, channels), np.float32)
        gains[0, 0] = gains[1, 1] = 1
        return gains
    return np.full((given, 1), 1 / given, np.float32) @ wide_gains(channels, 0.0)[:1]


@dataclass(slots=True)
class _Sounding:
    """A room while it is heard."""

    begin: int  # samples in which it is fed
    end: int
    spectrum: NDArray[np.complex128]  # (frequencies, channels)
    taps: int
    fade: int  # samples after its end in which its tail makes way for the next
    rest: NDArray[np.float64]  # (taps - 1, channels) that is still to be heard


class Return:
    """The answer of the rooms of a film to what is sent to them, chunk by chunk; flat in memory.

    A shot's room hears what sounds in the shot. At a cut to another room its tail fades within
    `SPACE.room_fade`; where the same room goes on, so does its tail.
    """

    def __init__(
        self,
        spans: Sequence[tuple[int, int, Response | None]],
        channels: int,
        sample_rate: int = OUTPUT.sample_rate,
    ) -> None:
        """Args: spans: begin and end in samples, in order, and the room, None for none."""
        self._waiting = [span for span in reversed(spans) if span[2] is not None]
        self._channels, self._fade = channels, round(SPACE.room_fade * sample_rate)
        self._last = max((end for _, end, _ in spans), default=0)
        self._heard: list[_Sounding] = []
        self._at = 0

    def answer(self, sent: NDArray[np.float32]) -> NDArray[np.float32]:
        """What comes back while (n,) is sent, n at most `CHUNK`: (n, channels)."""
        first, last = self._at, self._at + len(sent)
        self._at = last
        while self._waiting and self._waiting[-1][0] < last:
            self._heard.append(self._opened(*self._waiting.pop()))
        heard = np.zeros((len(sent), self._channels))
        for room in self._heard:
            heard += _answered(room, sent, first)
        self._heard = [room for room in self._heard if last < room.end + room.fade]
        left = (self._last - np.arange(first, last)) / EDGE  # the tail is not cut off at the end
        return (heard * np.clip(left, 0, 1)[:, None]).astype(np.float32)

    def _opened(self, begin: int, end: int, response: Response | None) -> _Sounding:
        assert response is not None
        taps = len(response)
        size = fast_size(CHUNK + taps - 1)
        spectrum = np.fft.rfft(response.astype(np.float64), size, axis=0)
        rest = np.zeros((taps - 1, response.shape[1]))
        return _Sounding(begin, end, spectrum, taps, self._fade if end < self._last else taps, rest)


def _answered(room: _Sounding, sent: NDArray[np.float32], first: int) -> NDArray[np.float64]:
    """What a room answers in a chunk that begins at a sample, by overlap-add."""
    at = np.arange(first, first + len(sent))
    whole = np.zeros((len(sent) + room.taps - 1, room.rest.shape[1]))
    into = np.clip((at - room.begin) / EDGE, 0, 1) if room.begin else np.ones(len(at))
    fed = sent * (into - np.clip((at - room.end) / EDGE, 0, 1))
    if fed.any():
        size = (room.spectrum.shape[0] - 1) * 2
        turned = np.fft.rfft(fed, size)[:, None] * room.spectrum
        whole += np.fft.irfft(turned, size, axis=0)[: len(whole)]
    whole[: len(room.rest)] += room.rest
    room.rest = whole[len(sent) :]
    gone = np.clip((at - room.end + 1) / room.fade, 0, 1)
    return whole[: len(sent)] * (np.cos(gone * np.pi / 2) ** 2)[:, None]


def fast_size(least: int) -> int:
    """The next even number of small factors, for which Fourier transforms are quick."""
    sizes = (2**a * 3**b * 5**c for a in range(1, 26) for b in range(6) for c in range(4))
    return min(size for size in sizes if size >= least)


def add_return(
    blocks: Iterable[NDArray[np.float32]], parts: int, returned: Return
) -> Iterator[NDArray[np.float32]]:
    """Blocks of parts side by side, each with its channels and what it sends, of at most `CHUNK`
    samples -> the parts' channels, then those of the room that all of them are sent to.

    Args:
        blocks: (n, parts * (channels + 1)).

    Yields:
        (n, (parts + 1) * channels)
    """
    for block in blocks:
        dry = block.reshape(len(block), parts, -1)
        answer = returned.answer(dry[:, :, -1].sum(axis=1))
        yield np.concatenate([dry[:, :, :-1].reshape(len(block), -1), answer], axis=1)
