"""The cue sheet: what sounds when, in words and numbers a person can read and change.

Every source of sound is driven by cues, so an edited sheet always takes effect:
``library`` sets a recording at each, ``small`` is conditioned on the features they render to.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

from foleycli.documents import exact_number
from foleycli.errors import MediaError
from foleycli.output import atomic_output

Kind = Literal["hit", "bed"]
# The tracks of a Foley session: feet, moves (cloth), props (what hands do), hard effects (machines,
# vehicles, weapons, doors), voices (animals, crowds), air (the sound of a place). Empty: unsaid.
Layer = Literal["feet", "moves", "props", "hard", "voices", "air", ""]
LAYERS: tuple[Layer, ...] = get_args(Layer)[:-1]
LIKE = "like:"  # in a cue's words: a sound file follows, and recordings like it are wanted
NO_RECORDING = "no recording of that"  # said of a cue that nothing is played for
LATEST = 1_000_000  # seconds that are believed
SOFTEST, LOUDEST = -300, 60  # dB that are believed
SUREST = 1
SHORTEST = Fraction(1, 1_000_000)  # seconds that a sheet can say
WORDIEST = 10_000  # letters of one field that are read
FARTHEST = 10_000  # metres that are believed
COLUMNS = (
    *("start", "duration", "kind", "what", "level_db", "confidence"),
    *("layer", "surface", "pan", "distance", "evidence", "recording"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """One sound: a ``hit`` begins at an instant, a ``bed`` fills its span.

    Beds of the same words that touch (one ends where the next starts) are one continuous sound
    whose level moves. Chance (take, pitch, level) is drawn for each sound from the seed and the
    cue's own words and start, so that an edited cue changes that sound and no other.
    """

    start: Fraction  # seconds from the first frame
    duration: Fraction  # seconds it may sound; a hit's recording may end sooner
    kind: Kind
    what: str  # words
    level_db: float = 0.0  # relative to the sound's usual level
    confidence: float = 1.0  # 0 to 1
    layer: Layer = ""  # the track it belongs to
    surface: str = ""  # what it is struck on or walks on, in words: "gravel"
    pan: float = 0.0  # -1 left to 1 right of the picture
    distance: float = 0.0  # metres from the camera; 0 where nobody knows
    evidence: str = ""  # what was seen, for a person to judge by
    # id of the one recording of the library to sound; empty: any that fits; in a sheet also what
    # will be played, in brackets
    recording: str = ""

    @property
    def end(self) -> Fraction:
        """Seconds from the first frame."""
        return self.start + self.duration


def split_like(what: str) -> tuple[str, str]:
    """Words, and the file that the sound shall be like: "door like:slam.wav"; "" for none of it."""
    words, mark, file = what.partition(LIKE)
    return (words.strip(), file.strip()) if mark else (what, "")


def find_likes(cues: Iterable[Cue], folder: Path) -> list[Cue]:
    """Cues whose files are looked for in the folder of the sheet that names them.

    Raises:
        MediaError: one is not there.
    """
    return [replace(cue, what=_found_like(cue.what, folder)) for cue in cues]


def _found_like(what: str, folder: Path) -> str:
    words, file = split_like(what)
    if not file:
        return what
    path = (folder / file).absolute()
    if not path.is_file():
        raise MediaError(f"The sound {path} is not there.", "Correct like: in the sheet.")
    return f"{words} {LIKE}{path}".strip()


def sheet_rows(
    cues: Iterable[Cue], remarks: Sequence[str] | None = None
) -> Iterator[tuple[str, ...]]:
    """The lines of a cue sheet; times are decimal seconds, exact on the curves' 1/64 s grid.

    Args:
        remarks: for each cue what is played for it, said in brackets where its ``recording`` says
            nothing: it informs, and `read_cues` does not read it.
    """
    yield COLUMNS
    cues = list(cues)
    for cue, remark in zip(cues, remarks or [""] * len(cues), strict=True):
        times = (f"{float(cue.start):.6f}", f"{float(cue.duration):.6f}")
        numbers = (f"{cue.level_db:.1f}", f"{cue.confidence:.2f}")
        place = (f"{cue.pan:.2f}", f"{cue.distance:.1f}")
        words = (cue.evidence, cue.recording or (f"({remark})" if remark else ""))
        yield (*times, cue.kind, cue.what, *numbers, cue.layer, cue.surface, *place, *words)


def write_cues(
    path: Path,
    cues: Iterable[Cue],
    *,
    remarks: Sequence[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a cue sheet as CSV, whole or not at all; ``remarks`` as in `sheet_rows`."""
    with (
        atomic_output(path, overwrite=overwrite) as beside,
        beside.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows(sheet_rows(cues, remarks))


def read_cues(path: Path) -> list[Cue]:
    """Read a cue sheet, in order of time.

    Only ``start`` and ``what`` are required of a row; the rest has defaults (a hit of one second).

    Raises:
        MediaError: naming the line that cannot be understood.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = {"start", "what"} - set(rows.fieldnames or ())
            if missing:
                raise MediaError(
                    f"{path.name} has no column {' or '.join(sorted(missing))}.",
                    f"Begin it with {','.join(COLUMNS)}; `foley cues CLIP` writes such a file.",
                )
            cues = [_parse(row, path, rows.line_num) for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise MediaError(
            f"{path.name} is not UTF-8 text.", "Save it as CSV UTF-8, as Excel calls it."
        ) from error
    except OSError as error:
        raise MediaError(
            f"{path} cannot be read: {error.strerror or error}.", "Check its name and permissions."
        ) from error
    return sorted(cues, key=lambda cue: cue.start)


def parse_cue(row: dict[str, str]) -> Cue:
    """A cue of one row of a sheet, by its columns.

    Raises:
        MediaError: it cannot be understood.
    """
    return _parse({"start": "", "what": "", **row}, Path("the cue"), 1)


def _parse(row: dict[str, str | None], path: Path, line: int) -> Cue:
    def said(column: str, otherwise: str = "") -> str:
        return (row.get(column) or "").strip() or otherwise

    try:
        cue = Cue(
            start=exact_number(said("start")),
            duration=exact_number(said("duration", "1")),
            kind=_kind(said("kind", "hit")),
            what=said("what"),
            level_db=float(said("level_db", "0")),
            confidence=float(said("confidence", "1")),
            layer=layer_of(said("layer")),
            surface=said("surface"),
            pan=float(said("pan", "0")),
            distance=float(said("distance", "0")),
            evidence=said("evidence"),
            recording=_pinned(said("recording")),
        )
    except (ValueError, ZeroDivisionError) as error:
        raise MediaError(
            f"{path.name}, line {line}: {error}.",
            "Times are seconds such as 1.25, kind is hit or bed, level_db a number such as -6, "
            f"layer one of {', '.join(LAYERS)}.",
        ) from error
    if wrong := what_is_wrong(cue):
        raise MediaError(f"{path.name}, line {line}: {wrong}.", "Correct the line or delete it.")
    return cue


def _pinned(recording: str) -> str:
    """The recording that a sheet asks for; what stands in brackets is a remark."""
    return "" if recording.startswith("(") and recording.endswith(")") else recording


def what_is_wrong(cue: Cue) -> str:
    """Why a cue cannot be believed; "" when it can. Numbers may be no numbers at all."""
    if cue.start < 0 or cue.duration < SHORTEST or not cue.what:
        return "a cue needs words, a start from 0 and a duration above 0"
    if cue.end > LATEST or not SOFTEST <= cue.level_db <= LOUDEST:
        return f"times go up to {LATEST:,} s, levels from {SOFTEST} to {LOUDEST} dB"
    if not (-1 <= cue.pan <= 1 and 0 <= cue.distance <= FARTHEST):
        return f"pan goes from -1 to 1, distance up to {FARTHEST:,} m"
    if not 0 <= cue.confidence <= SUREST + 1e-6:
        return f"confidence goes from 0 to {SUREST}"
    if max(len(cue.what), len(cue.surface), len(cue.evidence), len(cue.recording)) > WORDIEST:
        return f"words go up to {WORDIEST:,} letters"
    return ""


def layer_of(text: str) -> Layer:
    """A layer by its name.

    Raises:
        ValueError: there is none of that name.
    """
    for layer in (*LAYERS, ""):
        if text == layer:
            return layer
    raise ValueError(f"layer is {text!r}, not one of {', '.join(LAYERS)}")


def _kind(text: str) -> Kind:
    if text == "hit":
        return "hit"
    if text == "bed":
        return "bed"
    raise ValueError(f"kind is {text!r}, not hit or bed")
