"""Train the reader of hits and activity on rendered scenes whose sounding instants are known.

    foley train when --photos PHOTOS --kept runs/scenes --out runs/when
    foley train when --photos PHOTOS --kept runs/scenes --films runs/films/things \
        --films runs/films/quiet --films runs/films/walkers --held-out runs/films/things_held \
        --start foleycli/models/small/when.safetensors --out runs/when

Films are those of `foley data render`, with exact contacts.

With ``--varied`` scenes are also seen close up and through a moving window, and asked for what is
heard in all of them: a hit that lies outside the window is to be guessed from what it stirs, or
left. No film and no sound is used, only photographs as scenery.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foleycli.config import WhenTraining
from foleycli.sight.motion import CHANNELS, COLUMNS, ROWS
from foleycli.sight.track import RATE, Track
from foleycli.sight.when import pick_hits
from foleycli.sight.when_net import STEP, net_inputs, read_likelihood
from foleycli.train.networks import WhenNet, as_weights, load_when, save
from foleycli.train.run import Run, RunOptions
from foleycli.train.views import DURATION, POINTS, VIEWS, SeenScene, load_films, render_all

WIDTH = 0.025  # seconds: how sharply an instant is asked for
SOFT = 0.4  # a hit of less strength is neither asked for nor wrong: it may not be seen or heard
BESIDE = 0.06  # seconds around it that do not count
OVERLAID = 0.2  # share of the examples over which another one is laid
Floats = NDArray[np.floating]
Example = tuple[Track, Floats, Floats]  # what is seen, hits (k, 2), activity (POINTS,)


def train(
    photos: Path,
    scenes: Path,
    out: Path,
    config: WhenTraining,
    options: RunOptions,
    films: Sequence[Path] = (),
    held_films: Sequence[Path] = (),
    start: Path | None = None,
) -> Path:
    """Train, or go on; the path of the finished ``when.safetensors``.

    Args:
        photos: scenery and actors of the scenes.
        scenes: folder that keeps what is rendered, for other runs too.
        out: folder of the run.
        films: folders of rendered films to learn from as well.
        held_films: folders of rendered films that only the validation sees.
        start: weights to begin from.
    """
    with Run(out, "when", config, options) as run:
        # what is learned from
        with run.first_alone():
            views = VIEWS if config.varied else VIEWS[:1]
            scenes_seen, held_out = render_all(photos, scenes, config.shards, options.seed, views)
            films_seen = [film for folder in films for film in load_films(folder)]
            films_held = [film for folder in held_films for film in load_films(folder)]
        examples = [*scenes_seen, *films_seen]
        likely = np.concatenate([
            np.full(len(part), share / len(part))
            for part, share in ((scenes_seen, 1 - config.filmed), (films_seen, config.filmed))
            if part
        ])  # fmt: skip

        # who learns
        net = (load_when(start).train() if start else WhenNet()).to(run.device)
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
                drawn = chance.choice(len(examples), run.share, p=likely / likely.sum())
                picked = [examples[i] for i in drawn]
                views = [draw_view(config.varied, chance) for _ in picked]
                seen = [as_example(scene, view) for scene, view in zip(picked, views, strict=True)]
                batch = (part.to(run.device) for part in make_batch(seen, chance))
                run.backward(loss_of(net, *batch))
            run.step(optimizer)
            run.follow(average, net)
            run.end_update()
            if run.is_due():
                found = {view: held_out_f1(average, held_out, view) for view in held_out[0].views}
                if films_held:
                    found["films"] = held_out_f1(average, films_held, "full")
                run.validated(loss=held_out_loss(average, held_out), **found)

        path = out / "when.safetensors"
        if run.rank == 0:
            save(average, path, scenes=len(examples), updates=run.done)
        return path


def as_example(scene: SeenScene, view: str) -> Example:
    """What is seen in one view, a film as it is, and what is heard in all."""
    return scene.views.get(view, scene.views["full"]), scene.hits, scene.activity


def draw_view(varied: float, chance: np.random.Generator) -> str:
    """Close-ups and moves have equal parts of the share ``varied``."""
    drawn = chance.random()
    return "full" if drawn >= varied else "cu" if drawn < varied / 2 else "cm"


def make_batch(
    examples: Sequence[Example], rng: np.random.Generator, varied: bool = True
) -> tuple[Tensor, ...]:
    """Inputs and targets; if ``varied``, cut out, hastened, mirrored, faded and overlaid by chance.

    Small and far motion is strong motion faded. What moves in one example is now and then laid
    over another, since film is rarely about one thing.
    """
    rows = [_read_stretch(example, rng, varied) for example in examples]
    if varied:
        for i in np.flatnonzero(rng.random(len(rows)) < OVERLAID):
            rows[i] = _overlay(rows[i], rows[rng.integers(len(rows))])
    return tuple(
        torch.from_numpy(np.stack(part).astype(np.float32)) for part in zip(*rows, strict=True)
    )


def _read_stretch(example: Example, rng: np.random.Generator, varied: bool) -> tuple[Floats, ...]:
    """Four seconds of an example: cells, whole picture, wanted hits, strengths, activity, and
    which points count."""
    track, hits, activity = example
    speed = float(np.exp(rng.uniform(-0.35, 0.35))) if varied and rng.random() < 0.5 else 1.0
    spare = max(0.0, len(activity) / RATE / speed - DURATION)
    begin = rng.uniform(0, spare) if varied else 0.0
    points = begin + (np.arange(POINTS) + rng.random()) / RATE
    steps = points[::STEP] + (STEP - 1) / (2 * RATE)
    cells, whole = net_inputs(_hastened(track, speed), steps)
    if varied:
        cells, whole = _vary(cells, whole, rng)
    soft = hits[hits[:, 1] < SOFT, 0] / speed
    hits = hits[hits[:, 1] >= SOFT]
    instants = hits[:, 0] / speed
    near = np.exp(-0.5 * ((points[:, None] - instants) / WIDTH) ** 2)
    best = near.argmax(1) if len(hits) else np.zeros(POINTS, int)
    strengths = hits[best, 1] if len(hits) else np.zeros(POINTS)
    centres = (np.arange(len(activity)) + 0.5) / RATE / speed
    bumps = near.max(1, initial=0)
    beside = (np.abs(points[:, None] - soft) < BESIDE).any(1) & (bumps < 0.1)
    counts = (~beside).astype(np.float32)
    return cells, whole, bumps, strengths, np.interp(points, centres, activity), counts


def _hastened(track: Track, speed: float) -> Track:
    """The film run faster or slower; what moved between two pictures stays."""
    return replace(track, times=track.times / speed, spans=track.spans / np.float32(speed))


def _vary(cells: Floats, whole: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    fade = np.float32(np.exp(rng.uniform(-1.4, 0.7)))
    cells, whole = cells.copy(), whole.copy()
    cells *= np.array([fade, fade, fade, min(1, fade), min(1, fade)], np.float32)[:, None, None]
    if rng.random() < 0.5:  # grain and compression move every cell a little
        grain = rng.uniform(0, 0.5) * rng.random(cells.shape[1:], np.float32)
        cells[:2] = np.sqrt(np.square(cells[:2]) + np.square(grain))
    grid = cells.reshape(len(CHANNELS), -1, ROWS, COLUMNS)
    if rng.random() < 0.5:
        grid = grid[..., ::-1].copy()
        grid[3] *= -1
        whole[0] *= -1
    if rng.random() < 0.3:
        grid = grid[:, :, ::-1].copy()
        grid[4] *= -1
        whole[1] *= -1
    return grid.reshape(cells.shape), whole


def _overlay(below: tuple[Floats, ...], above: tuple[Floats, ...]) -> tuple[Floats, ...]:
    """Both at once: in each cell what moves more; the camera is the first one's."""
    stronger = above[0][:1] > below[0][:1]
    louder = above[2] > below[2]
    return (
        np.where(stronger, above[0], below[0]), below[1], np.maximum(above[2], below[2]),
        np.where(louder, above[3], below[3]), np.maximum(above[4], below[4]),
        np.minimum(below[5], above[5]),
    )  # fmt: skip


