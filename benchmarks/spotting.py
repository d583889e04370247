"""Which lever is left: words, times and levels given by hand, and how often what is heard is wrong.

    python benchmarks/spotting.py CLIPS            # all clips of clips.csv, one seed
    python benchmarks/spotting.py CLIPS --seeds 4 --old 42

CLIPS is a folder of videos with clips.csv (file, class, description). The first ``--old`` clips
are one group, the others a second. Rows: what is found; with the description as prompt (true
words); with the onsets and levels of the clip's own sound in place of those of the motion (true
times); with both. Then, for what is found, in how many clips a knock, a crowd, music or a voice is
heard that the own sound has not (by YAMNet), and how many have 50 ms of digital black.
"""

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import soxr
from clips import _fitted, real_clips
from numpy.typing import NDArray

from foleycli.clip.probe import probe
from foleycli.config import FEATURES, GenerateConfig
from foleycli.evaluate.compare import MEASURES, Sound, compare, describe
from foleycli.evaluate.interval import bootstrap
from foleycli.frames.decode import decode_pictures
from foleycli.listeners.yamnet import SAMPLE_RATE, class_names
from foleycli.sources.open import Source, open_source
from foleycli.spot.cues import Cue
from foleycli.spot.features import Features
from foleycli.spot.find import find_cues

SHOWN = ("kl", "cosy", "env", "onf1c")
HEARD = {  # AudioSet classes that are heard where one of them has this much of the sound
    "knock": ("Knock", "Tap", "Wood", "Chop", "Thump, thud", "Whack, thwack"),
    "crowd": ("Crowd", "Cheering", "Applause", "Chatter", "Hubbub, speech noise, speech babble"),
    "music": ("Music", "Musical instrument", "Singing"),
    "voice": ("Speech", "Laughter", "Crying, sobbing", "Baby cry, infant cry", "Screaming"),
}
SHARE = 0.15  # of the distribution
BLACK = 0.05  # seconds


def true_times(features: Features, own: Sound) -> Features:
    """The motion's hits and activity replaced by the onsets and the loudness of the own sound."""
    points = len(features.hits)
    hits, level = np.zeros(points, np.float32), own.level
    for onset in own.onsets:
        at = min(points - 1, round(onset * FEATURES.when_rate))
        loud = level[min(len(level) - 1, round(onset * 25))] - level.max()
        hits[at] = max(0.45, 10 ** (float(loud) / 20))
    times = np.arange(points) / FEATURES.when_rate
    activity = 10 ** (np.interp(times, np.arange(len(level)) / 25, level - level.max()) / 20)
    rows = features.rows.copy()
    drawn = Features.assemble(
        features.what, hits, activity.astype(np.float32), features.duration, features.cuts
    )
    rows[:, FEATURES.what_size :] = drawn.rows[:, FEATURES.what_size :]
    return replace(features, rows=rows)


def sound(source: Source, features: Features, cues: list[Cue], seed: int) -> NDArray[np.float32]:
    """(samples,) at 48 kHz."""
    blocks = list(source.render(features, cues, GenerateConfig(seed=seed)))
    whole = np.concatenate(blocks)
    return whole if whole.ndim == 1 else whole.mean(axis=1)


def heard(distribution: NDArray[np.float64]) -> set[str]:
    """Which of `HEARD` a sound has."""
    share = dict(zip(class_names(), distribution, strict=True))
    return {kind for kind, names in HEARD.items() if sum(share[n] for n in names) >= SHARE}


def is_black(whole: NDArray[np.float32], rate: int = 48_000) -> bool:
    """Whether there is a stretch of digital silence."""
    length = round(BLACK * rate)
    sums = np.concatenate([[0], np.cumsum(whole != 0)])
    return bool((sums[length:] == sums[:-length]).any())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--old", type=int, default=42, help="clips of the first group")
    parser.add_argument("--model", default="library")
    options = parser.parse_args()
    with (options.clips / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    paths = [options.clips / row["file"] for row in rows]
    real, source = real_clips(paths), open_source(GenerateConfig(model=options.model))
    named: dict[str, list[list[float]]] = {}
    wrong: list[set[str]] = []
    for row, path, (own, motion) in zip(rows, paths, real, strict=True):
        features = source.encode(decode_pictures(probe(path)))
        timed = true_times(features, own)
        ways = {
            "found": (features, None),
            "true words": (features, row["description"]),
            "true times": (timed, None),
            "true words and times": (timed, row["description"]),
        }
        for name, (seen, prompt) in ways.items():
            scores = []
            for seed in range(options.seeds):
                whole = sound(source, seen, find_cues(seen, prompt), seed)
                heard_of = soxr.resample(whole, 48_000, SAMPLE_RATE).astype(np.float32)
                described = describe(_fitted(heard_of, own.duration))
                scores.append([compare(own, described, motion)[m] for m in MEASURES])
                if name == "found" and not seed:
                    extra = heard(described.distribution) - heard(own.distribution)
                    wrong.append(extra | ({"black"} if is_black(whole) else set()))
            named.setdefault(name, []).append(list(np.nanmean(scores, axis=0)))
    music = np.array(["music" in row["class"] for row in rows])
    number = np.arange(len(rows))
    groups = {"old": number < options.old, "new": number >= options.old}
    groups["new without music"] = groups["new"] & ~music
    for group, chosen in groups.items():
        if not chosen.any():
            continue
        print(f"\n{group}, {chosen.sum()} clips, {options.seeds} seeds\n| | " + " | ".join(SHOWN))
        print("|---" * (1 + len(SHOWN)) + "|")
        for name, scores in named.items():
            table = np.array(scores)[chosen]
            cells = [
                "{:.2f} [{:.2f}, {:.2f}]".format(*bootstrap(table[:, MEASURES.index(m)]))
                for m in SHOWN
            ]
            print(f"| {name} | " + " | ".join(cells) + " |")
        counts = {k: sum(k in w for w, c in zip(wrong, chosen, strict=True) if c)
                  for k in (*HEARD, "black")}  # fmt: skip
        print("clips with what the own sound has not:",
              ", ".join(f"{k} {n}" for k, n in counts.items()))  # fmt: skip


if __name__ == "__main__":
    main()
