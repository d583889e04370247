"""AAF: read by OpenTimelineIO's adapter; sounds go into a copy of the document itself, by pyaaf2.

The adapter rewrites an AAF from what it understood of it, which is less than an editor put in; so
only tracks are added, linked to the waves, and all else stays. A new AAF holds films and waves that
are linked, with the levels of the waves.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from foleycli.errors import FoleyError, MediaError
from foleycli.install import get_extra
from foleycli.timeline.model import Event, Media, Timeline, Track, whole_frames
from foleycli.timeline.otio import read_otio
from foleycli.timeline.paths import url_of

BITS = 24
# AAF's own definitions: a gain turns by a factor, on straight lines between points
GAIN = ("9d2ea894-0968-11d3-8a38-0050040ef7d2", "MonoAudioGain", "Audio Gain")
AMPLITUDE = ("e4962321-2267-11d3-8a4c-0050040ef7d2", "Amplitude", "Amplitude", "Rational")
LINEAR = ("5b6c85a4-0ede-11d3-80a9-006008143e6f", "LinearInterp", "LinearInterp")
Level = tuple[float, float]  # seconds from an event's start, factor
OTHERWISE = "export the cut as EDL, FCPXML or .otio."


def load_aaf() -> Any:
    """pyaaf2, which comes with OpenTimelineIO's adapter as an extra."""
    try:
        import aaf2  # pyright: ignore[reportMissingImports]  # an extra
        import otio_aaf_adapter  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        remedy = f"{get_extra('aaf')}, or {OTHERWISE}"
        raise MediaError("AAF needs pyaaf2 and otio-aaf-adapter.", remedy) from error
    return aaf2


def read_aaf(path: Path) -> Timeline:
    """Read the one cut of an AAF.

    Raises:
        MediaError: the extra is not installed, or the file cannot be followed.
    """
    load_aaf()
    timeline = read_otio(path)
    with _opened(path, "r") as file:
        codes = [code for code in _timecodes(_cut(file)) if code.fps == round(timeline.rate)]
        if codes:
            timeline = replace(timeline, start=codes[0].start, drop=bool(codes[0].drop))
    return timeline


def add_sounds(original: Path, timeline: Timeline, sounds: tuple[Track, ...], path: Path) -> None:
    """Copy an AAF and add tracks of sound, each event linked to its wave."""
    shutil.copyfile(original, path)
    with _opened(path, "rw") as file:
        cut = _cut(file)
        there = sum(slot.media_kind == "Sound" for slot in cut.slots)
        for number, track in enumerate(sounds, there + 1):
            _add_track(file, cut, track, timeline.rate, number)


def write_cut(
    timeline: Timeline, path: Path, levels: Mapping[str, Sequence[Level]] | None = None
) -> None:
    """Write films and waves, linked, as a new AAF.

    Args:
        timeline: of media alone, on whole frames.
        levels: by the name of a sound track, what each of its events is turned by, point by point.
    """
    rate = _rational(timeline.rate)
    with _opened(path, "w") as file:
        _define_gain(file)
        cut = file.create.CompositionMob(timeline.name)
        cut.usage = "Usage_TopLevel"
        file.content.mobs.append(cut)
        clock = cut.create_timeline_slot(rate)
        clock.segment = file.create.Timecode(round(timeline.rate), timeline.drop)
        clock.segment.start = timeline.start
        clock.segment.length = whole_frames(timeline.duration, timeline.rate)
        for track in timeline.pictures:
            slot = cut.create_picture_slot(rate)
            slot.name = track.name
            for event in track.events:
                slot.segment.components.append(_shown(file, event, timeline.rate))
        for number, track in enumerate(timeline.sounds, 1):
            turned = (levels or {}).get(track.name, ())
            _add_track(file, cut, track, timeline.rate, number, turned)


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[Any]:
    aaf2 = load_aaf()
    try:
        with aaf2.open(str(path), mode) as file:
            yield file
    except FoleyError:
        raise
    except Exception as error:  # whatever a broken file makes it raise
        reason = str(error).strip() or type(error).__name__
        raise MediaError(
            f"{path.name} is no AAF we can read: {reason}.", f"E{OTHERWISE[1:]}"
        ) from error


def _cut(file: Any) -> Any:
    cuts = list(file.content.toplevel())
    if len(cuts) != 1:
        raise MediaError(f"The AAF holds {len(cuts)} cuts.", "Export one sequence alone.")
    return cuts[0]


def _timecodes(cut: Any) -> Iterator[Any]:
    for slot in cut.slots:
        parts = getattr(slot.segment, "components", [slot.segment])
        yield from (part for part in parts if type(part).__name__ == "Timecode")


