"""Timelines in files: the format is the suffix's."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TypeVar

from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.output import atomic_output
from foleycli.timeline import aaf, edl, fcp7, fcpxml, otio, rpp
from foleycli.timeline.model import (
    Event,
    Marker,
    Media,
    Timeline,
    Track,
    check_size,
    on_frames,
    on_screen,
)

LOG = logging.getLogger("foleycli")
Answer = TypeVar("Answer")
LARGEST = 256 * 1024**2  # bytes of a timeline

SUFFIXES = (".edl", ".fcpxml", ".fcpxmld", ".xml", ".otio", ".otioz", ".aaf")
WRITTEN = (".edl", ".fcpxml", ".xml", ".otio", ".otioz", ".aaf", ".rpp")
CHANNELS = 4  # of sound, in CMX3600
MARKED = (".aaf", ".rpp", ".otio", ".otioz")  # cues lie in them as markers
SESSIONS = (".aaf", ".rpp")  # for mixing: sounds have long handles in them


def read_timeline(path: Path, rate: Fraction | None = None) -> Timeline:
    """Read a timeline.

    Args:
        rate: frames a second, for EDLs, which do not say.

    Raises:
        MediaError: it cannot be read, or holds what is not followed; named in either case.
        UsageError: an EDL's rate is not known.
    """
    suffix = path.suffix.lower()
    if not _is_there(path):
        raise MediaError(f"{path} does not exist.", "Check the name.")
    if suffix == ".aaf":
        return aaf.read_aaf(path)
    if suffix in (".otio", ".otioz"):
        return otio.read_otio(path)
    if suffix not in SUFFIXES:
        raise MediaError(
            f"{path.name} is no timeline we read.", f"Export it as {', '.join(SUFFIXES)}."
        )
    text = text_of(path)
    try:
        if suffix == ".edl":
            return edl.read_edl(text, rate, path.stem)
        if "<fcpxml" in text[:2000]:
            return fcpxml.read_fcpxml(text, path.stem)
        return fcp7.read_fcp7(text, path.stem)
    except FoleyError as error:
        raise type(error)(f"{path.name}: {error.problem}", error.remedy) from error
    except RecursionError as error:
        raise MediaError(
            f"{path.name} is nested too deeply.", "Open what is nested, and export it again."
        ) from error
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise MediaError(
            f"{path.name} cannot be understood: {' '.join(str(error).split())}.",
            "Export it again.",
        ) from error


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # links in a loop, a name too long
        return False


def states_rate(path: Path) -> bool:
    """Whether an EDL says which rate it runs at, as ours do.

    Raises:
        MediaError: it cannot be read, or says a rate that none runs at.
    """
    return _of_list(path, edl.stated_rate) is not None


def films_of_list(path: Path) -> tuple[Event, ...]:
    """What an EDL shows, whatever rate it runs at; the times mean nothing.

    Raises:
        MediaError: it cannot be read.
    """
    return _of_list(path, edl.named_films)


def _of_list(path: Path, ask: Callable[[str], Answer]) -> Answer:
    try:
        return ask(text_of(path))
    except FoleyError as error:
        raise type(error)(f"{path.name}: {error.problem}", error.remedy) from error


def text_of(path: Path) -> str:
    """What is written in a file, in whichever of the usual encodings.

    Raises:
        MediaError: it cannot be read.
    """
    if path.is_dir():  # .fcpxmld is a folder with the document in it
        path = path / "Info.fcpxml"
    try:
        if path.stat().st_size > LARGEST:
            raise MediaError(f"{path.name} is larger than any timeline.", "Check the name.")
        if path.is_char_device() or path.is_fifo():
            raise MediaError(f"{path} is a device or a pipe.", "Save it as a file first.")
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}.", "Check it.") from error
    for encoding in ("utf-8-sig", "utf-16", "latin-1"):
        if encoding == "utf-16" and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
            continue
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise MediaError(f"{path.name} is no text.", "Export it again.")


def check_written(path: Path) -> None:
    """Say at once if a timeline cannot be written under a name."""
    if path.suffix.lower() not in WRITTEN:
        raise UsageError(
            f"{path.name} names no timeline we write.", f"Name it {', '.join(WRITTEN)}."
        )
    if path.suffix.lower().startswith(".otio"):
        otio.load_otio()
    if path.suffix.lower() == ".aaf":
        aaf.load_aaf()


def write_timeline(
    timeline: Timeline,
    path: Path,
    *,
    overwrite: bool = False,
    embed: bool | None = None,
    project: str | None = None,
) -> None:
    """Write a timeline, whole or not at all.

    Args:
        embed: in an AAF, put the samples of waves into it; True when None.
        project: text of a REAPER project that the one written is laid into.
    """
    _write(path, overwrite, _writer(timeline, path, embed, project))


def add_sounds(
    original: Path,
    timeline: Timeline,
    sounds: tuple[Track, ...],
    path: Path,
    *,
    markers: Sequence[Marker] = (),
    overwrite: bool = False,
    embed: bool | None = None,
    project: str | None = None,
) -> None:
    """Write ``original``'s timeline with more sound tracks.

    In the format it came in, the document stays as it is, with all that we do not understand, and
    the sounds are added; in another format the timeline is written anew.

    Args:
        markers: more of them, for formats that are `MARKED`.
        project: as in `write_timeline`.
        embed: as there, too; where an AAF is to hold samples it is always written anew.
    """
    if _format(original) != _format(path) or (_format(path) == "aaf" and embed):
        if path.suffix.lower() in MARKED:
            timeline = replace(timeline, markers=(*timeline.markers, *markers))
        whole = replace(timeline, tracks=(*timeline.tracks, *sounds))
        write_timeline(whole, path, overwrite=overwrite, embed=embed, project=project)
        return
    if _format(path) != "fcpxml" and _format(path) != "otio":
        sounds = tuple(on_frames(track, timeline.rate) for track in sounds)
    if _format(path) in ("aaf", "otio"):
        put = aaf.add_sounds if _format(path) == "aaf" else otio.add_sounds
        _write(path, overwrite, lambda beside: put(original, timeline, sounds, beside, markers))
        return
    text = {"edl": edl, "fcpxml": fcpxml, "fcp7": fcp7}[_format(path)].add_sounds(
        text_of(original), timeline, sounds
    )
    _write(path, overwrite, lambda beside: _put(beside, text))


def list_path(out: Path, name: str) -> Path:
    """Where the list of a layer, or of a template's track, lies beside an EDL: cut_feet.edl."""
    plain = re.sub(r"[^\w-]+", "_", name).strip("_") or "sounds"
    return out.with_name(f"{out.stem}_{plain}{out.suffix}")


