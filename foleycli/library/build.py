"""Cut a bank from a folder of sounds and its CSV; the shipped bank is made by

    python -m foleycli.library.build SOUNDS foleycli/library/bank --clean

SOUNDS holds ``sounds.csv`` (file, class, label, licence, author, url, source). One sound in ten,
``zlib.crc32(file) % 10 == 0``, is held out for tests and never enters a bank. ``--clean`` drops
recordings whose neighbours, by ear (see ``typical.py``), are of other classes; it needs `aisfx`.
``--add`` puts sounds that were chosen by hand (`packages.py`) beside those of a bank, all of them,
by the labels they have; what an earlier ``--add`` took from the same sources goes.
"""

import argparse
import csv
import logging
import re
import shutil
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from foleycli.errors import MediaError, UsageError
from foleycli.library.level import SAMPLE_RATE, Samples, bed_level_db, hit_level_db
from foleycli.library.recording import read_sound, write_opus
from foleycli.library.segment import find_beds, find_hits
from foleycli.library.table import COLUMNS, Kind, read_categories
from foleycli.library.words import label_words
from foleycli.spot.text import embed_text

log = logging.getLogger("foleycli")

KINDS = Path(__file__).parent / "kinds.csv"  # classes, their words and usual levels
# Words of packs and of their folders, which say nothing of the sound.
PACK_WORDS = frozenset(
    "src assets environment weather resources rpgaudio uiaudio rpg ui casino audio interface sounds"
    " misc impact plmove mon smash success fail generic dink sonic pi fps unused perhaps maybe"
    " someone excerptb jma".split()
)
# Words of recordings that are music, speech or synthetic: no picture shows them sounding so.
UNWANTED_WORDS = frozenset(
    "piano guitar vinyl drum drumming bamboo reso ufo laser plasma harmonica harp analog phone"
    " robot alien ghost talking melodic reverb portal gene acid vibra beat perc static".split()
)
# Synthetic game sounds: no film asks for them.
PACKS_LEFT_OUT = ("digitalaudio", "arcade", "starter", "sonic pi", "dink dink")
# The sounds of Freedoom are named like Doom's; those whose meaning is known.
FREEDOOM = {
    "dspistol": "pistol shot", "dsshotgn": "shotgun shot", "dsdshtgn": "double shotgun shot",
    "dssgcock": "shotgun cock", "dsrlaunc": "rocket launch", "dsrxplod": "rocket explosion",
    "dsbarexp": "barrel explosion", "dsfirxpl": "fire ball explosion", "dsflame": "flame",
    "dsdoropn": "door open", "dsdorcls": "door close", "dsbdopn": "metal door open fast",
    "dsbdcls": "metal door close fast", "dsstnmov": "stone moving scrape", "dsswtchn": "switch",
    "dssawidl": "chain saw idle", "dssawful": "chain saw", "dssawup": "chain saw start",
    "dssawhit": "chain saw cutting", "dspstart": "lift start", "dspstop": "lift stop",
    "dspunch": "punch", "dsclaw": "claw scratch", "dsplpain": "man pain grunt",
    "dspldeth": "man death scream", "dsoof": "man grunt", "dshoof": "heavy hoof stomp",
    "dsmetal": "heavy metal foot step", "dspopain": "man pain grunt", "dsskeswg": "swing",
}  # fmt: skip

