"""``foley highlight`` on known stems put together from speech, music and real clips' own sound.

    python benchmarks/highlight.py DATA WORK [--mixes 60] [--seed 0]

DATA holds ``speech/``, ``music/`` and ``clips/``. Makes WORK/stems (a folder a mix, with its clip),
spoils them at the rule's own balance (WORK/muddy), and prints what each way mends. Then the picture
alone: effects that alternate, three seconds each, between the clip's own sound and another clip's;
how well does each second's score tell which is which? At last the words: the same of words that are
heard; and of the clip's own description against another clip's (``clips/clips.csv``).
"""

import argparse
import csv
import json
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
import soxr

from foleycli.config import MuddyConfig
from foleycli.evaluate.balance import differences, judge, read_cases, summarise, write_scores
from foleycli.evaluate.interval import bootstrap
from foleycli.highlight.levels import hear_stems
from foleycli.highlight.picture import read_motion, seen_effects
from foleycli.highlight.rule import second_edges
from foleycli.highlight.stems import stems_of
from foleycli.highlight.words import WordsReader, named_vector, read_seen, seen_words
from foleycli.output import scratch_folder
from foleycli.train.muddy import make_muddy
from foleycli.waveform.sound import read_native, read_sound

RATE, SECONDS = 44_100, 10
METHODS = ("input", "loudness", "base", "rule", "mix:rnnoise", "mix:deepfilter", "voice-known")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--mixes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    stems, muddy = asked.work / "stems", asked.work / "muddy"
    if not muddy.exists():
        compose(asked.data, stems, asked.mixes, asked.seed)
        make_muddy(stems, muddy, MuddyConfig(seed=asked.seed), balanced=True)
    cases = read_cases(muddy)
    scores = judge(cases, METHODS)
    write_scores(asked.work / "scores.jsonl", scores)
    for row in summarise(scores):
        print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}))
    print(json.dumps(differences(scores, "rule", "base")))
    print(json.dumps(tell_apart(asked.data, asked.mixes, asked.seed)))
    for row in tell_words(asked.data, asked.mixes, asked.seed):
        print(json.dumps(row))


