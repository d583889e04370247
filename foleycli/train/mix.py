"""One-shots become sound scenes whose every onset is known to the sample.

A scene is a few sources, each heard one or more times. ``events.csv``, and a .json beside each
scene, tell what was set where: a scene is the sum of its events, each the recording's samples
[begin, end) times 10^(gain_db / 20), with 2 ms of fade before the attack and at the end, and the
attack at ``onset_sample``. Everything is mono at 48 kHz.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from random import Random
from typing import TypeVar

import numpy as np

from foleycli.config import SceneConfig
from foleycli.errors import FoleyError, UsageError
from foleycli.frames.windows import clip_random
from foleycli.library.level import SAMPLE_RATE, Samples, hit_level_db
from foleycli.library.recording import read_sound
from foleycli.library.segment import Hit, find_hits
from foleycli.output import atomic_output
from foleycli.processes import do_all
from foleycli.train.data import read_table
from foleycli.train.listing import keep_settings, write_table
from foleycli.waveform.write import write_waveform

EVENTS = "events.csv"
HELD_OUT = ("without", "only", "with")
LONGEST = 30 * SAMPLE_RATE  # samples of a recording that are looked at
FADE = SAMPLE_RATE // 500  # samples: 2 ms, shorter than what is kept before an onset
PEAK = 0.89  # -1 dBFS; a louder scene is turned down as a whole
TRIES = 40  # recordings that are looked at for one that has a hit
Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One sound in a scene; sample numbers are at 48 kHz."""

    scene: str  # its file
    onset_sample: int  # where the attack begins in the scene
    onset: float  # the same in seconds
    file: str  # the recording
    category: str
    label: str
    begin: int  # what is heard of the recording: samples [begin, end)
    attack: int  # the recording's sample that is set at the onset
    end: int
    gain_db: float


@dataclass(frozen=True, slots=True)
class OneShot:
    """A recording that may have hits."""

    path: Path
    file: str
    category: str
    label: str


class OneShots:
    """The recordings of a folder, by class.

    Args:
        table: CSV with the columns file, class, label.
        held_out: without, only, or with the sounds that no training hears: those whose ``file``
            has a crc32 that is a multiple of ten.

    Raises:
        MediaError: a column or every file is missing.
        UsageError: no sound is left.
    """

    def __init__(self, folder: Path, table: Path, held_out: str) -> None:
        if held_out not in HELD_OUT:
            raise UsageError(f"--held-out {held_out} is unknown.", f"Of {', '.join(HELD_OUT)}.")
        self.by_class: dict[str, list[OneShot]] = defaultdict(list)
        for row in read_table(folder, table):
            apart = zlib.crc32(row["file"].encode()) % 10 == 0
            if held_out == "with" or apart == (held_out == "only"):
                sound = OneShot(folder / row["file"], row["file"], row["class"], row["label"])
                self.by_class[sound.category].append(sound)
        if not self.by_class:
            raise UsageError(f"{table} has no sound left.", "Choose another --held-out.")

    def draw(self, random: Random) -> tuple[OneShot, list[Hit]]:
        """A recording with its hits; every class is as likely.

        Raises:
            UsageError: none of many has a hit.
        """
        for _ in range(TRIES):
            category = _pick(sorted(self.by_class), random)
            sound = _pick(self.by_class[category], random)
            _, hits = _read(sound.path)
            if hits:
                return sound, list(hits)
        raise UsageError("These sounds have no hits: they are beds.", "Give one-shots.")


_sounds = lru_cache(maxsize=1)(OneShots)


def _pick(things: Sequence[Thing], random: Random) -> Thing:
    return things[int(random.random() * len(things))]


@lru_cache(maxsize=64)
def _read(path: Path) -> tuple[Samples, tuple[Hit, ...]]:
    """A recording and its hits; none of one that cannot be read."""
    try:
        samples = read_sound(path, samples=LONGEST)
    except FoleyError:
        return np.zeros(0, np.float32), ()
    hits = find_hits(samples) if len(samples) and samples.any() else []
    return samples, tuple(hit for hit in hits if hit.onset - hit.start >= 0)


@dataclass(frozen=True, slots=True)
class Task:
    """One scene to be written."""

    folder: Path
    table: Path
    out: Path
    scene: str
    config: SceneConfig

    @property
    def note(self) -> Path:
        return (self.out / self.scene).with_suffix(".json")


