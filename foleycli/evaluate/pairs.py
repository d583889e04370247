"""Films of two clips side by side: does each words' sound come from its own half? (`--source`)

A folder that `foley data pairs` wrote (VGG-MonoAudio's layout: SelVA, arXiv 2512.02650) is sounded
by each model: for the words of a half, for the other half's, and for words of neither. Every stem
is held against the sound of its film's own half (the target's) and of the other half, which is the
own sound of the film that has the two the other way round; and its onsets against what moves in
either half.

Two ways without selection stand beside: ``whole``, the words for the whole picture, and ``cut``,
the words for a picture cut to the box in which things of that name are seen.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from foleycli.clip.probe import probe
from foleycli.config import OUTPUT, GenerateConfig
from foleycli.errors import UsageError
from foleycli.evaluate.contestants import Contestant
from foleycli.evaluate.interval import bootstrap
from foleycli.evaluate.material import Sound
from foleycli.evaluate.semantics import cosy, kl
from foleycli.evaluate.sync import motion_curve, sync_z
from foleycli.frames.decode import decode_pictures
from foleycli.mux.ffmpeg import input_path, run_ffmpeg
from foleycli.output import atomic_output, make_folder, scratch_folder
from foleycli.sight.sightings import Box
from foleycli.sources.asked import for_source
from foleycli.sources.open import Source, open_source
from foleycli.spot.features import Features
from foleycli.spot.find import find_cues
from foleycli.spot.select import cues_of, find_asked, usual_box
from foleycli.waveform.loudness import limit_peaks
from foleycli.waveform.write import write_waveform

GROUPS = ("inter_class", "intra_class")
METADATA = "metadata.csv"
TRUE = "own sound"  # a row of the table: what either half really sounds like
ASKED = ("own", "other", "neither")
TABLE = "pairs.json"
LISTENER = "yamnet"
SILENT = 1e-5  # peak under which a stem is silent
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class PairRow:
    """A line of ``metadata.csv``."""

    file_name: str
    target_file: str
    paired_file: str
    target_start_sec: float
    paired_start_sec: float
    target_position: str  # left or right
    label: str
    paired_label: str
    target_category: str
    paired_category: str
    seconds: float


def read_pairs(folder: Path) -> list[tuple[str, PairRow, Path]]:
    """(group, row, film) of a folder that `make_pairs` wrote.

    Raises:
        UsageError: it is none.
    """
    found = []
    numbers = {field.name for field in fields(PairRow) if field.type in (float, "float")}
    for group in GROUPS:
        table = folder / group / METADATA
        if not table.is_file():
            continue
        with table.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file):
                values = {
                    name: float(line.get(name) or 0) if name in numbers else line.get(name) or ""
                    for name in (field.name for field in fields(PairRow))
                }
                row = PairRow(**values)  # type: ignore[arg-type]
                found.append((group, row, folder / group / "mixed" / f"{row.file_name}.mp4"))
    if not found:
        raise UsageError(f"{folder} holds no pairs.", "Make them: foley data pairs CLIPS.csv OUT.")
    return found


def is_pairs(folder: Path) -> bool:
    """Whether a folder holds pairs rather than clips."""
    return any((folder / group / METADATA).is_file() for group in GROUPS)


@dataclass(frozen=True, slots=True)
class Pair:
    """A film of two halves.

    Attributes:
        other: the film with the two the other way round, whose sound is the other half's; None
            where there is none.
        neither: words of another film, that name nothing here.
    """

    group: str
    row: PairRow
    film: Path
    other: Path | None
    neither: str | None

    @property
    def words(self) -> dict[str, str]:
        """What is asked for, by whose it is."""
        asked = {"own": self.row.label, "other": self.row.paired_label}
        return asked | ({"neither": self.neither} if self.neither else {})


def plan(folder: Path) -> list[Pair]:
    """The pairs of a folder whose films are there, each with its counterpart."""
    found = [(group, row, film) for group, row, film in read_pairs(folder) if film.is_file()]
    by_clips = {
        (group, row.target_file, row.paired_file, row.target_start_sec, row.paired_start_sec): film
        for group, row, film in found
    }
    labels = sorted({row.label for _, row, _ in found})
    pairs = []
    for number, (group, row, film) in enumerate(found):
        key = (group, row.paired_file, row.target_file, row.paired_start_sec, row.target_start_sec)
        others = [label for label in labels if label not in (row.label, row.paired_label)]
        neither = others[number % len(others)] if others else None
        pairs.append(Pair(group, row, film, by_clips.get(key), neither))
    return pairs


def run_pairs(
    folder: Path,
    contestants: Sequence[Contestant],
    out: Path,
    progress: Progress = lambda *told: None,
) -> Path:
    """Sound every film by every model and measure; what is done already is kept.

    Returns:
        the table, ``pairs.json``: all scores of all stems.

    Raises:
        UsageError: the folder holds no pairs, or a contestant is a folder of sounds.
    """
    pairs = plan(folder)
    if finished := [one.name for one in contestants if one.config is None]:
        raise UsageError(
            f"{finished[0]} is a folder of sounds, which says nothing of words.",
            "Name models: --models library,selva.",
        )
    rows: list[dict[str, Any]] = []
    total = len(pairs) * len(contestants)
    for number, contestant in enumerate(contestants):
        for done, pair in enumerate(pairs):
            progress("sounding pairs", number * len(pairs) + done, total)
            rows += _kept(pair, contestant, out)
    rows += [_true(pair) for pair in pairs if pair.other]
    progress("sounding pairs", total, total)
    with atomic_output(out / TABLE, overwrite=True) as beside:
        beside.write_text(json.dumps(rows, indent=1) + "\n")
    return out / TABLE


def _kept(pair: Pair, contestant: Contestant, out: Path) -> list[dict[str, Any]]:
    """The scores of one film, made unless they are there."""
    options = contestant.options
    made_with = json.loads(json.dumps([asdict(options), asdict(pair.row), pair.neither]))
    note = out / "pairs" / contestant.name / pair.group / f"{pair.row.file_name}.json"
    if note.is_file():
        kept = json.loads(note.read_text())
        if kept["made_with"] == made_with:
            return kept["rows"]
    make_folder(note.parent)
    rows = list(_scores(pair, contestant.name, options, note.with_suffix("")))
    with atomic_output(note, overwrite=True) as beside:
        beside.write_text(json.dumps({"made_with": made_with, "rows": rows}) + "\n")
    return rows


def _scores(pair: Pair, name: str, config: GenerateConfig, stems: Path) -> Iterator[dict[str, Any]]:
    with scratch_folder() as scratch:
        halves = [scratch / "left.mp4", scratch / "right.mp4"]
        for half, left in zip(halves, (0.0, 0.5), strict=True):
            cut_film(pair.film, (left, 0.0, left + 0.5, 1.0), half)
        own, other = halves if pair.row.target_position == "left" else reversed(halves)
        moves = [motion_curve(half) for half in (own, other)]
        sounds = [Sound.read(pair.film, pair.row.seconds)]
        if pair.other:
            sounds.append(Sound.read(pair.other, pair.row.seconds))
        for way, asked, wave in sound_pair(pair, config, scratch):
            path = stems.parent / f"{way}_{asked}" / f"{stems.name}.wav"
            make_folder(path.parent)
            write_waveform(path, [wave], OUTPUT.sample_rate, overwrite=True)
            about = {"model": name, "way": way, "asked": asked, "group": pair.group}
            yield about | {"film": pair.row.file_name} | measure(wave, sounds, moves)


def sound_pair(
    pair: Pair, config: GenerateConfig, scratch: Path
) -> Iterator[tuple[str, str, NDArray[np.float32]]]:
    """(way, whose words, samples at 48 kHz) of every stem of one film."""
    source = _opened(config)
    asked = replace(config, source=tuple(dict.fromkeys(pair.words.values())))
    features = source.encode(decode_pictures(probe(pair.film)), asked.source)
    cues = find_asked(features, asked)
    for whose, words in pair.words.items():
        found = cues_of(cues, words)
        yield "selected", whose, _rendered(source, features, found, for_source(asked, words))
    if not features.says_what:
        return
    own = pair.row.label
    told = replace(config, prompt=own)
    whole = find_cues(features, own, air=False)
    yield "whole", "own", _rendered(source, features, whole, told)
    box = usual_box(own, features.sightings)
    if box is not None:
        cut = scratch / "cut.mp4"
        cut_film(pair.film, box, cut)
        seen = source.encode(decode_pictures(probe(cut)))
        yield "cut", "own", _rendered(source, seen, find_cues(seen, own, air=False), told)


def _rendered(
    source: Source, features: Features, cues: list, config: GenerateConfig
) -> NDArray[np.float32]:
    blocks = limit_peaks(
        source.render(features, cues, config), OUTPUT.true_peak_db, OUTPUT.sample_rate
    )
    return np.concatenate(list(blocks))


@lru_cache(maxsize=1)
def _opened(config: GenerateConfig) -> Source:
    return open_source(config)


def cut_film(film: Path, box: Box, out: Path) -> None:
    """The part of a picture in a box (left, top, right, bottom, in shares), silent."""
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in box)
    wide, high = max(right - left, 0.05), max(bottom - top, 0.05)
    size = (f"trunc(iw*{wide:.4f}/2)*2", f"trunc(ih*{high:.4f}/2)*2")
    part = ffmpeg.input(input_path(film)).video.filter(
        "crop", *size, f"iw*{min(left, 1 - wide):.4f}", f"ih*{min(top, 1 - high):.4f}"
    )
    spec = ffmpeg.output(
        part, str(out), vcodec="libx264", crf=18, preset="veryfast", pix_fmt="yuv420p"
    )
    run_ffmpeg(spec, f"cut {film.name}")


def measure(
    wave: NDArray[np.float32],
    sounds: Sequence[Sound],
    moves: Sequence[NDArray[np.float32]],
) -> dict[str, Any]:
    """What a stem is like: nearness to the sounds, and to the motion, of own half and other.

    Silence is like nothing: it has no numbers.
    """
    if np.abs(wave).max(initial=0) < SILENT:
        return {"silent": True}
    stem = Sound(wave, OUTPUT.sample_rate)
    scores: dict[str, Any] = {"silent": False}
    scores |= {
        f"sync_{side}": sync_z(stem.strength, motion)
        for side, motion in zip(ASKED, moves, strict=False)
    }
    heard = stem.heard(LISTENER).embeddings.mean(axis=0)
    scores["heard"] = heard.tolist()
    for side, sound in zip(ASKED, sounds, strict=False):
        scores[f"kl_{side}"] = kl(sound.distribution, stem.distribution)
        true = sound.heard(LISTENER).embeddings.mean(axis=0)
        scores[f"cosy_{side}"] = cosy(true, heard)
    return scores


def _true(pair: Pair) -> dict[str, Any]:
    """The target's own sound, as the table's best."""
    assert pair.other
    own, other = (Sound.read(film, pair.row.seconds) for film in (pair.film, pair.other))
    heard, far = (s.heard(LISTENER).embeddings.mean(axis=0) for s in (own, other))
    return {
        "model": TRUE, "way": "", "asked": "own", "group": pair.group, "film": pair.row.file_name,
        "silent": False, "heard": heard.tolist(),
        "kl_own": 0.0, "kl_other": kl(other.distribution, own.distribution),
        "cosy_own": 1.0, "cosy_other": cosy(far, heard),
    }  # fmt: skip


# ------------------------------------------------------------------------------------- the table


def kad(own: NDArray[np.float64], candidate: NDArray[np.float64]) -> float:
    """Kernel audio distance (arXiv 2502.15602): 100 times the unbiased MMD^2 under a Gaussian
    kernel as wide as the median distance of the true sounds; nan for fewer than two rows."""
    if min(len(own), len(candidate)) < 2:
        return float("nan")
    within = np.linalg.norm(own[:, None] - own[None], axis=2)
    width = float(np.median(within[np.triu_indices(len(own), 1)]))
    if width == 0:
        return float("nan")

    def kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(-(np.linalg.norm(a[:, None] - b[None], axis=2) ** 2) / (2 * width**2))

    means = []
    for rows in (own, candidate):
        inner = kernel(rows, rows)
        means.append((inner.sum() - np.trace(inner)) / (len(rows) * (len(rows) - 1)))
    return float(100 * (sum(means) - 2 * kernel(own, candidate).mean()))


def table(path: Path) -> str:
    """``pairs.json`` as Markdown: for every group, model, way and words, means over films (with 95
    % of resampled films), and how often the own half is the nearer one."""
    rows = json.loads(path.read_text())
    true = {
        (row["group"], row["film"]): np.array(row["heard"]) for row in rows if row["model"] == TRUE
    }
    lines = [
        "| group | model | way | words | films | silent | kl own | kl other | cosy own "
        "| cosy other | own nearer | kad_yamnet own | sync_z own | sync_z other "
        "| own half followed |",
        "|" + "---|" * 15,
    ]
    kinds = dict.fromkeys((r["group"], r["model"], r["way"], r["asked"]) for r in rows)
    for kind in kinds:
        some = [r for r in rows if (r["group"], r["model"], r["way"], r["asked"]) == kind]
        loud = [row for row in some if not row["silent"]]

        def mean(name: str, loud: list[dict[str, Any]] = loud) -> str:
            values = np.array([row.get(name, np.nan) for row in loud], float)
            if not np.isfinite(values).any():
                return ""
            middle, low, high = bootstrap(values)
            return f"{middle:.2f} [{low:.2f}, {high:.2f}]"

        def share(one: str, other: str, loud: list[dict[str, Any]] = loud) -> str:
            wins = [
                0.5 if row[one] == row[other] else float(row[one] > row[other])
                for row in loud
                if one in row and other in row
            ]
            return f"{np.mean(wins):.0%}" if wins else ""

        known = [row for row in loud if (row["group"], row["film"]) in true]
        distance = float("nan")
        if known:
            own = np.stack([true[row["group"], row["film"]] for row in known])
            distance = kad(own, np.stack([np.array(row["heard"]) for row in known]))
        lines.append(
            f"| {' | '.join(kind)} | {len(some)} | {len(some) - len(loud)} "
            f"| {mean('kl_own')} | {mean('kl_other')} | {mean('cosy_own')} | {mean('cosy_other')} "
            f"| {share('cosy_own', 'cosy_other')} | {distance:.2f} "
            f"| {mean('sync_own')} | {mean('sync_other')} | {share('sync_own', 'sync_other')} |"
        )
    return "\n".join(lines)
