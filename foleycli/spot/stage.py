"""What the space of a film is: the places of cues as they are heard, and the room of each shot."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from foleycli.config import SPACE
from foleycli.spot.cues import Cue
from foleycli.spot.features import Features
from foleycli.spot.find import watch
from foleycli.spot.phrases import phrase_of

GOES_ON = 2.0  # seconds between two hits of the same words that are one going on


@dataclass(frozen=True, slots=True)
class RoomSpan:
    """Film that is heard in one room."""

    start: Fraction  # seconds
    end: Fraction
    room: str  # of `foleycli.waveform.rooms`; "" for none


def stage_cues(cues: Sequence[Cue], cuts: Sequence[Fraction]) -> list[Cue]:
    """Cues as they are set, in the same order: each says its layer, and what goes on over a cut
    does not jump to another side but goes there within a second."""
    layered = [cue if cue.layer else replace(cue, layer=phrase_of(cue.what).layer) for cue in cues]
    edges = sorted(cuts)
    shots = [bisect_right(edges, cue.start) for cue in layered]
    last: dict[str, tuple[int, Cue]] = {}  # of some words: the last hit, and its shot
    anchors: dict[str, tuple[int, Cue]] = {}  # and the last one in an earlier shot
    for i in sorted(range(len(layered)), key=lambda i: layered[i].start):
        cue, shot = layered[i], shots[i]
        if cue.kind != "hit":
            continue
        if cue.what in last and last[cue.what][0] < shot:
            anchors[cue.what] = last[cue.what]
        if cue.what in anchors:
            layered[i] = _eased(cue, anchors[cue.what][1], edges[shot - 1])
        last[cue.what] = shot, layered[i]
    return layered


def _eased(cue: Cue, before: Cue, cut: Fraction) -> Cue:
    """A hit soon after a cut, nearer to the side where its sound was before the cut."""
    gone = float(cue.start - cut) / SPACE.cut_glide
    if gone >= 1 or cue.start - before.start > GOES_ON:
        return cue
    return replace(cue, pan=before.pan + (cue.pan - before.pan) * gone)


def rooms_of(features: Features) -> list[RoomSpan]:
    """The room of every shot, by the place that is seen in it; shots of one room are one."""
    if features.classes is None:
        return [RoomSpan(Fraction(0), features.duration, "")]
    spans: list[RoomSpan] = []
    for stretch in watch(features):
        sure = stretch.place_score >= SPACE.sure_place
        spans.append(RoomSpan(stretch.start, stretch.end, stretch.place.room if sure else ""))
    return _joined(_by_shot(spans, features.shots()))


def _by_shot(
    stretches: Sequence[RoomSpan], shots: Sequence[tuple[Fraction, Fraction]]
) -> list[RoomSpan]:
    """A shot has the room that is seen longest in it."""
    rooms = []
    for start, end in shots:
        length: dict[str, Fraction] = {}
        for part in stretches:
            if start <= part.start < end:
                length[part.room] = length.get(part.room, Fraction(0)) + part.end - part.start
        rooms.append(RoomSpan(start, end, max(length, key=lambda room: length[room], default="")))
    return rooms


def _joined(spans: Sequence[RoomSpan]) -> list[RoomSpan]:
    joined: list[RoomSpan] = []
    for span in spans:
        if joined and joined[-1].room == span.room and joined[-1].end == span.start:
            joined[-1] = replace(joined[-1], end=span.end)
        else:
            joined.append(span)
    return joined
