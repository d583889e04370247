"""How well the hit and activity curves say when a clip sounds, without any recording or model.

    python benchmarks/when.py CLIPS --split dev42
    python benchmarks/when.py --quiet runs/films/quiet_held --contacts runs/films/things_held

CLIPS is a folder of videos that have their own sound. A plain sound (noise that decays at each
hit, and noise under it that follows the activity) is made from the curves of each reading and
compared with the own sound: env, onf1c and sync_z of foleycli/evaluate, means over clips with 95 %
of resampled means. Below: what each reading gains over the rule, clip by clip. `--split` tables
the files that sort before and from a name apart. "true times" are the onsets of the own sound,
all of one strength: what is left to win. `--quiet` counts hits in rendered films that have none,
`--contacts` gives F1 within 50 ms of rendered contacts (`foley data render`; soft ones do not
count).
"""

import argparse
import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from foleycli.clip.probe import probe
from foleycli.evaluate.interval import bootstrap
from foleycli.evaluate.sync import motion_curve, strength_curve, sync_z
from foleycli.evaluate.timing import env, find_onsets, level_curve, onf1c, onset_strength
from foleycli.frames.decode import decode_pictures
from foleycli.listeners.yamnet import SAMPLE_RATE
from foleycli.sight.motion import CHANNELS
from foleycli.sight.stops import read_stops
from foleycli.sight.track import RATE, Reading, Track, at_points
from foleycli.sight.when import MotionReader, pick_hits
from foleycli.sight.when_net import load_net, read_likelihood, read_weighed_stops
from foleycli.train.views import load_films
from foleycli.train.when import SOFT
from foleycli.waveform.sound import read_sound

MEASURES = ("env", "onf1c", "sync_z", "hits a second")
Curves = tuple[NDArray[np.floating], NDArray[np.floating]]


def read_rises(track: Track, points: NDArray[np.float64]) -> Curves:
    """The baseline of DESIGN.md: the largest rise of plain picture change in any cell."""
    cells = track.cells[:, CHANNELS.index("difference")].reshape(len(track.times), -1)
    change = gaussian_filter1d(at_points(points, track.times, cells), 0.03 * RATE, axis=0)
    rises = np.maximum(0, np.diff(change, axis=0, prepend=change[:1])).max(axis=1)
    return rises * RATE / 10, read_stops(track, points)[1]


def read_net(track: Track, points: NDArray[np.float64]) -> Curves:
    """The network alone."""
    return read_likelihood(load_net(), track, points), read_stops(track, points)[1]


SHIPPED = "rule, weighed, absence (shipped)"
READINGS: dict[str, Reading] = {
    "rises of picture change": read_rises,
    "ends of motion (rule)": read_stops,
    "network alone": read_net,
    "rule weighed by network": partial(read_weighed_stops, seen=0.0),
    SHIPPED: read_weighed_stops,
}


def plain_sound(hits: NDArray[np.floating], activity: NDArray[np.floating]) -> NDArray[np.float32]:
    """Noise that decays 20 dB in 230 ms at each hit, over noise 40 to 10 dB below it."""
    samples = round(len(hits) * SAMPLE_RATE / RATE)
    at = np.arange(samples) * RATE / SAMPLE_RATE - 0.5
    power = 10 ** ((30 * np.interp(at, np.arange(len(activity)), activity) - 40) / 10)
    decay = np.exp(-2 * np.arange(SAMPLE_RATE) / (0.1 * SAMPLE_RATE))
    for i in np.flatnonzero(hits):
        start = int((i + 0.5) * SAMPLE_RATE / RATE)
        tail = decay[: samples - start]
        power[start : start + len(tail)] += 10 ** (2.4 * (hits[i] - 1)) * tail
    noise = np.random.default_rng(0).standard_normal(samples)
    return (0.1 * np.sqrt(power) * noise).astype(np.float32)


