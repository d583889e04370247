"""Tracks as a mixing room has them: sounds are laid on the tracks that a template names.

A template is a session (.rpp, .aaf, .otio, .fcpxml, .xml) of which only the tracks' names are read,
or a text with a name a line. A layer finds its tracks by their words: FS 1 and FOOTSTEPS are feet,
BG and AMB are air. A line ``air = ROOM TONE`` says it where words do not.
"""

import logging
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from foleycli.errors import MediaError
from foleycli.spot.cues import LAYERS
from foleycli.timeline import aaf, rpp
from foleycli.timeline.files import text_of
from foleycli.timeline.markup import parse_xml
from foleycli.timeline.model import Event, Track, Transition
from foleycli.timeline.otio import load_otio
from foleycli.waveform.space import ROOM

LOG = logging.getLogger("foleycli")
ALL = "all"  # sounds that are not in layers
OWN = "own"  # the cut's own sound
KINDS = (*LAYERS, ROOM)
SAID = (*KINDS, ALL, OWN)  # what a list may say a track is for
LONGEST = 10_000  # lines of a list of names
# Words of a track's name, best first, in sound editors' use.
WORDS = {
    "feet": ("feet", "footsteps", "footstep", "foot", "steps", "fs", "fts"),
    "moves": ("moves", "movement", "move", "cloth", "clothes", "clo", "rustle", "mvt"),
    "props": ("props", "prop", "handling", "specifics", "specs", "prp"),
    "hard": ("hard", "hfx", "hardfx", "hards", "spotfx", "spots"),
    "voices": ("voices", "voice", "vox", "creatures", "creature", "animals", "walla", "crowd"),
    "air": (
        *("air", "ambience", "ambiences", "ambiance", "amb", "ambi", "atmos", "atmo", "atm"),
        *("bg", "bgs", "background", "backgrounds", "roomtone", "tone", "tones"),
    ),
    ROOM: ("reverb", "verb", "rvb", "rev", "room"),
    "foley": ("foley", "fly", "foleys"),
    ALL: ("sfx", "fx", "effects", "effect", "sound", "sounds", "efx"),
    OWN: (
        *("dx", "dia", "dial", "dialog", "dialogue", "prod", "production", "sync", "guide"),
        *("original", "orig", "pfx"),
    ),
}
# Where a sound goes that has no track of its own, nearest first.
KIN = {
    "feet": ("foley", "moves", "props", ALL),
    "moves": ("foley", "feet", "props", ALL),
    "props": ("foley", "moves", "feet", "hard", ALL),
    "hard": (ALL, "props", "foley"),
    "voices": ("hard", ALL, "foley"),
    "air": (ALL, "hard", "foley"),
    ROOM: (ALL, "air", "foley"),
    ALL: ("foley", "hard", "props"),
}


@dataclass(frozen=True, slots=True)
class Template:
    """What a template asks for."""

    tracks: tuple[str, ...]  # names in their order
    asked: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of a layer, said outright
    adds: bool = False  # tracks may be added that it lacks
    project: str | None = None  # the text of a REAPER project, which one that is written keeps

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers, and the room, that have tracks of their own."""
        return tuple(kind for kind in KINDS if self.of(kind))

    def of(self, kind: str) -> tuple[str, ...]:
        """The tracks of a layer, of foley as such, or of all effects."""
        if kind in self.asked:
            return self.asked[kind]
        said = {name for names in self.asked.values() for name in names}
        return tuple(name for name in self.tracks if name not in said and kind_of(name) == kind)


def kind_of(name: str) -> str | None:
    """What a track's name says that lies on it; None where it says nothing of sounds."""
    words = _words(name)
    joined = "".join(words)
    if "room" in words and "tone" in words:
        return "air"
    for kind, known in WORDS.items():
        if any(word in known for word in words) or joined in known:
            return kind
    return None


