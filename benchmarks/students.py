"""What close-ups and camera moves cost the encoder, and how much of it its students win back.

    python benchmarks/students.py --clips CLIPS --photos PHOTOS --scenes SCENES --students STUDENTS

Every encoder (the teacher, and each folder of STUDENTS with ``what.safetensors``,
``when.safetensors`` or ``encoder.json``) sees the full picture, a close-up (cu) and a camera move
(cm) of

- held-out photographs (crc32 of the name divisible by ten), panned and cropped: films of 4 s;
- SCENES, a file of held-out rendered scenes that ``foley train distill`` wrote;
- CLIPS, real videos with clips.csv; their windows are cut in memory, the same in every run.

It is compared with what the teacher sees in the full picture: ``cosine`` of rows of *what*,
``word`` (the same surest sound, over 2 s as in find_cues), ``top3`` (shared words of three),
``hits`` (F1 of *when* within 100 ms); on clips also with the clip's own sound: env and onf1c of
plain noise made from the curves, and for the encoders named by --sounds what ``library`` makes
of them (kl, cosy, env, onf1c). Brackets hold 95 % of resampled means over clips; ``recovered``
is the part of the teacher's loss that a student wins back.
"""

import argparse
import csv
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
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
from foleycli.config import CUES, EVALUATE, FEATURES, FRAMES, OUTPUT, TRAINING, GenerateConfig
from foleycli.errors import UsageError
from foleycli.evaluate.compare import Sound, compare, describe
from foleycli.evaluate.interval import bootstrap
from foleycli.evaluate.timing import env, find_onsets, level_curve, onf1c, onset_f1, onset_strength
from foleycli.evaluate.yamnet import SAMPLE_RATE
from foleycli.features.encode import FACTS, WHAT, WHEN, Encoder, share_context
from foleycli.features.features import Features
from foleycli.features.find import find_cues
from foleycli.features.phrases import phrase_vectors, read_shares, vocabulary
from foleycli.features.track import Track
from foleycli.features.when import MotionReader, pick_hits
from foleycli.frames.decode import Picture, decode_pictures
from foleycli.models.sources import LibrarySource
from foleycli.train.cinematic import clip_random, clip_window, crop_for, draw_window, vary_frames
from foleycli.train.distill_when import VIEWS, load_views

RATE = FEATURES.when_rate
PHOTO_ROWS = 16  # 4 s
HELD = 10  # a tenth of the photographs
FROZEN = TRAINING["distill-what"]["small"].frozen  # pyright: ignore[reportAttributeAccessIssue]
Scores = dict[str, float]


@dataclass(frozen=True, slots=True)
class Example:
    """One thing that every encoder saw in every view, and what came of it."""

    name: str
    scores: dict[tuple[str, str], Scores]  # (encoder, view) -> measure -> score


def photo_examples(folder: Path, encoders: dict[str, Encoder]) -> Iterator[Example]:
    """Held-out photographs as films of 4 s; only *what* can be seen of a still."""
    for path in sorted(folder.glob("*.jpg")):
        if zlib.crc32(path.name.encode()) % HELD:
            continue
        photo = np.asarray(Image.open(path).convert("RGB"))
        times = (np.arange(PHOTO_ROWS) + 0.5) / FEATURES.frame_rate
        height, width = photo.shape[:2]
        seconds = PHOTO_ROWS / FEATURES.frame_rate
        views = {}
        for view in VIEWS:
            if view == "full":
                square = Image.fromarray(photo).resize(
                    (FRAMES.size, FRAMES.size), Image.Resampling.BILINEAR
                )
                views[view] = np.asarray(square)[None]
                continue
            window = draw_window(view, width, height, seconds, clip_random(0, path.name))
            shown = times[:1] if view == "cu" else times
            views[view] = vary_frames(np.stack([photo] * len(shown)), list(shown), window)
        seen = {
            (name, view): share_context(_repeated(rows), (), encoder.reach)
            for view, frames in views.items()
            for (name, encoder), rows in zip(
                encoders.items(), look_all(frames, encoders), strict=True
            )
        }
        truth = seen["teacher", "full"]
        yield Example(path.stem, {key: compare_what(truth, what) for key, what in seen.items()})


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


