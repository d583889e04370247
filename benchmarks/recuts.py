"""A reel of twenty shots that changes three times: swapped, trimmed, inserted into.

python -m benchmarks.recuts CLIPS OUT     # films, and a folder for what comes out

Sounds the first cut by `foley timeline`, changes a cue of every shot, and brings the sounds through
three more cuts by `foley reconform`. Prints for each whether every shot that was kept has the very
samples it had, at its new place, whether its edited cue is there, and what was rendered.
"""

import csv
import json
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.reel import build, time_reference
from foleycli.spot.cues import read_cues, write_cues
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.journal import Journal, read_journal
from foleycli.timeline.model import Event, Timeline
from foleycli.timeline.sound import first_sample

SHOTS = 20
RATE = "23.976"
EDITED = 0.12  # a confidence that nothing has by itself


def lay(there: Timeline, events: list[Event]) -> Timeline:
    """Events one after the other, without dissolves."""
    at, laid = Fraction(0), []
    for event in events:
        laid.append(replace(event, start=at, intro=None))
        at += event.duration
    track = replace(there.tracks[0], events=tuple(laid))
    return replace(there, tracks=(track,))


def trimmed(event: Event, head: int, tail: int, rate: Fraction) -> Event:
    """An event without so many frames of its ends."""
    return event.part(event.start + head / rate, event.end - tail / rate)


def versions(there: Timeline, extra: Event) -> dict[str, Timeline]:
    """The next cuts: two pairs swapped; three shots trimmed; one inserted."""
    first = list(there.tracks[0].events)
    swapped = [*first]
    swapped[2], swapped[6] = swapped[6], swapped[2]
    swapped[15], swapped[16] = swapped[16], swapped[15]
    short = [*swapped]
    for place, head, tail in ((1, 8, 0), (9, 0, 11), (14, 5, 5)):
        short[place] = trimmed(short[place], head, tail, there.rate)
    longer = [*short[:4], extra, *short[4:]]
    cuts = {"swap": swapped, "trim": short, "insert": longer}
    return {name: lay(there, events) for name, events in cuts.items()}


def run(*words: str | Path) -> float:
    """Run a command; seconds of it."""
    began = time.perf_counter()
    subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def edit(folder: Path, journal: Journal) -> dict[int, str]:
    """Make the first cue of every shot 2 dB softer, with a confidence of its own; words by lane."""
    told = {}
    for shot in journal.shots:
        sheet = folder / f"{shot.name}.csv"
        if cues := read_cues(sheet):
            cues[0] = replace(cues[0], level_db=cues[0].level_db - 2, confidence=EDITED)
            write_cues(sheet, cues, overwrite=True)
            told[shot.lane] = cues[0].what
    return told


def heard(folder: Path, journal: Journal, timeline: Timeline) -> dict[int, tuple[int, np.ndarray]]:
    """By lane: the first sample on the timeline's clock, and the samples of its wave."""
    found = {}
    for shot in journal.shots:
        wave = folder / f"{shot.name}.wav"
        begins = time_reference(wave)
        assert begins == first_sample(timeline, shot.place - timeline.start_seconds)
        found[shot.lane] = begins, soundfile.read(wave, dtype="int32")[0]
    return found


def compare(out: Path, before: Path, told: dict[int, str]) -> str:
    """What of a cut is as in the one before."""
    timeline, earlier = read_timeline(out), read_timeline(before)
    folder, there = (path.with_name(f"{path.stem}_sfx") for path in (out, before))
    journal, old = (read_journal(f / f"{p.stem}_reel.json") for f, p in
                    ((folder, out), (there, before)))  # fmt: skip
    now, then = heard(folder, journal, timeline), heard(there, old, earlier)
    windows = {shot.lane: shot.window for shot in old.shots}
    same = moved = kept = edits = 0
    for shot in journal.shots:
        cues = read_cues(folder / f"{shot.name}.csv")
        edits += any(cue.confidence == EDITED for cue in cues) and shot.lane in told
        if windows.get(shot.lane) != shot.window:
            continue
        kept += 1
        (begin, wave), (was, old_wave) = now[shot.lane], then[shot.lane]
        common = min(len(wave), len(old_wave))
        moved += begin != was
        same += abs(len(wave) - len(old_wave)) <= 1 and np.array_equal(
            wave[:common], old_wave[:common]
        )
    with (folder / f"{out.stem}_changes.csv").open(newline="") as file:
        statuses = [row["status"] for row in csv.DictReader(file) if not row["event"]]
    counts = ", ".join(f"{statuses.count(s)} {s}" for s in dict.fromkeys(statuses))
    return (f"{counts}; {same} of {kept} whole shots have the very samples ({moved} elsewhere), "
            f"{edits} of {len(told)} edited cues are there")  # fmt: skip


def main(clips: Path, out: Path) -> None:
    """Print what becomes of a reel's sounds."""
    out.mkdir(parents=True, exist_ok=True)
    films = sorted(clips.glob("*.mp4"))
    there = build(films[:SHOTS], RATE)
    (extra,) = build(films[SHOTS : SHOTS + 1], RATE).tracks[0].events
    there = lay(there, list(there.tracks[0].events))
    write_timeline(there, out / "v1.edl", overwrite=True)
    before = out / "v1_sfx.edl"
    foley = ("foley", "timeline", out / "v1.edl", "-o", before, "--handles", "12", "-q")
    took = run(*foley, "--overwrite")
    folder = out / "v1_sfx_sfx"
    told = edit(folder, read_journal(folder / "v1_sfx_reel.json"))
    again = run(*foley, "--overwrite", "--cues", folder)
    print(f"v1: {SHOTS} shots sounded in {took:.1f} s, again with edited cues in {again:.1f} s")
    for name, cut in versions(there, extra).items():
        path, back = out / f"{name}.edl", out / f"{name}_sfx.edl"
        write_timeline(cut, path, overwrite=True)
        command = ("foley", "reconform", before, path, "-o", back, "--media-root", clips)
        dry = subprocess.run([*map(str, command), "--dry-run", "--json", "--overwrite"], check=True,
                             capture_output=True, text=True)  # fmt: skip
        assert json.loads(dry.stdout)["made"] is False
        took = run(*command, "-q", "--overwrite")
        print(f"{name}: {compare(back, before, told)}; {took:.1f} s")
        before = back


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
