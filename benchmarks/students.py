"""What close-ups and camera moves cost the encoder, and how much of it a student wins back.

    python benchmarks/students.py --clips CLIPS --photos PHOTOS --scenes SCENES
    python benchmarks/students.py --clips CLIPS --sizes .2,.4,.6,.8 --sounds teacher   # a curve

Every encoder (the teacher, which is the published networks of what ships, the student that ships if
one does, and each folder of --students with ``seen.safetensors``, ``what.safetensors``,
``when.safetensors`` or ``encoder.json``) sees the full picture, close-ups
(cu) and camera moves (cm) of

- photographs, panned and cropped: films of 4 s;
- SCENES, a file of held-out rendered scenes that ``foley train when`` or ``distill`` wrote;
- CLIPS, real videos with clips.csv; their windows are cut in memory, the same in every run.
  Encoders there are over the published networks, whose looks are kept: no ``what.safetensors``.

Of each example --windows windows of either kind are drawn, and its scores are their means. It is
compared with what the teacher sees in the full picture: ``cosine`` of rows of *what*, ``word``
(the same surest sound, over 2 s as in find_cues), ``top3`` (shared words of three), ``hits`` (F1 of
*when* within 100 ms); photographs also with their own class: ``named`` (its sound is the surest);
scenes with what was rendered: ``true hits``; clips with their own sound: env and onf1c of plain
noise made from the curves, and for the encoders named by --sounds what ``library`` makes of them
(kl, cosy, env, onf1c). Brackets hold 95 % of resampled means over examples; ``change`` is
what a student has more than its teacher in the same view, ``recovered`` the part of the teacher's
loss that it wins back.
"""

import argparse
import csv
import json
import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from clips import real_clips
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter1d
from soxr import resample
from when import plain_sound

from foleycli.clip.probe import probe
from foleycli.config import (
    CINEMATIC,
    CUES,
    EVALUATE,
    FEATURES,
    FRAMES,
    OUTPUT,
    CinematicConfig,
    GenerateConfig,
)
from foleycli.errors import UsageError
from foleycli.evaluate.compare import Sound, compare, describe
from foleycli.evaluate.interval import bootstrap
from foleycli.evaluate.timing import env, find_onsets, level_curve, onf1c, onset_f1, onset_strength
from foleycli.frames.decode import Picture, decode_pictures
from foleycli.frames.windows import (
    KINDS,
    clip_random,
    clip_window,
    crop_for,
    draw_window,
    vary_frames,
)
from foleycli.listeners.yamnet import SAMPLE_RATE
from foleycli.output import atomic_output
from foleycli.sight.lite import CLASSES, Classifier, open_classifier
from foleycli.sight.sightings import Sighting
from foleycli.sight.track import Track
from foleycli.sight.watch import Watcher
from foleycli.sight.when import MotionReader, pick_hits
from foleycli.sources.library import LibrarySource
from foleycli.spot.encode import (
    FACTS,
    SHIPPED,
    WHAT,
    WHEN,
    Encoder,
    read_facts,
    share_context,
    shot_numbers,
)
from foleycli.spot.features import Features
from foleycli.spot.find import find_cues
from foleycli.spot.phrases import read_shares, vocabulary
from foleycli.spot.seen import SEEN
from foleycli.spot.what import Seer, class_sounds, is_dark
from foleycli.train.views import VIEWS, load_views

