"""A timeline as a REAPER project: the picture on top, a track for every track of sound, markers.

The file is text: objects ``<NAME values`` ... ``>`` with a line for each property. Times are
seconds from the project's start; sounds lie on whole samples, so that what plays is the stem to the
sample. Rates as REAPER keeps them: a base, and 0 for whole rates, 1 for drop-frame, 2 for
base * 1000 / 1001 (TIMEMODE's fourth and fifth value).
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from foleycli.config import OUTPUT
from foleycli.timeline.model import Event, Level, Media, Timeline, Track, as_overlaps, on_screen

LOG = logging.getLogger("foleycli")
RATE = OUTPUT.sample_rate
OURS = "SFX"  # our tracks' names begin with it, without a template; they lie in one folder
PICTURE = "Picture"
LINEAR = 0  # shape of a fade
SOURCES = {".wav": "WAVE", ".rf64": "WAVE", ".mp3": "MP3", ".flac": "FLAC", ".ogg": "VORBIS"}


def write_rpp(timeline: Timeline, folder: Path, template: str | None = None) -> str:
    """The text of a project.

    Args:
        folder: that the project will lie in; sounds below it are named from there.
        template: the text of another project, which is kept as it is with plug-ins, sends and
            colours: items go onto its tracks of their names, markers and the clock into its head.
    """
    if template is not None:
        return _into(template, timeline, folder)
    lines = ['<REAPER_PROJECT 0.1 "6.0/foleycli" 0', *_head(timeline)]
    pictures = tuple(on_screen(timeline))
    own = [track for track in timeline.sounds if not track.made]
    ours = [track for track in timeline.sounds if track.made]
    # beside the cut's own sound, a film's would be heard twice
    heard = not any(track.events for track in own)
    lines += _track(PICTURE, _picture_items(pictures, folder), to_master=heard)
    for track in own:
        lines += _track(track.name, _sound_items(timeline, track, folder), muted=not track.enabled)
    in_folder = bool(ours) and all(track.name.startswith(OURS) for track in ours)
    if in_folder:
        lines += _track(OURS, (), bus=(1, 1))
    for number, track in enumerate(ours, 1):
        bus = (2, -1) if in_folder and number == len(ours) else (0, 0)
        lines += _track(track.name, _sound_items(timeline, track, folder), bus=bus)
    return "\n".join([*lines, ">", ""])


def _head(timeline: Timeline) -> list[str]:
    """The clock of a cut, and its markers."""
    return [
        f"  PROJOFFS {_seconds(timeline.start_seconds)} 0 0",
        f"  TIMEMODE 1 5 -1 {_base(timeline)} 0 -1",
        f"  SAMPLERATE {RATE} 1 0",
        *(f"  {line}" for line in _markers(timeline)),
    ]


def _into(template: str, timeline: Timeline, folder: Path) -> str:
    """Another project with a cut laid into it. What it has no track for comes after its own: the
    picture, and tracks that nothing of its names."""
    lines = template.rstrip().splitlines()
    blocks = list(_blocks(lines))
    named: dict[str, int] = {}  # the line that closes the first track of a name
    for first, last in blocks:
        if lines[first].split()[:1] == ["<TRACK"]:
            named.setdefault(track_name(lines[first:last]), last)
    wanted: dict[str, list[list[str]]] = {}
    seen = tuple(on_screen(timeline))
    wanted[PICTURE] = list(_picture_items(seen, folder))
    for track in timeline.sounds:
        wanted.setdefault(track.name, []).extend(_sound_items(timeline, track, folder))
    into = {named[name]: items for name, items in wanted.items() if name in named}
    rest = {name: items for name, items in wanted.items() if name not in named and items}
    inside = {n for first, last in blocks for n in range(first, last + 1)}
    kept: list[str] = []
    for number, line in enumerate(lines[:-1]):
        if number in into:
            kept += [f"    {part}" for item in into[number] for part in item]
        if number in inside or line.split()[:1] not in (["PROJOFFS"], ["TIMEMODE"], ["SAMPLERATE"]):
            kept.append(line)
        if number == 0:
            kept += _head(timeline)
    heard = not any(track.events for track in timeline.sounds if not track.made)
    for name, items in rest.items():
        kept += _track(name, items, to_master=heard if name == PICTURE else True)
    return "\n".join([*kept, lines[-1], ""])


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(first, last) line of each object straight inside the project."""
    open_at: list[int] = []
    for number, line in enumerate(lines):
        text = line.strip()
        if text.startswith("<"):
            open_at.append(number)
        elif text == ">" and open_at:
            first = open_at.pop()
            if len(open_at) == 1:
                yield first, number


def track_names(text: str) -> list[str]:
    """The names of a project's tracks, in order."""
    lines = text.splitlines()
    return [
        track_name(lines[first:last])
        for first, last in _blocks(lines)
        if lines[first].split()[:1] == ["<TRACK"]
    ]


def track_name(lines: Sequence[str]) -> str:
    """The name in a track's lines; "" where it has none."""
    for line in lines[1:]:
        text = line.strip()
        if text.startswith("<"):
            return ""
        if text.startswith("NAME "):
            name = text[5:].strip()
            return name[1:-1] if name[:1] in "\"'`" and name[-1:] == name[:1] else name
    return ""


def _base(timeline: Timeline) -> str:
    base = round(timeline.rate)
    return f"{base} {1 if timeline.drop else 0 if timeline.rate == base else 2}"


def _markers(timeline: Timeline) -> Iterator[str]:
    for number, marker in enumerate(timeline.markers, 1):
        yield f"MARKER {number} {_seconds(marker.start)} {_quoted(marker.name)} 0"


