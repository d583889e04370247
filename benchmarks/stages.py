"""Where the CPU seconds of ``foley gen`` by recordings go, stage by stage.

    python benchmarks/stages.py CLIP

One thread, so that the stages add up; each is what its own calls take, in CPU seconds. Network
sessions are opened within the first look of each.
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

began = time.process_time()
import foleycli.generate  # noqa: E402, F401
from foleycli.frames.resize import Shrinker  # noqa: E402
from foleycli.sight.hands import HandDetector  # noqa: E402
from foleycli.sight.lite import Classifier  # noqa: E402
from foleycli.sight.people import PeopleDetector  # noqa: E402
from foleycli.sight.things import ThingDetector  # noqa: E402
from foleycli.sight.when import MotionReader  # noqa: E402

IMPORTS = time.process_time() - began
WAY = sys.modules["foleycli.generate"]
STAGES: tuple[tuple[object, str, str], ...] = (
    (WAY, "open_source", "open bank and networks"),
    (WAY, "watch", "watch, all of it"),
    (Shrinker, "luma", "  brightness of every picture"),
    (Shrinker, "rgb", "  four pictures a second in colour"),
    (Shrinker, "larger", "  pictures for detectors"),
    (MotionReader, "push", "  motion"),
    (MotionReader, "curves", "  its last curves"),
    (Classifier, "classify", "  image classes"),
    (ThingDetector, "find", "  things"),
    (PeopleDetector, "find", "  people"),
    (HandDetector, "find_palms", "  palms"),
    (HandDetector, "read", "  hands"),
    (WAY, "find_wanted", "spot cues"),
    (WAY, "write_sound", "render and write the sound"),
    (WAY, "mux_audio", "join the picture (ffmpeg's own seconds apart)"),
)


def main() -> None:
    """Print the stages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    clip = parser.parse_args().clip
    spent, calls = Counter[str](), Counter[str]()

    def measured(work: Callable, name: str) -> Callable:
        def run(*arguments, **options):
            start = time.process_time()
            try:
                return work(*arguments, **options)
            finally:
                spent[name] += time.process_time() - start
                calls[name] += 1

        return run

    for owner, attribute, name in STAGES:
        setattr(owner, attribute, measured(getattr(owner, attribute), name))
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        WAY.generate(clip, Path(folder) / "out.mp4", model="library")
        total = time.process_time() - start
    print("| stage | CPU s | share | calls | ms each |\n|---|---|---|---|---|")
    print(f"| imports | {IMPORTS:.2f} | | 1 | |")
    for _, _, name in STAGES:
        if calls[name]:
            share, each = spent[name] / total, 1000 * spent[name] / calls[name]
            print(f"| {name} | {spent[name]:.2f} | {share:.0%} | {calls[name]} | {each:.2f} |")
    print(f"| in all | {total:.2f} | 100% | | |")


if __name__ == "__main__":
    main()