RATE = FEATURES.when_rate
VERSIONS: list[int] = read_facts(SHIPPED)["versions"]  # of the networks that ship
PHOTO_ROWS = 16  # 4 s
HELD = 10  # a tenth of the photographs
Scores = dict[str, float]
Drawn = dict[tuple[str, str], list[Scores]]  # (encoder, view) -> scores of every window


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that every encoder saw in every view, and what came of it."""

    name: str
    scores: dict[tuple[str, str], Scores]  # (encoder, view) -> measure -> score


def photo_examples(
    folder: Path,
    encoders: dict[str, Encoder],
    windows: int,
    all_of_them: bool,
    views: Sequence[str] = VIEWS[1:],
) -> Iterator[Example]:
    """Photographs as films of 4 s; only *what* can be seen of a still.

    Args:
        all_of_them: not only those that no student learned from.
    """
    names = sound_names(folder)
    for path in sorted(folder.glob("*.jpg")):
        if zlib.crc32(path.name.encode()) % HELD and not all_of_them:
            continue
        photo = np.asarray(Image.open(path).convert("RGB"))
        scores: Drawn = {}
        truth = None
        for view, seed in drawn_views(windows, views):
            shown = show(photo, path.name, view, seed)
            for name, encoder in encoders.items():
                what = share_context(_repeated(look_rows(shown, encoder)), (), encoder.reach)
                truth = what if truth is None else truth
                found = compare_what(truth, what)
                word = names.get(path.name.partition("_")[0])
                if word is not None:
                    found["named"] = float((_sounding(what).argmax(axis=1) == word).mean())
                scores.setdefault((name, view), []).append(found)
        yield Example(path.stem, mean_scores(scores))


def look_rows(frames: NDArray[np.uint8], encoder: Encoder) -> NDArray[np.float32]:
    """Rows (n, 384) of pictures of one shot."""
    if encoder.head is None:
        return encoder.seer.look(frames)
    shares, embeddings = encoder.seer.see(frames)
    shots = np.zeros(len(frames), int)
    settled = encoder.head.settle(shares, encoder.head.inner(embeddings), shots)
    return encoder.seer.words(settled, is_dark(frames))


def show(photo: NDArray[np.uint8], name: str, view: str, seed: int) -> NDArray[np.uint8]:
    """What is seen of a photograph: one picture, or those of a move."""
    if view == "full":
        square = Image.fromarray(photo).resize(
            (FRAMES.size, FRAMES.size), Image.Resampling.BILINEAR
        )
        return np.asarray(square)[None]
    height, width = photo.shape[:2]
    times = (np.arange(PHOTO_ROWS) + 0.5) / FEATURES.frame_rate
    seconds = PHOTO_ROWS / FEATURES.frame_rate
    kind, config = kind_of(view, seed)
    window = draw_window(kind, width, height, seconds, clip_random(seed, name), config)
    shown = times[:1] if kind == "cu" else times
    return vary_frames(np.stack([photo] * len(shown)), list(shown), window)


def kind_of(view: str, seed: int) -> tuple[str, CinematicConfig]:
    """What a view is: a kind of window, or a close-up of that size."""
    config = replace(CINEMATIC, seed=seed)
    if view in KINDS:
        return view, config
    return "cu", replace(config, smallest=float(view), largest=float(view))


def sound_names(folder: Path) -> dict[str, int]:
    """WordNet id -> place in the vocabulary of what such a thing sounds like; of a folder with one
    photograph of each class, else of none."""
    ids = sorted({path.name.partition("_")[0] for path in folder.glob("n*.jpg")})
    if len(ids) != CLASSES:
        return {}
    sounds = class_sounds()[0] * [phrase.layer != "air" for phrase in vocabulary()]
    return {name: int(row.argmax()) for name, row in zip(ids, sounds, strict=True) if row.any()}


def drawn_views(windows: int, views: Sequence[str] = VIEWS[1:]) -> Iterator[tuple[str, int]]:
    """(view, seed of the window): the full picture first, and once."""
    yield "full", 0
    for seed in range(windows):
        for view in views:
            yield view, seed


def mean_scores(drawn: "Drawn") -> dict[tuple[str, str], Scores]:
    """Means over the windows that were drawn."""
    return {
        key: {m: float(np.nanmean([score[m] for score in scores])) for m in scores[0]}
        for key, scores in drawn.items()
    }


def _repeated(what: NDArray[np.float32]) -> NDArray[np.float32]:
    return what if len(what) == PHOTO_ROWS else np.repeat(what, PHOTO_ROWS, axis=0)


def scene_examples(path: Path, encoders: dict[str, Encoder]) -> Iterator[Example]:
    """Held-out rendered scenes: hits against the teacher's, and against what was rendered."""
    for n, scene in enumerate(load_views(path)):
        points = (np.arange(len(scene.activity)) + 0.5) / RATE
        found = {
            (name, view): points[pick_hits(encoder.reading(track, points)[0]) > 0]
            for name, encoder in encoders.items()
            for view, track in scene.views.items()
        }
        truth = found["teacher", "full"]
        yield Example(
            f"scene {n}",
            {
                key: {"hits": onset_f1(truth, hits), "true hits": onset_f1(scene.hits[:, 0], hits)}
                for key, hits in found.items()
            },
        )


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the published networks and the detectors see of a clip in one view, row by row."""

    shares: NDArray[np.float16]  # (rows, networks, 1000)
    embeddings: NDArray[np.float16]  # (rows, networks, 1280)
    dark: NDArray[np.bool_]  # (rows,)
    cuts: tuple[Fraction, ...]
    end: Fraction
    track: Track
    points: NDArray[np.float64]
    places: NDArray[np.float32]
    sightings: tuple[Sighting, ...]


def clip_examples(
    folder: Path,
    encoders: dict[str, Encoder],
    sounded: list[str],
    kept: Path,
    windows: int,
    only: range,
    views: Sequence[str] = VIEWS[1:],
    scored: bool = True,
) -> Iterator[Example]:
    """Real clips; windows are drawn from their names.

    Args:
        kept: folder that keeps what was seen, for the next run.
        only: which of the clips.
        scored: False: they are looked at, and nothing is measured.
    """
    with (folder / "clips.csv").open(newline="") as file:
        paths = [folder / row["file"] for row in csv.DictReader(file)]
    paths = [path for n, path in enumerate(paths) if n in only]
    if not scored:
        for view, seed in drawn_views(windows, views):
            for path in paths:
                see(path, view, seed, kept)
        return
    library = LibrarySource() if sounded else None
    for path, (own, motion) in zip(paths, real_clips(paths), strict=True):
        scores: Drawn = {}
        truth = None
        for view, seed in drawn_views(windows, views):
            for name, encoder in encoders.items():
                features = read_look(see(path, view, seed, kept), encoder)
                truth = truth or features
                found = compare_what(truth.what, features.what)
                found |= compare_when(truth, features, own)
                if library and name in sounded:
                    sound = compare(own, describe(make_sound(library, features, own)), motion)
                    found |= {m: sound[m] for m in ("kl", "cosy", "env", "onf1c")}
                scores.setdefault((name, view), []).append(found)
        yield Example(path.stem, mean_scores(scores))


def read_look(look: Look, encoder: Encoder) -> Features:
    """What an encoder over the published networks makes of a look: `encode_video`'s features."""
    kept = [VERSIONS.index(version) for version in encoder.versions]
    shares = look.shares[:, kept].astype(np.float32).mean(axis=1)
    if encoder.head is not None:
        shots = shot_numbers(look.cuts, len(shares))
        shares = encoder.head.settle(shares, encoder.head.inner(look.embeddings), shots)
    hits, activity = encoder.reading(look.track, look.points)
    what = share_context(encoder.seer.words(shares, look.dark), look.cuts, encoder.reach)
    return Features.assemble(
        what,
        pick_hits(hits),
        activity,
        look.end,
        look.cuts,
        classes=shares.astype(np.float16),
        sightings=look.sightings,
        dark=look.dark,
        places=look.places,
    )


