"""Every command that editors use, in the environment that runs this: one made by README's first
block, without extras. Each must do its work, and ask for nothing to be installed.

    .venv/bin/python .ci/check_commands.py examples/ball.mp4
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FOLEY = Path(sys.executable).with_name("foley")
EXTRAS = ("matplotlib", "cv2", "opentimelineio", "aaf2", "transformers", "ray", "tensorboard")


def main() -> None:
    """Run them all in a folder of their own; a command that fails ends this."""
    clip = Path(sys.argv[1]).absolute()
    there = [name for name in EXTRAS if importlib.util.find_spec(name)]
    if there and "--with-extras" not in sys.argv:
        sys.exit(f"this is no bare install: {', '.join(there)} are there")
    with tempfile.TemporaryDirectory(prefix="foley-bare-") as folder:
        os.chdir(folder)
        film = Path(clip.name)
        film.write_bytes(clip.read_bytes())
        check_commands(film)
    print("every command that editors use works without extras")


def check_commands(film: Path) -> None:
    """Each with what it must leave behind."""
    run("--version")
    run("doctor")
    run("models", "list")
    run("probe", film)
    run("cues", film, "-o", "cues.csv", makes=["cues.csv"])
    run("cues", film, "-o", "cues.edl", "--offset", "01:00:00:00", makes=["cues.edl"])
    run("cues", film, "--from", "cues.edl", "--offset", "01:00:00:00", "-o", "back.csv",
        makes=["back.csv"])  # fmt: skip
    made = ["out.mov", "out.foley.json", "out.wav", "out_props.wav", "out_air.wav"]
    said = run("gen", film, "--cues", "cues.csv", "-o", "out.mov", "--wav", "--stems", "--verify",
               "--json", makes=made)  # fmt: skip
    assert json.loads(said), said
    run("redo", "out.foley.json", "-o", "again.mov", makes=["again.mov"])
    run("loudness", "out.wav")
    run("gen", film, "--model", "small", "--steps", "4", "-o", "small.mp4", makes=["small.mp4"])
    run("batch", film, "-o", "batch", makes=[f"batch/{film.stem}_sfx.mp4"])
    for suffix in (".csv", ".edl", ".fcpxml", ".xml"):
        run("shots", film, "-o", f"shots{suffix}", makes=[f"shots{suffix}"])
    for suffix in (".edl", ".fcpxml", ".xml"):
        run("timeline", f"shots{suffix}", "-o", f"reel{suffix}", "--stems",
            makes=[f"reel{suffix}"])  # fmt: skip
    run("preview", film, "--takes", "2", "-o", "takes",
        makes=["takes/index.html", f"takes/{film.stem}.png"])  # fmt: skip


def run(*words: str | Path, makes: list[str] | None = None) -> str:
    """What ``foley`` prints; what it makes must be there and hold something."""
    typed = ["foley", *map(str, words)]
    print("$", *typed, flush=True)
    done = subprocess.run([FOLEY, *typed[1:]], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
    for name in makes or []:
        if not Path(name).is_file() or not Path(name).stat().st_size:
            sys.exit(f"{name} is not there\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
