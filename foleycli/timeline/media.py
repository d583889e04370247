"""Where the files are that a timeline names."""

import logging
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from foleycli.clip.find import VIDEO_SUFFIXES
from foleycli.documents import files_under, is_file, own_path
from foleycli.errors import MediaError
from foleycli.recipe import recipe_path
from foleycli.timeline.model import Event, Media, file_name

LOG = logging.getLogger("foleycli")


def find_media(
    events: Iterable[Event],
    folder: Path,
    roots: Iterable[Path] = (),
    suffixes: Container[str] = VIDEO_SUFFIXES,
) -> dict[Media, Path]:
    """The file of each event's media.

    Looked for where the timeline says, then beside the timeline, then anywhere under ``roots``: by
    file name, and where only a reel or a clip is named, by that name without suffix. Placeholders
    that no file is found for are left out, and named.

    Args:
        suffixes: of the files under ``roots`` that are looked at.

    Raises:
        MediaError: naming everything that is missing or that two files could be, all at once.
    """
    search = _Search(folder, roots, suffixes)
    found: dict[Media, Path] = {}
    missing: dict[str, None] = {}
    absent: dict[str, None] = {}
    for event in events:
        media = event.media
        assert isinstance(media, Media)
        if media in found:
            continue
        candidates = search.find(media, event.name)
        if len(candidates) == 1:
            found[media] = candidates[0]
        elif media.is_placeholder and not candidates:
            absent[event.name] = None
        elif candidates:
            places = ", ".join(str(path) for path in candidates)
            missing[f"{event.name} could be any of {places}"] = None
        else:
            missing[f"{event.name} ({media.path or media.reel or media.name})"] = None
    if missing:
        raise MediaError(
            f"{len(missing)} of the timeline's files are not found:",
            "Give the folder they are in: --media-root DIR (can be repeated).",
            missing,
        )
    if absent:
        LOG.warning(
            "%s: placeholders without a file in the timeline, left out", ", ".join(list(absent)[:5])
        )
    return found


def find_some(events: Iterable[Event], folder: Path, roots: Iterable[Path] = ()) -> Iterator[Path]:
    """The files of those events whose media is found for certain, each once; as `find_media`."""
    search = _Search(folder, roots)
    for event in {event.media: event for event in events}.values():
        assert isinstance(event.media, Media)
        candidates = search.find(event.media, event.name)
        if len(candidates) == 1:
            yield candidates[0]


class _Search:
    def __init__(
        self, folder: Path, roots: Iterable[Path], suffixes: Container[str] = VIDEO_SUFFIXES
    ) -> None:
        self._folder = folder
        self._roots = list(roots)
        self._suffixes = suffixes
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, media: Media, name: str) -> list[Path]:
        if media.path:
            stated = self._folder / media.path
            if is_file(stated):
                return [stated]
        names = [file_name(media.path), media.name, name, media.reel]
        for wanted in dict.fromkeys(n for n in names if n):
            beside = self._folder / wanted
            if "/" not in wanted and is_file(beside):
                return [beside]
            if found := self._index().get(wanted.casefold()):
                return _closest(_not_ours(found), media.path)
        return []

    def _index(self) -> dict[str, list[Path]]:
        """Every file under the roots by its name, with and without suffix."""
        if self._by_name is None:
            self._by_name = defaultdict(list)
            films = {
                own_path(path): path
                for root in self._roots
                for path in sorted(files_under(root))
                if path.suffix.lower() in self._suffixes and not path.name.startswith(".")
            }
            for path in films.values():
                for key in {path.name.casefold(), path.stem.casefold()}:
                    self._by_name[key].append(path)
        return self._by_name


def _not_ours(found: list[Path]) -> list[Path]:
    """Of films of one name, those that are no takes of `foley preview` and the like."""
    return [path for path in found if not recipe_path(path).exists()] or found


def _closest(found: list[Path], stated: str) -> list[Path]:
    """Of files of one name, those that share most of the folders the timeline names."""
    wanted = stated.replace("\\", "/").casefold().split("/")[::-1]

    def shared(path: Path) -> int:
        parts = [part.casefold() for part in own_path(path).parts[::-1]]
        pairs = zip(parts, wanted, strict=False)
        return next((i for i, (one, other) in enumerate(pairs) if one != other), len(wanted))

    best = max(shared(path) for path in found)
    return [path for path in found if shared(path) == best]
