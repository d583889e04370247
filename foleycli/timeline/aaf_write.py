"""Compositions of an AAF: pictures on frames, sounds on samples, as mixing programs import them.

After the AAF Edit Protocol and what Pro Tools itself exports: a slot for each track, in it a
sequence of fillers, clips and transitions (which overlap their neighbours); a clip refers to a
master mob, that to a source mob with the essence or the file's place, that to a tape on whose
timecode it lies. A fade is a transition (MonoAudioDissolve) out of a filler or into one; a gain is
an operation (MonoAudioGain) around a mono clip; the channels of a wave lie side by side in an
operation (Audio Channel Combiner), each a master mob of its own.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from foleycli.config import OUTPUT
from foleycli.timeline.model import (
    Event,
    Marker,
    Media,
    Timeline,
    Track,
    as_transitions,
)
from foleycli.timeline.paths import url_of
from foleycli.waveform.space import SPEAKERS

LOG = logging.getLogger("foleycli")
RATE = OUTPUT.sample_rate
DAY = 24 * 3600  # seconds of a tape
FORMATS = {2: 2, 6: 3}  # channels -> Pro Tools' _TRACK_FORMAT
# Pro Tools' order of six channels (L C R Ls Rs LFE), as places in ours (L R C LFE Ls Rs).
ORDERS = {6: (0, 2, 1, 4, 5, 3)}

# Identifications of the AAF's own dictionary, and of Avid's combiner.
GAIN, GAIN_ID = "Mono Audio Gain", "9d2ea894-0968-11d3-8a38-0050040ef7d2"
DISSOLVE, DISSOLVE_ID = "Mono Audio Dissolve", "0c3bea41-fc05-11d2-8a29-0050040ef7d2"
VIDEO_DISSOLVE_ID = "0c3bea40-fc05-11d2-8a29-0050040ef7d2"
SPEED, SPEED_ID = "Motion Control", "9d2ea890-0968-11d3-8a38-0050040ef7d2"
COMBINER, COMBINER_ID = "Audio Channel Combiner", "6b46dd7a-132d-4856-ab21-8b751d8462ec"
LEVEL_ID = "e4962320-2267-11d3-8a4c-0050040ef7d2"
AMPLITUDE_ID = "e4962321-2267-11d3-8a4c-0050040ef7d2"
SPEED_RATIO_ID = "72559a80-24d7-11d3-8a50-0050040ef7d2"
BYTE_ORDER_ID = "c0038672-a8cf-11d3-a05b-006094eb75cb"
EFFECT_ID = "93994bd6-a81d-11d3-a05b-006094eb75cb"
LINEAR_ID = "5b6c85a4-0ede-11d3-80a9-006008143e6f"
LITTLE_ENDIAN = 0x4949
COMBINES = list(b"EFF2_AUDIO_CHANNEL_COMBINER\0")


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing for a while."""

    length: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """Neighbours that overlap: one becomes the other, or comes out of nothing."""

    length: int
    cut: int  # units after its beginning


@dataclass(frozen=True, slots=True)
class Laid:
    """An event with what is seen or heard of it under transitions."""

    event: Event
    length: int


def lay_out(
    events: Sequence[Event], units: Callable[[Fraction], int], total: int
) -> Iterator[Gap | Overlap | Laid]:
    """What a sequence holds, in order: every overlap takes from its neighbours.

    Args:
        units: seconds of the timeline -> edit units.
        total: edit units that the sequence fills at least.
    """
    at, falling = 0, None  # where the next component begins; how the last event goes
    for index, event in enumerate(events):
        before = events[index - 1] if index else None
        later = events[index + 1] if index + 1 < len(events) else None
        if falling:
            yield falling
            at -= falling.length
        start, end, intro = units(event.start), units(event.end), event.intro
        first = units(event.start - intro.before) if intro else start
        if intro:
            risen = units(event.start + intro.after)
            joined = before is not None and before.end == event.start
            if not joined and risen > at:
                yield Gap(risen - at)
            at = risen
            yield Overlap(risen - first, start - first)
            at -= risen - first
        elif start > at:
            yield Gap(start - at)
            at = start
        shared = later.intro if later and later.start == event.end else None
        tail = shared or event.outro
        last = units(event.end + tail.after) if tail else end
        shown = _around(event, intro.before if intro else None, tail.after if tail else None)
        yield Laid(shown, last - first)
        at, falling = last, None
        if event.outro and not shared:
            falls = units(event.end - event.outro.before)
            falling = Overlap(last - falls, end - falls)
    if falling:
        yield falling
        at -= falling.length
        total = max(total, at + falling.length)
    if total > at:
        yield Gap(total - at)