def loss_of(
    net: WhenNet, cells: Tensor, whole: Tensor, bumps: Tensor, strengths: Tensor,
    activities: Tensor, counts: Tensor,
) -> Tensor:  # fmt: skip
    """Where the hits are, how strong they are where they are, and the activity."""
    logits, strength, activity = net(cells, whole)
    where = nn.functional.binary_cross_entropy_with_logits(logits, bumps, counts)
    how = ((strength - strengths) ** 2 * bumps).sum() / bumps.sum().clamp(min=1)
    return where + 0.3 * how + 0.5 * nn.functional.mse_loss(activity, activities)


@torch.no_grad()
def held_out_loss(net: WhenNet, scenes: Sequence[SeenScene]) -> float:
    """The loss over held-out scenes, as much of it in each view."""
    device, total = next(net.parameters()).device, 0.0
    for view in scenes[0].views:
        seen = [as_example(scene, view) for scene in scenes]
        batch = (part.to(device) for part in make_batch(seen, np.random.default_rng(0), False))
        total += float(loss_of(net, *batch))
    return total / len(scenes[0].views)


def held_out_f1(
    net: WhenNet, scenes: Sequence[SeenScene], view: str, tolerance: float = 0.05
) -> float:
    """F1 of all that is heard in held-out scenes, of which one view is seen.

    Hits softer than `SOFT` are not asked for, and what is found at them is not wrong.
    """
    weights = as_weights(net)
    found = asked = right = 0
    for scene in scenes:
        points = (np.arange(len(scene.activity)) + 0.5) / RATE
        track, hits, _ = as_example(scene, view)
        left = list(points[pick_hits(read_likelihood(weights, track, points)) > 0])
        for instant, strength in sorted(hits.tolist(), key=lambda hit: -hit[1]):
            near = [t for t in left if abs(t - instant) <= tolerance]
            asked += strength >= SOFT
            if near:
                left.remove(min(near, key=lambda t, instant=instant: abs(t - instant)))
                right += strength >= SOFT
        found += len(left)
    return 2 * right / max(1, found + right + asked)
