"""Two clips side by side in one film, with the sound of one: to test what selects by words.

The layout is that of VGG-MonoAudio (SelVA, arXiv 2512.02650): ``inter_class`` and ``intra_class``,
each with ``mixed/*.mp4``, whose sound is the target's, and ``metadata.csv``. Every two clips make
two films, each the target once, left in one and right in the other.
"""

import csv
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import ffmpeg

from foleycli.clip.probe import probe
from foleycli.errors import MediaError, UsageError
from foleycli.evaluate.pairs import GROUPS, METADATA, PairRow
from foleycli.mux.ffmpeg import input_path, run_ffmpeg
from foleycli.output import atomic_output

FRAME_RATE = 25  # per second, as SelVA reads
SECONDS = 8.0  # of a film at most
WIDTH, HEIGHT = 512, 288  # pixels of a film; either half gets half the width
SHORTEST = 1.0  # seconds under which two clips have too little in common


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """A clip with one clean source that is seen."""

    file: Path
    label: str  # words for what sounds
    category: str  # clips of one category are intra-class pairs
    start: float = 0.0  # seconds from which it is taken


def read_labels(table: Path, folder: Path | None = None) -> list[LabelledClip]:
    """Clips of a table with the columns ``file``, ``label`` (or ``description``), and, where they
    are, ``category`` (or ``class``) and ``start``.

    Raises:
        UsageError: a column is missing, or a number is none.
    """
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    folder = folder or table.parent
    try:
        return [
            LabelledClip(
                folder / row["file"],
                row.get("label") or row["description"],
                row.get("category") or row.get("class") or row.get("label") or row["description"],
                float(row.get("start") or 0),
            )
            for row in rows
        ]
    except (KeyError, ValueError) as error:
        raise UsageError(
            f"{table.name} cannot be read: {error}.", "Give it columns file, label and category."
        ) from error


def plan_pairs(
    clips: Sequence[LabelledClip], most: int | None = None, seed: int = 0
) -> list[tuple[str, LabelledClip, LabelledClip, str]]:
    """(group, target, its pair, side) of every film, in a random order that the seed gives.

    Args:
        most: films of a group at most.
    """
    random_order = random.Random(seed)
    by_group: dict[str, list[tuple[LabelledClip, LabelledClip]]] = {name: [] for name in GROUPS}
    for one, other in itertools.combinations(clips, 2):
        if one.label != other.label:
            by_group[GROUPS[one.category == other.category]].append((one, other))
    planned = []
    for name, pairs in by_group.items():
        random_order.shuffle(pairs)
        turned = (random_order.random() < 0.5 for _ in pairs)
        sides = [("left", "right") if first else ("right", "left") for first in turned]
        both = [
            film
            for (one, other), (first, second) in zip(pairs, sides, strict=True)
            for film in ((name, one, other, first), (name, other, one, second))
        ]
        planned += both[:most]
    return planned


def make_pairs(
    clips: Sequence[LabelledClip],
    out: Path,
    most: int | None = None,
    seconds: float = SECONDS,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[tuple[str, PairRow]]:
    """Write the films and their tables; what is there already is kept.

    Yields:
        group and row of each film.

    Raises:
        MediaError: a clip cannot be read.
    """
    planned = plan_pairs(clips, most, seed)
    rows: dict[str, list[PairRow]] = {name: [] for name in GROUPS}
    for number, (group, target, pair, side) in enumerate(planned):
        row = _row(target, pair, side, seconds)
        progress(number + 1, len(planned))
        if row.seconds < SHORTEST:
            continue
        path = out / group / "mixed" / f"{row.file_name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _write(path, target, pair, side, row.seconds)
        rows[group].append(row)
        yield group, row
    for group, found in rows.items():
        if found:
            _write_table(out / group / METADATA, found)


def _row(target: LabelledClip, pair: LabelledClip, side: str, seconds: float) -> PairRow:
    length = min(seconds, *(_rest(clip) for clip in (target, pair)))
    stems = [f"{clip.file.stem}_{round(clip.start):06d}" for clip in (target, pair)]
    return PairRow(
        file_name="_".join([*stems, side]),
        target_file=target.file.name,
        paired_file=pair.file.name,
        target_start_sec=target.start,
        paired_start_sec=pair.start,
        target_position=side,
        label=target.label,
        paired_label=pair.label,
        target_category=target.category,
        paired_category=pair.category,
        seconds=int(length * FRAME_RATE + 1e-6) / FRAME_RATE,  # whole frames
    )


def _rest(clip: LabelledClip) -> float:
    film = probe(clip.file)
    if film.duration is None:
        raise MediaError(f"{clip.file.name} does not say how long it is.", "Export it again.")
    return float(film.duration) - clip.start


def _write(path: Path, target: LabelledClip, pair: LabelledClip, side: str, seconds: float) -> None:
    own, other = (
        ffmpeg.input(input_path(clip.file), ss=clip.start, t=seconds) for clip in (target, pair)
    )
    halves = [
        source.video.filter("fps", FRAME_RATE)
        .filter("scale", WIDTH // 2, HEIGHT, flags="bicubic")
        .filter("setsar", 1)
        for source in ((own, other) if side == "left" else (other, own))
    ]
    streams = [ffmpeg.filter(halves, "hstack", inputs=2)]
    if probe(target.file).audio:
        streams.append(own.audio)
    with atomic_output(path) as beside:
        spec = ffmpeg.output(
            *streams, str(beside), t=seconds, format="mp4", vcodec="libx264", crf=18,
            preset="veryfast", pix_fmt="yuv420p", acodec="aac", audio_bitrate="192k",
        )  # fmt: skip
        run_ffmpeg(spec, f"write {path.name}")


def _write_table(path: Path, rows: Sequence[PairRow]) -> None:
    with atomic_output(path, overwrite=True) as beside, beside.open("w", newline="") as file:
        table = csv.DictWriter(file, [field.name for field in fields(PairRow)])
        table.writeheader()
        table.writerows(asdict(row) for row in rows)
