"""Do words choose their half of a pair, and does what is read there follow that half's own sound?

    foley data pairs CLIPS.csv PAIRS --films CLIPS
    python benchmarks/select_words.py PAIRS CLIPS [--most 20]

PAIRS is what the first command wrote, CLIPS the folder of the clips with their own sound. Prints,
over all words of all pairs: how often more of the picture's weight lies on the words' own half; how
often a larger share of the own half's onsets than of the other's has a hit within 100 ms, a tie
counting half (no selection: 50 %); and how often words are taken for what is not there.
"""

import argparse
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np

from foleycli.clip.probe import probe
from foleycli.config import CUES
from foleycli.evaluate.pairs import PairRow, read_pairs
from foleycli.evaluate.timing import find_onsets, onset_strength
from foleycli.frames.decode import decode_pictures
from foleycli.sight.motion import COLUMNS
from foleycli.sight.when import MotionReader
from foleycli.spot import encode as encoding
from foleycli.spot.encode import Encoder, encode_video
from foleycli.spot.features import Features
from foleycli.spot.select import Selector, choose
from foleycli.waveform.sound import read_sound

NEAR = 0.1  # seconds
FEWEST = 3  # onsets of either half


def own_onsets(file: Path, start: float, seconds: float) -> np.ndarray:
    """Seconds from the film's first frame at which a half's own sound begins something."""
    onsets = find_onsets(onset_strength(read_sound(file))) - start
    return onsets[(onsets >= 0) & (onsets < seconds)]


def followed(hits: np.ndarray, onsets: np.ndarray) -> float:
    """Share of onsets that a hit is near."""
    return float(np.mean([np.abs(hits - onset).min(initial=9.0) <= NEAR for onset in onsets]))


def read_pair(film: Path, row: PairRow, encoder: Encoder) -> tuple[Features, np.ndarray]:
    """Features with both words' curves; and the weights of the cells, (words, t, 9, 16)."""
    kept: list[np.ndarray] = []

    def watched(selector: Selector, motion, features: Features):
        cuts = [float(cut) for cut in features.cuts]
        kept.append(selector.maps(cuts, features.sightings)[1])
        return choose(selector, motion, features)

    encoding.choose = watched
    words = (row.label, row.paired_label)
    features = encode_video(decode_pictures(probe(film)), encoder, words)
    return features, kept[0]


@lru_cache(maxsize=256)
def hits_alone(file: Path, start: float, seconds: float, encoder: Encoder) -> np.ndarray:
    """Seconds at which hits are read where the clip is shown by itself."""
    reader = MotionReader(encoder.reading)
    begin, end = (Fraction(time).limit_denominator(1000) for time in (start, start + seconds))
    for picture in decode_pictures(probe(file), begin, end):
        reader.push(picture.time, picture.luma)
    hits, _ = reader.curves(end - begin)
    return np.flatnonzero(hits >= CUES.sure_hit) / 64


def nearer(hits: np.ndarray, own: np.ndarray, other: np.ndarray) -> float:
    """1 if more of the own onsets are followed, 0 if more of the other's, else a half."""
    first, second = followed(hits, own), followed(hits, other)
    return 0.5 if first == second else float(first > second)


def main() -> None:
    """Parse, read, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--most", type=int, default=20, help="films")
    options = parser.parse_args()
    encoder = Encoder.open()
    sides, follows, alone, unseen = [], [], [], 0
    for _, row, film in read_pairs(options.pairs)[: options.most]:
        clips = [
            (row.target_file, row.target_start_sec),
            (row.paired_file, row.paired_start_sec),
        ]
        halves = [own_onsets(options.clips / file, start, row.seconds) for file, start in clips]
        if min(map(len, halves)) < FEWEST:
            continue
        features, weights = read_pair(film, row, encoder)
        for i, words in enumerate((row.label, row.paired_label)):
            chosen = features.selections[words]
            if chosen.how == "unseen":
                unseen += 1
                continue
            left = weights[i][..., : COLUMNS // 2].mean()
            right = weights[i][..., COLUMNS // 2 :].mean()
            is_left = (row.target_position == "left") == (i == 0)
            sides.append(float(left > right) if is_left else float(right > left))
            hits = np.flatnonzero(chosen.hits >= CUES.sure_hit) / 64
            follows.append(nearer(hits, halves[i], halves[1 - i]))
            file, start = clips[i]
            unmixed = hits_alone(options.clips / file, start, row.seconds, encoder)
            alone.append(nearer(unmixed, halves[i], halves[1 - i]))
    if not sides:
        raise SystemExit("no pair whose halves have three onsets each")
    print(f"own half chosen   {np.mean(sides):.0%} of {len(sides)} words")
    print(f"own sound followed more than the other's   {np.mean(follows):.0%}")
    print(f"the same of each clip shown alone         {np.mean(alone):.0%}")
    print(f"taken for absent   {unseen}")


if __name__ == "__main__":
    main()
