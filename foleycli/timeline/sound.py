"""Shots -> sounds: a broadcast wave for each, their sum as one stem, and tracks to lay them on."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from foleycli.clip.media import check_unchanged, content_hash
from foleycli.config import CHANNELS, OUTPUT, GenerateConfig
from foleycli.errors import FoleyError, UsageError
from foleycli.frames.decode import decode_pictures
from foleycli.mux.adm import Layout, hold_peaks, write_adm
from foleycli.mux.bwf import Broadcast, write_broadcast
from foleycli.mux.bwf_read import read_broadcast
from foleycli.mux.names import adm_path, check_stems, stem_path
from foleycli.mux.stems import write_sound
from foleycli.output import check_output
from foleycli.sources.objects import stage_objects
from foleycli.sources.open import Source
from foleycli.sources.played import Played, find_played, say_played
from foleycli.sources.staged import Staged, keep_layers, sound_parts, split_cues
from foleycli.spot.cues import Cue, read_cues, sheet_rows, write_cues
from foleycli.spot.features import Features
from foleycli.spot.find import find_cues
from foleycli.spot.told import open_eyes, tell
from foleycli.timeline.leader import pop_lead, with_pops
from foleycli.timeline.markers import (
    cue_markers,
    deal_markers,
    marker_cues,
    read_markers,
    write_markers,
)
from foleycli.timeline.model import Event, Marker, Media, Timeline, Track
from foleycli.timeline.naming import PLAIN, Naming
from foleycli.timeline.retime import retime_features
from foleycli.timeline.shots import Shot
from foleycli.version import VERSION
from foleycli.waveform.space import ROOM
from foleycli.waveform.stems import limit_mix, limit_stems

LOG = logging.getLogger("foleycli")
RATE = OUTPUT.sample_rate
_SCALE = np.float32(2.0**-31)
_STEP = 256  # of 32 bits, that is one of 24
BY_HAND = "by-hand"  # in a wave's description: its cues were edited
# What an output does not depend on.
_INDIFFERENT = (
    *("takes", "start", "end", "mode", "cues", "wav", "split", "overwrite", "verify", "offline"),
    *("sign", "certificate", "key", "timestamp", "adm"),
    "cut_fade",  # the waves are whole; tracks and stems fade them
)


@dataclass(frozen=True, slots=True)
class ShotSound:
    """A shot and the sound made for it."""

    shot: Shot
    wav: Path
    cues: tuple[Cue, ...]  # from the beginning of the wave
    kept: bool  # it was there, made of the same things
    played: Sequence[Played] | None = None  # for each cue, where it was rendered now

    def part(self, kind: str) -> Path:
        """The wave of a layer or of the room alone; all together for "all"."""
        return self.wav if kind == "all" else stem_path(self.wav, kind)


@dataclass(frozen=True, slots=True)
class Failure:
    """A shot that has no sound."""

    shot: Shot
    error: FoleyError


def first_sample(timeline: Timeline, seconds: Fraction) -> int:
    """Samples from midnight to an instant of the timeline, rounded once."""
    return round((timeline.start_seconds + seconds) * RATE)


def sound_names(timeline: Timeline, shots: Sequence[Shot], naming: Naming = PLAIN) -> list[str]:
    """A file name for each shot, without suffix.

    Raises:
        UsageError: the template cannot be filled, or two shots would get one name.
    """
    names = []
    for shot in shots:
        clip = Path(shot.event.name).stem
        label = str(timeline.timecode(shot.event.start))
        names.append(naming.shot(timeline.name, timeline.rate, shot.number, clip, label))
    doubled = [name for name, times in Counter(names).items() if times > 1]
    if doubled:
        raise UsageError(
            f"Several shots would be called {doubled[0]}.", "Put {number} into the template."
        )
    return names


@dataclass(frozen=True, slots=True)
class ShotTask:
    """All that a shot's sound is made of but its source; it travels between machines."""

    timeline: Timeline
    shot: Shot
    wav: Path
    config: GenerateConfig
    edited: list[Cue] | None  # its cues; None leaves them to the picture
    stems: Sequence[str]

    def do(self, source: Source) -> ShotSound | Failure:
        """Make the sound, or say why there is none."""
        try:
            return _sound_shot(
                self.timeline, self.shot, self.wav, source, self.config, self.edited, self.stems
            )
        except FoleyError as error:
            return Failure(self.shot, error)


