"""Holes planted in the effects of a reel: how many `foley fill` finds, and what beside them.

python -m benchmarks.fill CLIPS SPEECH OUT [N]  # films, from the Nth; speech; a folder to write to
python -m benchmarks.fill CLIPS --own [N]       # N films with the sound they were shot with

The first sounds twenty shots by `foley timeline --stems`, takes every fourth hit and bed out of the
sheets and sounds them again, four times, so that each is gone once; lays speech over every other
shot, and takes the air away under half of that. The mix, in one file, is what `foley fill` looks
through. What is planted counts where it is heard, that is where the mix is softer than it was by
3 dB (a hit, a bed) or 8 dB (air) in some 100 ms, and where no other action sounds at the same time;
the others are counted as hidden. It is printed once with actions at their very times, and once with
times that are wrong as those of a spotter are (Gauss, 60 ms). The second command has no truth: it
prints the share of actions without sound in the film's own sound, in another film's, in silence.
"""

import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from benchmarks.recuts import lay
from benchmarks.reel import build
from foleycli.clip.probe import probe
from foleycli.config import FILL, GENERATE
from foleycli.errors import FoleyError
from foleycli.mux.bwf import Broadcast, write_broadcast
from foleycli.sources.open import open_source
from foleycli.spot.cues import Cue, read_cues, write_cues
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.fill.gaps import Filling, SeenShot, find_gaps
from foleycli.timeline.fill.heard import STEPS, Floats, TrackSound, listen, open_sound
from foleycli.timeline.fill.seen import see_film, see_reel
from foleycli.timeline.journal import read_journal
from foleycli.timeline.markers import clip_timeline
from foleycli.timeline.model import Timeline

SHOTS, RATE = 20, 48_000
EVERY = 4  # a hit or a bed of so many is taken out
LATE = 0.06  # seconds, spread of a spotter's times
Planted = set[tuple[str, Fraction, Fraction, str]]  # kind, from, to in seconds of the reel, words


