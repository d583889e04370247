"""Random re-cuts: nothing that was edited is lost, and cutting back restores the first sheets.

python -m benchmarks.reconform [CUTS [FROM]]      # 10,000 by default, counted from FROM
python -m benchmarks.reconform --speed            # 200 shots re-cut, apart from files
python -m benchmarks.reconform --speed CLIPS OUT  # and with them: CLIPS cut to 200 shots, swapped

Every re-cut swaps, drops, trims, lengthens, splits, repeats, re-times and inserts shots of a reel
whose cues are edited between the cuts; then the first cut is asked for again.
"""

import random
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from zlib import crc32

import numpy as np

from foleycli.config import GenerateConfig
from foleycli.frames.decode import Picture
from foleycli.spot.cues import Cue
from foleycli.spot.features import Features
from foleycli.timeline.files import write_timeline
from foleycli.timeline.journal import Journal, ReelShot
from foleycli.timeline.lanes import Lane, Sheet, Window, absorb, extend, said, show, uncovered
from foleycli.timeline.match import NewShot
from foleycli.timeline.model import Event, Media, Timeline, Track
from foleycli.timeline.reconform import make_recut, plan_recut
from foleycli.timeline.recut import list_changes, recut
from foleycli.timeline.reel import plan_reel, sound_reel

RATE = Fraction(24_000, 1001)
WORDS = (
    "door slam",
    "footsteps on wood",
    "glass clink",
    "wind in trees",
    "room tone",
    "cloth move",
)


def frames(number: int) -> Fraction:
    """Seconds of so many frames."""
    return number / RATE


class Cutting:
    """A reel that is cut again and again, as `foley reconform` does it, without films and sound."""

    def __init__(self, chance: random.Random, films: int = 4) -> None:
        self.chance, self.films = chance, films
        self.journal = Journal()
        self.found = 0

    def spotted(self, window: Window) -> list[Cue]:
        """What a picture would give: a few hits, and a bed over all of it."""
        self.found += 1
        length = window.duration
        cues = [
            Cue(
                start=Fraction(self.chance.randrange(int(length * 64) or 1), 64),
                duration=Fraction(1),
                kind="hit",
                what=self.chance.choice(WORDS[:3]),
                level_db=-float(self.chance.randrange(12)),
                layer="props",
            )
            for _ in range(self.chance.randrange(4))
        ]
        bed = Cue(start=Fraction(0), duration=Fraction(round(length * 10**6), 10**6), kind="bed",
                  what=self.chance.choice(WORDS[3:]), layer="air")  # fmt: skip
        return sorted([*cues, bed], key=lambda cue: cue.start)

    def show(self, cut: list[NewShot]) -> list[list[Cue]]:
        """The sheets of another cut, whose journal is the reel's from now on."""
        found = recut(self.journal, cut)
        lanes, origin = dict(found.lanes), self.journal.next_origin
        number = max(lanes, default=0) + 1
        shots = []
        for place, (shot, shown) in enumerate(zip(cut, found.shows, strict=True), 1):
            seed = crc32(f"{shot.film}|{shot.window.source}|{shot.window.speed}".encode())
            if shown is None:
                lane = Lane(number=number, films={shot.film: Fraction(0)}, home=shot.window,
                            place=shot.place, covered=(shot.window.span,))  # fmt: skip
                sheet = Sheet(shot.window, seed, self.spotted(shot.window), by_hand=False)
                lanes[number], shown = absorb(lane, [sheet], origin), (number, shot.window)
                number += 1
            elif uncovered(lanes[shown[0]], shown[1]):
                lane = lanes[shown[0]]
                lanes[shown[0]] = extend(lane, shown[1], self.spotted(shown[1]), seed, origin)
            origin = max([origin, *(e.origin + 1 for e in lanes[shown[0]].events)])
            shots.append(ReelShot(number=place, name=f"{place}", lane=shown[0], window=shown[1],
                                  seed=seed, place=shot.place))  # fmt: skip
        list_changes(self.journal, found, shots, RATE)
        self.journal = replace(self.journal, shots=tuple(shots), lanes=tuple(lanes.values()),
                               next_origin=origin)  # fmt: skip
        return [self.sheet(shot) for shot in shots]

    def sheet(self, shot: ReelShot) -> list[Cue]:
        """What a shot's sheet says."""
        lane = self.journal.lane(shot.lane)
        return [one.cue for one in show(lane, shot.window, shot.seed)]

    def edit(self, count: int) -> tuple[list[str], set[str]]:
        """Change cues of some shots, each to words that nothing else has; those words, and the
        words they stand for now."""
        told, replaced, sheets = [], set(), {}
        for shot in self.chance.sample(self.journal.shots, min(count, len(self.journal.shots))):
            cues = sheets.get(shot.number, (shot, self.sheet(shot)))[1]
            if not cues:
                continue
            words = f"edit {self.found} {len(told)} {self.chance.random():.9f}"
            place = self.chance.randrange(len(cues))
            replaced.add(cues[place].what)
            cues[place] = replace(cues[place], what=words, level_db=-3.0)
            sheets[shot.number] = shot, cues
            told.append(words)
        lanes = {lane.number: lane for lane in self.journal.lanes}
        of_lane: dict[int, list[Sheet]] = {}
        for shot in self.journal.shots:
            cues = sheets[shot.number][1] if shot.number in sheets else self.sheet(shot)
            of_lane.setdefault(shot.lane, []).append(Sheet(shot.window, shot.seed, cues))
        origin = self.journal.next_origin
        for number, seen in of_lane.items():
            lanes[number] = absorb(lanes[number], seen, origin)
            origin = max([origin, *(e.origin + 1 for e in lanes[number].events)])
        self.journal = replace(self.journal, lanes=tuple(lanes.values()), next_origin=origin)
        return told, replaced