# Does tasks, wherever, and gives what became of them in their order; told how many are done.
Doing = Callable[[Sequence[ShotTask], Callable[[int], None]], Iterable[ShotSound | Failure]]


def sound_shots(
    timeline: Timeline,
    shots: Sequence[Shot],
    folder: Path,
    source: Source,
    config: GenerateConfig,
    sheets: Path | None = None,
    names: Sequence[str] | None = None,
    stems: Sequence[str] = (),
    progress: Callable[[int], None] = lambda done: None,
    doing: Doing | None = None,
) -> Iterator[ShotSound | Failure]:
    """Make a sound for every shot; one that fails does not stop the others.

    A sound that is there already, made of the same film, span, options and recordings, is kept.

    Args:
        folder: where the waves and the cue sheets go.
        sheets: a folder of edited cue sheets, named as the sounds are; or a file of markers.
        names: of the files, without suffix; of `sound_names` when None.
        stems: also make a wave of each of these layers, and of the room where it is among them,
            that add up to the shot's sound; without the room it stays dry.
        progress: told how many shots are done.
        doing: does the shots elsewhere, in place of one after another here.
    """
    open_eyes(config)  # an address that is none is said once, not for every shot
    names = names or sound_names(timeline, shots)
    edits = _edited_cues(timeline, shots, names, sheets)

    def task(shot: Shot, name: str) -> ShotTask | Failure:
        try:
            wav = folder / f"{name}.wav"
            return ShotTask(timeline, shot, wav, config, edits(shot, name), stems)
        except FoleyError as error:
            return Failure(shot, error)

    if doing is not None:
        tasks = [task(shot, name) for shot, name in zip(shots, names, strict=True)]
        able = [one for one in tasks if isinstance(one, ShotTask)]
        made = iter(doing(able, progress))
        yield from (one if isinstance(one, Failure) else next(made) for one in tasks)
        return
    for done, (shot, name) in enumerate(zip(shots, names, strict=True), 1):
        one = task(shot, name)
        yield one if isinstance(one, Failure) else one.do(source)
        progress(done)


def _edited_cues(
    timeline: Timeline, shots: Sequence[Shot], names: Sequence[str], sheets: Path | None
) -> Callable[[Shot, str], list[Cue] | None]:
    """What was edited of a shot; None leaves it to the picture."""
    if sheets is None:
        return lambda shot, name: None
    if sheets.is_file():
        dealt = deal_markers(read_markers(sheets, timeline), shots, timeline.rate)
        return lambda shot, name: marker_cues(dealt[shot.number], timeline.rate, shot.begins)
    found = {name: path for name in names if (path := sheets / f"{name}.csv").is_file()}
    if not found:
        raise UsageError(
            f"{sheets} holds no sheet that is named as a sound.", f"Name it {names[0]}.csv."
        )
    return lambda shot, name: read_cues(found[name]) if name in found else None


