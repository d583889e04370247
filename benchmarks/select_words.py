"""Do words choose their half of a pair, and does what is read there follow that half's own sound?

    foley data pairs CLIPS.csv PAIRS --films CLIPS
    python benchmarks/select_words.py PAIRS CLIPS [--most 20]

PAIRS is what the first command wrote, CLIPS the folder of the clips with their own sound. Prints,
over all words of all pairs: how often more of the picture's weight lies on the words' own half; how
often a larger share of the own half's onsets than of the other's has a hit within 100 ms, a tie
counting half (no selection: 50 %); and how often words are taken for what is not there.
"""

import argparse
from pathlib import Path

import numpy as np

from foleycli.clip.probe import probe
from foleycli.config import CUES
from foleycli.evaluate.timing import find_onsets, onset_strength
from foleycli.frames.decode import decode_pictures
from foleycli.sight.motion import COLUMNS
from foleycli.spot import encode as encoding
from foleycli.spot.encode import Encoder, encode_video
from foleycli.spot.features import Features
from foleycli.spot.select import Selector, choose
from foleycli.train.pair_films import PairRow, read_pairs
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


def main() -> None:
    """Parse, read, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--most", type=int, default=20, help="films")
    options = parser.parse_args()
    encoder = Encoder.open()
    sides, follows, unseen = [], [], 0
    for _, row, film in read_pairs(options.pairs)[: options.most]:
        halves = [
            own_onsets(options.clips / file, start, row.seconds)
            for file, start in (
                (row.target_file, row.target_start_sec),
                (row.paired_file, row.paired_start_sec),
            )
        ]
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
            own, other = (followed(hits, half) for half in (halves[i], halves[1 - i]))
            follows.append(0.5 if own == other else float(own > other))
    if not sides:
        raise SystemExit("no pair whose halves have three onsets each")
    print(f"own half chosen   {np.mean(sides):.0%} of {len(sides)} words")
    print(f"own sound followed more than the other's   {np.mean(follows):.0%}")
    print(f"taken for absent   {unseen}")


if __name__ == "__main__":
    main()
