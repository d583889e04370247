"""Train the reader of hits and activity on rendered scenes whose sounding instants are known.

    foley train when --photos PHOTOS --kept runs/scenes --out runs/when

With ``--varied`` scenes are also seen close up and through a moving window, and asked for what is
heard in all of them: a hit that lies outside the window is to be guessed from what it stirs, or
left. No film and no sound is used, only photographs as scenery.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from foleycli.config import WhenTraining
from foleycli.output import atomic_output
from foleycli.sight.motion import CHANNELS, COLUMNS, ROWS
from foleycli.sight.track import RATE, Track
from foleycli.sight.when import pick_hits
from foleycli.sight.when_net import STEP, WhenNet, net_inputs, read_likelihood
from foleycli.train.run import Run, RunOptions
from foleycli.train.views import POINTS, VIEWS, SeenScene, render_all

WIDTH = 0.025  # seconds: how sharply an instant is asked for
Floats = NDArray[np.floating]
Example = tuple[Track, Floats, Floats]  # what is seen, hits (k, 2), activity (POINTS,)


def train(photos: Path, scenes: Path, out: Path, config: WhenTraining, options: RunOptions) -> Path:
    """Train, or go on; the path of the finished ``when.safetensors``.

    Args:
        photos: scenery and actors of the scenes.
        scenes: folder that keeps what is rendered, for other runs too.
        out: folder of the run.
    """
    with Run(out, "when", config, options) as run:
        # what is learned from
        with run.first_alone():
            examples, held_out = render_all(photos, scenes, config.shards, options.seed)

        # who learns
        net = WhenNet().to(run.device)
        average = run.average_of(net)
        optimizer = torch.optim.AdamW(
            net.parameters(), config.rate, weight_decay=config.weight_decay
        )
        chance = np.random.default_rng(run.seed)
        run.begin({"net": net, "average": average}, {"optimizer": optimizer}, {"r": chance})

        # learn
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                picked = [examples[i] for i in chance.integers(len(examples), size=run.share)]
                views = [draw_view(config.varied, chance) for _ in picked]
                seen = [as_example(scene, view) for scene, view in zip(picked, views, strict=True)]
                batch = (part.to(run.device) for part in make_batch(seen, chance))
                run.backward(loss_of(net, *batch))
            run.step(optimizer)
            run.follow(average, net)
            run.end_update()
            if run.is_due():
                found = {view: held_out_f1(average, held_out, view) for view in VIEWS}
                run.validated(loss=held_out_loss(average, held_out), **found)

        path = out / "when.safetensors"
        if run.rank == 0:
            save(average, path, scenes=len(examples), updates=run.done)
        return path


def as_example(scene: SeenScene, view: str) -> Example:
    """What is seen in one view, and what is heard in all."""
    return scene.views[view], scene.hits, scene.activity


def draw_view(varied: float, chance: np.random.Generator) -> str:
    """Close-ups and moves have equal parts of the share ``varied``."""
    drawn = chance.random()
    return "full" if drawn >= varied else "cu" if drawn < varied / 2 else "cm"


def make_batch(examples: Sequence[Example], rng: np.random.Generator) -> tuple[Tensor, ...]:
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


@torch.no_grad()
def held_out_loss(net: WhenNet, scenes: Sequence[SeenScene]) -> float:
    """The loss over held-out scenes, as much of it in each view."""
    device, total = next(net.parameters()).device, 0.0
    for view in VIEWS:
        seen = [as_example(scene, view) for scene in scenes]
        batch = (part.to(device) for part in make_batch(seen, np.random.default_rng(0)))
        total += float(loss_of(net, *batch))
    return total / len(VIEWS)


def held_out_f1(
    net: WhenNet, scenes: Sequence[SeenScene], view: str, tolerance: float = 0.05
) -> float:
    """F1 of all that is heard in held-out scenes, of which one view is seen."""
    points = (np.arange(POINTS) + 0.5) / RATE
    found = asked = right = 0
    for scene in scenes:
        track, hits, _ = as_example(scene, view)
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
    with atomic_output(path, overwrite=True) as beside:
        save_file(weights, beside, metadata)