def _sound_shot(
    timeline: Timeline,
    shot: Shot,
    wav: Path,
    source: Source,
    config: GenerateConfig,
    edited: list[Cue] | None,
    stems: Sequence[str],
) -> ShotSound:
    key = shot_key(timeline, shot, source, config, stems)
    adm = [adm_path(wav)] if config.adm else []
    wanted = [*(stem_path(wav, part) for part in stems), wav, *adm]
    made = [read_description(path) for path in wanted]
    if all(_is_made(description, key, edited) for description in made):
        return ShotSound(shot, wav, tuple(_known_cues(wav, edited)), True)
    for path, description in zip(wanted, made, strict=True):
        if key not in description:
            check_output(path, overwrite=config.overwrite)
    before = content_hash(shot.film.path)
    features = shot_features(shot, source)
    check_unchanged(shot.film.path, before)
    cues = edited
    if cues is None and shot.speed:
        features = tell(features, shot.film, open_eyes(config), shot_clock(shot))
    if cues is None:
        cues = find_cues(features, config.prompt, air=config.air)
    if shot.speed == 0 and edited is None:
        cues = []  # nothing moves in a freeze frame
    sheet = wav.with_suffix(".csv")
    if edited is None and any(BY_HAND in description.split() for description in made):
        _set_aside(sheet)
    seeded = replace(config, seed=shot_seed(config.seed, shot), stems=bool(stems))
    played = find_played(source, features, cues, seeded)
    if edited is None or not (sheet.is_file() and read_cues(sheet) == edited):
        write_cues(sheet, cues, remarks=say_played(cues, played), overwrite=True)
    if edited is None:
        cues = read_cues(sheet)
    length = first_sample(timeline, shot.end + shot.tail) - first_sample(timeline, shot.begins)

    def about(path: Path) -> Broadcast:
        return describe_shot(timeline, shot, path.stem, key, cues, by_hand=edited is not None)

    if stems or adm:
        check_stems(features, source.name, "--stems" if stems else "--adm")
    channels = CHANNELS[config.channels]
    heard = keep_layers(cues, features, config)
    limited = _limited(source, features, heard, seeded, stems)
    fitted = fit_length(limited, length, max(1, len(stems)) * channels)
    whole = _faded(fitted, length, shot)
    write_sound(wav, whole, about, stems=stems, channels=channels, overwrite=True)
    for path in adm:
        scene = stage_objects(source, features, heard, seeded)
        layout = Layout.of(scene).fitted(length)
        fitted = fit_length(
            hold_peaks(scene.blocks, layout.tracks), length, layout.tracks + channels
        )
        write_adm(path, _faded(fitted, length, shot), layout, about(path), overwrite=True)
    return ShotSound(shot, wav, tuple(cues), False, played)


def _limited(
    source: Source,
    features: Features,
    cues: list[Cue],
    config: GenerateConfig,
    stems: Sequence[str],
) -> Iterator[np.ndarray]:
    """Blocks with their peaks held: (samples, channels), or (samples, stems * channels)."""
    asked = replace(config, stems=bool(stems))
    if stems and ROOM not in stems:
        asked = replace(asked, room="off", impulse=None)
    staged = sound_parts(source, features, split_cues(cues, asked, every=True), asked)
    if stems:
        return limit_stems(_with_room(staged, ROOM in stems), staged.channels)
    return limit_mix(staged.blocks, staged.channels)


def _with_room(staged: Staged, wanted: bool) -> Iterator[np.ndarray]:
    """The parts, and silence for the room of a shot that has none."""
    missing = staged.channels if wanted and ROOM not in staged.names else 0
    return (np.pad(block, ((0, 0), (0, missing))) for block in staged.blocks)


def _set_aside(sheet: Path) -> None:
    """Keep cues that somebody edited, where the picture decides again."""
    kept = sheet.with_name(f"{sheet.stem}_{BY_HAND}.csv")
    if sheet.is_file():
        sheet.replace(kept)
        LOG.warning("without --cues the picture decides again; edited cues are kept in %s", kept)


def _is_made(description: str, key: str, edited: list[Cue] | None) -> bool:
    """Whether a wave was made of the same things, and of the same cues: those found in the
    picture when none were edited."""
    words = description.split()
    if key not in words:
        return False
    return BY_HAND not in words if edited is None else cues_key(edited) in words


def cues_key(cues: Iterable[Cue]) -> str:
    """A name for what sheets say that is heard: 16 hexadecimal digits."""
    heard = (replace(cue, evidence="", level_db=round(cue.level_db, 1) + 0.0) for cue in cues)
    said = list(sheet_rows(heard))
    return hashlib.blake2b(json.dumps(said).encode(), digest_size=8).hexdigest()


def describe_shot(
    timeline: Timeline, shot: Shot, name: str, key: str, cues: Iterable[Cue], *, by_hand: bool
) -> Broadcast:
    """What a shot's wave says of itself: by it the next run knows what it was made of."""
    by = f" {BY_HAND}" if by_hand else ""
    return Broadcast(
        description=f"{name[:200]} {key} {cues_key(cues)}{by}",
        start=timeline.start_seconds + shot.begins,
        frame_rate=timeline.rate,
        drop_frame=timeline.drop,
        project=timeline.name,
        scene=shot.event.name,
        take="1",
    )


