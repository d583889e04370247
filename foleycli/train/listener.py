"""Train the listener of ``foley visualize``: what kind of sound a patch of 0.96 s is.

    foley train listener --sounds SOUNDS --sounds MORE --out runs/listener

It learns the classes of the tables and the vectors of their labels. Sounds are mixed, tilted,
masked and laid under noise, for real sounds are seldom alone. At the end the averaged weights are
written as ``ear.onnx`` (which asks for the package ``onnx``), and ``scores.json`` says how good
they are on the held-out sounds.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from foleycli.config import EarTraining
from foleycli.errors import MediaError, ModelError
from foleycli.library.recording import read_sound
from foleycli.listeners.ear import FLOOR, PATCH, Ear, frames_of, level_patches
from foleycli.listeners.ear_net import EarNet
from foleycli.listeners.yamnet import N_MELS, SAMPLE_RATE
from foleycli.output import atomic_output, make_folder
from foleycli.spot.text import embed_text
from foleycli.train.data import FILE_RATE, Recording, content_key, read_table, warn_of_unused
from foleycli.train.run import Run, RunOptions

LONGEST = 45  # seconds of a sound that are read
HEARD = 3.5  # nepers, 30 dB, under the loudest frame: what counts as sounding
HELD_OUT = 4  # patches of a held-out sound
BALANCE = 0.6  # 0 draws sounds alike, 1 draws classes alike


@dataclass(frozen=True, slots=True)
class EarSound:
    """One sound in the cache."""

    recording: Recording
    category: int
    first: int  # frames in the cache
    last: int
    loud: NDArray[np.int64]  # frames in which something is heard


class EarSet:
    """Log-mel frames of folders of sounds, from caches that are made once.

    Raises:
        MediaError: a folder has no table of ``file, class, label``, or no sound that can be used.
    """

    def __init__(self, folders: list[Path], cache: Path) -> None:
        frames, recordings, offset = [], [], 0
        for folder in folders:
            made, known = _open_cache(folder, _find_table(folder), cache)
            frames.append(made)
            recordings += [(recording, offset) for recording in known]
            offset += len(made)
        self.frames = np.concatenate(frames)
        self.classes = sorted({recording.category for recording, _ in recordings})
        sounds = [self._sound(recording, first) for recording, first in recordings]
        self.heard = [sound for sound in sounds if not sound.recording.held_out]
        self.held_out = [sound for sound in sounds if sound.recording.held_out]
        texts = sorted({sound.recording.words[2] for sound in sounds})
        vectors = dict(zip(texts, embed_text(texts), strict=True))
        self.mean = np.mean([vectors[sound.recording.words[2]] for sound in self.heard], axis=0)
        self.words = {text: vector - self.mean for text, vector in vectors.items()}
        counts = np.bincount([sound.category for sound in self.heard], minlength=len(self.classes))
        chances = np.array([float(counts[sound.category]) ** -BALANCE for sound in self.heard])
        self.chances = chances / chances.sum()

    def _sound(self, recording: Recording, offset: int) -> EarSound:
        first, last = (offset + frame for frame in recording.spans[0])
        level = self.frames[first:last].astype(np.float32).max(axis=1)
        loud = first + np.flatnonzero(level > level.max() - HEARD)
        return EarSound(recording, self.classes.index(recording.category), first, last, loud)

    def draw(self, random: np.random.Generator) -> tuple[EarSound, NDArray[np.float32]]:
        """A sound, and a patch (96, 64) in which it is heard."""
        sound = self.heard[int(random.choice(len(self.heard), p=self.chances))]
        start = int(random.choice(sound.loud)) - int(random.integers(0, PATCH * 3 // 4))
        return sound, self._cut(sound, start)

    def patches(self, sound: EarSound, count: int = HELD_OUT) -> NDArray[np.float32]:
        """(up to count, 96, 64) spread over what is heard."""
        picks = np.linspace(0, len(sound.loud) - 1, count).astype(int)
        starts = np.unique(sound.loud[picks]) - PATCH // 6
        return np.stack([self._cut(sound, int(start)) for start in starts])

    def _cut(self, sound: EarSound, start: int) -> NDArray[np.float32]:
        patch = np.full((PATCH, N_MELS), FLOOR, np.float32)
        begin, end = max(start, sound.first), min(start + PATCH, sound.last)
        patch[begin - start : end - start] = self.frames[begin:end]
        return patch


def train(folders: list[Path], cache: Path, out: Path, config: EarTraining, options: RunOptions):
    """Train, or go on; the path of ``ear.onnx``."""
    with Run(out, "listener", config, options) as run:
        # what is learned from
        with run.first_alone():
            sounds = EarSet(folders, cache)
        random = np.random.default_rng(run.seed)

        # what learns
        net = EarNet(len(sounds.classes), config.width).to(run.device)
        average = run.average_of(net).eval()
        optimizer = torch.optim.AdamW(
            net.parameters(), config.rate, weight_decay=config.weight_decay
        )
        run.begin({"net": net, "average": average}, {"optimizer": optimizer}, {"random": random})

        # learn
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                patches, kinds, words = draw_batch(sounds, run.share, config, random)
                with run.autocast():
                    logits, vectors = net(patches.to(run.device))
                run.backward(
                    loss_of(logits, vectors, kinds.to(run.device), words.to(run.device), config)
                )
            run.step(optimizer)
            run.follow(average, net)
            run.end_update()
            if run.is_due() and sounds.held_out:
                run.validated(**look(average, sounds))

        path = out / "ear.onnx"
        if run.rank == 0:
            write_onnx(path, average.cpu(), sounds)
            scores = score(Ear(path), sounds)
            with atomic_output(out / "scores.json", overwrite=True) as beside:
                beside.write_text(json.dumps(scores, indent=1) + "\n")
        return path


def draw_batch(
    sounds: EarSet, count: int, config: EarTraining, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Patches (n, 96, 64), how much each class is heard (n, classes), vectors of words (n, 384)."""
    patches = np.empty((count, PATCH, N_MELS), np.float32)
    kinds = np.zeros((count, len(sounds.classes)), np.float32)
    words = np.zeros((count, len(sounds.mean)), np.float32)
    for n in range(count):
        sound, patch = sounds.draw(random)
        kinds[n, sound.category] = 1
        words[n] = sounds.words[sound.recording.words[2]]
        patch = tilted(patch, random)
        if random.random() < config.mixed:
            other, under = sounds.draw(random)
            softer = random.uniform(0, 2.5)  # nepers, up to 22 dB
            under = tilted(under, random) + (patch.max() - under.max() - softer)
            patch = np.logaddexp(patch, under)
            share = max(0.0, 1 - softer / 1.4)
            kinds[n, other.category] = max(kinds[n, other.category], share)
            words[n] += 0.5 * share * sounds.words[other.recording.words[2]]
        patches[n] = masked(noisy(patch, random), random)
    levelled = torch.from_numpy(level_patches(patches))
    return levelled, torch.from_numpy(kinds), torch.from_numpy(words)


