"""An editor's own folder of sounds as a bank: listened to once, remembered in the user's cache."""

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from foleycli.documents import is_file, own_path, parse_json
from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.folders import SET_CACHE, cache_error, cache_folder, make_folder
from foleycli.library.bank import Bank
from foleycli.library.level import SAMPLE_RATE, bed_level_db, hit_level_db
from foleycli.library.recording import SUFFIXES, read_sound
from foleycli.library.segment import find_beds, find_hits
from foleycli.library.table import RECORDINGS, SHIPPED, Kind, Recording, read_categories
from foleycli.library.words import label_words, name_words
from foleycli.output import atomic_output
from foleycli.spot.text import embed_text

log = logging.getLogger("foleycli")

LONGEST = 600 * SAMPLE_RATE  # samples of a file that are listened to
HITS, BEDS = 24, 3  # from one file at most
LEAST_RISE_DB, LEAST_ABOVE_FLOOR_DB = 12.0, 15.0
CHUNKS = 1000  # of a file that are looked at; what has more is damaged
FEW = 12  # files fewer than this are not worth starting processes for
ROOM = "library"  # of the cache
VERSION = 1  # of what is remembered; a new one listens again


@dataclass(frozen=True, slots=True)
class Heard:
    """What was found in one file."""

    words: str
    # kind, start, onset, samples, level_db, attack_ms, spread_db
    cuts: tuple[tuple[Kind, int, int, int, float, float, float], ...]


def open_bank(folder: Path | None) -> Bank:
    """A bank's folder, any folder of sounds (indexed the first time), or the shipped bank.

    Raises:
        UsageError: the folder is not there or holds no sound.
    """
    if folder is None or (folder / RECORDINGS).is_file():
        return Bank.open(folder)
    return index_folder(folder)