def see(path: Path, view: str, seed: int, kept: Path) -> Look:
    """What is seen of a clip in one view; kept, as pickled here and by nobody else."""
    file = kept / f"{path.stem}.{view}{seed}.look"
    if file.exists():
        return pickle.loads(file.read_bytes())
    film = probe(path)
    crop = None
    if view != "full":
        kind, config = kind_of(view, seed)
        crop = crop_for(film, clip_window(kind, film, path.stem, config))
    look = look_at(decode_pictures(film, crop=crop))
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_output(file, overwrite=True) as beside:
        beside.write_bytes(pickle.dumps(look))
    return look


def look_at(pictures: Iterable[Picture]) -> Look:
    """Look at a short clip as `encode_video` does.

    Raises:
        UsageError: it is longer than what is read of motion at once.
    """
    tracks: list[tuple[Track, NDArray[np.float64]]] = []

    def keep(track: Track, points: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        tracks.append((track, points))
        return np.zeros(len(points), np.float32), np.zeros(len(points), np.float32)

    motion, watcher, end = MotionReader(keep), Watcher(), Fraction(0)
    rows: list[tuple[NDArray, NDArray, NDArray]] = []
    for picture in pictures:
        motion.push(picture.time, picture.luma)
        watcher.push(picture)
        end = picture.end
        if picture.rgb is not None:
            seen = [net.see(picture.rgb[None]) for net in open_eyes()]
            shares, embeddings = (np.stack(part, axis=1) for part in zip(*seen, strict=True))
            dark = is_dark(picture.rgb[None])
            looked = shares.astype(np.float16), embeddings.astype(np.float16), dark
            rows += [looked] * picture.repeats
    motion.curves(end)
    if len(tracks) > 1:
        raise UsageError("A clip is longer than 16 s.", "Measure on shorter ones.")
    shares, embeddings, dark = (np.concatenate(part) for part in zip(*rows, strict=True))
    places = motion.places(end)
    sightings = tuple(watcher.sightings)
    return Look(shares, embeddings, dark, motion.cuts(), end, *tracks[0], places, sightings)


@lru_cache(maxsize=1)
def open_eyes() -> list[Classifier]:
    """The published networks that any encoder here is over."""
    return [open_classifier(version) for version in VERSIONS]


def make_sound(library: LibrarySource, features: Features, own: Sound) -> NDArray[np.float32]:
    """What ``library`` makes of features, mono at 16 kHz, as long as the clip's own sound."""
    whole = np.concatenate(list(library.render(features, find_cues(features), GenerateConfig())))
    mono = whole if whole.ndim == 1 else whole.mean(axis=1)
    waveform = resample(mono, OUTPUT.sample_rate, SAMPLE_RATE)
    samples = round(own.duration * SAMPLE_RATE)
    return np.pad(waveform, (0, max(0, samples - len(waveform))))[:samples].astype(np.float32)


def compare_what(truth: NDArray[np.float32], what: NDArray[np.float32]) -> Scores:
    """Rows (T, 384) against the teacher's on the full picture."""
    size = np.linalg.norm(truth, axis=1) * np.linalg.norm(what, axis=1)
    cosine = (truth * what).sum(axis=1) / np.maximum(size, 1e-9)
    asked, found = (_sounding(rows) for rows in (truth, what))
    best, named = (np.argsort(-shares, axis=1, kind="stable")[:, :3] for shares in (asked, found))
    shared = [len(set(a) & set(b)) / 3 for a, b in zip(best, named, strict=True)]
    return {
        "cosine": float(cosine.mean()),
        "word": float((best[:, 0] == named[:, 0]).mean()),
        "top3": float(np.mean(shared)),
    }


def _sounding(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, phrases) shares of what sounds, places aside, over 2 s as `find_cues` takes them."""
    sounds = np.array([phrase.layer != "air" for phrase in vocabulary()])
    shares = read_shares(rows) * sounds
    smooth = uniform_filter1d(shares, CUES.steady_rows, axis=0, mode="nearest")
    return np.asarray(smooth, np.float32)


def compare_when(truth: Features, features: Features, own: Sound) -> Scores:
    """Curves against the teacher's on the full picture, and against the own sound."""
    asked, found = (np.flatnonzero(curve) / RATE for curve in (truth.hits, features.hits))
    noise = plain_sound(features.hits, features.activity)[: round(own.duration * SAMPLE_RATE)]
    onsets = find_onsets(onset_strength(noise))
    return {
        "hits": onset_f1(asked, found),
        "noise env": env(own.level, level_curve(noise)),
        "noise onf1c": onf1c(own.onsets, onsets, own.duration),
    }


def values(examples: list[Example], encoder: str, view: str, measure: str) -> NDArray[np.float64]:
    """One number an example, nan where it has none."""
    return np.array([e.scores[encoder, view].get(measure, np.nan) for e in examples])


def recovered(
    full: NDArray[np.float64], teacher: NDArray[np.float64], student: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Part of the teacher's loss that the student wins back, with 95 % of resampled examples."""
    known = ~np.isnan(full + teacher + student)
    parts = np.stack([full, teacher, student])[:, known]
    draws = np.random.default_rng(0).integers(0, known.sum(), (EVALUATE.resamples, known.sum()))
    means = np.concatenate([parts.mean(axis=1)[:, None], parts[:, draws].mean(axis=2)], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (means[2] - means[1]) / (means[0] - means[1])
    # nothing can be won back where a draw has lost nothing
    low, high = np.nanquantile(share[1:], [0.025, 0.975])
    return float(share[0]), float(low), float(high)


def tables(title: str, examples: list[Example], encoders: list[str]) -> str:
    """Markdown: every score, then what is lost and won back."""
    measures = list(examples[0].scores[encoders[0], "full"])
    views = [view for encoder, view in examples[0].scores if encoder == encoders[0]]
    lines = [
        f"### {title}: {len(examples)}",
        "",
        "| encoder, view | " + " | ".join(measures) + " |",
    ]
    lines.append("|---" * (1 + len(measures)) + "|")
    for encoder in encoders:
        for view in views:
            cells = [_cell(bootstrap(values(examples, encoder, view, m))) for m in measures]
            lines.append(f"| {encoder}, {view} | " + " | ".join(cells) + " |")
    lines += ["", "| student | " + " | ".join(measures) + " |", "|---" * (1 + len(measures)) + "|"]
    for encoder in encoders[1:]:
        for view in views:
            change = [
                values(examples, encoder, view, m) - values(examples, encoders[0], view, m)
                for m in measures
            ]
            cells = [_cell(bootstrap(difference)) for difference in change]
            lines.append(f"| {encoder}, {view}: change | " + " | ".join(cells) + " |")
        for view in views[1:]:
            cells = [
                _cell(
                    recovered(
                        values(examples, encoders[0], "full", m),
                        values(examples, encoders[0], view, m),
                        values(examples, encoder, view, m),
                    )
                )
                for m in measures
            ]
            lines.append(f"| {encoder}, {view}: recovered | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(interval: tuple[float, float, float]) -> str:
    return "" if np.isnan(interval[0]) else "{:.3f} [{:.2f}, {:.2f}]".format(*interval)


def find_encoders(folder: Path | None) -> dict[str, Encoder]:
    """The teacher first, the published networks of what ships; then the student that ships, if one
    does; then every one in a folder, by name."""
    student = Encoder.open("student")
    seer = Seer(None, VERSIONS)
    encoders = {"teacher": replace(student, seer=seer, head=None, versions=tuple(VERSIONS))}
    if student.head is not None:
        encoders["student"] = student
    if folder:
        files = (WHAT, WHEN, SEEN, FACTS)
        found = {path.parent for name in files for path in folder.glob(f"*/{name}")}
        encoders |= {path.name: Encoder.open(str(path)) for path in sorted(found)}
    return encoders


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--clips", type=Path, help="folder of videos with clips.csv")
    parser.add_argument("--photos", type=Path, help="folder of .jpg photographs")
    parser.add_argument("--scenes", type=Path, help="views0000.npz of held-out rendered scenes")
    parser.add_argument("--students", type=Path, help="folder of more encoders' folders")
    parser.add_argument("--windows", type=int, default=3, help="drawn of each kind and example")
    parser.add_argument(
        "--all-photos", action="store_true", help="also those that students may have learned from"
    )
    parser.add_argument("--sounds", action="append", default=[], help="encoder to sound, by name")
    parser.add_argument("--kept", type=Path, help="folder that keeps what is seen of the clips")
    parser.add_argument("--only", default="0:1000", help="FIRST:LAST[:STEP] of the clips")
    parser.add_argument(
        "--sizes", help="commas between: close-ups of these sizes, .2 say, in place of cu and cm"
    )
    parser.add_argument("--look", action="store_true", help="fill --kept, and measure nothing")
    parser.add_argument("--json", type=Path, help="write every number here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    encoders = find_encoders(options.students)
    parts: dict[str, list[Example]] = {}
    views = options.sizes.split(",") if options.sizes else list(VIEWS[1:])
    if options.photos:
        title = "photographs" if options.all_photos else "held-out photographs"
        stills = options.photos, encoders, options.windows, options.all_photos, views
        parts[title] = list(photo_examples(*stills))
    if options.scenes:
        parts["held-out scenes"] = list(scene_examples(options.scenes, encoders))
    if options.clips:
        kept = options.kept or options.clips.with_name(f"{options.clips.name}_looks")
        only = range(*map(int, options.only.split(":")))
        clips = options.clips, encoders, options.sounds, kept, options.windows, only, views
        found = list(clip_examples(*clips, scored=not options.look))
        if found:
            parts["real clips"] = found
    for title, examples in parts.items():
        print(tables(title, examples, list(encoders)))
    if options.json:
        options.json.write_text(json.dumps({t: _plain(e) for t, e in parts.items()}, indent=1))


def _plain(examples: list[Example]) -> list[dict]:
    return [
        {"name": e.name, "scores": {", ".join(key): s for key, s in e.scores.items()}}
        for e in examples
    ]


if __name__ == "__main__":
    main()
