"""Gains as volume keyframes in a timeline, beside the picture; the stems stay as they are.

FCPXML: ``adjust-volume`` with a ``keyframeAnimation`` of its amount, times on the clip's own clock
(Apple's FCPXML reference). AAF: an audio gain, whose points are factors; between two of them it
goes straight in amplitude, so a ramp in dB has points on its way. OTIO has no word for volume: an
effect "AudioVolume" carries the points in its metadata, under ``foleycli``.
"""

import itertools
import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from foleycli.clip.probe import Clip
from foleycli.errors import UsageError
from foleycli.highlight.curves import Keyframe, Span, Stem, keyframes
from foleycli.highlight.stems import Part, Stems
from foleycli.output import atomic_output
from foleycli.timeline.aaf import load_aaf, write_cut
from foleycli.timeline.fcpxml import write_fcpxml
from foleycli.timeline.markers import clip_timeline
from foleycli.timeline.model import Event, Media, Timeline, Track
from foleycli.timeline.otio import load_otio, write_otio
from foleycli.waveform.loudness import from_db

WRITTEN = (".fcpxml", ".otio", ".aaf")
FINE_DB = 2.0  # between two points of an AAF: straight in amplitude is within .06 dB of it in dB
BEFORE = ("note", "conform-rate", "timeMap")  # what FCPXML has before an adjustment


def check_keyframes(path: Path) -> None:
    """Refuse a timeline that cannot hold keyframes, before the slow part.

    Raises:
        UsageError: it is none of those.
        MediaError: what writes it is not installed.
    """
    if path.suffix.lower() not in WRITTEN:
        raise UsageError(
            f"{path.name}: no keyframes are written into {path.suffix or 'such a file'}.",
            f"Name it {', '.join(WRITTEN[:-1])} or {WRITTEN[-1]}.",
        )
    if path.suffix.lower() == ".otio":
        load_otio()
    if path.suffix.lower() == ".aaf":
        load_aaf()


def write_keyframes(
    path: Path, film: Clip, stems: Stems, spans: Sequence[Span], *, overwrite: bool = False
) -> None:
    """Write the picture and its stems as a timeline, every stem with its volume keyframes.

    Raises:
        UsageError: as `check_keyframes`; or no timeline runs at the clip's frame rate.
        MediaError: the clip states neither frame rate nor length.
    """
    check_keyframes(path)
    timeline, points = stem_timeline(film, stems, spans)
    with atomic_output(path, overwrite=overwrite) as beside:
        if path.suffix.lower() == ".fcpxml":
            text = _with_volumes(write_fcpxml(timeline), points)
            beside.write_text(text, encoding="utf-8")
        elif path.suffix.lower() == ".aaf":
            write_cut(timeline, beside, {name: _factors(curve) for name, curve in points.items()})
        else:
            write_otio(timeline, beside)
            _add_effects(beside, points)


def stem_timeline(
    film: Clip, stems: Stems, spans: Sequence[Span]
) -> tuple[Timeline, dict[str, list[Keyframe]]]:
    """A track of sound for each part of each stem, and the keyframes by the events' names."""
    whole = clip_timeline(film)
    own = any(part.path == film.path for several in stems.parts.values() for part in several)
    pictures = [_silenced(track, own) for track in whole.pictures]
    tracks: list[Track] = []
    points: dict[str, list[Keyframe]] = {}
    for stem in stems.names:
        for number, part in enumerate(stems.parts[stem], 1):
            name = f"{stem} {number}" if len(stems.parts[stem]) > 1 else stem
            event = _event(name, part, whole, film)
            tracks.append(Track(kind="sound", events=(event,), name=name))
            points[name] = keyframes(spans, stem)
    return replace(whole, tracks=(*pictures, *tracks)), points


def _silenced(track: Track, keeps_sound: bool) -> Track:
    """The picture without the clip's own sound, unless that is one of the stems."""
    if keeps_sound:
        return track
    events = [
        replace(e, media=replace(e.media, channels=0)) if isinstance(e.media, Media) else e
        for e in track.events
    ]
    return replace(track, events=tuple(events))


def _event(name: str, part: Part, timeline: Timeline, film: Clip) -> Event:
    if part.path == film.path:
        picture = timeline.pictures[0].events[0]
        return replace(picture, name=name)
    media = Media(
        name=part.path.name,
        path=str(part.path.absolute()),
        start=Fraction(0),
        duration=timeline.duration,
        channels=part.channels,
        sample_rate=part.sample_rate,
    )
    return Event(
        name=name, media=media, start=Fraction(0), duration=timeline.duration, source=Fraction(0)
    )


def _with_volumes(text: str, points: dict[Stem, list[Keyframe]]) -> str:
    """FCPXML with an adjustment in every clip that has keyframes."""
    head, _, _ = text.partition("<fcpxml")
    root = ET.fromstring(text)
    for clip in root.iter("asset-clip"):
        curve = points.get(clip.get("name", "")) if clip.get("audioRole") else None
        if not curve:
            continue
        volume = ET.Element("adjust-volume", amount=_db(curve[0].gain_db))
        if len({point.gain_db for point in curve}) > 1:
            parameter = ET.SubElement(volume, "param", name="amount")
            animation = ET.SubElement(parameter, "keyframeAnimation")
            start = Fraction((clip.get("start") or "0s").removesuffix("s"))
            for point in curve:
                time = start + Fraction(point.time).limit_denominator(48_000)
                said = f"{time.numerator}/{time.denominator}s"
                ET.SubElement(
                    animation, "keyframe", time=said, value=_db(point.gain_db), interp="linear"
                )
        place = sum(child.tag in BEFORE for child in clip)
        clip.insert(place, volume)
    ET.indent(root)
    return head + ET.tostring(root, encoding="unicode") + "\n"


def _factors(curve: Sequence[Keyframe]) -> list[tuple[float, float]]:
    """Points of a curve as (seconds, factor), with those that a ramp needs on its way."""
    found = [(curve[0].time, from_db(curve[0].gain_db))]
    for one, two in itertools.pairwise(curve):
        pieces = max(1, math.ceil(abs(two.gain_db - one.gain_db) / FINE_DB))
        for step in range(1, pieces + 1):
            part = step / pieces
            gain_db = one.gain_db + part * (two.gain_db - one.gain_db)
            found.append((one.time + part * (two.time - one.time), from_db(gain_db)))
    return found


def _db(gain_db: float) -> str:
    return f"{gain_db:g}dB"


def _add_effects(path: Path, points: dict[Stem, list[Keyframe]]) -> None:
    otio = load_otio()
    document = otio.adapters.read_from_file(str(path))
    for clip in document.find_clips():
        curve = points.get(clip.name)
        if curve and clip.parent().kind == otio.schema.TrackKind.Audio:
            volume = [{"seconds": point.time, "db": point.gain_db} for point in curve]
            effect = otio.schema.Effect(name="volume", effect_name="AudioVolume")
            effect.metadata["foleycli"] = {"volume": volume}
            clip.effects.append(effect)
    otio.adapters.write_to_file(document, str(path))