def _known_cues(wav: Path, edited: list[Cue] | None) -> list[Cue]:
    """The cues that a wave that is kept was made of."""
    sheet = wav.with_suffix(".csv")
    return edited if edited is not None else read_cues(sheet) if sheet.is_file() else []


def shot_features(shot: Shot, source: Source) -> Features:
    """What is seen of a shot, as fast as it is shown."""
    start, end = shot.span
    frame = 1 / (shot.film.frame_rate or Fraction(25))
    start = max(start, Fraction(0))
    if shot.speed == 0:
        still = source.encode(decode_pictures(shot.film, start, start + frame))
        return Features.assemble(
            still.what,
            still.hits * 0,
            still.activity * 0,
            duration=shot.duration,
            classes=still.classes,
            sightings=still.sightings,
        )
    return retime_features(source.encode(decode_pictures(shot.film, start, end)), shot.speed)


def shot_clock(shot: Shot) -> Callable[[Fraction], Fraction]:
    """Seconds of a shot's sound -> seconds from the first frame of its film."""
    begin = shot.span[0] if shot.speed >= 0 else shot.span[1]
    return lambda time: begin + time * shot.speed


def shot_key(
    timeline: Timeline,
    shot: Shot,
    source: Source,
    config: GenerateConfig,
    stems: Sequence[str] = (),
) -> str:
    """A name for all that a shot's sound follows from but its cues: 16 hexadecimal digits."""
    options = {k: v for k, v in asdict(config).items() if k not in _INDIFFERENT}
    parts = [
        VERSION,
        content_hash(shot.film.path),
        [str(x) for x in (*shot.span, shot.speed, shot.duration, shot.fade_in, shot.fade_out)],
        first_sample(timeline, shot.begins),
        [str(timeline.rate), timeline.drop],
        source.fingerprint,
        options,
        [*stems],
    ]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()


def shot_seed(seed: int, shot: Shot) -> int:
    """The seed of a shot's sound: from its film and place in it, wherever it lies."""
    return seed * 1_000_003 + shot.seed


def read_description(wav: Path) -> str:
    """What a broadcast wave says of itself; "" when it is none, or not whole."""
    about = read_broadcast(wav)
    return about.description if about else ""


def fit_length(blocks: Iterable[np.ndarray], length: int, channels: int) -> Iterator[np.ndarray]:
    """Exactly so many samples: the rest is silence, what is over is cut."""
    given = 0
    for block in blocks:
        part = block[: length - given]
        given += len(part)
        if len(part):
            yield part
    while given < length:
        rest = min(RATE, length - given)
        part = np.zeros((rest, channels), np.float32)
        given += len(part)
        yield part


def _faded(blocks: Iterable[np.ndarray], length: int, shot: Shot) -> Iterator[np.ndarray]:
    """Come and go with the dissolves. The two gains of a dissolve sum to one, so that both sounds
    together stay under the ceiling that each keeps."""
    rise, fall = round(shot.fade_in * RATE), round(shot.fade_out * RATE)
    at = 0
    for block in blocks:
        place = np.arange(at, at + len(block))
        at += len(block)
        if rise and place[0] < rise:
            block = (block.T * _slope((place + 0.5) / rise)).T
        if fall and place[-1] >= length - fall:
            block = (block.T * _slope((length - place - 0.5) / fall)).T
        yield block.astype(np.float32)


def _slope(along: np.ndarray) -> np.ndarray:
    return np.sin(np.clip(along, 0, 1) * np.pi / 2) ** 2


@dataclass(frozen=True, slots=True)
class Heard:
    """What of a shot's sound is heard, in seconds from the timeline's first frame, and how long it
    comes and goes within."""

    start: Fraction
    end: Fraction
    fade_in: Fraction = Fraction(0)
    fade_out: Fraction = Fraction(0)