def index_folder(folder: Path) -> Bank:
    """Make a bank of any folder tree of sounds.

    Words come from file and folder names (UCS names are understood) and from descriptions inside
    the files; hits and steady stretches are found by ear. Files that were heard before and have
    not changed are not heard again, also when the first time was interrupted.

    Raises:
        UsageError: the folder is not there, or no sound in it can be used.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", "Give a folder of sound files.")
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and is_file(file)
    )
    if not files:
        kinds = " ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise UsageError(f"{folder} holds no sound files.", f"It may hold any of: {kinds}.")
    heard = listen_to(folder, files)
    recordings = [r for file in files for r in _recordings(folder, file, heard[file])]
    if not recordings:
        raise UsageError(
            f"No sound in {folder} can be used: all are silent or unreadable.",
            "Try a file of it with `ffprobe FILE`.",
        )
    return _as_bank(folder, recordings)


def listen_to(folder: Path, files: Iterable[Path]) -> dict[Path, Heard]:
    """Find hits and beds in the files that are new or changed; recall the others."""
    memory = cache_folder(ROOM) / f"{_key(folder)}.jsonl"
    known = _recall(memory)
    heard: dict[Path, Heard] = {}
    new: list[tuple[Path, str]] = []
    for file in files:
        stat = file.stat()
        key = f"{file.relative_to(folder).as_posix()}|{stat.st_size}|{stat.st_mtime_ns}"
        if key in known:
            heard[file] = known[key]
        else:
            new.append((file, key))
    if new:
        log.info("listening to %d sounds in %s", len(new), folder)
        with _remembered(memory) as remember:
            for (file, key), found in _listen_all(folder, new):
                heard[file] = found
                remember(json.dumps([VERSION, key, found.words, found.cuts]) + "\n")
    silent = [file for file in heard if not heard[file].cuts]
    if silent:
        others = f" and {len(silent) - 1} more" if len(silent) > 1 else ""
        log.warning("%s%s: no usable sound, left out of the library.", silent[0].name, others)
    return heard


@contextmanager
def _remembered(memory: Path) -> Iterator[Callable[[str], None]]:
    """Give what writes lines into the cache; where nobody may write it, or the disk is full, what
    was heard is kept for this run alone."""

    def failed(error: OSError) -> None:
        log.warning(
            "%s What is heard is not remembered, and is heard again next time. %s",
            cache_error(memory.parent, error).problem,
            SET_CACHE,
        )

    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        lines = memory.open("a", encoding="utf-8")
    except OSError as error:
        failed(error)
        yield lambda line: None
        return
    open_ = [True]

    def remember(line: str) -> None:
        if open_:
            try:
                lines.write(line)
                lines.flush()
            except OSError as error:
                open_.clear()
                failed(error)

    try:
        yield remember
    finally:
        with suppress(OSError):
            lines.close()


def listen(file: Path, folder: Path) -> Heard:
    """Words, hits and beds of one file; nothing of one that cannot be read."""
    own_words = label_words(read_description(file))
    words = " ".join(dict.fromkeys(f"{name_words(file.relative_to(folder))} {own_words}".split()))
    try:
        samples = read_sound(file, 0, LONGEST)
    except MediaError:
        return Heard(words, ())
    hits = [
        hit
        for hit in find_hits(samples)
        if hit.rise_db >= LEAST_RISE_DB and hit.above_floor_db >= LEAST_ABOVE_FLOOR_DB
    ]
    loudest = sorted(hits, key=lambda hit: -hit.above_floor_db)[:HITS]
    beds = find_beds(samples, BEDS)
    cuts: list[tuple[Kind, int, int, int, float, float, float]] = []
    for hit in sorted(loudest, key=lambda hit: hit.start):
        level = round(hit_level_db(samples[hit.start : hit.end]), 2)
        span = (hit.start, hit.onset - hit.start, hit.end - hit.start)
        cuts.append(("hit", *span, level, hit.attack_ms, 0.0))
    for bed in beds:
        level = round(bed_level_db(samples[bed.start : bed.end]), 2)
        spread = round(bed.spread_db, 1)
        cuts.append(("bed", bed.start, 0, bed.end - bed.start, level, 0.0, spread))
    return Heard(words, tuple(cuts))


def read_description(file: Path) -> str:
    """The description inside a WAV file: bext (EBU Tech 3285), iXML notes or RIFF INFO; else ""."""
    if file.suffix.lower() not in {".wav", ".wave", ".bwf", ".rf64"}:
        return ""
    texts = []
    try:
        for name, content in _riff_chunks(file):
            if name == b"bext":
                texts.append(content[:256].split(b"\0")[0].decode("latin-1"))
            elif name == b"iXML":
                found = re.findall(rb"<(?:NOTE|FXNAME|KEYWORDS|DESCRIPTION)>([^<]*)<", content)
                texts += [text.decode("utf-8", "replace") for text in found]
            elif name == b"LIST" and content[:4] == b"INFO":
                found = re.findall(rb"(?:ICMT|INAM|IKEY|ISBJ)....([^\0]+)", content, re.DOTALL)
                texts += [text.decode("utf-8", "replace") for text in found]
    except OSError:
        return ""
    return " ".join(texts)


def _riff_chunks(file: Path) -> Iterator[tuple[bytes, bytes]]:
    """Chunks of a RIFF file without its samples."""
    with file.open("rb") as stream:
        if stream.read(4) not in (b"RIFF", b"RF64"):
            return
        stream.seek(12)
        for _ in range(CHUNKS):
            if len(header := stream.read(8)) < 8:
                return
            size = int.from_bytes(header[4:], "little")
            if header[:4] in (b"bext", b"iXML", b"LIST"):
                yield header[:4], stream.read(min(size, 1 << 20))
                stream.seek(max(0, size - (1 << 20)) + size % 2, os.SEEK_CUR)
            else:
                stream.seek(size + size % 2, os.SEEK_CUR)


def _listen_all(
    folder: Path, new: list[tuple[Path, str]]
) -> Iterator[tuple[tuple[Path, str], Heard]]:
    if len(new) < FEW:
        yield from ((item, listen(item[0], folder)) for item in new)
        return
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        paths = [file for file, _ in new]
        yield from zip(new, pool.map(listen, paths, [folder] * len(new), chunksize=4), strict=True)


def _recall(memory: Path) -> dict[str, Heard]:
    known: dict[str, Heard] = {}
    try:
        text = memory.read_text("utf-8", errors="replace") if is_file(memory) else ""
    except OSError:  # it is another user's
        return known
    for line in text.splitlines():
        try:
            version, key, words, cuts = parse_json(line)
            if version == VERSION:
                known[str(key)] = Heard(str(words), tuple(map(_cut, cuts)))
        except (ValueError, TypeError):  # the line being written when it was interrupted
            continue
    return known


def _cut(stated: Sequence[Any]) -> tuple[Kind, int, int, int, float, float, float]:
    kind, start, onset, samples, level, attack, spread = stated
    if kind not in ("hit", "bed"):
        raise ValueError(f"{kind} is no kind")
    return kind, int(start), int(onset), int(samples), float(level), float(attack), float(spread)


def _recordings(folder: Path, file: Path, heard: Heard) -> Iterator[Recording]:
    name = file.relative_to(folder).as_posix()
    for number, (kind, start, onset, samples, level, attack, spread) in enumerate(heard.cuts):
        yield Recording(
            id=f"{name}#{number}",
            file=file,
            kind=kind,
            category="",
            label=heard.words or "sound",
            start=start,
            onset=onset,
            samples=samples,
            level_db=level,
            attack_ms=attack,
            spread_db=spread,
        )


def _as_bank(folder: Path, recordings: list[Recording]) -> Bank:
    """Each recording joins the class of sounds that its words are nearest to, for its level."""
    categories = read_categories(SHIPPED / "kinds.csv")
    words = load_file(SHIPPED / "embeddings.safetensors")["words"].astype(np.float32)
    first = np.cumsum([0, *(len(category.words) for category in categories[:-1])])
    names = sorted({recording.label for recording in recordings})
    labels = _label_vectors(folder, names)
    likeness = np.maximum.reduceat(labels @ words.T, first, axis=1)
    nearest = dict(zip(names, likeness.argmax(axis=1), strict=True))
    sorted_in = [replace(r, category=categories[nearest[r.label]].name) for r in recordings]
    return Bank(sorted_in, categories, labels, words)


def _label_vectors(folder: Path, names: list[str]) -> NDArray[np.float32]:
    """Text embeddings of the labels, remembered while the labels stay the same."""
    digest = hashlib.blake2b("\n".join(names).encode(), digest_size=8).hexdigest()
    memory = cache_folder(ROOM) / f"{_key(folder)}.{digest}.safetensors"
    if is_file(memory):
        with suppress(OSError, SafetensorError, KeyError):  # cut off, or another user's
            return load_file(memory)["labels"]
    vectors = embed_text(names)
    with suppress(OSError, SafetensorError, FoleyError):  # said when it was listened to
        make_folder(memory.parent)
        with atomic_output(memory, overwrite=True) as beside:
            save_file({"labels": vectors}, beside)
        for old in memory.parent.glob(f"{_key(folder)}.*.safetensors"):
            if old != memory:
                old.unlink(missing_ok=True)
    return vectors


def _key(folder: Path) -> str:
    return hashlib.blake2b(os.fsencode(own_path(folder)), digest_size=8).hexdigest()