def _words(name: str) -> list[str]:
    """ "FOLEY_FS-1" and "foleyFS1" as foley, fs."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [word.lower() for word in re.findall(r"[^\W\d_]+", parted)]


def read_template(path: Path, *, adds: bool = False) -> Template:
    """Read the names of a template's tracks.

    Raises:
        MediaError: it cannot be read, or names no tracks.
    """
    suffix = path.suffix.lower()
    asked: dict[str, tuple[str, ...]] = {}
    project = None
    if suffix == ".aaf":
        names = aaf.track_names(path)
    elif suffix in (".otio", ".otioz"):
        names = _of_otio(path)
    elif suffix in (".fcpxml", ".fcpxmld", ".xml"):
        names = _of_xml(path)
    elif suffix == ".rpp":
        project = text_of(path)
        names = [name for name in rpp.track_names(project) if name != rpp.PICTURE]
    else:
        names, asked = _of_list(text_of(path), path)
    tracks = tuple(dict.fromkeys(" ".join(name.split()) for name in names if name.strip()))
    if not tracks:
        raise MediaError(f"{path.name} names no tracks.", "Give a list, one name a line.")
    return Template(tracks, asked, adds, project)


def _of_list(text: str, path: Path) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    names: list[str] = []
    asked: dict[str, list[str]] = {}
    for number, raw in enumerate(text.splitlines()[:LONGEST], 1):
        line = raw.strip().lstrip("\ufeff")
        if not line or line.startswith("#"):
            continue
        kind, equals, name = (part.strip() for part in line.partition("="))
        if equals and kind.lower() in SAID:
            asked.setdefault(kind.lower(), []).append(" ".join(name.split()))
            names.append(name)
        elif equals:
            raise MediaError(
                f"{path.name}, line {number}: {kind} is no layer.",
                f"Write one of {', '.join(SAID)} before the =, or the track's name alone.",
            )
        else:
            names.append(line)
    return names, {kind: tuple(several) for kind, several in asked.items()}


def _of_otio(path: Path) -> list[str]:
    otio = load_otio()
    try:
        document: Any = otio.adapters.read_from_file(str(path))
        kind = otio.schema.TrackKind.Audio
        found = document.find_children(descended_from_type=otio.schema.Track)
        return [track.name for track in found if track.kind == kind]
    except Exception as error:  # adapters raise whatever they like
        raise MediaError(f"{path.name} cannot be read: {error}.", "Export it again.") from error


def _of_xml(path: Path) -> list[str]:
    """Roles of an FCPXML, which has no named tracks; Premiere's names of an FCP7 XML's."""
    root = parse_xml(text_of(path))
    if root.tag == "fcpxml":
        return list(_roles(root))
    tracks = root.iterfind(".//sequence/media/audio/track")
    return [
        track.get("MZ.TrackName") or track.findtext("name") or f"A{number}"
        for number, track in enumerate(tracks, 1)
    ]


def _roles(root: ET.Element) -> Iterator[str]:
    for item in root.iter():
        role = item.get("audioRole") or (
            item.get("role") if item.tag == "audio-channel-source" else ""
        )
        if role:
            yield role


def lay_on(template: Template, tracks: Sequence[Track]) -> tuple[Track, ...]:
    """Our tracks of sound, named "SFX feet 1" and so on, on those of a template, in its order; a
    track that nothing lies on stays empty.

    Sounds that fade into one another take turns on two tracks, or cross on one. What has no track
    of its own goes to the nearest kin; others that overlap where there are too few tracks are cut
    in the middle of the overlap; a warning says of both.
    """
    laid: dict[str, list[Event]] = {name: [] for name in template.tracks}
    added: list[Track] = []
    homeless: dict[str, str] = {}
    short: dict[str, int] = {}
    for kind, several in _by_kind(tracks).items():
        own = template.of(kind)
        others = tuple(name for kin in KIN[kind] for name in template.of(kin))
        if not own and template.adds:
            added += several
            continue
        if not own:
            homeless[kind] = (others or template.tracks[-1:])[0]
        rooms = own or others or template.tracks[-1:]
        for event in sorted((e for t in several for e in t.events), key=lambda e: e.start):
            name = next((room for room in rooms if _is_free(laid[room], event)), None)
            if name is None:
                name = next((room for room in rooms if _crosses(laid[room], event)), None)
                if name is not None:
                    laid[name], event = _crossed(laid[name], event)
            if name is None and template.adds:
                added = _on_added(added, several[0].name, event)
                continue
            if name is None:
                name = min(rooms, key=lambda room: max((e.end for e in laid[room]), default=0))
                laid[name], event = _parted(laid[name], event)
                short[name] = short.get(name, 0) + 1
            if event.duration > 0:
                laid[name] = sorted([*laid[name], event], key=lambda each: each.start)
    _tell(homeless, short)
    named = (
        Track(kind="sound", events=tuple(events), name=name, made=True)
        for name, events in laid.items()
    )
    return (*named, *added)


def lay_own(
    template: Template, own: Sequence[Track], ours: Sequence[Track]
) -> tuple[tuple[Track, ...], tuple[Track, ...]]:
    """The cut's own tracks of sound on those that a template has for dialogue or production sound,
    and our tracks without those. What there is no track for keeps its own, which is said."""
    names = template.of(OWN)
    heard = [track for track in own if track.events]
    named = [replace(track, name=name) for track, name in zip(heard, names, strict=False)]
    rest = heard[len(named) :]
    if rest:
        said = ", ".join(track.name or "A" for track in rest)
        LOG.warning("the cut's own sound keeps %s: the template has no track for it", said)
    taken = {track.name for track in named}
    kept = tuple(track for track in ours if track.events or track.name not in taken)
    return (*named, *rest), kept


def _by_kind(tracks: Iterable[Track]) -> dict[str, list[Track]]:
    found: dict[str, list[Track]] = {}
    for track in tracks:
        part = track.name.split()[1] if len(track.name.split()) > 1 else ""
        found.setdefault(part if part in KINDS else ALL, []).append(track)
    return found


def _is_free(events: Sequence[Event], event: Event) -> bool:
    for other in events:
        meets = other.fade_out if other.start < event.start else event.fade_out
        joins = event.fade_in if other.start < event.start else other.fade_in
        if other.start < event.end and event.start < other.end:
            return False
        if (meets or joins) and (other.end == event.start or event.end == other.start):
            return False
    return True


def _crosses(events: Sequence[Event], event: Event) -> bool:
    """Whether a sound fades in just where the one before it on a track fades out, and meets no
    other: on one track that is a crossfade."""
    met = [other for other in events if other.start < event.end and event.start < other.end]
    if len(met) != 1 or met[0].start >= event.start or met[0] is not events[-1]:
        return False
    shared = met[0].end - event.start
    return met[0].fade_out == event.fade_in == shared < min(met[0].duration, event.duration)


def _crossed(events: Sequence[Event], event: Event) -> tuple[list[Event], Event]:
    """The two cut in the middle of what they share, and a crossfade over the cut."""
    last = events[-1]
    middle = (event.start + last.end) / 2
    cross = Transition(before=middle - event.start, after=last.end - middle)
    return (
        [*events[:-1], last.part(last.start, middle)],
        replace(event.part(middle, event.end), intro=cross),
    )


def _parted(events: list[Event], event: Event) -> tuple[list[Event], Event]:
    """Sounds that overlap, cut in the middle of what they share; fades end there too."""
    kept = []
    for other in events:
        if other.end <= event.start or event.end <= other.start:
            kept.append(other)
            continue
        middle = (max(other.start, event.start) + min(other.end, event.end)) / 2
        if other.start <= event.start:
            kept.append(replace(other.part(other.start, max(middle, other.start)), fade_out=0))
            event = event.part(min(middle, event.end), event.end)
        else:
            event = event.part(event.start, middle)
            kept.append(other.part(middle, other.end))
    return [each for each in kept if each.duration > 0], event


def _on_added(added: list[Track], name: str, event: Event) -> list[Track]:
    """A sound on a track that is added, beside the others there where it has room."""
    for place, track in enumerate(added):
        if track.name.split()[:-1] == name.split()[:-1] and _is_free(track.events, event):
            events = tuple(sorted([*track.events, event], key=lambda each: each.start))
            return [*added[:place], replace(track, events=events), *added[place + 1 :]]
    base = " ".join(name.split()[:-1]) or name
    number = sum(track.name.split()[:-1] == name.split()[:-1] for track in added) + 1
    return [*added, Track(kind="sound", events=(event,), name=f"{base} {number}", made=True)]


def _tell(homeless: dict[str, str], short: dict[str, int]) -> None:
    if homeless:
        said = ", ".join(f"{kind} (on {name})" for kind, name in homeless.items())
        LOG.warning("the template has no track for %s", said.replace(ALL, "sounds"))
    if short:
        said = ", ".join(f"{count} on {name}" for name, count in short.items())
        LOG.warning(
            "sounds that overlap are cut in the middle of the overlap, as the template has no "
            "further track for them: %s; --add-tracks adds tracks",
            said,
        )