def heard_span(timeline: Timeline, shot: Shot, cut_fade: int = 0) -> Heard:
    """From cut to cut; or past them, where there are handles, with fades around the cuts that sum
    to one with the neighbours'. Dissolves have faded the wave itself.

    Args:
        cut_fade: frames before and after a cut, or as many as the handle has.
    """
    start, frame = max(shot.start, Fraction(0)), 1 / timeline.rate
    half = min(cut_fade * frame, (shot.end - start) / 2 // frame * frame)
    head = Fraction(0) if shot.fade_in else min(half, shot.head)
    tail = Fraction(0) if shot.fade_out else min(half, shot.tail)
    earlier = min(head, start)  # nothing is heard before the first frame, nor after the last
    later = max(min(tail, timeline.duration - shot.end), Fraction(0))
    return Heard(start - earlier, shot.end + later, earlier + head, later + tail)


def lay_tracks(
    timeline: Timeline,
    sounds: Iterable[ShotSound],
    parts: Sequence[str] = (),
    cut_fade: int = 0,
) -> tuple[Track, ...]:
    """Sounds on as few tracks as keep them from overlapping, cut to what is heard.

    Args:
        parts: layers, and the room, that lie on tracks of their own in place of the whole; what is
            silent in a shot is left out, and a layer that never sounds has no track.
        cut_fade: frames of fade before and after a cut.
    """
    ordered = sorted(sounds, key=lambda sound: sound.shot.start)
    if not parts:
        return _lanes("SFX", [_placed(timeline, sound, "all", cut_fade) for sound in ordered])
    return tuple(
        track
        for part in parts
        for track in _lanes(
            f"SFX {part}",
            [_placed(timeline, one, part, cut_fade) for one in ordered if _sounds(one.part(part))],
        )
    )


def _lanes(name: str, events: Iterable[Event]) -> tuple[Track, ...]:
    lanes: list[list[Event]] = []
    for event in events:
        lane = next((lane for lane in lanes if _has_room(lane[-1], event)), None)
        if lane is None:
            lanes.append(lane := [])
        lane.append(event)
    return tuple(
        Track(kind="sound", events=tuple(lane), name=f"{name} {number}", made=True)
        for number, lane in enumerate(lanes, 1)
    )


def _has_room(last: Event, event: Event) -> bool:
    """Whether an event can follow on a track; a fade that met the next sound would be taken for
    one into it."""
    if last.fade_out or event.fade_in:
        return last.end < event.start
    return last.end <= event.start


def _sounds(wav: Path) -> bool:
    """Whether a wave is more than silence."""
    with soundfile.SoundFile(str(wav)) as file:
        return any(block.any() for block in file.blocks(blocksize=RATE, dtype="int32"))


def _placed(timeline: Timeline, sound: ShotSound, part: str, cut_fade: int) -> Event:
    shot, begin, wav = sound.shot, timeline.start_seconds, sound.part(part)
    heard = heard_span(timeline, shot, cut_fade)
    media = Media(
        name=wav.name,
        path=str(wav.absolute()),
        start=begin + shot.begins,
        duration=shot.duration,
        rate=timeline.rate,
        channels=soundfile.info(str(wav)).channels,
        sample_rate=RATE,
    )
    return Event(
        name=wav.stem,
        media=media,
        start=heard.start,
        duration=heard.end - heard.start,
        source=begin + heard.start,
        fade_in=heard.fade_in,
        fade_out=heard.fade_out,
    )


def all_cue_markers(timeline: Timeline, sounds: Iterable[ShotSound]) -> list[Marker]:
    """The cues of all shots as markers over the timeline."""
    return [
        marker
        for sound in sounds
        for marker in cue_markers(
            sound.cues, timeline.rate, sound.shot.begins, shot=sound.shot.number
        )
    ]


def write_cue_markers(timeline: Timeline, sounds: Iterable[ShotSound], path: Path) -> None:
    """The cues of all shots as markers, to be changed and given back."""
    write_markers(timeline, all_cue_markers(timeline, sounds), path, overwrite=True)


def write_stem(
    timeline: Timeline,
    sounds: Sequence[ShotSound],
    path: Path,
    kind: str = "all",
    *,
    parts: Sequence[str] = (),
    cut_fade: int = 0,
    two_pop: bool = False,
    overwrite: bool = False,
) -> str:
    """The sum of the sounds as they lie on the timeline, over all its length; of their handles only
    what fades over a cut.

    Integer samples are summed, and what fades is rounded before, so that the stem is the placed
    waves' sum to the last bit, and that of all the sum of those of its parts.

    Args:
        kind: all, or a layer or the room, whose waves alone are taken.
        parts: those that there are stems of; where sounds fade, all is their sum.
        cut_fade: frames of fade before and after a cut.
        two_pop: begin two seconds of timecode earlier with a pop, and end with one.

    Returns:
        BLAKE2b of the samples.
    """
    origin = first_sample(timeline, Fraction(0))
    total = first_sample(timeline, timeline.duration) - origin
    kinds = parts if kind == "all" and parts and cut_fade else (kind,)
    placed = sorted(
        piece_of(timeline, one, one.part(part), cut_fade, origin)
        for one in sounds
        for part in kinds
    )
    earlier = pop_lead(timeline) if two_pop else Fraction(0)
    about = Broadcast(
        description=f"{timeline.name} SFX stem",
        start=timeline.start_seconds - earlier,
        frame_rate=timeline.rate,
        drop_frame=timeline.drop,
        project=timeline.name,
    )
    channels = soundfile.info(str(placed[0].wav)).channels
    blocks = _summed(placed, total, channels)
    if two_pop:
        blocks = with_pops(blocks, timeline, RATE, channels)
    return write_broadcast(path, blocks, RATE, channels, about=about, overwrite=overwrite)


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """A stretch of a wave in a stem, in samples of either."""

    start: int
    end: int
    lead: int  # of the wave, before the stretch
    wav: Path
    rise: int  # samples in which it comes
    fall: int

    def read(self, first: int, last: int) -> np.ndarray:
        """(samples, channels) int64 between two places of the stem, on the grid of 24 bits."""
        with soundfile.SoundFile(str(self.wav)) as file:
            file.seek(first - self.start + self.lead)
            part = file.read(last - first, dtype="int32", always_2d=True).astype(np.int64)
        if first < self.start + self.rise or last > self.end - self.fall:
            gain = ramp(np.arange(first, first + len(part)), self)
            part = (np.rint(part * gain[:, None] / _STEP) * _STEP).astype(np.int64)
        return part


def ramp(place: np.ndarray, piece: Piece) -> np.ndarray:
    """Gains of a linear fade at places of a stem, each in the middle of its sample."""
    gain = np.ones(len(place))
    if piece.rise:
        gain *= np.clip((place - piece.start + 0.5) / piece.rise, 0, 1)
    if piece.fall:
        gain *= np.clip((piece.end - place - 0.5) / piece.fall, 0, 1)
    return gain


def piece_of(timeline: Timeline, sound: ShotSound, wav: Path, cut_fade: int, origin: int) -> Piece:
    """What a stem holds of a wave of a shot, from a sample of the day on.

    Args:
        origin: samples from midnight to the stem's first one.
    """
    heard = heard_span(timeline, sound.shot, cut_fade)
    start, come, go, end = (
        first_sample(timeline, at)
        for at in (heard.start, heard.start + heard.fade_in, heard.end - heard.fade_out, heard.end)
    )
    lead = start - first_sample(timeline, sound.shot.begins)
    return Piece(start - origin, end - origin, lead, wav, come - start, end - go)


def _summed(placed: Sequence[Piece], total: int, channels: int) -> Iterator[np.ndarray]:
    for begin in range(0, total, RATE):
        finish = min(begin + RATE, total)
        mixed = np.zeros((finish - begin, channels), np.int64)
        for piece in placed:
            first, last = max(begin, piece.start), min(finish, piece.end)
            if first < last:
                part = piece.read(first, last)
                mixed[first - begin : first - begin + len(part)] += part
        yield np.clip(mixed, -(2**31), 2**31 - 256).astype(np.float32) * _SCALE