def _add_track(
    file: Any,
    cut: Any,
    track: Track,
    rate: Fraction,
    number: int,
    levels: Sequence[Level] = (),
) -> None:
    slot = cut.create_sound_slot(_rational(rate))
    slot.name = track.name
    slot["PhysicalTrackNumber"].value = number
    at = 0
    for event in track.events:
        start, frames = (whole_frames(t, rate) for t in (event.start, event.duration))
        if start > at:
            slot.segment.components.append(file.create.Filler("sound", start - at))
        clip = _linked(file, event, rate, frames)
        if levels:
            clip = _turned(file, clip, frames, float(event.duration), levels)
        slot.segment.components.append(clip)
        at = start + frames


def _define_gain(file: Any) -> None:
    file.dictionary.register_def(file.create.InterpolationDef(*LINEAR))
    file.dictionary.register_def(file.create.ParameterDef(*AMPLITUDE))
    gain = file.create.OperationDef(*GAIN)
    gain.media_kind = "sound"
    gain["NumberInputs"].value = 1
    gain.parameters.append(file.dictionary.lookup_parameterdef(AMPLITUDE[1]))
    file.dictionary.register_def(gain)


def _turned(file: Any, clip: Any, frames: int, seconds: float, levels: Sequence[Level]) -> Any:
    """A clip under an audio gain; AAF counts its points in parts of the clip's length."""
    group = file.create.OperationGroup(GAIN[1], frames)
    curve = file.create.VaryingValue(AMPLITUDE[1], LINEAR[1])
    for at, factor in levels:  # not by add_keyframe, which looks through all points at each one
        point = file.create.ControlPoint()
        point.time = _exact(min(1.0, max(0.0, at / seconds)))
        value = point["Value"]
        value.add_pid_entry()
        value.data = value.typedef.encode(_exact(factor), curve.typedef)
        value.mark_modified()
        curve["PointList"].append(point)
    group.parameters.append(curve)
    group.segments.append(clip)
    return group


def _exact(value: float) -> str:
    return _rational(Fraction(value).limit_denominator(10_000_000))


def _shown(file: Any, event: Event, rate: Fraction) -> Any:
    """A clip of a film."""
    media = event.media
    assert isinstance(media, Media) and media.start is not None and media.duration is not None
    length = whole_frames(media.duration, rate)
    described = file.create.CDCIDescriptor()
    values = {
        "ComponentWidth": 8,
        "HorizontalSubsampling": 2,
        "ImageAspectRatio": "16/9",
        "StoredWidth": 1920,
        "StoredHeight": 1080,
        "FrameLayout": "FullFrame",
        "VideoLineMap": [42, 0],
        "SampleRate": _rational(rate),
        "Length": length,
    }
    for name, value in values.items():
        described[name].value = value
    locator = file.create.NetworkLocator()
    locator["URLString"].value = url_of(media.path)
    described["Locator"].append(locator)
    film = file.create.SourceMob()
    film.name, film.descriptor = media.name, described
    inside = film.create_timeline_slot(_rational(rate))
    inside.segment = file.create.SourceClip(media_kind="picture", length=length)
    master = file.create.MasterMob(media.name)
    outside = master.create_timeline_slot(_rational(rate))
    outside.segment = film.create_source_clip(inside.slot_id, 0, length, "picture")
    file.content.mobs.append(film)
    file.content.mobs.append(master)
    first, frames = (whole_frames(t, rate) for t in (event.source - media.start, event.duration))
    return master.create_source_clip(outside.slot_id, first, frames, "picture")


def _linked(file: Any, event: Event, rate: Fraction, frames: int) -> Any:
    """A clip of a wave, counted in frames of the cut; the wave itself in samples."""
    media = event.media
    assert isinstance(media, Media) and media.start is not None and media.duration is not None
    sample_rate, samples = media.sample_rate, round(media.duration * media.sample_rate)
    wave = file.create.SourceMob()
    wave.name = media.name
    wave.descriptor = _descriptor(file, media, samples)
    inside = wave.create_timeline_slot(sample_rate)
    inside.segment = file.create.SourceClip(media_kind="sound", length=samples)
    master = file.create.MasterMob(media.name)
    outside = master.create_timeline_slot(sample_rate)
    outside.segment = wave.create_source_clip(inside.slot_id, 0, samples, "sound")
    file.content.mobs.append(wave)
    file.content.mobs.append(master)
    lead = whole_frames(event.source - media.start, rate)
    return master.create_source_clip(outside.slot_id, lead, frames, "sound")


def _descriptor(file: Any, media: Media, samples: int) -> Any:
    described = file.create.PCMDescriptor()
    width = BITS // 8 * media.channels
    values = {
        "SampleRate": media.sample_rate,
        "AudioSamplingRate": media.sample_rate,
        "Length": samples,
        "Channels": media.channels,
        "QuantizationBits": BITS,
        "BlockAlign": width,
        "AverageBPS": width * media.sample_rate,
    }
    for name, value in values.items():
        described[name].value = value
    locator = file.create.NetworkLocator()
    locator["URLString"].value = url_of(media.path)
    described["Locator"].append(locator)
    return described


def _rational(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"
