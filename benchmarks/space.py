"""Sound in a space: what of it is as asked, on truth that is known.

    python benchmarks/space.py                      # places, distance, sums, rooms, cost: a minute
    python benchmarks/space.py --pairs FILMS        # from the picture: films of one factor
    python benchmarks/space.py --pairs FILMS --factor left
    python benchmarks/space.py --clips CLIPS        # mono sums against the clips' own sound
    python benchmarks/space.py --draw DIR FILM...   # a spectrogram and a goniometer of each film

FILMS is what ``foley data render FILMS --kind pairs`` writes: two films that differ in one factor,
and the truth of every hit. CLIPS is a folder of videos with clips.csv, as benchmarks/clips.py takes
it. Decay is read from -5 to -25 dB of the energy still to come (Schroeder, JASA 37, 1965), filtered
backwards. Seconds are those of one core; only their ratio in one run counts.
"""

import argparse
import csv
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt, spectrogram

from foleycli.clip.probe import probe
from foleycli.config import OUTPUT, SPACE, GenerateConfig
from foleycli.frames.decode import decode_pictures
from foleycli.mux.stems import write_sound
from foleycli.sources.open import Source, open_source
from foleycli.sources.staged import sound_parts, split_cues
from foleycli.spot.cues import Cue
from foleycli.spot.features import Features
from foleycli.spot.find import find_cues
from foleycli.waveform.loudness import limit_peaks
from foleycli.waveform.rooms import BANDS, ROOMS, _tail, room_response
from foleycli.waveform.space import to_mono
from foleycli.waveform.stems import sum_stems
from foleycli.waveform.write import write_waveform

RATE = OUTPUT.sample_rate
NEAR = 0.1  # seconds from a true hit to a found one
HEARD = 0.2  # seconds from a true hit to what is heard of it, early or late
SIDE = 0.1  # of the picture's width: a pan that is off by less is right
LEVEL = 0.5  # dB: less is no change
Sound = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pairs", type=Path, help="folder of films of one factor")
    parser.add_argument("--factor", help="of those films, this one alone")
    parser.add_argument("--clips", type=Path, help="folder of clips with their own sound")
    parser.add_argument("--count", type=int, help="clips, at most")
    parser.add_argument("--draw", type=Path, help="folder for pictures of the films given")
    parser.add_argument("films", nargs="*", type=Path)
    options = parser.parse_args()
    library = open_source(GenerateConfig(model="library"))
    if options.pairs:
        pairs(library, options.pairs, options.factor)
    elif options.clips:
        against_own_sound(library, options.clips, options.count)
    elif options.draw:
        for film in options.films:
            draw(library, film, options.draw)
    else:
        places(library)
        distances(library)
        two_balls(library)
        sums(library)
        rooms()
        cost(library)


def nothing_seen(duration: Fraction) -> Features:
    empty = np.zeros(0, np.float32)
    return Features.assemble(np.zeros((0, 384), np.float32), empty, empty, duration)


def render(library: Source, features: Features, cues: list[Cue], **options) -> Sound:
    """(samples, channels) before the limiter."""
    asked = GenerateConfig(**options)
    staged = sound_parts(library, features, split_cues(cues, asked), asked)
    return np.concatenate([sum_stems(block, staged.channels) for block in staged.blocks])


def level(sound: NDArray[np.floating]) -> float:
    """Of all of it, in dB."""
    return float(10 * np.log10(np.square(sound, dtype=np.float64).sum() + 1e-20))


def pan_of(sound: Sound) -> float:
    """Where equal power has put a sound, -1 to 1."""
    left, right = np.sqrt(np.square(sound, dtype=np.float64).sum(axis=0))
    return float(np.arctan2(right, left) / (np.pi / 4) - 1)


def places(library: Source) -> None:
    """Hits and beds at known pans: how far they are from there, in shares of the width."""
    errors, losses, powers = [], [], []
    words = ("wood hit", "glass breaking", "door slam", "metal clang", "footstep on concrete")
    rng = np.random.default_rng(0)
    for number in range(60):
        pan = float(rng.uniform(-1, 1))
        cue = Cue(start=Fraction(1, 2), duration=Fraction(1), kind="hit", layer="props",
                  what=words[number % len(words)], pan=pan)  # fmt: skip
        features = nothing_seen(Fraction(2))
        sound = render(library, features, [cue], width=1.0)
        usual = render(library, features, [cue])
        mono = render(library, features, [cue], channels="mono")
        errors.append(abs(pan_of(sound) - pan) / 2)
        losses.append(level(to_mono(usual)) - level(usual))
        powers.append(level(usual) - level(mono))
    print(f"pan: {len(errors)} hits, largest error {100 * max(errors):.2f} % of the width")
    print(f"     power kept within {max(map(abs, powers)):.3f} dB; mono sums lose at most "
          f"{-min(losses):.2f} dB at --width {SPACE.width:g}")  # fmt: skip


