"""Throughput of `foley batch` at 1 and 2 jobs against running `foley gen` clip by clip.

python benchmarks/batch.py CLIPS OUT [clips]
python benchmarks/batch.py --done 10000     seconds until it is known that all is done

For the second one clip is sounded and stands for all, under as many names.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from generate import render

from foleycli.clip.probe import probe
from foleycli.recipe import recipe_path


def timed(commands: list[list[str]]) -> float:
    began = time.perf_counter()
    for command in commands:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main(folder: Path, out: Path, count: int) -> None:
    clips = sorted(folder.glob("*.mp4"))[:count]
    seconds = float(sum(probe(clip).duration or 0 for clip in clips))
    shutil.rmtree(out, ignore_errors=True)
    (out / "loop").mkdir(parents=True)
    loop = [["foley", "gen", str(c), "-q", "-o", str(out / "loop" / c.name)] for c in clips]
    names = [str(clip) for clip in clips]
    base = timed(loop)
    print(f"{count} clips, {seconds:.1f} s of film")
    print(f"foley gen in a loop: {base:.1f} s, {base / seconds:.2f} s a second of film")
    for jobs in (1, 2):
        target = out / f"jobs{jobs}"
        command = ["foley", "batch", *names, "-o", str(target), "-j", str(jobs), "-q"]
        took = timed([command])
        again = timed([command])
        print(
            f"foley batch --jobs {jobs}: {took:.1f} s, {took / seconds:.2f} s a second of film, "
            f"{base / took:.2f} times as fast; again, with everything done: {again:.1f} s"
        )


def time_done(count: int) -> None:
    """Links to one clip, its output and its recipe under other names, and what a batch of them
    takes."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "clips").mkdir()
        first = render(here / "clips" / "c0.mp4", 2, "320x180")
        command = ["foley", "batch", str(here / "clips"), "-o", str(here / "out"), "-q"]
        command += ["--model", "library"]
        timed([command])
        made = next((here / "out").glob("*.mp4"))
        recipe = json.loads(recipe_path(made).read_text())
        for number in range(1, count):
            clip, out = (
                first.with_name(f"c{number}.mp4"),
                made.with_name(made.name.replace("c0", f"c{number}")),
            )
            os.link(first, clip)
            os.link(made, out)
            stated = recipe | {"out": out.name, "clip": os.path.relpath(clip, out.parent)}
            recipe_path(out).write_text(json.dumps(stated))
        empty = min(timed([["foley", "batch", str(first), *command[3:]]]) for _ in range(2))
        took = min(timed([command]) for _ in range(2))
        print(f"{count} clips, all done: {took:.1f} s, {empty:.1f} s of it for one")


if __name__ == "__main__" and sys.argv[1] == "--done":
    time_done(int(sys.argv[2]))
elif __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 12)