def _track(
    name: str,
    items: Iterable[list[str]],
    *,
    bus: tuple[int, int] = (0, 0),
    to_master: bool = True,
    muted: bool = False,
) -> list[str]:
    """Args:
    bus: (1, 1) opens a folder, (2, -1) is the last track in it.
    """
    return [
        "  <TRACK",
        f"    NAME {_quoted(name)}",
        "    VOLPAN 1 0 -1 -1 1",
        f"    MUTESOLO {int(muted)} 0 0",
        f"    ISBUS {bus[0]} {bus[1]}",
        f"    MAINSEND {int(to_master)} 0",
        *(f"    {line}" for item in items for line in item),
        "  >",
    ]


def _picture_items(events: Sequence[Event], folder: Path) -> Iterator[list[str]]:
    """What is seen; over a dissolve both, the later one fading in."""
    odd = []
    for number, event in enumerate(events):
        media = event.media
        if not isinstance(media, Media):
            continue
        after = events[number + 1] if number + 1 < len(events) else None
        intro, outro = event.intro, after.intro if after else event.outro
        before = intro.before if intro else Fraction(0)
        longer = outro.after if outro else Fraction(0)
        speed = event.speed if event.speed > 0 else Fraction(1)
        if event.speed <= 0:
            odd.append(event.name)
        source = event.source - before * event.speed - (media.start or Fraction(0))
        yield _item(
            event.name,
            _seconds(event.start - before),
            _seconds(event.duration + before + longer),
            _seconds(max(source, Fraction(0))),
            media,
            folder,
            speed=speed,
            fade_in=_seconds(intro.duration if intro else Fraction(0)),
        )
    if odd:
        LOG.warning(
            "%d pictures run backwards or stand still, such as %s: in REAPER they run forwards, "
            "their sounds are right",
            len(odd),
            odd[0],
        )


def _sound_items(timeline: Timeline, track: Track, folder: Path) -> Iterator[list[str]]:
    """Sounds, to the sample where the stem has them."""
    begin = timeline.start_seconds
    origin = round(begin * RATE)
    for event in as_overlaps(track).events:
        media = event.media
        if not isinstance(media, Media) or event.speed <= 0:
            continue
        first, last = _at(begin + event.start), _at(begin + event.end)
        lead = round(event.source * RATE) - round((media.start or Fraction(0)) * RATE)
        yield _item(
            event.name,
            _samples(first - origin),
            _samples(last - first),
            _samples(max(lead, 0)),
            media,
            folder,
            speed=event.speed,
            fade_in=_samples(_at(begin + event.start + event.fade_in) - first),
            fade_out=_samples(last - _at(begin + event.end - event.fade_out)),
            muted=not event.enabled,
            levels=event.levels,
        )


def _item(
    name: str,
    position: str,
    length: str,
    offset: str,
    media: Media,
    folder: Path,
    *,
    speed: Fraction = Fraction(1),
    fade_in: str = "0",
    fade_out: str = "0",
    muted: bool = False,
    levels: Sequence[Level] = (),
) -> list[str]:
    gain_db = levels[0].gain_db if len(levels) == 1 else 0.0
    path = media.path or media.name
    source = SOURCES.get(Path(path).suffix.lower(), "VIDEO")
    return [
        "<ITEM",
        f"  POSITION {position}",
        f"  LENGTH {length}",
        "  LOOP 0",
        f"  FADEIN {LINEAR} {fade_in} 0 {LINEAR} 0 0",
        f"  FADEOUT {LINEAR} {fade_out} 0 {LINEAR} 0 0",
        f"  MUTE {int(muted)}",
        f"  NAME {_quoted(name)}",
        f"  VOLPAN {_times(gain_db)} 0 1 -1",
        f"  SOFFS {offset}",
        f"  PLAYRATE {_decimal(speed, 12)} 1 0 -1 0 0.0025",
        f"  <SOURCE {source}",
        f"    FILE {_quoted(_near(path, folder))}",
        "  >",
        *(f"  {line}" for line in _envelope(levels if len(levels) > 1 else ())),
        ">",
    ]


def _envelope(levels: Sequence[Level]) -> Iterator[str]:
    """The volume of a take, from point to point."""
    if levels:
        yield "<VOLENV"
        yield "  ACT 1 -1"
        yield "  VIS 1 1 1"
        yield from (
            f"  PT {_seconds(level.time)} {_times(level.gain_db)} {LINEAR}" for level in levels
        )
        yield ">"


def _times(gain_db: float) -> str:
    """A gain as a factor."""
    return _decimal(Fraction(10 ** (gain_db / 20)), 9)


def _near(path: str, folder: Path) -> str:
    """A file below the project by its place there, so that both can be moved."""
    here = folder.absolute()
    there = Path(path)
    return there.relative_to(here).as_posix() if there.is_relative_to(here) else path


def _at(seconds: Fraction) -> int:
    return round(seconds * RATE)


def _samples(count: int) -> str:
    return _decimal(Fraction(count, RATE), 12)


def _seconds(seconds: Fraction) -> str:
    return _decimal(seconds, 12)


def _decimal(value: Fraction, digits: int) -> str:
    """A number in decimals, rounded once; without needless zeros."""
    whole = round(value * 10**digits)
    sign = "-" if whole < 0 else ""
    text = f"{abs(whole):0{digits + 1}}"
    return f"{sign}{text[:-digits]}.{text[-digits:]}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    """Words in the quotes that they do not hold themselves."""
    plain = " ".join(text.split())
    for mark in ('"', "'"):
        if mark not in plain:
            return f"{mark}{plain}{mark}"
    return "`" + plain.replace("`", "'") + "`"
