"""Held-out sounds made again by the library: from their label and the times of their hits alone.

    python benchmarks/library.py --sounds SOUNDS [--limit 318]

SOUNDS is a folder with sounds.csv. Every tenth sound is in no bank (crc32(file) % 10 == 0). The
library is given its label, its hits (`find_hits`) or, when it has none, its length, and YAMNet
hears what comes out: a linear probe fitted on the other sounds names the class, fad_yamnet compares
the two sets patch by patch, and onset F1 compares the onsets that are heard with the times that
were asked for.
Controls: a real sound of the same class, at its own times, and a real sound of any class. The probe
was fitted on these, so what it scores for the former is no bound.
"""

import argparse
import csv
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import resample_poly

from foleycli.evaluate.fad import frechet_distance
from foleycli.evaluate.probe import Probe, fit_probe
from foleycli.evaluate.timing import find_onsets, onset_f1, onset_strength
from foleycli.library.build import held_out, sound_label
from foleycli.library.index import open_bank
from foleycli.library.level import SAMPLE_RATE, Samples
from foleycli.library.place import place_cues
from foleycli.library.recording import read_sound
from foleycli.library.segment import BED_SPREAD_DB, find_beds, find_hits
from foleycli.listeners.yamnet import SAMPLE_RATE as HEARD_RATE
from foleycli.listeners.yamnet import yamnet
from foleycli.spot.cues import Cue
from foleycli.waveform.sound import at_loudness

LONGEST = 10 * SAMPLE_RATE  # samples of a sound that are used
Rows = list[dict[str, str]]
Heard = tuple[NDArray[np.float32], NDArray[np.float64]]  # embeddings, onset times


def read_rows(sounds: Path) -> tuple[Rows, Rows]:
    """(held out, others) that have a label in words."""
    with (sounds / "sounds.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if sound_label(row["label"])]
    return [r for r in rows if held_out(r["file"])], [r for r in rows if not held_out(r["file"])]


def hear(samples: Samples) -> Heard:
    """YAMNet embeddings (patches, 1024) at -20 LUFS, and onset times."""
    heard = at_loudness(resample_poly(samples, HEARD_RATE, SAMPLE_RATE).astype(np.float32))
    return yamnet()(heard).embeddings, find_onsets(onset_strength(heard))


def embed_others(sounds: Path, rows: Rows, kept: Path) -> NDArray[np.float32]:
    """Embeddings of the sounds that the probe learns from, kept in a file."""
    if kept.is_file():
        return np.load(kept)
    embeddings = np.stack(
        [hear(read_sound(sounds / row["file"], 0, LONGEST))[0].mean(axis=0) for row in rows]
    )
    np.save(kept, embeddings)
    return embeddings


def controls(sounds: Path, rows: Rows, others: Rows) -> dict[str, list[Heard]]:
    """Real sounds that are not held out, in place of those that are."""
    rng = np.random.default_rng(0)

    def draw(candidates: Rows) -> Heard:
        row = candidates[int(rng.integers(len(candidates)))]
        return hear(read_sound(sounds / row["file"], 0, LONGEST))

    alike = [draw([r for r in others if r["class"] == row["class"]]) for row in rows]
    return {"a sound of its class": alike, "any other sound": [draw(others) for _ in rows]}


def cues_of(samples: Samples, label: str) -> list[Cue]:
    """What a perfect eye would ask for: the label at every hit, and all along if it is steady."""
    length = Fraction(len(samples), SAMPLE_RATE)
    hits = find_hits(samples)
    starts = [Fraction(hit.onset, SAMPLE_RATE) for hit in hits]
    cues = [Cue(start=at, duration=length - at + 1, kind="hit", what=label) for at in starts]
    if not hits or any(bed.spread_db < BED_SPREAD_DB for bed in find_beds(samples)):
        cues.append(Cue(start=Fraction(0), duration=length, kind="bed", what=label))
    return cues


def table_row(
    name: str,
    heard: list[Heard],
    asked: list[list[float]],
    truth: tuple[Probe, list[str], NDArray[np.float32]],
) -> str:
    """One line of the table."""
    probe, classes, real = truth
    means = np.stack([patches.mean(axis=0) for patches, _ in heard])
    tops = [probe.top(means, classes, k) for k in (1, 5)]
    timed = [(np.array(a), onsets) for a, (_, onsets) in zip(asked, heard, strict=True) if a]
    f1 = [np.nanmean([onset_f1(a, onsets, t) for a, onsets in timed]) for t in (0.05, 0.1)]
    fad = frechet_distance(real, np.concatenate([patches for patches, _ in heard]))
    return f"| {name:28} | {tops[0]:.3f} / {tops[1]:.3f} | {fad:9.2f} | {f1[0]:.2f} / {f1[1]:.2f} |"


def main() -> None:
    """Print the table and the speed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sounds", type=Path, required=True)
    parser.add_argument("--library", type=Path, help="a bank or a folder; default the shipped one")
    parser.add_argument("--limit", type=int, default=10_000, help="held-out sounds to use")
    parser.add_argument("--kept", type=Path, default=Path("library_probe.npy"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows, others = read_rows(options.sounds)
    rows = rows[: options.limit]
    others_classes = [row["class"] for row in others]
    probe = fit_probe(embed_others(options.sounds, others, options.kept), others_classes)
    begin = time.perf_counter()
    bank = open_bank(options.library)
    opening = time.perf_counter() - begin
    real, made, asked, seconds, spent = [], [], [], 0.0, 0.0
    for seed, row in enumerate(rows):
        samples = read_sound(options.sounds / row["file"], 0, LONGEST)
        cues = cues_of(samples, sound_label(row["label"]))
        begin = time.process_time()
        placed = place_cues(cues, bank, Fraction(len(samples), SAMPLE_RATE), seed=seed)
        waveform = np.concatenate(list(placed))
        spent += time.process_time() - begin
        seconds += len(samples) / SAMPLE_RATE
        real.append(hear(samples))
        made.append(hear(waveform))
        asked.append([float(cue.start) for cue in cues if cue.kind == "hit"])
    truth = (
        probe,
        [row["class"] for row in rows],
        np.concatenate([patches for patches, _ in real]),
    )
    print(
        f"{len(rows)} held-out sounds, {len(set(truth[1]))} classes, probe on {len(others)} others"
    )
    print("| | probe top-1 / top-5 | fad_yamnet | F1 50 / 100 ms |\n|---|---|---|---|")
    print(table_row("the sounds themselves", real, asked, truth))
    print(table_row("library", made, asked, truth))
    for name, sounds in controls(options.sounds, rows, others).items():
        print(table_row(name, sounds, asked, truth))
    print(f"opening {1000 * opening:.0f} ms; 10 s of sound placed in {10 * spent / seconds:.3f} s")


if __name__ == "__main__":
    main()