def distances(library: Source) -> None:
    """The same hit twice as far: what it loses, by perspective."""
    for perspective in (0.0, SPACE.perspective, 1.0):
        lost = []
        for near in (1.0, 2.0, 4.0, 8.0):
            heard = [
                level(
                    render(
                        library, nothing_seen(Fraction(2)),
                        [Cue(start=Fraction(1, 2), duration=Fraction(1), kind="hit", layer="hard",
                             what="metal clang", distance=metres)],
                        perspective=perspective,
                    )
                )
                for metres in (near, 2 * near)
            ]  # fmt: skip
            lost.append(heard[0] - heard[1])
        said = ", ".join(f"-{loss + 0.0:.1f}" for loss in lost)
        print(
            f"distance: from 1, 2, 4, 8 m to twice that, --perspective {perspective:g}: {said} dB"
        )


def two_balls(library: Source) -> None:
    """Two balls that bounce in one picture, seen by the eyes: does each hit stand at its own?"""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "balls.mp4"
        truth = _bounce(film)
        features = library.encode(decode_pictures(probe(film)))
        cues = [cue for cue in find_cues(features, "ball bounce", air=False) if cue.kind == "hit"]
    errors = []
    for at, x in truth:
        found = min(cues, key=lambda cue: abs(float(cue.start) - at), default=None)
        if found is not None and abs(float(found.start) - at) < NEAR:
            errors.append(abs(found.pan - (2 * x - 1)) / 2)
    right = sum(error < SIDE for error in errors)
    print(f"two balls: {len(truth)} bounces, {len(errors)} found; {right} within 10 % of the "
          f"width, mean error {100 * np.mean(errors):.1f} %")  # fmt: skip


def _bounce(path: Path, seconds: int = 8, rate: int = 25) -> list[tuple[float, float]]:
    """A film of two balls; when each touches the floor, and where, from the left, 0 to 1."""
    import av

    balls = ((0.2, 1.0, 0.0, (220, 60, 40)), (0.8, 1.3, 0.45, (40, 90, 220)))
    yy, xx = np.mgrid[:180, :320]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for i in range(seconds * rate):
            frame = np.full((180, 320, 3), 200, np.uint8)
            frame[155:] = (120, 90, 60)
            for x, period, phase, colour in balls:
                turn = ((i / rate + phase) % period) / period  # 0 and 1 at the floor
                height = 110 * 4 * turn * (1 - turn)
                frame[(xx - 320 * x) ** 2 + (yy - (141 - height)) ** 2 < 14**2] = colour
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return [
        (float(at), x)
        for x, period, phase, _ in balls
        for at in np.arange(period - phase, seconds - 0.3, period)
    ]


def sums(library: Source) -> None:
    """Dry stems and the room's return against the whole, as they are written."""
    cues = [
        Cue(start=Fraction(0), duration=Fraction(4), kind="bed", what="room tone", layer="air"),
        *(
            Cue(
                start=Fraction(n, 2),
                duration=Fraction(1),
                kind="hit",
                layer=layer,
                what=what,
                pan=pan,
                distance=4.0,
            )
            for n, (layer, what, pan) in enumerate(
                [
                    ("feet", "footstep on wood", -0.9),
                    ("props", "wood hit", 0.1),
                    ("hard", "door slam", 0.9),
                ]
                * 2
            )
        ),
    ]
    features = nothing_seen(Fraction(4))
    for channels, room in (("stereo", "off"), ("stereo", "hall"), ("5.1", "large")):
        config = GenerateConfig(channels=channels, room=room, stems=True)
        staged = sound_parts(library, features, split_cues(cues, config), config)
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "a.wav"
            write_sound(wav, _limited(staged.blocks, staged.channels), lambda _: _about(),
                        stems=staged.names, channels=staged.channels)  # fmt: skip
            whole, *stems = (
                soundfile.read(path, dtype="int32")[0].astype(np.int64)
                for path in (wav, *(wav.with_name(f"a_{name}.wav") for name in staged.names))
            )
        off = int(np.abs(sum(stems) - whole).max())
        losses = [level(to_mono(stem / 2**31)) - level(stem / 2**31) for stem in stems]
        print(f"sums: {channels}, room {room}: {len(stems)} stems, largest difference {off}; mono "
              + ", ".join(f"{n} {x:+.2f}" for n, x in zip(staged.names, losses, strict=True))
              + " dB")  # fmt: skip