def tilted(patch: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """As another microphone hears it, in another room: highs, a band, pitch, and decay."""
    bands = np.linspace(-1, 1, N_MELS, dtype=np.float32)
    curve = random.normal(0, 0.5) * bands + random.normal(0, 0.4) * np.cos(
        np.pi * (bands * random.uniform(0.5, 2) + random.uniform(-1, 1))
    )
    patch = patch + curve.astype(np.float32)
    shift = int(random.integers(-2, 3))
    if shift:
        patch = np.roll(patch, shift, axis=1)
        edge = slice(0, shift) if shift > 0 else slice(shift, None)
        patch[:, edge] = patch[:, [shift if shift > 0 else shift - 1]]
    if random.random() < 0.3:  # a room: nothing falls faster than its tail
        fall, wet = random.uniform(0.03, 0.2), random.uniform(0.5, 2.0)
        tail = patch.copy()
        for t in range(1, PATCH):
            np.maximum(tail[t], tail[t - 1] - fall, out=tail[t])
        patch = np.logaddexp(patch, tail - wet)
    return patch


def noisy(patch: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Steady noise of some colour under it, half the time."""
    if random.random() < 0.5:
        return patch
    level = patch.max() - random.uniform(2.5, 7)
    slope = random.normal(0, 0.8) * np.linspace(-1, 1, N_MELS)
    grain = random.normal(0, 0.25, patch.shape)
    return np.logaddexp(patch, level + slope + grain).astype(np.float32)


def masked(patch: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """A stretch of bands, and one of time, taken out (SpecAugment, arXiv 1904.08779)."""
    for axis, most in ((1, 10), (0, 20)):
        if random.random() < 0.5:
            width = int(random.integers(1, most))
            first = int(random.integers(0, patch.shape[axis] - width))
            gone = [slice(None), slice(None)]
            gone[axis] = slice(first, first + width)
            patch[tuple(gone)] = patch.min()
    return patch


def loss_of(
    logits: Tensor, vectors: Tensor, kinds: Tensor, words: Tensor, config: EarTraining
) -> Tensor:
    """Which classes are heard (binary cross entropy), and the way of the words' vector (cosine)."""
    classes = F.binary_cross_entropy_with_logits(logits.float(), kinds, reduction="none").sum(1)
    apart = 1 - F.cosine_similarity(vectors.float(), words, dim=1)
    return classes.mean() + config.words * apart.mean()


@torch.no_grad()
def look(net: EarNet, sounds: EarSet) -> dict[str, float]:
    """How often the class of a held-out sound is the likeliest, and among the five likeliest."""
    device = next(net.parameters()).device
    ranks, alike, losses = [], [], []
    for sound in sounds.held_out:
        patches = torch.from_numpy(level_patches(sounds.patches(sound))).to(device)
        logits, vectors = net(patches)
        mean = logits.mean(0)
        ranks.append(int((mean > mean[sound.category]).sum()))
        right = torch.zeros_like(logits)
        right[:, sound.category] = 1
        losses.append(float(F.binary_cross_entropy_with_logits(logits, right) * len(mean)))
        target = torch.from_numpy(sounds.words[sound.recording.words[2]]).to(device)
        alike.append(float(F.cosine_similarity(vectors.mean(0), target, dim=0)))
    found = np.array(ranks)
    return {
        "loss": float(np.mean(losses)),
        "top1": float((found == 0).mean()),
        "top5": float((found < 5).mean()),
        "words": float(np.mean(alike)),
    }


def score(listener: Ear, sounds: EarSet) -> dict[str, object]:
    """What the written file does on held-out sounds: in all, and a class."""
    ranks: dict[str, list[int]] = {}
    for sound in sounds.held_out:
        heard, _ = listener.hear(sounds.patches(sound))
        mean = np.log(heard / (1 - heard)).mean(axis=0)
        rank = int((mean > mean[sound.category]).sum())
        ranks.setdefault(sound.recording.category, []).append(rank)
    every = np.concatenate([*ranks.values()])
    return {
        "sounds": len(every),
        "top1": round(float((every == 0).mean()), 4),
        "top5": round(float((every < 5).mean()), 4),
        "classes": {
            name: {"sounds": len(of), "top1": round(float(np.mean(np.array(of) == 0)), 3)}
            for name, of in sorted(ranks.items())
        },
    }


def write_onnx(path: Path, net: EarNet, sounds: EarSet) -> None:
    """The network as ONNX, its classes and the mean of the words' vectors in the metadata.

    Raises:
        ModelError: the package ``onnx`` is not installed.
    """
    try:
        import onnx  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ModelError(
            "onnx is not installed, which writes ear.onnx.", "pip install onnx"
        ) from error
    with atomic_output(path, overwrite=True) as beside:
        torch.onnx.export(
            net.eval(),
            (torch.zeros(2, PATCH, N_MELS),),
            str(beside),
            input_names=["patches"],
            output_names=["classes", "words"],
            dynamic_axes={name: {0: "n"} for name in ("patches", "classes", "words")},
            opset_version=17,
            dynamo=False,
        )
        model = onnx.load(str(beside))
        facts = {"classes": sounds.classes, "mean": [round(float(x), 6) for x in sounds.mean]}
        onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in facts.items()})
        onnx.save(model, str(beside))