def clip_examples(
    folder: Path, encoders: dict[str, Encoder], sounded: list[str], kept: Path | None
) -> Iterator[Example]:
    """Real clips; windows are drawn from their names.

    Args:
        kept: folder that keeps what was decoded, for the next run.
    """
    with (folder / "clips.csv").open(newline="") as file:
        paths = [folder / row["file"] for row in csv.DictReader(file)]
    library = LibrarySource() if sounded else None
    for path, (own, motion) in zip(paths, real_clips(paths), strict=True):
        seen: dict[tuple[str, str], Features] = {}
        for view in VIEWS:
            for name, features in encode_all(see(path, view, kept), encoders).items():
                seen[name, view] = features
        truth = seen["teacher", "full"]
        scores = {}
        for key, features in seen.items():
            scores[key] = compare_what(truth.what, features.what)
            scores[key] |= compare_when(truth, features, own)
            if library and key[0] in sounded:
                sound = compare(own, describe(make_sound(library, features, own)), motion)
                scores[key] |= {m: sound[m] for m in ("kl", "cosy", "env", "onf1c")}
        yield Example(path.stem, scores)


def encode_all(pictures: list[Picture], encoders: dict[str, Encoder]) -> dict[str, Features]:
    """`encode_video` of a short clip for every encoder; what they have in common is done once."""
    tracks: list[tuple[Track, NDArray[np.float64]]] = []

    def keep(track: Track, points: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
        tracks.append((track, points))
        return np.zeros(len(points), np.float32), np.zeros(len(points), np.float32)

    motion, end = MotionReader(keep), pictures[-1].end
    for picture in pictures:
        motion.push(picture.time, picture.luma)
    motion.curves(end)
    if len(tracks) > 1:
        raise UsageError("A clip is longer than 16 s.", "Measure on shorter ones.")
    cuts, (track, points) = motion.cuts(), tracks[0]
    frames = np.stack([picture.rgb for picture in pictures if picture.rgb is not None])
    repeats = [picture.repeats for picture in pictures if picture.rgb is not None]
    features = {}
    for (name, encoder), rows in zip(encoders.items(), look_all(frames, encoders), strict=True):
        hits, activity = encoder.reading(track, points)
        what = share_context(np.repeat(rows, repeats, axis=0), cuts, encoder.reach)
        features[name] = Features.assemble(what, pick_hits(hits), activity, end, cuts)
    return features


def look_all(frames: NDArray[np.uint8], encoders: dict[str, Encoder]) -> list[NDArray[np.float32]]:
    """Rows (n, 384) of every encoder; blocks that students share with their teacher see once."""
    seers = [encoder.seer for encoder in encoders.values()]
    batches = torch.tensor(frames).split(16)
    with torch.inference_mode():
        maps = [seers[0].network.read(batch, FROZEN) for batch in batches]
        rows = []
        for seer in seers:
            logits = torch.cat([seer.network.finish(part, FROZEN)[1] for part in maps])
            rows.append(seer.weigh(logits.softmax(dim=1).numpy(), frames) @ phrase_vectors())
    return rows


def check_shared(encoders: dict[str, Encoder]) -> None:
    """Every student's first blocks are its teacher's, or nothing could be shared.

    Raises:
        UsageError: naming one that is another network.
    """
    teacher = encoders["teacher"].seer.network
    for name, encoder in encoders.items():
        for part in (encoder.seer.network.stem, encoder.seer.network.blocks[:FROZEN]):
            own = teacher.stem if part is encoder.seer.network.stem else teacher.blocks[:FROZEN]
            pairs = zip(own.parameters(), part.parameters(), strict=True)
            if not all(torch.allclose(a, b, rtol=1e-2, atol=1e-3) for a, b in pairs):
                raise UsageError(f"{name} shares no blocks with its teacher.", "Leave it out.")


def see(path: Path, view: str, kept: Path | None) -> list[Picture]:
    """The pictures of a clip in one view."""
    file = kept / f"{path.stem}.{view}.npz" if kept else None
    if file and file.exists():
        return read_pictures(file)
    film = probe(path)
    crop = None if view == "full" else crop_for(film, clip_window(view, film, path.stem))
    pictures = list(decode_pictures(film, crop=crop))
    if file:
        keep_pictures(file, pictures)
    return pictures


def keep_pictures(file: Path, pictures: list[Picture]) -> None:
    """Write pictures as arrays; times as pairs of whole numbers."""
    file.parent.mkdir(parents=True, exist_ok=True)
    times = [(p.time, p.duration) for p in pictures]
    np.savez(
        file,
        times=[[t.numerator, t.denominator, d.numerator, d.denominator] for t, d in times],
        lumas=np.stack([p.luma for p in pictures]),
        rgb=np.stack([p.rgb for p in pictures if p.rgb is not None]),
        repeats=[p.repeats for p in pictures],
    )


def read_pictures(file: Path) -> list[Picture]:
    """What `keep_pictures` wrote."""
    with np.load(file) as held:
        rgb = iter(held["rgb"])
        return [
            Picture(Fraction(a, b), Fraction(c, d), luma, next(rgb) if repeats else None, repeats)
            for (a, b, c, d), luma, repeats in zip(
                held["times"].tolist(), held["lumas"], held["repeats"].tolist(), strict=True
            )
        ]


def make_sound(library: LibrarySource, features: Features, own: Sound) -> NDArray[np.float32]:
    """What ``library`` makes of features, mono at 16 kHz, as long as the clip's own sound."""
    blocks = library.render(features, find_cues(features), GenerateConfig())
    waveform = resample(np.concatenate(list(blocks)), OUTPUT.sample_rate, SAMPLE_RATE)
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
    sounds = np.array([phrase.role != "scene" for phrase in vocabulary()])
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
    share = (means[2] - means[1]) / (means[0] - means[1])
    low, high = np.quantile(share[1:], [0.025, 0.975])
    return float(share[0]), float(low), float(high)


def tables(title: str, examples: list[Example], encoders: list[str]) -> str:
    """Markdown: every score, then what is lost and won back."""
    measures = list(examples[0].scores[encoders[0], "full"])
    lines = [
        f"### {title}: {len(examples)}",
        "",
        "| encoder, view | " + " | ".join(measures) + " |",
    ]
    lines.append("|---" * (1 + len(measures)) + "|")
    for encoder in encoders:
        for view in VIEWS:
            cells = [_cell(bootstrap(values(examples, encoder, view, m))) for m in measures]
            lines.append(f"| {encoder}, {view} | " + " | ".join(cells) + " |")
    lines += ["", "| student | " + " | ".join(measures) + " |", "|---" * (1 + len(measures)) + "|"]
    for encoder in encoders[1:]:
        change = [
            values(examples, encoder, "full", m) - values(examples, encoders[0], "full", m)
            for m in measures
        ]
        cells = [_cell(bootstrap(difference)) for difference in change]
        lines.append(f"| {encoder}, full: change | " + " | ".join(cells) + " |")
        for view in VIEWS[1:]:
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


def find_encoders(folder: Path) -> dict[str, Encoder]:
    """The teacher first, then every student in a folder, by name."""
    found = {path.parent for name in (WHAT, WHEN, FACTS) for path in folder.glob(f"*/{name}")}
    students = {path.name: Encoder.open(str(path)) for path in sorted(found)}
    return {"teacher": Encoder.open("teacher"), **students}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--clips", type=Path, help="folder of videos with clips.csv")
    parser.add_argument("--photos", type=Path, help="folder of .jpg photographs")
    parser.add_argument("--scenes", type=Path, help="views0000.npz of held-out rendered scenes")
    parser.add_argument("--students", type=Path, required=True, help="folder of encoders' folders")
    parser.add_argument("--sounds", action="append", default=[], help="encoder to sound, by name")
    parser.add_argument("--kept", type=Path, help="folder that keeps decoded clips for another run")
    parser.add_argument("--json", type=Path, help="write every number here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    encoders = find_encoders(options.students)
    check_shared(encoders)
    parts: dict[str, list[Example]] = {}
    if options.photos:
        parts["held-out photographs"] = list(photo_examples(options.photos, encoders))
    if options.scenes:
        parts["held-out scenes"] = list(scene_examples(options.scenes, encoders))
    if options.clips:
        parts["real clips"] = list(
            clip_examples(options.clips, encoders, options.sounds, options.kept)
        )
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