def first_cut(chance: random.Random, films: int, shots: int) -> list[NewShot]:
    """Shots of some films, one after the other."""
    cut, at = [], Fraction(3600)
    for number in range(shots):
        film = f"film{number % films}"
        length = frames(chance.randrange(12, 97))
        source = frames(100 + 400 * (number // films) + chance.randrange(40))
        cut.append(shot_of(film, source, length, at))
        at += length
    return cut


def shot_of(film: str, source: Fraction, length: Fraction, at: Fraction,
            speed: Fraction = Fraction(1)) -> NewShot:  # fmt: skip
    """A shot of a film at a place of the timeline."""
    window = Window(source, length, speed)
    return NewShot(film=film, window=window, core=window.span, place=at, name=f"{film}.mov")


def another_cut(chance: random.Random, cut: list[NewShot]) -> list[NewShot]:
    """Swap, drop, trim, lengthen, split, repeat, re-time, insert; then close up."""
    parts = [(shot.film, shot.window) for shot in cut]
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(parts)) if parts else 0
        deed = chance.choice("swap drop head tail longer split repeat retime insert".split())
        film, window = parts[place] if parts else ("film0", Window(Fraction(0), frames(24)))
        length = window.duration
        by = min(frames(chance.randrange(1, 20)), length - frames(2))
        if deed == "insert" or not parts:
            fresh = Window(frames(chance.randrange(5000, 9000)), frames(chance.randrange(12, 50)))
            parts.insert(place, (film, fresh))
        elif deed == "swap":
            other = chance.randrange(len(parts))
            parts[place], parts[other] = parts[other], parts[place]
        elif deed == "drop":
            del parts[place]
        elif deed == "repeat":
            parts.insert(chance.randrange(len(parts) + 1), parts[place])
        elif deed == "longer":
            more = frames(chance.randrange(1, 30))
            parts[place] = film, replace(window, source=window.source - more * window.speed,
                                         duration=length + 2 * more)  # fmt: skip
        elif deed == "retime":
            speed = chance.choice([Fraction(1, 2), Fraction(2), Fraction(-1), Fraction(3, 2)])
            start = window.source if speed > 0 else window.span[1]
            parts[place] = film, Window(start, abs(length * window.speed / speed), speed)
        elif by > 0:
            head = replace(window, source=window.at(by), duration=length - by)
            tail = replace(window, duration=length - by)
            if deed == "split":
                parts[place : place + 1] = [(film, replace(window, duration=by)), (film, head)]
            else:
                parts[place] = film, head if deed == "head" else tail
    recut_shots, at = [], Fraction(3600)
    for film, window in parts:
        recut_shots.append(shot_of(film, window.source, window.duration, at, window.speed))
        at += window.duration
    return recut_shots


def rows(sheets: list[list[Cue]]) -> list[list[tuple[str, ...]]]:
    """What is written in sheets."""
    return [[said(cue) for cue in sheet] for sheet in sheets]


def lost(journal: Journal, words: list[str]) -> list[str]:
    """Edits that are neither in a lane that is shown nor kept aside."""
    kept = {event.cue.what for lane in journal.lanes for event in lane.events}
    return [one for one in words if one not in kept]


def try_cuts(seed: int, cuts: int = 4) -> tuple[list[str], bool, bool]:
    """Cut a reel again and again and back.

    Returns:
        edits that were lost; whether cutting back without an edit restored the first sheets;
        whether the edits of the first cut stood in its sheets again after all.
    """
    chance = random.Random(seed)
    cutting = Cutting(chance)
    first = first_cut(chance, films=3, shots=chance.randrange(2, 9))
    cutting.show(first)
    edited, _ = cutting.edit(chance.randrange(3))
    sheets = rows([cutting.sheet(shot) for shot in cutting.journal.shots])
    cut = first
    for _ in range(chance.randrange(1, cuts)):
        cut = another_cut(chance, cut)
        cutting.show(cut)
    restored = rows(cutting.show(first)) == sheets
    cut = another_cut(chance, first)
    cutting.show(cut)
    later, replaced = cutting.edit(chance.randrange(4))
    cutting.show(another_cut(chance, cut))
    gone = lost(cutting.journal, later)
    back = {cue.what for sheet in cutting.show(first) for cue in sheet}
    return gone, restored, all(words in back for words in edited if words not in replaced)


def main(count: int, first: int = 0) -> None:
    """Print how many of random re-cuts lose something."""
    began = time.process_time()
    wrong = {"edits lost": 0, "first sheets not restored": 0, "edits not back": 0}
    for seed in range(first, first + count):
        gone, restored, back = try_cuts(seed)
        wrong["edits lost"] += len(gone)
        wrong["first sheets not restored"] += not restored
        wrong["edits not back"] += not back
    said_wrong = ", ".join(f"{name} {number}" for name, number in wrong.items())
    print(f"{count} random re-cuts: {said_wrong}; {time.process_time() - began:.1f} s of CPU")


def speed(shots: int = 200) -> None:
    """Print what 200 shots take, apart from looking at film and rendering."""
    chance = random.Random(1)
    cutting = Cutting(chance)
    first = first_cut(chance, films=20, shots=shots)
    cutting.show(first)
    cut = first
    for _ in range(20):
        cut = another_cut(chance, cut)
    began = time.process_time()
    cutting.show(cut)
    print(f"{len(cut)} shots of {shots}: {time.process_time() - began:.2f} s of CPU")


class Quick:
    """A source that takes no time: it looks at nothing, and a tone sounds."""

    name, fingerprint, looking, own_speed = "library", "quick", 0.8, None

    def encode(self, pictures: Iterable[Picture]) -> Features:
        """Nothing is seen, for as long as the pictures last."""
        end = max((picture.end for picture in pictures), default=Fraction(0))
        return Features.assemble(np.zeros((1, 384), np.float32), np.zeros(1), np.zeros(1), end)

    def render(self, features: Features, cues: list[Cue], config: GenerateConfig, told=None
               ) -> Iterator[np.ndarray]:  # fmt: skip
        """A constant."""
        yield np.full(round(features.duration * 48_000), 0.01, np.float32)


def files_speed(clips: Path, out: Path, shots: int = 200) -> None:
    """Print what a real reel of 200 shots takes: to be read and matched, and to be written."""
    out.mkdir(parents=True, exist_ok=True)
    films = sorted(clips.glob("*.mp4"))[:40]
    events, at = [], Fraction(0)
    for number in range(shots):
        film = films[number % len(films)]
        media = Media(name=film.name, path=str(film.resolve()), start=Fraction(0), rate=RATE,
                      duration=Fraction(3))  # fmt: skip
        event = Event(name=film.name, media=media, start=at, duration=frames(8),
                      source=frames(9 * (number // len(films))))  # fmt: skip
        events.append(event)
        at += event.duration
    config = GenerateConfig(air=False, overwrite=True)
    cuts = {"v1": events, "v2": [events[n ^ 1] for n in range(shots)]}
    for name, cut in cuts.items():
        placed = [replace(event, start=frames(8 * n)) for n, event in enumerate(cut)]
        track = Track(kind="picture", events=tuple(placed), name="V1")
        timeline = Timeline(name="Reel", rate=RATE, start=86_400, tracks=(track,))
        write_timeline(timeline, out / f"{name}.edl", overwrite=True)
    plan = plan_reel(out / "v1.edl", out / "v1_sfx.edl", overwrite=True)
    sound_reel(plan, config, Quick())
    began = time.process_time()
    recut_plan = plan_recut(out / "v1_sfx.edl", out / "v2.edl", out / "v2_sfx.edl", config)
    planned = time.process_time() - began
    began = time.process_time()
    made = make_recut(recut_plan, Quick())
    wrote = time.process_time() - began
    print(f"{shots} shots of {len(films)} films, {made.reused} as they were: {planned:.2f} s of "
          f"CPU to read and match, {wrote:.2f} s to cut waves, stem, sheets, list")  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--speed"] and len(sys.argv) == 4:
        files_speed(*map(Path, sys.argv[2:]))
    elif sys.argv[1:] == ["--speed"]:
        speed()
    else:
        main(*map(int, sys.argv[1:] or ["10000"]))