def compose(data: Path, out: Path, mixes: int, seed: int) -> None:
    """Stems of ten seconds: somebody reads for a while, music, and a clip's own sound."""
    chance = random.Random(seed)
    speech = [load(path) for path in sorted((data / "speech").rglob("*.opus"))]
    music = [load(path) for path in sorted((data / "music").rglob("*.opus"))]
    clips = [path for path in sorted((data / "clips").rglob("*.mp4")) if "music" not in path.name]
    for number in range(mixes):
        clip = clips[number * len(clips) // mixes]
        own = read_sound(clip, RATE)
        length = SECONDS * RATE
        folder = out / f"{number:03d}"
        folder.mkdir(parents=True)
        said, played = chance.choice(speech), chance.choice(music)
        begin = chance.randrange(RATE // 2, 3 * RATE)
        voice = np.zeros(length, np.float32)
        part = said[: length - begin - chance.randrange(RATE // 2, 3 * RATE)]
        voice[begin : begin + len(part)] = part
        at = chance.randrange(max(1, len(played) - length))
        sounds = {"dialogue": voice, "music": fit(played[at:], length), "effects": fit(own, length)}
        for stem, sound in sounds.items():
            level = 0.08 / max(float(np.sqrt(np.mean(sound**2))), 1e-6)
            soundfile.write(folder / f"{stem}.wav", sound * min(level, 30), RATE, "FLOAT")
        (folder / clip.name).symlink_to(clip.resolve())


def tell_apart(data: Path, clips: int, seed: int) -> dict[str, float]:
    """Area under the curve of the picture's score, own sound against another clip's, by second;
    also with the picture reversed, which must be chance."""
    found = sorted(path for path in (data / "clips").rglob("*.mp4") if "music" not in path.name)
    chance = random.Random(seed)
    own, other = {"seen": [], "reversed": []}, {"seen": [], "reversed": []}
    for clip in chance.sample(found, min(clips, len(found))):
        stranger = chance.choice([path for path in found if path != clip])
        one, two = read_sound(clip, RATE), read_sound(stranger, RATE)
        length = min(len(one), len(two), 20 * RATE) // RATE * RATE
        if length < 6 * RATE:
            continue
        one, two = (even(sound[:length]) for sound in (one, two))
        turn = (np.arange(length) // (3 * RATE)) % 2 == 0
        with scratch_folder() as folder:
            soundfile.write(folder / "e.wav", np.where(turn, one, two), RATE, "FLOAT")
            stems = stems_of({"effects": folder / "e.wav"})
            levels = hear_stems(stems, onsets=("effects",))
        motion = read_motion(clip)
        edges = second_edges(stems.duration)
        for name, moves in (
            ("seen", motion),
            ("reversed", motion.part(0, length / RATE).reversed()),
        ):
            follows = seen_effects(levels, moves, edges).follows
            for second, score in enumerate(follows):
                (own if second // 3 % 2 == 0 else other)[name].append(score)
    return {f"auc_{name}": area(own[name], other[name]) for name in own} | {
        "seconds": len(own["seen"])
    }


def tell_words(data: Path, clips: int, seed: int) -> Iterator[dict[str, float | str]]:
    """The same of words. A control looks at a third clip's picture, and must be chance.

    Yields:
        areas, and how much higher a clip's own words score than another's, with the 95 % interval
        over clips.
    """
    found = sorted(path for path in (data / "clips").rglob("*.mp4") if "music" not in path.name)
    with (data / "clips" / "clips.csv").open(encoding="utf-8") as file:
        said = {row["file"]: row["description"] for row in csv.DictReader(file)}
    chance, seen = random.Random(seed), {}
    scores: dict[tuple[str, str], list[tuple[list[float], list[float]]]] = {}
    for clip in chance.sample(found, min(clips, len(found))):
        stranger = chance.choice([path for path in found if path != clip])
        third = chance.choice([path for path in found if path not in (clip, stranger)])
        one, two = read_sound(clip, RATE), read_sound(stranger, RATE)
        length = min(len(one), len(two), 12 * RATE) // RATE * RATE
        if length < 3 * RATE:
            continue
        own = (np.arange(length) // (3 * RATE)) % 2 == 0
        reader = WordsReader(RATE)
        reader.add(np.where(own, even(one[:length]), even(two[:length])).astype("f4")[:, None])
        heard, edges = reader.vectors(), second_edges(Fraction(length, RATE))
        for name, path in (("seen", clip), ("another picture", third)):
            if path not in seen:
                seen[path] = read_seen(path)
            by = seen_words(heard, seen[path], edges)
            parts = [list(by[[k // 3 % 2 == side for k in range(len(by))]]) for side in (0, 1)]
            scores.setdefault(("heard", name), []).append((parts[0], parts[1]))
            named = [
                list(seen_words(named_vector(said[p.name])[None], seen[path], edges))
                for p in (clip, stranger)
            ]
            scores.setdefault(("named", name), []).append((named[0], named[1]))
    for (words, picture), pairs in scores.items():
        higher, lower = ([score for pair in pairs for score in pair[k]] for k in (0, 1))
        gaps = [np.mean(a) - np.mean(b) for a, b in pairs if a and b]
        mean, low, high = bootstrap(np.array(gaps))
        yield {"words": words, "picture": picture, "auc": area(higher, lower),
               "seconds": len(higher), "by": mean, "low": low, "high": high}  # fmt: skip


def area(higher: list[float], lower: list[float]) -> float:
    a, b = np.array(higher)[:, None], np.array(lower)[None]
    return float(np.mean((a > b) + 0.5 * (a == b)))


def even(sound: np.ndarray) -> np.ndarray:
    return sound * min(30.0, 0.08 / max(float(np.sqrt(np.mean(sound**2))), 1e-6))


def load(path: Path) -> np.ndarray:
    sound, rate = read_native(path)
    return soxr.resample(sound, rate, RATE)


def fit(sound: np.ndarray, length: int) -> np.ndarray:
    """Cut or repeated to a length."""
    return np.resize(sound, length) if len(sound) else np.zeros(length, np.float32)


if __name__ == "__main__":
    main()
