"""Shots known by their pictures, on real film: how many are found, to the frame, and what is not.

python -m benchmarks.looks CLIPS OUT

Cuts twenty of the clips to one film, and another film of the same in another order, with trims at
random and ten clips between them that were not there; coded anew at half the size and low quality,
graded, with a counter burnt in. Prints what `foley reconform` makes of the second: shots known, to
the frame or not, new ones that were taken for others, and CPU seconds.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from PIL import Image

from foleycli.clip.probe import probe
from foleycli.output import atomic_output
from foleycli.timeline.cuts import find_cuts
from foleycli.timeline.looks import align, read_strip

RATE, SIZE = 24, (640, 360)
OLD, NEW = 20, 10
LEAST, MOST = 30, 72  # frames of a shot
DIGITS = np.random.default_rng(9).integers(0, 2, (10, 5, 3))


def frames_of(clip: Path, first: int, count: int) -> Iterator[np.ndarray]:
    """Pictures of a clip, frame for frame, (360, 640, 3)."""
    with av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= first + count:
                return
            if number >= first:
                yield np.asarray(frame.to_image().convert("RGB").resize(SIZE))


def length_of(clip: Path) -> int:
    """Frames of a clip, as far as a shot wants them."""
    return sum(1 for _ in frames_of(clip, 0, MOST + 12))


def treated(number: int, picture: np.ndarray) -> np.ndarray:
    """Half the size, another grade, and a counter burnt in."""
    small = np.asarray(Image.fromarray(picture).resize((320, 180)), np.float32)
    graded = 255 * (small / 255) ** 0.8 * np.array([1.0, 0.9, 0.75]) * 0.9 + 12
    graded[150:174, 90:232] = 0
    for place, digit in enumerate(f"{number:06}"):
        block = np.kron(DIGITS[int(digit)], np.ones((4, 6)))
        graded[152:172, 94 + place * 23 : 112 + place * 23] = 255 * block[..., None]
    return np.clip(graded, 0, 255).astype(np.uint8)


def write(path: Path, pictures: Iterator[np.ndarray], crf: int) -> None:
    """Code a film."""
    with atomic_output(path) as beside, av.open(str(beside), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.options = {"preset": "veryfast", "crf": str(crf)}
        for n, pixels in enumerate(pictures):
            if not n:
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def main(clips: Path, out: Path) -> None:
    """Print how many shots are known."""
    out.mkdir(parents=True, exist_ok=True)
    chance = random.Random(0)
    films = sorted(clips.glob("*.mp4"))[: OLD + NEW]
    lengths = [min(MOST, length_of(film) - 6) for film in films]
    old = [(n, 3, lengths[n]) for n in range(OLD)]
    new = []
    for n in range(OLD + NEW):
        head, tail = (chance.choice((0, 0, chance.randrange(1, 16))) for _ in range(2))
        if lengths[n] - head - tail < LEAST // 2:
            head = tail = 0
        new.append((n, 3 + head, lengths[n] - head - tail))
    chance.shuffle(new)
    if not (out / "v1.mp4").exists():
        write(out / "v1.mp4", (p for n, a, c in old for p in frames_of(films[n], a, c)), 18)
    if not (out / "v2.mp4").exists():
        pictures = (p for n, a, c in new for p in frames_of(films[n], a, c))
        write(out / "v2.mp4", (treated(i, p) for i, p in enumerate(pictures)), 32)
    began = time.process_time()
    strips = [
        read_strip(probe(out / name), Fraction(0), None).cells for name in ("v1.mp4", "v2.mp4")
    ]
    looked = time.process_time() - began
    edges = [np.cumsum([0, *(count for *_, count in cut)]) for cut in (old, new)]
    found = [
        {round(at * RATE) for at in find_cuts(probe(out / name))[0]}
        for name in ("v1.mp4", "v2.mp4")
    ]
    for name, there, seen in zip(("v1", "v2"), edges, found, strict=True):
        joins = set(map(int, there[1:-1]))
        print(f"{name}: {len(joins & seen)} of {len(joins)} cuts, {len(seen - joins)} false")
    lanes = [strips[0][a:b] for a, b in pairwise(edges[0])]
    counts = Counter[str]()
    began = time.process_time()
    for (n, first, _), (a, b) in zip(new, pairwise(edges[1]), strict=True):
        seen = [(one.likeness, lane, one.shift) for lane, cells in enumerate(lanes)
                if (one := align(strips[1][a:b], cells)) is not None]  # fmt: skip
        likeness, lane, shift = max(seen, default=(0.0, -1, 0))
        if n >= OLD:
            said = "taken for another" if seen else "new"
        elif lane != n:
            said = "wrong" if seen else "not known"
        else:
            said = "to the frame" if shift == first - 3 else "off"
        counts[said] += 1
        if said not in ("new", "to the frame"):
            print(f"  {films[n].name} {said}: {films[lane].name if seen else '-'}, "
                  f"{shift - first + 3} frames, {likeness:.3f}")  # fmt: skip
    compared = time.process_time() - began
    print(f"{OLD} old shots and {NEW} new ones: {dict(counts)}")
    print(f"{looked:.1f} s of CPU to look at {sum(map(len, strips))} pictures, {compared:.1f} s to "
          "compare")  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
