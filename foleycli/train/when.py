"""Train the reader of hits and activity on rendered scenes whose sounding instants are known.

    python -m foleycli.train.when --photos data/photos --work runs/when --scenes 1450

renders scenes into --work (kept, so that a stopped run goes on where it was), trains for
--updates, and writes when.safetensors there: half precision, its sizes in the metadata. No video
and no sound is used, only photographs as scenery. Some 10 minutes on one idle core.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from foleycli.features.motion import CHANNELS, COLUMNS, ROWS
from foleycli.features.when import RATE, MotionReader, Track, pick_hits
from foleycli.features.when_net import STEP, WhenNet, net_inputs, read_likelihood
from foleycli.train.scenes import Photos, Scene, render_scene

SHARD = 50  # scenes in a file; the first file is held out
DURATION = 4.0  # seconds of a scene
POINTS = round(DURATION * RATE)
WIDTH = 0.025  # seconds: how sharply an instant is asked for
BATCH = 16
LEARNING_RATE = 2e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of .jpg photographs")
    parser.add_argument("--work", type=Path, required=True, help="folder for scenes and weights")
    parser.add_argument("--scenes", type=int, default=1450)
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for shard in range(options.scenes // SHARD):
        render_shard(options.photos, options.work / f"scenes{shard:04d}.npz", options.seed, shard)
    train(options.work, options.updates, options.seed)


def render_shard(photos: Path, out: Path, seed: int, shard: int) -> None:
    """Render scenes and keep what the reader sees of them."""
    if out.exists():
        return
    rng = np.random.default_rng((seed, shard))
    held = Photos(photos, rng)
    arrays: dict[str, np.ndarray] = {}
    for n in range(SHARD):
        scene = render_scene(rng, held, DURATION)
        track = watch(scene)
        if track is None:
            continue
        arrays |= track_arrays(f"{n}.", track)
        arrays[f"{n}.hits"] = np.array(scene.hits).reshape(-1, 2)
        arrays[f"{n}.activity"] = scene.activity
    beside = out.with_suffix(".part.npz")
    np.savez(beside, **arrays)  # pyright: ignore[reportArgumentType]
    beside.rename(out)


def watch(scene: Scene) -> Track | None:
    """What the reader of motion sees of a scene; None where nothing moves."""
    seen: list[Track] = []

    def keep(track: Track, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(track)
        return np.zeros(len(points), np.float32), np.zeros(len(points), np.float32)

    reader = MotionReader(keep)
    for moment, luma in zip(scene.times, scene.lumas, strict=True):
        reader.push(moment, luma)
    reader.curves(scene.duration)
    return seen[0] if seen else None


def track_arrays(prefix: str, track: Track) -> dict[str, np.ndarray]:
    """A track as named arrays, cells in half precision."""
    arrays = {f"{prefix}{part}": getattr(track, part) for part in Track.__slots__}
    return arrays | {f"{prefix}cells": track.cells.astype(np.float16)}


Example = tuple[Track, np.ndarray, np.ndarray]  # what is seen, hits (k, 2), activity (POINTS,)


def load_shard(path: Path) -> list[Example]:
    """Scenes of one file, cells still in half precision."""
    examples = []
    with np.load(path) as arrays:
        for n in range(SHARD):
            if f"{n}.times" in arrays:
                parts = [arrays[f"{n}.{part}"] for part in Track.__slots__]
                examples.append((Track(*parts), arrays[f"{n}.hits"], arrays[f"{n}.activity"]))
    return examples


def train(work: Path, updates: int, seed: int) -> None:
    """Fit the network to the rendered scenes; goes on from ``last.pt`` when it is there."""
    paths = sorted(work.glob("scenes[0-9]*[0-9].npz"))
    held, examples = load_shard(paths[0]), [e for path in paths[1:] for e in load_shard(path)]
    torch.manual_seed(seed)
    net = WhenNet()
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, updates, pct_start=0.1)
    done, average = 0, {name: value.clone() for name, value in net.state_dict().items()}
    last = work / "last.pt"
    if last.exists():
        state = torch.load(last, weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        done, average = state["done"], state["average"]
    began, losses = time.monotonic(), []
    while done < updates:
        rng = np.random.default_rng((seed, 1, done))
        picked = [examples[i] for i in rng.integers(0, len(examples), BATCH)]
        loss = loss_of(net, *make_batch(picked, rng))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        done += 1
        losses.append(loss.item())
        for name, value in net.state_dict().items():
            average[name].lerp_(value, max(0.005, 1 / (done + 1)))
        if done % 250 == 0 or done == updates:
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
            state |= {"schedule": schedule.state_dict(), "done": done, "average": average}
            torch.save(state, last)
            smooth = WhenNet()
            smooth.load_state_dict(average)
            save(smooth.eval(), work / "when.safetensors", examples=len(examples), updates=done)
            seconds = time.monotonic() - began
            score = held_out_f1(smooth, held)
            print(f"{done} {np.mean(losses):.4f} held-out F1 at 50 ms {score:.3f} {seconds:.0f} s")
            losses.clear()


def make_batch(examples: list[Example], rng: np.random.Generator) -> tuple[Tensor, ...]:
    """Inputs and targets, mirrored, brightened, faded and shifted by chance."""
    cells, whole, bumps, strengths, activities = [], [], [], [], []
    for track, hits, activity in examples:
        points = (np.arange(POINTS) + rng.random()) / RATE
        steps = points[::STEP] + (STEP - 1) / (2 * RATE)
        one, all_of_it = net_inputs(track, steps)
        fade = np.float32(np.exp(rng.uniform(-0.7, 0.7)))
        one[:3] *= fade
        one = one.reshape(len(CHANNELS), -1, ROWS, COLUMNS)
        if rng.random() < 0.5:
            one, all_of_it = one[..., ::-1].copy(), all_of_it.copy()
            one[3] *= -1
            all_of_it[0] *= -1
        if rng.random() < 0.3:
            one, all_of_it = one[:, :, ::-1].copy(), all_of_it.copy()
            one[4] *= -1
            all_of_it[1] *= -1
        cells.append(one.reshape(len(CHANNELS), -1, ROWS * COLUMNS))
        whole.append(all_of_it)
        near = np.exp(-0.5 * ((points[:, None] - hits[None, :, 0]) / WIDTH) ** 2)
        bumps.append(near.max(1, initial=0))
        best = near.argmax(1) if len(hits) else np.zeros(POINTS, int)
        strengths.append(hits[best, 1] if len(hits) else np.zeros(POINTS))
        centres = (np.arange(len(activity)) + 0.5) / RATE
        activities.append(np.interp(points, centres, activity))
    arrays = (cells, whole, bumps, strengths, activities)
    return tuple(torch.from_numpy(np.stack(a).astype(np.float32)) for a in arrays)


def loss_of(
    net: WhenNet, cells: Tensor, whole: Tensor, bumps: Tensor, strengths: Tensor, activities: Tensor
) -> Tensor:
    """Where the hits are, how strong they are where they are, and the activity."""
    logits, strength, activity = net(cells, whole)
    where = nn.functional.binary_cross_entropy_with_logits(logits, bumps)
    how = ((strength - strengths) ** 2 * bumps).sum() / bumps.sum().clamp(min=1)
    return where + 0.3 * how + 0.5 * nn.functional.mse_loss(activity, activities)


def held_out_f1(net: WhenNet, examples: list[Example], tolerance: float = 0.05) -> float:
    """F1 of hits over held-out scenes."""
    points = (np.arange(POINTS) + 0.5) / RATE
    found = asked = right = 0
    for track, hits, _ in examples:
        picked = pick_hits(read_likelihood(net, track, points))
        left = list(points[picked > 0])
        found, asked = found + len(left), asked + len(hits)
        for instant in hits[:, 0]:
            near = [t for t in left if abs(t - instant) <= tolerance]
            if near:
                left.remove(min(near, key=lambda t: abs(t - instant)))
                right += 1
    return 2 * right / max(1, found + asked)


def save(net: WhenNet, path: Path, **facts: int) -> None:
    """Weights in half precision; sizes and what trained them in the metadata."""
    metadata = {"config": json.dumps(net.config), "trained": json.dumps(facts)}
    weights = {name: value.half().contiguous() for name, value in net.state_dict().items()}
    beside = path.with_suffix(".part")
    save_file(weights, beside, metadata)
    beside.rename(path)


if __name__ == "__main__":
    main()