def _find_table(folder: Path) -> Path:
    tables = sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        raise MediaError(
            f"{folder} holds {len(tables)} tables.", "Put one CSV of file, class and label there."
        )
    return tables[0]


def _open_cache(
    folder: Path, table: Path, cache: Path
) -> tuple[NDArray[np.float16], list[Recording]]:
    """The frames of a folder's sounds end to end, made first if files or settings changed."""
    rows = read_table(folder, table)
    rows = [row for row in rows if (folder / row["file"]).is_file()]
    name = content_key(folder, [row["file"] for row in rows], "ear", N_MELS, FLOOR, LONGEST)
    index, data = cache / f"ear-{name}.json", cache / f"ear-{name}.npy"
    if not index.exists():
        make_folder(cache)
        spans, frames, first = [], [np.zeros((0, N_MELS), np.float16)], 0
        for row in rows:
            made = _read_frames(folder / row["file"])
            frames.append(made)
            spans.append([first, first + len(made)])
            first += len(made)
        with atomic_output(data, overwrite=True) as beside, beside.open("wb") as file:
            np.save(file, np.concatenate(frames))
        with atomic_output(index, overwrite=True) as beside:
            beside.write_text(json.dumps(spans))
    spans = json.loads(index.read_text())
    empty = [row["file"] for row, (a, b) in zip(rows, spans, strict=True) if a == b]
    warn_of_unused(empty, len(rows))
    recordings = [
        Recording(row["file"], row["class"], row["label"], ((a, b),))
        for row, (a, b) in zip(rows, spans, strict=True)
        if b > a
    ]
    if not recordings:
        raise MediaError(f"No sound of {folder} can be used.", "Give sounds that can be heard.")
    return np.load(data), recordings


def _read_frames(path: Path) -> NDArray[np.float16]:
    """(frames, 64), none of a sound that is silent or cannot be read."""
    try:
        samples = read_sound(path, samples=LONGEST * FILE_RATE)
    except MediaError:
        samples = np.zeros(0, np.float32)
    peak = float(np.abs(samples).max(initial=0))
    if peak < 1e-4:
        return np.zeros((0, N_MELS), np.float16)
    waveform = soxr.resample(samples * (0.9 / peak), FILE_RATE, SAMPLE_RATE).astype(np.float32)
    return frames_of(waveform).astype(np.float16)
