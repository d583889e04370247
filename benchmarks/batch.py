"""Throughput of `foley batch` at 1 and 2 jobs against running `foley gen` clip by clip.

python benchmarks/batch.py CLIPS OUT [clips]
"""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from foleycli.clip.probe import probe


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


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 12)