def sound(*words: str | Path) -> None:
    """Run a command of foley."""
    subprocess.run(["foley", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def thin(folder: Path, out: Path, timeline: Timeline, phase: int) -> Planted:
    """Sheets without some of their sounds; where on the reel those would be."""
    out.mkdir(exist_ok=True)
    journal = read_journal(next(folder.glob("*_reel.json")))
    gone: Planted = set()
    number = 0
    for shot in journal.shots:
        kept, beds = [], dict[str, bool]()
        for cue in read_cues(folder / f"{shot.name}.csv"):
            if cue.kind == "hit" or cue.what not in beds:
                number += cue.layer != "air"
                beds[cue.what] = cue.layer != "air" and number % EVERY == phase
            if not beds[cue.what]:
                kept.append(cue)
                continue
            at = shot.place + cue.start - timeline.start_seconds
            gone.add((cue.kind, at, at + min(cue.duration, Fraction(3, 10)), cue.what))
        write_cues(out / f"{shot.name}.csv", kept, overwrite=True)
    return gone


def is_heard(was: Floats, now: Floats, first: Fraction, last: Fraction, by: float) -> bool:
    """Whether a track is softer than it was somewhere between two instants."""
    span = slice(int(first * STEPS), int(last * STEPS) + 1)
    fell = np.maximum(was[span], FILL.quiet) - np.maximum(now[span], FILL.quiet)
    return bool((fell >= by).any())


def speak(shots: list[SeenShot], voices: list[Path], samples: int) -> tuple[np.ndarray, list]:
    """A track of dialogue over every other shot, with air of its own at -55 dBFS; where it is."""
    track, spans = np.zeros(samples, np.float32), []
    noise = np.random.default_rng(0)
    for number, shot in enumerate(shots[::2]):
        voice, rate = soundfile.read(voices[number % len(voices)], dtype="float32", always_2d=True)
        said = soxr.resample(voice.mean(axis=1), rate, RATE)
        first = round((shot.start + (shot.end - shot.start) / 5) * RATE)
        said = said[: round((shot.end - shot.start) * RATE * 3 / 5)]
        air = noise.normal(0, 10 ** (-55 / 20), len(said)).astype(np.float32)
        track[first : first + len(said)] += (said + air)[: samples - first]
        spans.append((shot, Fraction(first, RATE), Fraction(first + len(said), RATE)))
    return track, spans


def mixed(folder: Path, holes: list[tuple[Fraction, Fraction]]) -> np.ndarray:
    """All layers in one, without the air in some spans (with fades of 20 ms)."""
    total = None
    for stem in sorted(folder.glob("*_FXStem_*.wav")):
        samples = soundfile.read(stem, dtype="float32", always_2d=True)[0]
        if stem.stem.endswith("_BG"):
            gain = np.ones(len(samples), np.float32)
            for first, last in holes:
                gain[round(first * RATE) : round(last * RATE)] = 0
            kernel = np.hanning(960).astype(np.float32)
            samples = samples * np.convolve(gain, kernel / kernel.sum(), "same")[:, None]
        total = samples if total is None else total + samples
    assert total is not None
    return total


def shifted(shots: list[SeenShot], chance: random.Random) -> list[SeenShot]:
    """The same with hits at times that are a little wrong."""

    def late(cue: Cue, shot: SeenShot) -> Cue:
        if cue.kind != "hit":
            return cue
        at = cue.start + Fraction(round(chance.gauss(0, LATE) * 1000), 1000)
        return replace(cue, start=min(max(at, shot.start), shot.end - Fraction(1, 100)))

    return [replace(s, cues=tuple(late(cue, s) for cue in s.cues)) for s in shots]


def is_alone(
    one: tuple[str, Fraction, Fraction, str], gone: Planted, shots: list[SeenShot]
) -> bool:
    """Whether nothing else that is seen, and still there, sounds at the same time."""
    kind, first, last, _ = one
    words = {(k, what) for k, a, b, what in gone if a <= last and first <= b}
    near = Fraction(FILL.together)
    for cue in (cue for shot in shots for cue in shot.cues if cue.layer != "air"):
        if cue.kind != kind or (kind, cue.what) in words:
            continue
        if kind == "hit" and abs(cue.start - first) <= near:
            return False
        if kind == "bed" and cue.start < last and first < cue.end:
            return False
    return True


@dataclass
class Count:
    """How much of what was planted was found, and what else was."""

    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    actions: int = 0
    hidden: int = 0

    def add(
        self, found: Filling, counted: Planted, gone: Planted, holes: NDArray[np.bool_]
    ) -> None:
        """Compare a list with the truth."""
        slack = Fraction(4 * LATE) + Fraction(FILL.together)
        self.actions += found.actions
        self.hidden += len(gone) - len(counted)
        for kind in ("hit", "bed"):
            gaps = [(g.start, g.end, g.cue.what) for g in found.missing if g.kind == kind and g.cue]

            def is_in(gap, planted: Planted, kind: str = kind) -> bool:
                first, last, words = gap
                return any(k == kind and what == words and first - slack <= at <= last + slack
                           for k, at, _, what in planted)  # fmt: skip

            wanted = {one for one in counted if one[0] == kind}
            self.planted[kind] += len(wanted)
            self.found[kind] += sum(any(is_in(gap, {one}) for gap in gaps) for one in wanted)
            self.false[kind] += sum(not is_in(gap, gone) for gap in gaps)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], holes.astype(int), [0]])))
        runs = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)
                if b - a >= FILL.shortest * STEPS]  # fmt: skip
        said = [(gap.start * STEPS, gap.end * STEPS) for gap in found.holes]
        self.planted["hole"] += len(runs)
        self.found["hole"] += sum(any(a < y and x < b for x, y in said) for a, b in runs)
        self.false["hole"] += sum(not holes[int(x) : int(y)].any() for x, y in said)

    def __str__(self) -> str:
        said = (
            f"{kind}s {self.found[kind]} of {self.planted[kind]}, {self.false[kind]} false"
            for kind in ("hit", "bed", "hole")
        )
        return f"{'; '.join(said)} ({self.actions} actions looked for, {self.hidden} hidden)"