# Who made sounds whose row names nobody: by their collection, or by label where that is listed
# (Blanket's SOUNDS_LICENSING.md).
COLLECTIONS = {
    "berklee_olpc": "students, professors and alumni of Berklee College of Music, for OLPC",
    "freedoom": "Contributors to the Freedoom project",
    "kenney": "Kenney (kenney.nl)",
}
AUTHORS = {
    "resources city": ("gezortenplotz", "https://freesound.org/people/gezortenplotz/sounds/44796/"),
    "resources rain": ("alex36917", "https://freesound.org/people/alex36917/sounds/524605/"),
    "resources storm": (
        "Digifish music",
        "https://freesound.org/people/digifishmusic/sounds/41739/",
    ),
    "resources waves": ("Luftrum", "https://freesound.org/people/Luftrum/sounds/48412/"),
}
FREESOUND_NAME = r"^assets \d+ \S+ "  # number and author, before the title
# How labels of one pack begin -> what is heard.
REWORDED = {
    "fire gun brass eject": "shell casing brass eject", "fire gun empty": "gun empty click",
    "fire gun hand guns": "hand gun gunshot", "fire gun machine guns": "machine gun gunshots",
    "fire gun shot guns": "shotgun gunshot", "fire gun rifles": "rifle gunshot",
    "fire gun bows bow": "bow and arrow", "fire gun launchers": "grenade", "ar ": "assault rifle ",
    "reload mag fed": "reload rifle", "reload tube fed": "reload", "reload pocket": "reload",
    "walk": "footsteps walk", "footstep": "footsteps", "melee swing": "swing",
    "melee hit flesh": "hit flesh", "melee attack": "attack", "deal damage hurt": "hurt grunt",
    "fatigue": "breathing fatigue", "clear obstacle": "footsteps jump", "entity hit": "hit",
    "close door": "door close", "open door": "door open", "wood furn": "wood furniture smash",
}  # fmt: skip
CLASS_SECONDS = {"hit": 90.0, "bed": 130.0}  # of one class at most
LABEL_TAKES = {"hit": 8, "bed": 3}  # of one label at most
TAKES = {"hit": 4, "bed": 1}  # from one file at most
MEGABYTES = 32
CREDIT_COLUMNS = ("licence", "author", "url", "source")
LEAST_RISE_DB, LEAST_ABOVE_FLOOR_DB = 12.0, 16.0  # a hit worth keeping
LEAST_TYPICAL = 0.05