def _around(event: Event, before: Fraction | None, after: Fraction | None) -> Event:
    lead, rest = before or Fraction(0), after or Fraction(0)
    return replace(
        event,
        start=event.start - lead,
        duration=event.duration + lead + rest,
        source=event.source - lead * event.speed,
    )


class Composition:
    """Writes tracks into a composition mob of an open file."""

    def __init__(self, file: Any, cut: Any, timeline: Timeline) -> None:
        self._file, self._cut, self._timeline = file, cut, timeline
        self._waves: dict[tuple[Media, str, bool], list[tuple[Any, int]]] = {}
        self._films: dict[Media, tuple[Any, int]] = {}
        self._tape: tuple[Any, int] | None = None

    def _frames(self, seconds: Fraction) -> int:
        return round(seconds * self._timeline.rate)

    def _samples(self, seconds: Fraction) -> int:
        """Samples from the timeline's first, as stems have them: rounded from midnight."""
        begin = self._timeline.start_seconds
        return round((begin + seconds) * RATE) - round(begin * RATE)

    def timecode(self) -> None:
        """The clock of the cut."""
        timeline = self._timeline
        slot = self._cut.create_timeline_slot(rational(timeline.rate))
        slot.name = "TC1"
        slot["PhysicalTrackNumber"].value = 1
        slot.segment = self._clock(timeline.start, self._frames(timeline.duration))

    def _clock(self, start: int, length: int) -> Any:
        code = self._file.create.Timecode(round(self._timeline.rate), self._timeline.drop)
        code.start, code.length = start, length
        return code

    def pictures(self, track: Track, number: int) -> int:
        """A picture track, on frames; the slot's number."""
        slot = self._cut.create_picture_slot(rational(self._timeline.rate))
        slot.name = track.name or f"V{number}"
        slot["PhysicalTrackNumber"].value = number
        total = self._frames(self._timeline.duration)
        for part in lay_out(track.events, self._frames, total):
            slot.segment.components.append(self._picture(part))
        slot.segment.length = total
        return slot.slot_id

    def _picture(self, part: Gap | Overlap | Laid) -> Any:
        if isinstance(part, Gap):
            return self._file.create.Filler("picture", part.length)
        if isinstance(part, Overlap):
            return self._transition(part, "picture", "Video Dissolve", VIDEO_DISSOLVE_ID)
        event = part.event
        media = event.media
        assert isinstance(media, Media)
        master, slot = self._film(media)
        start = max(self._frames(event.source - (media.start or Fraction(0))), 0)
        if event.speed in (0, 1) or event.speed < 0:
            return master.create_source_clip(slot, start, part.length, "picture")
        clip = master.create_source_clip(
            slot, start, max(1, round(part.length * event.speed)), "picture"
        )
        warp = self._operation(SPEED, SPEED_ID, "picture", 1, is_warp=True)
        group = self._file.create.OperationGroup(warp, part.length, "picture")
        ratio = self._parameter("SpeedRatio", SPEED_RATIO_ID, "Rational")
        group.parameters.append(self._file.create.ConstantValue(ratio, rational(1 / event.speed)))
        group.segments.append(clip)
        return group

    def _film(self, media: Media) -> tuple[Any, int]:
        """The master mob of a film, named where it lies, and its slot."""
        if media in self._films:
            return self._films[media]
        file, rate = self._file, media.rate or self._timeline.rate
        frames = max(1, round((media.duration or Fraction(DAY)) * rate))
        described = file.create.CDCIDescriptor()
        values = {
            "ComponentWidth": 8,
            "HorizontalSubsampling": 2,
            "ImageAspectRatio": "16/9",
            "StoredWidth": 1920,
            "StoredHeight": 1080,
            "FrameLayout": "FullFrame",
            "VideoLineMap": [42, 0],
            "SampleRate": rational(rate),
            "Length": frames,
        }
        for key, value in values.items():
            described[key].value = value
        self._locate(described, media)
        source = file.create.SourceMob(media.name)
        source.descriptor = described
        inside = source.create_timeline_slot(rational(rate))
        inside["PhysicalTrackNumber"].value = 1
        inside.segment = self._on_film(media, rate, frames)
        master = file.create.MasterMob(media.name)
        outside = master.create_timeline_slot(rational(rate))
        outside["PhysicalTrackNumber"].value = 1
        outside.segment = source.create_source_clip(inside.slot_id, 0, frames, "picture")
        file.content.mobs.extend([source, master])
        self._films[media] = master, outside.slot_id
        return self._films[media]

    def _on_film(self, media: Media, rate: Fraction, frames: int) -> Any:
        """Where a film's first frame stands on its own timecode."""
        start = round((media.start or Fraction(0)) * rate)
        if not start:
            return self._file.create.SourceClip(media_kind="picture", length=frames)
        tape = self._file.create.SourceMob(media.reel or media.name)
        tape.descriptor = self._file.create.TapeDescriptor()
        slot = tape.create_timeline_slot(rational(rate))
        slot.segment = self._file.create.SourceClip(media_kind="picture", length=frames)
        clock = tape.create_timeline_slot(rational(rate))
        clock["PhysicalTrackNumber"].value = 1
        drop = self._timeline.drop and rate == self._timeline.rate
        code = self._file.create.Timecode(round(rate), drop)
        code.start, code.length = start, frames
        clock.segment = code
        self._file.content.mobs.append(tape)
        return tape.create_source_clip(slot.slot_id, 0, frames, "picture")

    def sounds(self, track: Track, number: int, *, on_frames: bool, embed: bool) -> int:
        """A track of sound; the slot's number.

        Args:
            on_frames: count frames, as picture editing programs do, in place of samples.
            embed: put the samples of waves into the file.
        """
        units = self._frames if on_frames else self._samples
        slot = self._cut.create_sound_slot(
            rational(self._timeline.rate if on_frames else Fraction(RATE))
        )
        slot.name = track.name or f"A{number}"
        slot["PhysicalTrackNumber"].value = number
        channels = max((_channels(e.media) for e in track.events), default=1)
        if channels in FORMATS:
            shape = self._file.create.TaggedValue("_TRACK_FORMAT", FORMATS[channels], "aafInt32")
            slot["TimelineMobAttributeList"].value = [shape]
        total = units(self._timeline.duration)
        for part in lay_out(as_transitions(track).events, units, total):
            slot.segment.components.append(self._sound(part, on_frames=on_frames, embed=embed))
        slot.segment.length = slot.length
        return slot.slot_id

    def _sound(self, part: Gap | Overlap | Laid, *, on_frames: bool, embed: bool) -> Any:
        if isinstance(part, Gap):
            return self._file.create.Filler("sound", part.length)
        if isinstance(part, Overlap):
            return self._transition(part, "sound", DISSOLVE, DISSOLVE_ID)
        event = part.event
        media = event.media
        assert isinstance(media, Media)
        own = media.start or Fraction(0)
        if on_frames:
            lead = self._frames(event.source - own)
        else:
            lead = round(event.source * RATE) - round(own * RATE)
        sources = self._wave(media, event.name, embed=embed)
        clips = [
            self._with_gain(
                master.create_source_clip(slot, max(lead, 0), part.length, "sound"), part
            )
            for master, slot in sources
        ]
        return clips[0] if len(clips) == 1 else self._side_by_side(clips, part.length)

    def _with_gain(self, clip: Any, part: Laid) -> Any:
        """A mono clip with its event's levels, one or several, as an operation around it."""
        levels = part.event.levels
        if not levels:
            return clip
        create = self._file.create
        gain = self._operation(GAIN, GAIN_ID, "sound", 1)
        amplitude = self._parameter("Amplitude", AMPLITUDE_ID, "Rational")
        group = create.OperationGroup(gain, part.length, "sound")
        if len(levels) == 1:
            group.parameters.append(create.ConstantValue(amplitude, _times(levels[0].gain_db)))
        else:
            length = part.event.duration
            points = [
                (min(max(level.time / length, Fraction(0)), Fraction(1)), _times(level.gain_db))
                for level in levels
            ]
            group.parameters.append(self._varying(amplitude, points))
        group.segments.append(clip)
        return group

    def _side_by_side(self, clips: Sequence[Any], length: int) -> Any:
        create = self._file.create
        combiner = self._operation(COMBINER, COMBINER_ID, "sound", 1)
        group = create.OperationGroup(combiner, length, "sound")
        order = self._parameter("AvidParameterByteOrder", BYTE_ORDER_ID, "aafInt16")
        effect = self._parameter("AvidEffectID", EFFECT_ID, "AvidBagOfBits")
        group.parameters.append(create.ConstantValue(order, LITTLE_ENDIAN))
        group.parameters.append(create.ConstantValue(effect, COMBINES))
        for place in ORDERS.get(len(clips), range(len(clips))):
            group.segments.append(clips[place])
        return group

    def _transition(self, part: Overlap, kind: str, name: str, identity: str) -> Any:
        create = self._file.create
        operation = self._operation(name, identity, kind, 2)
        level = self._parameter("Level", LEVEL_ID, "Rational")
        group = create.OperationGroup(operation, part.length, kind)
        ends = [(Fraction(0), "0/1"), (Fraction(1), "1/1")]
        group.parameters.append(self._varying(level, ends))
        transition = create.Transition(kind, part.length)
        transition["CutPoint"].value = part.cut
        transition["OperationGroup"].value = group
        return transition

    def _wave(self, media: Media, name: str, *, embed: bool) -> list[tuple[Any, int]]:
        """A master mob and slot for each channel of a sound, in our order of channels."""
        path = Path(media.path)
        embed = embed and path.suffix.lower() == ".wav" and path.is_file()
        key = media, name, embed
        if key not in self._waves:
            channels = _channels(media)
            rate = media.sample_rate or RATE
            samples = round((media.duration or Fraction(DAY)) * rate)
            said = SPEAKERS.get(channels, tuple(map(str, range(1, channels + 1))))
            if embed:
                slots = self._embedded(path, media, channels, rate, samples)
            else:
                slots = self._linked(path, media, channels, rate, samples)
            masters = []
            for speaker, (source, inside) in zip(said, slots, strict=True):
                master = self._file.create.MasterMob(name if channels == 1 else f"{name}.{speaker}")
                slot = master.create_timeline_slot(str(rate))
                slot.name = name
                slot["PhysicalTrackNumber"].value = 1
                slot.segment = source.create_source_clip(inside, 0, samples, "sound")
                self._file.content.mobs.append(master)
                masters.append((master, slot.slot_id))
            self._waves[key] = masters
        return self._waves[key]

    def _embedded(
        self, path: Path, media: Media, channels: int, rate: int, samples: int
    ) -> list[tuple[Any, int]]:
        """Each channel's samples in the file: a source mob and slot for each."""
        create, found, streams = self._file.create, [], []
        width = 2 if soundfile.info(str(path)).subtype == "PCM_16" else 3
        for _ in range(channels):
            source = create.SourceMob(media.name)
            source.descriptor = self._described(create.PCMDescriptor(), 1, width, rate, samples)
            data = create.EssenceData()
            data.mob_id = source.mob_id
            self._file.content.essencedata.append(data)
            streams.append(data.open("w"))
            found.append((source, self._on_tape(source, media, 1, rate, samples)))
            self._file.content.mobs.append(source)
        with soundfile.SoundFile(str(path)) as wave:
            for block in wave.blocks(blocksize=RATE, dtype="int32", always_2d=True):
                for column, stream in enumerate(streams):
                    own = np.ascontiguousarray(block[:, column]).astype("<i4")
                    stream.write(own.view(np.uint8).reshape(-1, 4)[:, 4 - width :].tobytes())
        return found

    def _linked(
        self, path: Path, media: Media, channels: int, rate: int, samples: int
    ) -> list[tuple[Any, int]]:
        """One source mob that names the file, with a slot for each channel."""
        create = self._file.create
        source = create.SourceMob(media.name)
        summary = _summary(path)
        if summary:
            described = create.WAVEDescriptor()
            described["SampleRate"].value = str(rate)
            described["Length"].value = samples
            described["Summary"].value = summary
        else:
            described = self._described(create.PCMDescriptor(), channels, 3, rate, samples)
        self._locate(described, media)
        source.descriptor = described
        self._file.content.mobs.append(source)
        return [
            (source, self._on_tape(source, media, number, rate, samples))
            for number in range(1, channels + 1)
        ]

    def _described(self, descriptor: Any, channels: int, width: int, rate: int, count: int) -> Any:
        values = {
            "SampleRate": str(rate),
            "AudioSamplingRate": str(rate),
            "Length": count,
            "Channels": channels,
            "QuantizationBits": 8 * width,
            "BlockAlign": width * channels,
            "AverageBPS": width * channels * rate,
        }
        for key, value in values.items():
            descriptor[key].value = value
        descriptor["ContainerFormat"].value = self._file.dictionary.lookup_containerdef("AAF")
        return descriptor

    def _locate(self, descriptor: Any, media: Media) -> None:
        locator = self._file.create.NetworkLocator()
        locator["URLString"].value = url_of(media.path or media.name)
        descriptor["Locator"].append(locator)

    def _on_tape(self, source: Any, media: Media, number: int, rate: int, samples: int) -> int:
        """A slot of a source mob that lies where its time stamp says, on a day's timecode."""
        slot = source.create_timeline_slot(str(rate))
        slot["PhysicalTrackNumber"].value = number
        if self._tape is None:
            tape = self._file.create.SourceMob(self._timeline.name or "Reel")
            tape.descriptor = self._file.create.TapeDescriptor()
            sound = tape.create_timeline_slot(str(RATE))
            sound["PhysicalTrackNumber"].value = 1
            sound.segment = self._file.create.SourceClip(media_kind="sound", length=DAY * RATE)
            clock = tape.create_timeline_slot(rational(self._timeline.rate))
            clock["PhysicalTrackNumber"].value = 1
            clock.segment = self._clock(0, self._frames(Fraction(DAY)))
            self._file.content.mobs.append(tape)
            self._tape = tape, sound.slot_id
        tape, sound_slot = self._tape
        at = round((media.start or Fraction(0)) * rate)
        slot.segment = tape.create_source_clip(sound_slot, at, samples, "sound")
        return slot.slot_id

    def markers(self, markers: Sequence[Marker], described: int) -> None:
        """Locators on a track.

        Args:
            described: number of the slot that they stand on.
        """
        if not markers:
            return
        create = self._file.create
        slot = create.EventMobSlot()
        slot.slot_id = max(each.slot_id for each in self._cut.slots) + 1
        slot.edit_rate = rational(self._timeline.rate)
        slot.name = "Markers"
        slot["PhysicalTrackNumber"].value = 1
        sequence = create.Sequence(media_kind="DescriptiveMetadata")
        slot.segment = sequence
        self._cut.slots.append(slot)
        for marker in sorted(markers, key=lambda each: each.start):
            note = create.DescriptiveMarker()
            note["Position"].value = self._frames(marker.start)
            note["Length"].value = max(1, self._frames(marker.duration))
            said = marker.name + (f": {marker.note}" if marker.note else "")
            note["Comment"].value = said
            note["DescribedSlots"].value = {described}
            note["CommentMarkerColor"].value = {"red": 41471, "green": 12134, "blue": 6564}
            sequence.components.append(note)
        sequence.length = self._frames(self._timeline.duration)

    def _operation(
        self, name: str, identity: str, kind: str, inputs: int, *, is_warp: bool = False
    ) -> Any:
        found = _known(self._file.dictionary["OperationDefinitions"], identity)
        if found is not None:
            return found
        operation = self._file.create.OperationDef(identity, name, "")
        operation.media_kind = kind
        operation["NumberInputs"].value = inputs
        operation["IsTimeWarp"].value = is_warp
        operation["Bypass"].value = 0
        operation["OperationCategory"].value = "OperationCategory_Effect"
        self._file.dictionary.register_def(operation)
        return operation

    def _parameter(self, name: str, identity: str, kind: str) -> Any:
        found = _known(self._file.dictionary["ParameterDefinitions"], identity)
        if found is not None:
            return found
        parameter = self._file.create.ParameterDef(identity, name, "", kind)
        self._file.dictionary.register_def(parameter)
        return parameter

    def _varying(self, parameter: Any, points: Sequence[tuple[Fraction, str]]) -> Any:
        """Values at places from 0 to 1 of an operation's length, in straight lines."""
        varying = self._file.create.VaryingValue(parameter)
        varying.interpolationdef = self._linear()
        for time, value in points:
            point = self._file.create.ControlPoint()
            point["Time"].value = rational(time)
            point["Value"].add_pid_entry()
            point["Value"].data = point["Value"].typedef.encode(value, varying.typedef)
            point["Value"].mark_modified()
            point["EditHint"].value = "Proportional"
            varying.pointlist.append(point)
        return varying

    def _linear(self) -> Any:
        found = _known(self._file.dictionary["InterpolationDefinitions"], LINEAR_ID)
        if found is not None:
            return found
        linear = self._file.create.InterpolationDef(LINEAR_ID, "LinearInterp", "Linear")
        self._file.dictionary.register_def(linear)
        return linear