def main(clips: Path, speech: Path, out: Path, first: int) -> None:
    """Plant holes, and look for them."""
    out.mkdir(parents=True, exist_ok=True)
    cut = build(sorted(clips.glob("*.mp4"))[first : first + SHOTS], "23.976")
    write_timeline(lay(cut, list(cut.tracks[0].events)), out / "cut.edl", overwrite=True)
    whole = out / "whole.edl"
    if not whole.exists():
        sound("timeline", out / "cut.edl", "-o", whole, "--stems", "-q")
    timeline = read_timeline(whole)
    known = see_reel(whole, timeline)
    assert known is not None
    folder, _, shots = known
    voices = [p for p in sorted(speech.rglob("*")) if p.suffix in (".wav", ".flac", ".opus")]
    track, spans = speak(shots, voices, round(timeline.duration * RATE))
    holes = [(first, last) for _, first, last in spans[::2]]
    about = Broadcast(start=timeline.start_seconds)
    exact, late = Count(), Count()
    for phase in range(EVERY):
        gone = thin(folder, out / f"sheets{phase}", timeline, phase)
        thinned = out / f"thin{phase}.edl"
        if not thinned.exists():
            sound("timeline", out / "cut.edl", "-o", thinned, "--stems", "-q", "--cues",
                  out / f"sheets{phase}")  # fmt: skip
        made, levels = thinned.with_name(f"{thinned.stem}_sfx"), {}
        for name, samples in (
            ("whole", mixed(out / "whole_sfx", [])),
            ("thin", mixed(made, [])),
            ("fx", mixed(made, holes)),
            ("dx", track[:, None]),
        ):
            write_broadcast(out / f"{name}.wav", [samples], RATE, samples.shape[1], about=about,
                            overwrite=True)  # fmt: skip
            opened = open_sound(out / f"{name}.wav", timeline.start_seconds)
            levels[name] = listen(opened.blocks(timeline.duration), FILL.least_rise_db).loudness
        counted = {
            one for one in gone
            if is_heard(levels["whole"], levels["thin"], one[1], one[2], 3)
            and is_alone(one, gone, shots)
        }  # fmt: skip
        fell = np.maximum(levels["thin"], FILL.quiet) - np.maximum(levels["fx"], FILL.quiet)
        effects = [open_sound(out / "fx.wav", timeline.start_seconds)]
        dialogue = [open_sound(out / "dx.wav", timeline.start_seconds)]
        for count, seen in ((exact, shots), (late, shifted(shots, random.Random(phase)))):
            found = find_gaps(timeline, seen, effects, dialogue)
            count.add(found, counted, gone, fell >= FILL.drop_db)
    print(f"{SHOTS} shots, {float(timeline.duration):.0f} s, {EVERY} times")
    print(f"exact times: {exact}")
    print(f"60 ms off:   {late}")


def own(clips: Path, count: int) -> None:
    """Films with their own sound, with another's, and with none."""
    films = [path for path in sorted(clips.glob("*.mp4")) if open_own(path) is not None][:count]
    source = open_source(GENERATE)
    counts = {"its own": [0, 0], "another film's": [0, 0], "silence": [0, 0]}
    for number, film in enumerate(films):
        timeline, shots = see_film(film, source, GENERATE)
        tracks = {
            "its own": open_own(film),
            "another film's": open_own(films[(number + 1) % len(films)]),
            "silence": TrackSound("silence", ()),
        }
        for name, track in tracks.items():
            assert track is not None
            found = find_gaps(timeline, shots, [track])
            counts[name][0] += len(found.missing)
            counts[name][1] += found.actions
    for name, (missing, actions) in counts.items():
        print(f"{name}: {missing} of {actions} actions without sound ({missing / actions:.0%})")


def open_own(film: Path) -> TrackSound | None:
    """A film's own sound; None of one without, or of a rate that no timeline has."""
    try:
        clip_timeline(probe(film))
        return open_sound(film)
    except FoleyError:
        return None


if __name__ == "__main__":
    if sys.argv[2] == "--own":
        own(Path(sys.argv[1]), int((*sys.argv[3:], "20")[0]))
    else:
        main(*map(Path, sys.argv[1:4]), int((*sys.argv[4:], "0")[0]))