README = """# The shipped bank of recordings

{recordings} recordings with {labels} labels in {classes} classes, cut by
`python -m foleycli.library.build SOUNDS BANK --clean` from sounds that are free for any use, some
with attribution: CREDITS.csv names the author, licence, page and collection of each. Changes made:
mono, cut, levelled, faded, encoded as Opus. A film that uses the CC-BY ones credits their authors.

| licence | recordings |
|---|---|
{licences}

Recordings whose source is a package of a registry were chosen by hand
(`foleycli/library/packages.csv`); room tones are made by `foleycli/library/packages.py`. The MIT
recordings are Copyright (c) 2000-2013 Frank Wen, 2008 Toby Smithe (Fluid R3), Copyright (c)
Thomas Lai (kbsim), and Copyright (c) Hai Nguyen and the contributors of Mechvibes and Keyboard
Sounds. Permission is hereby granted, free of charge, to any person obtaining a copy of these
recordings and associated documentation files (the "Software"), to deal in the Software without
restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
Software is furnished to do so, subject to the following conditions: the above copyright notice
and this permission notice shall be included in all copies or substantial portions of the
Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED,
INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE
AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT
OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.

The BSD-3-Clause recordings come from Freedoom: Copyright (c) 2001-2024 Contributors to the Freedoom
project. All rights reserved. Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met: (1) Redistributions of
source code must retain the above copyright notice, this list of conditions and the following
disclaimer. (2) Redistributions in binary form must reproduce the above copyright notice, this list
of conditions and the following disclaimer in the documentation and/or other materials provided with
the distribution. (3) Neither the name of the Freedoom project nor the names of its contributors may
be used to endorse or promote products derived from this software without specific prior written
permission. THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY
EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF
MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT
OWNER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR
CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES;
LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF
LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE)
ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH
DAMAGE.
"""


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of a source file that could enter the bank; positions in samples."""

    row: Mapping[str, str]  # of sounds.csv
    label: str
    kind: Kind
    start: int
    onset: int
    end: int
    merit: float  # how clean it is, in dB: higher is better
    level_db: float
    attack_ms: float = 0.0
    spread_db: float = 0.0
    typical: float = 0.5


def held_out(file: str) -> bool:
    """Whether a sound belongs to the tenth that tests, and no bank or training, may use."""
    return zlib.crc32(file.encode()) % 10 == 0


def build_bank(sounds: Path, out: Path, clean: bool, cache: Path | None = None) -> None:
    """Cut, clean, choose and write a bank.

    Args:
        sounds: folder with sounds.csv.
        out: folder to write; an older bank there is replaced.
        clean: drop what its neighbours say is of another class.
        cache: file that keeps embeddings from one build to the next.

    Raises:
        UsageError: there is no sounds.csv.
    """
    rows = read_rows(sounds)
    cuts = [cut for row in rows for cut in cut_recording(sounds, row)]
    if clean:
        cuts = clean_cuts(sounds, cuts, cache)
    chosen = choose_cuts(cuts)
    write_bank(sounds, out, chosen)


def add_to_bank(sounds: Path, bank: Path) -> None:
    """Put every cut of chosen sounds beside the recordings of a bank.

    Raises:
        UsageError: there is no sounds.csv.
    """
    rows = read_table(sounds)
    added = {row["source"] for row in rows}
    cuts = [cut for row in rows for cut in cut_recording(sounds, row, row["label"])]
    chosen = [
        cut
        for label in sorted({cut.label for cut in cuts})
        for kind in ("hit", "bed")
        for cut in _best_takes([c for c in cuts if (c.label, c.kind) == (label, kind)])
    ]
    with (bank / "recordings.csv").open(newline="", encoding="utf-8") as file:
        kept = [row for row in csv.DictReader(file) if row["source"] not in added]
    building = bank.with_name(bank.name + ".building")
    shutil.rmtree(building, ignore_errors=True)
    for row in kept:
        (building / row["file"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bank / row["file"], building / row["file"])
    for beside in bank.glob("*.csv"):
        shutil.copyfile(beside, building / beside.name)
    names = Counter[str]()
    written = []
    for file, group in sorted(_by_file(chosen).items()):
        samples = read_sound(sounds / file)
        for cut in group:
            names[cut.row["class"]] += 1
            name = f"{cut.row['class']}_p{names[cut.row['class']]:02d}"
            written.append(_write_cut(building, samples, cut, name))
    table = [tuple(row[column] for column in COLUMNS) for row in kept]
    _finish(building, bank, [*table, *written], {str(row[4]) for row in [*table, *written]})


def _best_takes(cuts: list[Cut]) -> list[Cut]:
    """The cleanest, from different files first, no more than of any label."""
    turns: dict[str, int] = Counter()
    ranked = []
    for cut in sorted(cuts, key=lambda cut: -cut.merit):
        ranked.append((turns[cut.row["file"]], len(ranked), cut))
        turns[cut.row["file"]] += 1
    return [cut for *_, cut in sorted(ranked)][: LABEL_TAKES[cuts[0].kind] if cuts else 0]


def read_table(sounds: Path) -> list[dict[str, str]]:
    """All rows of sounds.csv.

    Raises:
        UsageError: there is none.
    """
    table = sounds / "sounds.csv"
    if not table.is_file():
        raise UsageError(f"{sounds} has no sounds.csv.", "Give a folder of sounds with its CSV.")
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_rows(sounds: Path) -> list[dict[str, str]]:
    """The rows of sounds.csv that a bank may use."""
    rows = [row for row in read_table(sounds) if not held_out(row["file"])]
    wanted = [credited(row) for row in rows if not row["label"].startswith(PACKS_LEFT_OUT)]
    return [row for row in wanted if row["author"] or not asks_for_credit(row["licence"])]


def credited(row: dict[str, str]) -> dict[str, str]:
    """The row with an author where one is known."""
    if row["author"]:
        return row
    author, url = AUTHORS.get(row["label"], (COLLECTIONS.get(row["source"], ""), row["url"]))
    return {**row, "author": author, "url": url}


def asks_for_credit(licence: str) -> bool:
    """Whether a licence asks to name the author; a sound by nobody knows whom cannot be used so."""
    return licence.upper().startswith(("CC-BY", "CC BY", "OGA BY", "BSD"))


def sound_label(label: str) -> str:
    """The words of a label that are about its sound; empty when none is."""
    label = FREEDOOM.get(label, "" if label.startswith("ds") and " " not in label else label)
    words = label_words(re.sub(FREESOUND_NAME, "", label)).split()
    if UNWANTED_WORDS.intersection(words):
        return ""
    plain = " ".join(word for word in words if word not in PACK_WORDS)
    for said, meant in REWORDED.items():
        if plain.startswith(said):
            return " ".join(dict.fromkeys((meant + plain.removeprefix(said)).split()))
    return plain


def cut_recording(sounds: Path, row: Mapping[str, str], label: str | None = None) -> list[Cut]:
    """The clean hits and beds of one file; none, and a warning, of one that is unreadable.

    Args:
        label: in place of what `sound_label` makes of the row's.
    """
    label = sound_label(row["label"]) if label is None else label
    if not label:
        return []
    try:
        samples = read_sound(sounds / row["file"])
    except MediaError as error:
        log.warning("%s It is left out of the bank.", error.problem)
        return []
    cuts = [*_hits(samples, row, label), *_beds(samples, row, label)]
    return [cut for cut in cuts if not is_clipped(samples[cut.start : cut.end])]


def is_clipped(samples: Samples) -> bool:
    """Whether runs of samples stand at the ceiling: more than one in 500 at full scale."""
    return bool((np.abs(samples) > 0.995).mean() > 0.002)


def clean_cuts(sounds: Path, cuts: Sequence[Cut], cache: Path | None) -> list[Cut]:
    """Cuts with their typicality, those of another class's sound dropped."""
    from foleycli.library.typical import Ear, typicality

    known = load_file(cache) if cache and cache.is_file() else {}
    ear = Ear()
    for file, group in _by_file(cuts).items():
        keys = [f"{file}:{cut.start}:{cut.end}" for cut in group]
        if all(key in known for key in keys):
            continue
        samples = read_sound(sounds / file)
        for key, cut in zip(keys, group, strict=True):
            known[key] = ear.embed(samples[cut.start : cut.end])
    if cache:
        save_file(known, cache)
    embeddings = np.stack([known[f"{cut.row['file']}:{cut.start}:{cut.end}"] for cut in cuts])
    groups = [cut.row["file"] for cut in cuts]
    shares = typicality(embeddings, [cut.row["class"] for cut in cuts], groups)
    rated = [replace(c, typical=round(float(s), 3)) for c, s in zip(cuts, shares, strict=True)]
    proven = {cut.label for cut in rated if cut.typical >= LEAST_TYPICAL}
    kept = [c for c in rated if c.typical >= LEAST_TYPICAL or c.label not in proven]
    log.info("%d of %d cuts sound like their class, or are the only ones", len(kept), len(cuts))
    return kept