def write_composition(file: Any, timeline: Timeline, *, embed: bool) -> None:
    """A timeline, its pictures flat and on frames, as the one composition of a new file."""
    file.header["IdentificationList"].value[0]["ProductName"].value = "foleycli"
    cut = file.create.CompositionMob(timeline.name or "Reel")
    cut.usage = "Usage_TopLevel"
    file.content.mobs.append(cut)
    composition = Composition(file, cut, timeline)
    composition.timecode()
    slots = [composition.pictures(each, n) for n, each in enumerate(timeline.pictures, 1)]
    odd = [e.name for track in timeline.pictures for e in track.events if e.speed <= 0]
    if odd:
        LOG.warning(
            "%d pictures run backwards or stand still, such as %s: in the AAF they run forwards, "
            "their sounds are right",
            len(odd),
            odd[0],
        )
    for number, track in enumerate(timeline.sounds, 1):
        slots.append(composition.sounds(track, number, on_frames=False, embed=embed))
    composition.markers(timeline.markers, slots[0] if slots else 1)


def rational(value: Fraction) -> str:
    """A number as pyaaf2 takes it."""
    return f"{value.numerator}/{value.denominator}"


def _times(gain_db: float) -> str:
    """A gain as a factor, to a millionth."""
    return rational(Fraction(round(10 ** (gain_db / 20) * 1_000_000), 1_000_000))


def _channels(media: Media | Timeline) -> int:
    return max(1, media.channels) if isinstance(media, Media) else 1


def _known(definitions: Any, identity: str) -> Any:
    return next((one for one in definitions if str(one.auid) == identity), None)


def _summary(path: Path) -> bytes | None:
    """A wave's header, up to its samples; None for what is none."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 20)
    except OSError:
        return None
    if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
        return None
    data = head.find(b"data", 12)
    return head[: data + 8] if data > 0 else None