def _limited(blocks: Iterator[Sound], channels: int) -> Iterator[Sound]:
    from foleycli.waveform.stems import limit_stems

    return limit_stems(blocks, channels)


def _about():
    from foleycli.mux.bwf import Broadcast

    return Broadcast()


def rooms() -> None:
    """How the tails decay, against what was asked, and what mono sums of the answers lose."""
    print(
        "| room | decay against what was asked, 125 Hz to 8 kHz, % | mono sum, dB | 5.1 to mono |"
    )
    print("|---|---|---|---|")
    for name, room in ROOMS.items():
        tail = _tail(room, RATE)
        off = [
            100 * (decay(tail, f) / asked - 1) for f, asked in zip(BANDS, room.decay, strict=True)
        ]
        sums = [level(to_mono(a)) - level(a) for a in (room_response(name, n) for n in (2, 6))]
        print(
            f"| {name} | {' '.join(f'{x:+.0f}' for x in off)} | {sums[0]:+.2f} | {sums[1]:+.2f} |"
        )


def decay(tails: NDArray[np.float64], centre: float) -> float:
    """Seconds to fall by 60 dB in an octave."""
    band = butter(3, (centre / 2**0.5, centre * 2**0.5), "band", fs=RATE, output="sos")
    energy = np.square(sosfilt(band, tails[::-1], axis=0)[::-1]).sum(axis=1)
    left = 10 * np.log10(energy[::-1].cumsum()[::-1] / energy.sum() + 1e-30)
    at = np.flatnonzero((left < -5) & (left > -25))
    return float(-60 / np.polyfit(at / RATE, left[at], 1)[0])