def choose_cuts(cuts: Iterable[Cut]) -> list[Cut]:
    """The best cuts within each class's share, going round its labels so that all are heard."""
    shelves: dict[tuple[str, str], dict[str, list[Cut]]] = defaultdict(lambda: defaultdict(list))
    for cut in sorted(cuts, key=lambda cut: -(cut.merit + 20 * cut.typical)):
        shelves[cut.row["class"], cut.kind][cut.label].append(cut)
    chosen: list[Cut] = []
    for (_, kind), labels in sorted(shelves.items()):
        left = CLASS_SECONDS[kind]
        for take in range(min(LABEL_TAKES[kind], max(map(len, labels.values())))):
            for group in labels.values():
                if take < len(group) and left > 0:
                    chosen.append(group[take])
                    left -= (group[take].end - group[take].start) / SAMPLE_RATE
    return chosen


def write_bank(sounds: Path, out: Path, cuts: Sequence[Cut]) -> None:
    """Encode the cuts and write the tables; the folder is replaced when all is done."""
    building = out.with_name(out.name + ".building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    rows = []
    numbers: Counter[str] = Counter()
    for file, group in sorted(_by_file(cuts).items()):
        samples = read_sound(sounds / file)
        for cut in group:
            category = cut.row["class"]
            numbers[category] += 1
            rows.append(_write_cut(building, samples, cut, f"{category}_{numbers[category]:03d}"))
    _finish(building, out, rows, {cut.label for cut in cuts})


def _finish(building: Path, out: Path, rows: list[tuple[object, ...]], labels: set[str]) -> None:
    """Write the tables and put the new bank in the place of the old one."""
    _write_table(building / "recordings.csv", COLUMNS, rows)
    shutil.copyfile(KINDS, building / "kinds.csv")
    save_embeddings(building, labels)
    write_credits(building)
    shutil.rmtree(out, ignore_errors=True)
    building.rename(out)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e6
    log.info("%d recordings, %.1f MB", len(rows), size)
    if size > MEGABYTES:
        log.warning("The bank is %.1f MB, more than %d MB; lower CLASS_SECONDS.", size, MEGABYTES)


def save_embeddings(folder: Path, labels: Iterable[str]) -> None:
    """Embed the sorted labels, and each word of kinds.csv in its order, as float16."""
    words = [word for category in read_categories(folder / "kinds.csv") for word in category.words]
    vectors = {"labels": embed_text(sorted(set(labels))), "words": embed_text(words)}
    small = {name: rows.astype(np.float16) for name, rows in vectors.items()}
    save_file(small, folder / "embeddings.safetensors")


def write_credits(folder: Path) -> None:
    """Write CREDITS.csv, one row a source sound, and README.md, which says what the bank is."""
    with (folder / "recordings.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    used: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in rows:
        used[tuple(row[c] for c in CREDIT_COLUMNS)].append(row["id"])
    table = [(*credit, " ".join(ids)) for credit, ids in sorted(used.items())]
    _write_table(folder / "CREDITS.csv", (*CREDIT_COLUMNS, "recordings"), table)
    licences = Counter(row["licence"] for row in rows)
    lines = [f"| {licence} | {count} |" for licence, count in licences.most_common()]
    text = README.format(
        recordings=len(rows),
        labels=len({row["label"] for row in rows}),
        classes=len({row["class"] for row in rows}),
        licences="\n".join(lines),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _hits(samples: Samples, row: Mapping[str, str], label: str) -> list[Cut]:
    good = [
        hit
        for hit in find_hits(samples)
        if hit.rise_db >= LEAST_RISE_DB and hit.above_floor_db >= LEAST_ABOVE_FLOOR_DB
    ]
    merit = {hit: min(hit.rise_db, 40) + min(hit.above_floor_db, 50) / 2 for hit in good}
    best = sorted(good, key=lambda hit: -merit[hit])[: TAKES["hit"]]
    cuts = []
    for hit in best:
        level = hit_level_db(samples[hit.start : hit.end])
        span = (hit.start, hit.onset - hit.start, hit.end)
        cuts.append(Cut(row, label, "hit", *span, merit[hit], level, attack_ms=hit.attack_ms))
    return cuts


def _beds(samples: Samples, row: Mapping[str, str], label: str) -> list[Cut]:
    cuts = []
    for bed in find_beds(samples, TAKES["bed"]):
        level = bed_level_db(samples[bed.start : bed.end])
        spread = round(bed.spread_db, 1)
        cuts.append(Cut(row, label, "bed", bed.start, 0, bed.end, -spread, level, spread_db=spread))
    return cuts


def _by_file(cuts: Iterable[Cut]) -> dict[str, list[Cut]]:
    files: dict[str, list[Cut]] = defaultdict(list)
    for cut in cuts:
        files[cut.row["file"]].append(cut)
    return files


def _write_cut(folder: Path, samples: Samples, cut: Cut, name: str) -> tuple[object, ...]:
    """Encode one cut; returns its row."""
    piece = samples[cut.start : cut.end].copy()
    fade = min(len(piece) // 4, SAMPLE_RATE // 50)
    if cut.kind == "hit" and fade:  # a tail that was cut off must not click
        piece[-fade:] *= np.cos(np.linspace(0, np.pi / 2, fade)).astype(np.float32)
    gain = 0.5 / max(float(np.abs(piece).max()), 1e-4)
    file = Path(cut.row["class"]) / f"{name}.opus"
    (folder / file).parent.mkdir(exist_ok=True)
    write_opus(folder / file, piece * np.float32(gain))
    level = cut.level_db + 20 * float(np.log10(gain))
    credit = tuple(cut.row[column] for column in CREDIT_COLUMNS)
    where = (0, cut.onset, len(piece), round(level, 2), cut.attack_ms, cut.spread_db, cut.typical)
    return (
        name,
        file.as_posix(),
        cut.kind,
        cut.row["class"],
        cut.label,
        *where,
        *credit,
        cut.row["file"],
    )


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


def main() -> None:
    """Parse the command line and build."""
    parser = argparse.ArgumentParser(description="Cut a bank from a folder of sounds.")
    parser.add_argument("sounds", type=Path, help="folder with sounds.csv")
    parser.add_argument("out", type=Path, help="bank to write")
    parser.add_argument("--clean", action="store_true", help="drop mislabelled sounds (aisfx)")
    parser.add_argument("--add", action="store_true", help="put chosen sounds beside the bank's")
    parser.add_argument("--cache", type=Path, help="keep embeddings here between builds")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.add:
        add_to_bank(arguments.sounds, arguments.out)
        return
    build_bank(arguments.sounds, arguments.out, arguments.clean, arguments.cache)


if __name__ == "__main__":
    main()
