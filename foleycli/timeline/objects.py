"""A reel as one bed and objects: those of its shots, laid where they lie on the timeline."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from foleycli.config import OUTPUT
from foleycli.mux.adm import Layout, read_layout, write_adm
from foleycli.mux.bwf import Broadcast
from foleycli.mux.names import adm_path
from foleycli.sources.objects import Moving, Stay
from foleycli.timeline.model import Timeline
from foleycli.timeline.sound import Piece, ShotSound, first_sample, piece_of

RATE = OUTPUT.sample_rate
SCALE = np.float32(2.0**-31)


@dataclass(slots=True)
class _Lane:
    """An object of the reel while those of shots are dealt to it."""

    layer: str
    until: int = 0
    stays: list[Stay] = field(default_factory=list)

    def add(self, stays: Sequence[Stay], end: int) -> None:
        """Stays from a shot on; until then it is where it was."""
        if self.stays:
            self.stays[-1] = replace(self.stays[-1], end=stays[0].start)
        self.stays += stays
        self.until = end


@dataclass(frozen=True, slots=True)
class _Laid:
    """A shot's wave of objects, and its mix, on the timeline."""

    tracks: Piece
    mix: Piece
    layout: Layout
    lanes: tuple[int, ...]  # of the reel, for each of its objects


def write_adm_stem(
    timeline: Timeline, sounds: Sequence[ShotSound], path: Path, cut_fade: int = 0
) -> str:
    """Write the sum of the shots' beds, and their objects one after another, over all of a
    timeline; of their handles only what fades over a cut.

    An object of one shot goes on as one of the same layer in the next, as far as they do not sound
    at once. Integer samples are summed, so that every track is that of the shots to the last bit.

    Returns:
        BLAKE2b of the samples.
    """
    origin = first_sample(timeline, Fraction(0))
    total = first_sample(timeline, timeline.duration) - origin
    lanes: list[_Lane] = []
    laid: list[_Laid] = []
    for sound in sorted(sounds, key=lambda sound: sound.shot.start):
        tracks, mix = (
            piece_of(timeline, sound, wav, cut_fade, origin)
            for wav in (adm_path(sound.wav), sound.wav)
        )
        layout = read_layout(tracks.wav)
        laid.append(_Laid(tracks, mix, layout, _deal(layout.objects, tracks, lanes)))
    objects = tuple(Moving(name, tuple(lane.stays)) for name, lane in _named(lanes))
    channels, has_room = laid[0].layout.channels, any(one.layout.has_room for one in laid)
    layout = Layout(channels, has_room, objects, total).fitted(total)
    about = Broadcast(
        description=f"{timeline.name} SFX bed and objects",
        start=timeline.start_seconds,
        frame_rate=timeline.rate,
        drop_frame=timeline.drop,
        project=timeline.name,
        scene=timeline.name,
    )
    return write_adm(path, _summed(laid, layout), layout, about, overwrite=True)


def _named(lanes: Sequence[_Lane]) -> Iterator[tuple[str, _Lane]]:
    counted: dict[str, int] = {}
    for lane in lanes:
        counted[lane.layer] = counted.get(lane.layer, 0) + 1
        yield f"{lane.layer} {counted[lane.layer]}", lane


def _deal(objects: Sequence[Moving], piece: Piece, lanes: list[_Lane]) -> tuple[int, ...]:
    """The reel's object for each of a shot's."""
    numbers: list[int] = []
    for one in objects:
        layer = one.name.rpartition(" ")[0]
        free = (
            n for n, lane in enumerate(lanes)
            if lane.layer == layer and lane.until <= piece.start and n not in numbers
        )  # fmt: skip
        number = next(free, None)
        if number is None:
            number = len(lanes)
            lanes.append(_Lane(layer))
        lanes[number].add(_moved(one.stays, piece), piece.end)
        numbers.append(number)
    return tuple(numbers)


def _moved(stays: Sequence[Stay], piece: Piece) -> list[Stay]:
    """A shot's places on the timeline, as far as it is heard."""
    by = piece.start - piece.lead
    shifted = [replace(s, start=s.start + by, end=s.end + by) for s in stays]
    inside = [
        replace(s, start=max(s.start, piece.start), end=min(s.end, piece.end))
        for s in shifted
        if s.end > piece.start and s.start < piece.end
    ]
    inside[0] = replace(inside[0], jumps=True)
    inside[-1] = replace(inside[-1], end=piece.end)
    return inside


def _summed(laid: Sequence[_Laid], layout: Layout) -> Iterator[np.ndarray]:
    """The tracks, and the mix of all."""
    columns = layout.tracks + layout.channels
    for begin in range(0, layout.length, RATE):
        finish = min(begin + RATE, layout.length)
        mixed = np.zeros((finish - begin, columns), np.int64)
        for one in laid:
            first, last = max(begin, one.mix.start), min(finish, one.mix.end)
            if first < last:
                here = slice(first - begin, last - begin)
                mixed[here, _places(one, layout)] += one.tracks.read(first, last)
                mixed[here, layout.tracks :] += one.mix.read(first, last)
        yield np.clip(mixed, -(2**31), 2**31 - 256).astype(np.float32) * SCALE


def _places(one: _Laid, layout: Layout) -> list[int]:
    """The reel's tracks, each once, that a shot's are summed to."""
    beds = layout.channels * (1 + one.layout.has_room)
    first = layout.channels * (1 + layout.has_room)
    return [*range(beds), *(first + number for number in one.lanes)]