def cost(library: Source, seconds: int = 30) -> None:
    """CPU seconds to look at a film once, and to make, hold and write its sound, by channels."""
    rng = np.random.default_rng(0)
    words = ("footstep on concrete", "wood hit", "door slam")
    cues = [
        Cue(start=Fraction(0), duration=Fraction(seconds), kind="bed", what="city ambience",
            layer="air"),
        *(
            Cue(start=Fraction(n, 2), duration=Fraction(1), kind="hit", what=words[n % 3],
                layer="props", pan=rng.uniform(-1, 1), distance=rng.uniform(1, 9))
            for n in range(2 * seconds)
        ),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        film = probe(_still(Path(folder) / "film.mp4", seconds))
        began = time.process_time()
        features = library.encode(decode_pictures(film))
        looking = time.process_time() - began
        took = {}
        for name, asked in (
            ("mono", {"channels": "mono"}),
            ("stereo", {}),
            ("stereo, room", {"room": "hall"}),
            ("5.1", {"channels": "5.1"}),
        ):
            runs = []
            for _ in range(4):  # the first warms what is kept
                began = time.process_time()
                sound = render(library, features, cues, **asked)
                held = limit_peaks([sound], OUTPUT.true_peak_db, RATE)
                write_waveform(Path(folder) / "a.wav", held, RATE, sound.shape[1], overwrite=True)
                runs.append(time.process_time() - began)
            took[name] = min(runs[1:])
    for name, spent in took.items():
        whole = (looking + spent) / (looking + took["mono"])
        alone = f"{spent:.2f} CPU s, {spent / took['mono']:.2f} x mono"
        print(f"cost: {seconds} s, {name}: {alone}; with {looking:.1f} s of looking {whole:.2f} x")


def _still(path: Path, seconds: int) -> Path:
    import av

    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.options = {"preset": "ultrafast"}
        for i in range(seconds * 24):
            frame = np.full((180, 320, 3), 90, np.uint8)
            frame[40:90, 20 + i % 200 : 70 + i % 200] = rng.integers(0, 255, (50, 50, 3))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def pairs(library: Source, folder: Path, factor: str | None) -> None:
    """Films of one factor, by their pictures alone: does the sound change the right way, and does
    what should stay stay? And at every hit that was found, how far its pan is from the thing.

    Words are given ("wood hit"), so that all is heard. Where the material is the factor, once none
    and once its own: what the picture does not show, a person may say."""
    truth = defaultdict(list)
    with (folder / "events.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            truth[row["file"]].append(row)
    told: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    errors: list[float] = []
    print(
        "| pair | factor | level, dB | pan | same words | hits found |\n|---|---|---|---|---|---|"
    )
    for path in sorted(folder.glob("pair*.row")):
        pair = json.loads(path.read_text())
        if factor and pair["factor"] != factor:
            continue
        seen = [library.encode(decode_pictures(probe(folder / pair[one]))) for one in "ab"]
        for name, words in _asked(pair, truth):
            heard = [
                _Heard(find_cues(features, said, air=False), truth[pair[one]])
                for one, features, said in zip("ab", seen, words, strict=True)
            ]
            told[name].append(_judge(pair, name, heard, truth))
            errors += heard[0].errors + heard[1].errors
    for name, rows in told.items():
        right, kept = (sum(row[i] for row in rows) for i in (0, 1))
        both = sum(all(row) for row in rows)
        print(f"{name}: {right} of {len(rows)} the right way, {kept} keep the rest, {both} both")
    if errors:
        within = 100 * np.mean(np.array(errors) < SIDE)
        print(f"pan of {len(errors)} hits found: {within:.0f} % within 10 % of the width, "
              f"mean error {100 * np.mean(errors):.1f} %")  # fmt: skip


Truth = dict[str, list[dict[str, str]]]


def _asked(pair: dict[str, str], truth: Truth) -> Iterator[tuple[str, list[str | None]]]:
    """What a pair is called in the table, and the words that are said of its films."""
    if pair["factor"] != "material":
        yield pair["factor"], ["wood hit"] * 2
        return
    yield "material", [None] * 2
    yield "material, told", [f"{truth[pair[one]][0]['material']} hit" for one in "ab"]


def _judge(
    pair: dict[str, str], name: str, heard: "list[_Heard]", truth: Truth
) -> tuple[bool, bool]:
    """Whether the sound changes the right way, and whether the rest stays; prints a row."""
    change = heard[1].level - heard[0].level
    moved = heard[1].pan - heard[0].pan
    same = heard[0].words == heard[1].words
    asked = _true_pan(truth[pair["b"]]) - _true_pan(truth[pair["a"]])
    stays = abs(moved - asked) / 2 < SIDE
    right = {
        "left": moved < 0 and stays,
        "material": not same,
    }.get(pair["factor"], change > LEVEL)
    kept = {
        "nearer": same and stays,
        "left": same and abs(change) < 3,
        "material": stays and not abs(change) > 3,
    }.get(pair["factor"], same and stays)
    found = f"{heard[0].found}/{heard[0].true}, {heard[1].found}/{heard[1].true}"
    pan = f"{moved:+.2f} (true {asked:+.2f})"
    words = "yes" if same else "no"
    print(f"| {pair['pair']} | {name} | {change:+.1f} | {pan} | {words} | {found} |")
    return right, kept


class _Heard:
    """What is heard of a film: words, the level of its hits, their mean pan."""

    def __init__(self, cues: list[Cue], truth: list[dict[str, str]]) -> None:
        hits = [cue for cue in cues if cue.kind == "hit"]
        self.words = sorted({cue.what for cue in cues})
        self.true, self.errors, levels, pans = 0, [], [], []
        for row in truth:
            if float(row["strength"]) < 0.5 or row["seen"] != "True":
                continue
            self.true += 1
            near = [cue for cue in hits if abs(float(cue.start) - float(row["time"])) < NEAR]
            if near:
                cue = min(near, key=lambda cue: abs(float(cue.start) - float(row["time"])))
                self.errors.append(abs(cue.pan - (2 * float(row["x"]) - 1)) / 2)
        hard = [float(row["time"]) for row in truth if float(row["strength"]) >= 0.5]
        for cue in hits:
            if any(abs(float(cue.start) - at) < HEARD for at in hard):
                levels.append(_at(cue))
                pans.append(cue.pan)
        self.found = len(self.errors)
        self.level = float(np.max(levels)) if levels else float("nan")
        self.pan = float(np.mean(pans)) if pans else float("nan")


def _at(cue: Cue) -> float:
    """What of a cue's level a listener hears: its own, and what its distance does."""
    from foleycli.waveform.space import distance_db

    usual = dict(SPACE.usual).get(cue.layer, SPACE.usual[0][1])
    return cue.level_db + float(distance_db(cue.distance, usual, SPACE.perspective))


def _true_pan(truth: list[dict[str, str]]) -> float:
    hard = [float(row["x"]) for row in truth if float(row["strength"]) >= 0.5]
    return float(2 * np.mean(hard) - 1) if hard else float("nan")


def against_own_sound(library: Source, folder: Path, count: int | None) -> None:
    """kl, cosy, env, onf1c of mono sums with and without distance and rooms, on the same cues."""
    import soxr
    from clips import _fitted, real_clips

    from foleycli.evaluate.compare import MEASURES, compare, describe
    from foleycli.listeners.yamnet import SAMPLE_RATE

    with (folder / "clips.csv").open(newline="", encoding="utf-8") as file:
        files = [folder / row["file"] for row in csv.DictReader(file)][:count]
    variants = {
        "mono, near, dry": {"channels": "mono", "room": "off", "perspective": 0.0},
        "as is": {},
        "--room auto": {"room": "auto"},
    }
    scores: dict[str, list[list[float]]] = {name: [] for name in variants}
    for path, (own, motion) in zip(files, real_clips(files), strict=True):
        features = library.encode(decode_pictures(probe(path)))
        cues = find_cues(features)
        for name, asked in variants.items():
            sound = render(library, features, cues, **asked)
            held = np.concatenate(list(limit_peaks([sound], OUTPUT.true_peak_db, RATE)))
            mono = soxr.resample(to_mono(held.reshape(len(held), -1)), RATE, SAMPLE_RATE)
            measured = compare(
                own, describe(_fitted(mono.astype(np.float32), own.duration)), motion
            )
            scores[name].append([measured[m] for m in MEASURES])
    rng = np.random.default_rng(0)
    base = np.array(scores["mono, near, dry"])
    for name, rows in scores.items():
        means = np.nanmean(rows, axis=0)
        print(f"{name:16}", " ".join(f"{m} {x:.3f}" for m, x in zip(MEASURES, means, strict=True)))
        if rows is not scores["mono, near, dry"]:
            other = np.array(rows) - base
            drawn = [np.nanmean(other[rng.integers(len(other), size=len(other))], axis=0)
                     for _ in range(2000)]  # fmt: skip
            low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
            said = (f"{m} {x:+.3f} [{a:+.3f}, {b:+.3f}]" for m, x, a, b in
                    zip(MEASURES, np.nanmean(other, axis=0), low, high, strict=True))  # fmt: skip
            print("  against it:", "; ".join(said))


def draw(library: Source, film: Path, folder: Path) -> None:
    """The spectrogram of left and right, and a goniometer, of what ``foley gen`` makes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    features = library.encode(decode_pictures(probe(film)))
    cues = find_cues(features)
    sound = render(library, features, cues, room="auto")
    figure, axes = pyplot.subplots(1, 3, figsize=(15, 4), width_ratios=(2, 2, 1))
    for column, (axis, name) in enumerate(zip(axes, ("left", "right"), strict=False)):
        at, times, power = spectrogram(sound[:, column], RATE, nperseg=2048, noverlap=1536)
        axis.pcolormesh(times, at, 10 * np.log10(power + 1e-12), vmin=-110, vmax=-40, cmap="magma")
        axis.set(yscale="symlog", ylim=(50, 20_000), title=name, xlabel="s")
        for cue in cues:
            if cue.kind == "hit":
                axis.axvline(float(cue.start), color="white", lw=0.4)
    side, middle = sound[:, 1] - sound[:, 0], sound[:, 0] + sound[:, 1]
    most = max(1e-6, float(np.abs(middle).max()))
    axes[2].plot(side[::7] / most, middle[::7] / most, ",", alpha=0.5)
    axes[2].set(xlim=(-1, 1), ylim=(-1, 1), aspect="equal", title="goniometer", xlabel="R - L")
    figure.tight_layout()
    figure.savefig(folder / f"{film.stem}.png", dpi=70)
    pyplot.close(figure)
    print(film.name)
    for cue in cues:
        where = f"{cue.layer}, {cue.level_db:+.1f} dB, pan {cue.pan:+.2f}, {cue.distance:.1f} m"
        print(f"  {float(cue.start):6.2f} {cue.kind} {cue.what}: {where}")


if __name__ == "__main__":
    main()