def mix_scenes(
    folder: Path, table: Path, out: Path, count: int, config: SceneConfig, jobs: int = 1
) -> Iterator[tuple[str, str]]:
    """Write ``count`` scenes and their events. Those that are there are kept: a larger count adds.

    Yields:
        Each scene's file, and what is the matter with it: "" when it is done.

    Raises:
        UsageError: the folder was made with other settings, or no sound is left to mix.
        MediaError: the table does not belong to the folder.
    """
    _sounds(folder, table, config.held_out)
    keep_settings(out, asdict(config))
    scenes = [f"scene{number:06d}.wav" for number in range(count)]
    tasks = [Task(folder, table, out, scene, config) for scene in scenes]
    failed = set()
    for task, problem in do_all(write_scene, tasks, jobs):
        if problem:
            failed.add(task)
        yield task.scene, problem
    events = [json.loads(task.note.read_text()) for task in tasks if task not in failed]
    write_table(out / EVENTS, tuple(Event.__annotations__), chain.from_iterable(events))


def write_scene(task: Task) -> None:
    """Plan, render and write one scene, unless it is there."""
    if task.note.is_file() and (task.out / task.scene).is_file():
        return
    sounds = _sounds(task.folder, task.table, task.config.held_out)
    events = plan_scene(task.scene, sounds, task.config)
    waveform, events = render_scene(task.folder, events, task.config.duration)
    write_waveform(task.out / task.scene, [waveform], SAMPLE_RATE, overwrite=True)
    with atomic_output(task.note, overwrite=True) as note:
        note.write_text(json.dumps([asdict(event) for event in events], indent=1) + "\n")


def plan_scene(scene: str, sounds: OneShots, config: SceneConfig) -> list[Event]:
    """Draw what is heard when, by the seed and the scene's name alone."""
    random = clip_random(config.seed, scene)
    sources = config.fewest + int(random.random() * (config.most - config.fewest + 1))
    drawn = [sounds.draw(random) for _ in range(sources)]
    heard = [source for source in drawn for _ in range(1 + int(random.random() * config.events))]
    events = []
    for onset in _draw_onsets(len(heard), config, random):
        sound, hits = heard.pop(int(random.random() * len(heard)))
        hit = _pick(hits, random)
        samples, _ = _read(sound.path)
        level = hit_level_db(samples[hit.start : hit.end])
        end = min(hit.end, hit.start + round(config.duration * SAMPLE_RATE))
        events.append(
            Event(
                scene=scene, onset_sample=onset, onset=onset / SAMPLE_RATE,
                file=sound.file, category=sound.category, label=sound.label,
                begin=hit.start, attack=hit.onset, end=end,
                gain_db=config.level_db - level - config.spread_db * random.random(),
            )
        )  # fmt: skip
    return events


def _draw_onsets(count: int, config: SceneConfig, random: Random) -> list[int]:
    """Samples, in order, ``gap`` seconds apart at least; as many as fit, evenly drawn."""
    gap = round(config.gap * SAMPLE_RATE)
    room = round(config.duration * SAMPLE_RATE) - gap  # the last one is heard for a moment
    count = max(1, min(count, room // max(1, gap)))
    free = room - (count - 1) * gap
    starts = sorted(int(random.random() * free) for _ in range(count))
    return [start + number * gap for number, start in enumerate(starts)]


def render_scene(folder: Path, events: list[Event], duration: float) -> tuple[Samples, list[Event]]:
    """Sum the events; where the sum is too loud, all are turned down alike.

    Returns:
        (round(duration x 48000),) float32, and the events with the gains that were used.
    """
    waveform = np.zeros(round(duration * SAMPLE_RATE), np.float32)
    for event in events:
        samples, _ = _read(folder / event.file)
        lead = event.attack - event.begin
        piece = _faded(samples[event.begin : event.end], lead) * 10 ** (event.gain_db / 20)
        start = event.onset_sample - lead
        piece, start = piece[max(0, -start) :], max(0, start)
        stop = min(len(waveform), start + len(piece))
        waveform[start:stop] += piece[: stop - start]
    peak = float(np.abs(waveform).max(initial=0))
    if peak <= PEAK:
        return waveform, events
    turned = 20 * float(np.log10(PEAK / peak))
    events = [replace(event, gain_db=event.gain_db + turned) for event in events]
    return waveform * np.float32(PEAK / peak), events


def _faded(piece: Samples, lead: int) -> Samples:
    """Without a click at either end; what comes after the first ``lead`` samples is not touched."""
    piece = piece.copy()
    before, after = min(FADE, lead), min(FADE, len(piece) - lead)
    piece[:before] *= np.linspace(0, 1, before, endpoint=False, dtype=np.float32)
    piece[len(piece) - after :] *= np.linspace(1, 0, after, dtype=np.float32)
    return piece