def compare(own: NDArray[np.float32], made: NDArray[np.float32], motion: NDArray) -> list[float]:
    """env, onf1c and sync_z of a made sound."""
    seconds = len(own) / SAMPLE_RATE
    own_onsets, strength = find_onsets(onset_strength(own)), onset_strength(made)
    return [
        env(level_curve(own), level_curve(made)),
        onf1c(own_onsets, find_onsets(strength), seconds),
        sync_z(strength_curve(strength), motion),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clips", type=Path, nargs="?", help="folder of videos with sound")
    parser.add_argument("--split", help="table files before and from this name apart")
    parser.add_argument("--quiet", type=Path, action="append", default=[], help="rendered films")
    parser.add_argument("--contacts", type=Path, action="append", default=[], help="the same")
    options = parser.parse_args()
    for folder in (*options.quiet, *options.contacts):
        print_rendered(folder, folder in options.contacts)
    if options.clips is None:
        return
    paths = sorted(options.clips.glob("*.mp4"))
    scores: dict[str, list[list[float]]] = {}
    seconds, pictures = 0.0, 0
    for path in paths:
        held = list(decode_pictures(probe(path)))
        end = held[-1].time + held[-1].duration
        own, motion = read_sound(path)[: round(end * SAMPLE_RATE)], motion_curve(path)
        rows: dict[str, Curves] = {}
        for name, reading in READINGS.items():
            began = time.process_time()
            reader = MotionReader(reading)
            for picture in held:
                reader.push(picture.time, picture.luma)
            rows[name] = reader.curves(Fraction(end))
            if name == SHIPPED:
                seconds, pictures = seconds + time.process_time() - began, pictures + len(held)
        shipped = rows[SHIPPED]
        turned = (
            np.roll(shipped[0], len(shipped[0]) // 2),
            np.roll(shipped[1], len(shipped[1]) // 2),
        )
        beat = np.zeros(len(shipped[0]))
        beat[:: RATE // 3] = 0.8
        rows |= {
            "control: shipped, half a clip late": turned,
            "control: metronome": (beat, 0 * beat),
            "true times": (true_times(own, len(beat)), shipped[1]),
        }
        for name, (hits, activity) in rows.items():
            numbers = compare(own, plain_sound(hits, activity), motion)
            scores.setdefault(name, []).append([*numbers, np.count_nonzero(hits) / float(end)])
        own_numbers = compare(own, own, motion)
        scores.setdefault("control: own sound", []).append([*own_numbers, float("nan")])
    cost = 1000 * seconds / pictures
    print(f"{len(paths)} clips; the shipped reading takes {cost:.2f} ms a picture")
    tables = {name: np.array(rows) for name, rows in scores.items()}
    print_table(tables)
    if options.split:
        later = np.array([path.name >= options.split for path in paths])
        for title, chosen in (
            (f"before {options.split}", ~later),
            (f"from {options.split}", later),
        ):
            print(f"\n{title}: {chosen.sum()} clips")
            print_table({name: rows[chosen] for name, rows in tables.items()})


def true_times(own: NDArray[np.float32], points: int) -> NDArray[np.float64]:
    """The onsets of a sound as hits of one strength."""
    hits = np.zeros(points)
    places = (find_onsets(onset_strength(own)) * RATE).astype(int)
    hits[places[places < points]] = 0.8
    return hits


def print_rendered(folder: Path, contacts: bool) -> None:
    """Hits a second of films that have none; or F1 within 50 ms of what is heard."""
    films = list(load_films(folder))
    seconds = sum(len(film.activity) for film in films) / RATE
    print(f"{len(films)} films of {folder.name}, {seconds:.0f} s")
    for name, reading in READINGS.items():
        found = asked = right = 0
        for film in films:
            points = (np.arange(len(film.activity)) + 0.5) / RATE
            left = points[pick_hits(reading(film.views["full"], points)[0]) > 0].tolist()
            for instant, strength in sorted(film.hits.tolist(), key=lambda hit: -hit[1]):
                near = [t for t in left if abs(t - instant) <= 0.05]
                asked += strength >= SOFT
                if near:
                    left.remove(min(near, key=lambda t, instant=instant: abs(t - instant)))
                    right += strength >= SOFT
            found += len(left)
        f1 = 2 * right / max(1, found + right + asked)
        print(f"  {name:36}" + (f"F1 {f1:.2f}" if contacts else f"{found / seconds:.2f} a second"))


def print_table(scores: dict[str, NDArray[np.float64]]) -> None:
    """Means, then differences from the rule."""
    rule = scores["ends of motion (rule)"]
    print(f"{'':36}" + "".join(f"{m:>22}" for m in MEASURES))
    for name, rows in scores.items():
        print(f"{name:36}" + "".join(_cell(rows[:, m]) for m in range(len(MEASURES))))
    for name in READINGS:
        if name != "ends of motion (rule)":
            gains = "".join(_cell(scores[name][:, m] - rule[:, m]) for m in range(len(MEASURES)))
            print(f"{name[:26] + ' - rule':36}{gains}")


def _cell(values: NDArray[np.float64]) -> str:
    return "{:8.3f} [{:5.2f},{:5.2f}]".format(*bootstrap(values))


if __name__ == "__main__":
    main()