def write_lists(
    timeline: Timeline, lists: dict[str, tuple[Track, ...]], out: Path, *, overwrite: bool = False
) -> list[Path]:
    """A list of its own for each layer, or each track of a template, that sounds, beside an EDL
    which has the whole: CMX3600 knows four channels of sound.

    Args:
        lists: tracks by the list's name.
    """
    written = []
    for name, tracks in lists.items():
        path = list_path(out, name)
        whole = tuple(on_frames(track, timeline.rate) for track in tracks)
        text = edl.write_sounds(timeline, whole, f"{timeline.name} {name}")
        _write(path, overwrite, partial(_put, text=text))
        written.append(path)
        if edl.channels_of(whole) > CHANNELS:
            LOG.warning(
                "%s needs %d channels of sound; CMX3600 has %d: some programs read no more",
                path.name,
                edl.channels_of(whole),
                CHANNELS,
            )
    return written


def _format(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix == ".xml":
        in_x = path.exists() and "<fcpxml" in text_of(path)[:2000]
        return "fcpxml" if in_x else "fcp7"
    return {".edl": "edl", ".fcpxml": "fcpxml", ".fcpxmld": "fcpxml"}.get(suffix, suffix[1:5])


def _writer(
    timeline: Timeline, path: Path, embed: bool | None = None, project: str | None = None
) -> Callable[[Path], object]:
    suffix = path.suffix.lower()
    check_size(timeline)
    if suffix == ".aaf":
        flat = _framed(timeline, suffix)
        heard = tuple(replace(t, events=_files_alone(t)) for t in timeline.sounds)
        whole = replace(flat, tracks=(*flat.pictures, *heard))
        inside = aaf.EMBED if embed is None else embed
        return lambda beside: aaf.write_aaf(whole, beside, embed=inside)
    if suffix.startswith(".otio"):
        return lambda beside: otio.write_otio(timeline, beside)
    if suffix == ".rpp":
        text = rpp.write_rpp(timeline, path.parent, project)
        return lambda beside: _put(beside, text)
    write = {".edl": edl.write_edl, ".fcpxml": fcpxml.write_fcpxml, ".xml": fcp7.write_fcp7}[suffix]
    if suffix in (".edl", ".xml"):
        timeline = _framed(timeline, suffix)
    try:
        text = write(timeline)
    except ValueError as error:
        raise MediaError(
            f"{timeline.name} does not fit into {suffix}: {error}.", "Write .fcpxml or .otio."
        ) from error
    return lambda beside: _put(beside, text)


def _framed(timeline: Timeline, suffix: str) -> Timeline:
    """The timeline as a format has it that counts whole frames, all that is nested too."""
    if suffix in (".edl", ".aaf"):  # written without nests
        seen = Track(kind="picture", events=tuple(on_screen(timeline)), name="V1")
        heard = (replace(t, events=_files_alone(t)) for t in timeline.sounds)
        sounds = () if suffix == ".aaf" else heard  # which has them on samples
        timeline = replace(timeline, tracks=(seen, *sounds))
    moved: dict[tuple[str, Fraction], None] = {}

    def framed(inner: Timeline) -> Timeline:
        tracks = []
        for track in inner.tracks:
            events = tuple(
                replace(e, media=framed(e.media)) if isinstance(e.media, Timeline) else e
                for e in track.events
            )
            whole = on_frames(replace(track, events=events), inner.rate)
            after = {(e.start, e.end) for e in whole.events}
            moved.update({(e.name, e.start): None for e in events if (e.start, e.end) not in after})
            tracks.append(whole)
        marks = tuple(
            replace(m, start=m.start * inner.rate // 1 / inner.rate) for m in inner.markers
        )
        return replace(inner, tracks=tuple(tracks), markers=marks)

    framed_timeline = framed(timeline)
    if moved:
        names = ", ".join(list(dict.fromkeys(name for name, _ in moved))[:3])
        LOG.warning(
            "%d events lie between frames, such as %s: in %s they take the frames they lie in",
            len(moved),
            names,
            suffix,
        )
    return framed_timeline


def _files_alone(track: Track) -> tuple[Event, ...]:
    return tuple(event for event in track.events if isinstance(event.media, Media))


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _write(path: Path, overwrite: bool, put: Callable[[Path], object]) -> None:
    with atomic_output(path, overwrite=overwrite) as beside:
        put(beside)
