"""Train the reader of steps: joints over time, from motion capture seen through virtual cameras.

    foley train steps --mocap MOCAP --out runs/steps

A detector's faults are laid over the joints: few sightings a second, jitter that lasts, jumps,
joints that are lost or placed wrongly, legs that change places, people who are missed. One motion
in five is held out, by its name. `validation.csv` holds F1 within 100 ms and within 50 ms on those,
seen at three rates. The motions themselves are in no file that is written.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foleycli.config import StepsTraining
from foleycli.sight.steps import STEP, TOGETHER, find_steps, step_inputs
from foleycli.sight.track import RATE
from foleycli.train.networks import StepNet, as_weights, save
from foleycli.train.render import is_held_out, read_mocap
from foleycli.train.run import Run, RunOptions

Floats = NDArray[np.floating]
Rng = np.random.Generator

SECONDS = 3.0  # of an example
POINTS = round(SECONDS * RATE)
WIDTH = 0.03  # seconds: how sharply a landing is asked for; contacts are good to 50 ms
RATES = (5.0, 8.0, 25.0)  # sightings a second at which held-out motions are read
COCO = {  # joint of COCO -> names in the two skeletons
    5: ("LeftArm", "L_Upperarm"), 6: ("RightArm", "R_Upperarm"),
    7: ("LeftForeArm", "L_Forearm"), 8: ("RightForeArm", "R_Forearm"),
    9: ("LeftHand", "L_Hand"), 10: ("RightHand", "R_Hand"),
    11: ("LeftUpLeg", "L_Thigh"), 12: ("RightUpLeg", "R_Thigh"),
    13: ("LeftLeg", "L_Calf"), 14: ("RightLeg", "R_Calf"),
    15: ("LeftFoot", "L_Foot"), 16: ("RightFoot", "R_Foot"),
}  # fmt: skip
PAIRS = [(a, a + 1) for a in range(1, 17, 2)]  # left and right


@dataclass(frozen=True, slots=True)
class Motion:
    """Somebody moves: COCO's joints in metres at 60 a second, and when a foot lands how hard."""

    name: str
    joints: Floats  # (n, 17, 3), z up
    landings: Floats  # (k, 2) seconds and strength


def train(mocap: Path, out: Path, config: StepsTraining, options: RunOptions) -> Path:
    """Train, or go on; the path of the finished ``steps.safetensors``.

    Args:
        mocap: folder of motions, as `read_mocap` takes it.
        out: folder of the run.
    """
    with Run(out, "steps", config, options) as run:
        # what is learned from
        learned, held_out = read_motions(mocap)
        likely = np.array([len(motion.joints) for motion in learned], float)
        likely = np.sqrt(likely) / np.sqrt(likely).sum()

        # who learns
        net = StepNet().to(run.device)
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
                picked = chance.choice(len(learned), run.share, p=likely)
                batch = make_batch([learned[i] for i in picked], chance)
                run.backward(loss_of(net, *(part.to(run.device) for part in batch)))
            run.step(optimizer)
            run.follow(average, net)
            run.end_update()
            if run.is_due():
                scores = {f"f1_{rate:g}": held_out_f1(average, held_out, rate) for rate in RATES}
                close = held_out_f1(average, held_out, RATES[-1], 0.05)
                loss = 1 - sum(scores.values()) / len(scores)
                run.validated(loss=loss, **scores, within_50=close)

        path = out / "steps.safetensors"
        if run.rank == 0:
            save(average, path, motions=len(learned), updates=run.done)
        return path


def read_motions(mocap: Path) -> tuple[list[Motion], list[Motion]]:
    """Motions to learn from, and those held out."""
    learned: list[Motion] = []
    held_out: list[Motion] = []
    for name, joints, names, _, landings in read_mocap(mocap):
        if len(joints) >= 40:
            side = held_out if is_held_out(name) else learned
            side.append(Motion(name, as_coco(joints, names), _weigh(joints, names, landings)))
    return learned, held_out


def as_coco(joints: Floats, names: list[str]) -> Floats:
    """(n, joints, 3) of a skeleton to COCO's (n, 17, 3); the face is set around the head."""
    place = {name: i for i, name in enumerate(names)}
    made = np.empty((len(joints), 17, 3), np.float32)
    for joint, known in COCO.items():
        made[:, joint] = joints[:, next(place[name] for name in known if name in place)]
    across = made[:, 5] - made[:, 6]
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-6
    head, neck = joints[:, place["Head"]], made[:, 5:7].mean(1)
    up = head - neck
    up /= np.linalg.norm(up, axis=1, keepdims=True) + 1e-6
    ahead = np.cross(across, up)
    middle = head + 0.08 * up
    made[:, 0] = middle + 0.1 * ahead
    for joint, side, out, forward in ((1, 1, 0.03, 0.08), (2, -1, 0.03, 0.08), (3, 1, 0.07, 0.0),
                                      (4, -1, 0.07, 0.0)):  # fmt: skip
        made[:, joint] = middle + side * out * across + forward * ahead + 0.03 * up
    return made


def _weigh(joints: Floats, names: list[str], landings: Floats) -> Floats:
    """Landings with how hard they are, from how fast the foot came down; two feet that land
    together are heard once."""
    feet = [i for i, name in enumerate(names) if "foot" in name.lower()]
    heights = joints[:, feet, 2]
    rows = []
    for time in landings:
        if rows and time - rows[-1][0] < TOGETHER:
            continue
        now = min(round(time * 60), len(joints) - 1)
        falls = (heights[max(0, now - 6)] - heights[now]) * 10
        rows.append((time, float(np.clip(0.3 + 0.3 * np.clip(falls.max(), 0, 3), 0.3, 1))))
    return np.array(rows, float).reshape(-1, 2)


# What a detector sees


def see(
    motion: Motion, rng: Rng, start: float, seconds: float, rate: float | None = None
) -> tuple[Floats, Floats, float]:
    """A stretch of a motion as a detector gives it, through a camera drawn by chance.

    Args:
        start: seconds into the motion; outside it nobody is found.
        rate: sightings a second; None draws one.

    Returns:
        times (n,) from the start, joints (n, 17, 3) in shares of the picture, and its aspect.
    """
    rate = rate or float(np.exp(rng.uniform(np.log(5), np.log(30))))
    times = np.arange(rng.uniform(0, 1 / rate), seconds, 1 / rate)
    places = np.clip((times + start) * 60, 0, len(motion.joints) - 1.001)
    first = places.astype(int)
    part = (places - first)[:, None, None]
    joints = motion.joints[first] * (1 - part) + motion.joints[first + 1] * part
    aspect = float(rng.choice([16 / 9, 16 / 9, 4 / 3, 9 / 16, 1.0]))
    seen = _through_camera(joints, times, rng, aspect)
    inside = (times + start >= 0) & (times + start <= len(motion.joints) / 60)
    return times, _as_detected(seen, rng, rate, inside, aspect), aspect


def _through_camera(joints: Floats, times: Floats, rng: Rng, aspect: float) -> Floats:
    """(n, 17, 2) in shares of the picture, of a camera that may pan, follow and shake."""
    middle = joints[:, 11:13].mean(1)
    azimuth, elevation = rng.uniform(-np.pi, np.pi), rng.uniform(-0.1, 0.6)
    distance = float(np.exp(rng.uniform(np.log(2.2), np.log(9))))
    out = np.array([np.cos(azimuth), np.sin(azimuth), 0]) * np.cos(elevation)
    out[2] = np.sin(elevation)
    centre = middle[rng.integers(len(middle))] + rng.normal(0, 0.25, 3)
    position = centre + distance * out
    right = np.cross([0, 0, 1.0], out)
    right /= np.linalg.norm(right)
    up = np.cross(out, right)
    away = joints - position
    depth = np.maximum(-(away @ out), 0.3)
    zoom = float(rng.uniform(0.35, 0.9)) * distance / 1.8  # a person fills so much of the height
    x, y = zoom * (away @ right) / depth, -zoom * (away @ up) / depth
    if rng.random() < 0.4:  # follows
        share = rng.uniform(0.5, 1)
        x, y = (v - share * v[:, 11:13].mean(1, keepdims=True) for v in (x, y))
    shake = rng.choice([0.0, 0.0, 0.004, 0.015])
    for v in (x, y):
        drift = rng.uniform(-0.1, 0.1) * times + shake * np.sin(
            2 * np.pi * (rng.uniform(0.3, 3) * times + rng.random())
        )
        v += drift[:, None]
    return np.stack([0.5 + x / aspect, 0.5 + y], -1)


def _as_detected(
    seen: Floats, rng: Rng, rate: float, inside: NDArray[np.bool_], aspect: float
) -> Floats:
    """A detector's faults, and scores that half know of them."""
    n = len(seen)
    tall = np.ptp(seen[..., 1], axis=1).mean() / 3  # about the trunk, in the picture's heights
    jitter = tall * np.exp(rng.uniform(np.log(0.015), np.log(0.12)))
    keep = np.exp(-1 / (rate * rng.uniform(0.03, 0.2)))  # jitter lasts from picture to picture
    noise = rng.standard_normal((n, 17, 2)) * jitter
    for i in range(1, n):
        noise[i] = keep * noise[i - 1] + np.sqrt(1 - keep**2) * noise[i]
    jumps = rng.random((n, 17, 1)) < rng.uniform(0, 0.04)
    noise += jumps * rng.standard_normal((n, 17, 2)) * 0.5 * tall
    joints = np.concatenate([seen + noise / [aspect, 1], np.empty((n, 17, 1))], -1)
    scores = rng.uniform(0.5, 0.95, (1, 17)) + rng.normal(0, 0.08, (n, 17)) - 0.3 * jumps[..., 0]
    for _ in range(rng.poisson(1.0)):  # something stands before a limb
        hidden = rng.choice(17, rng.integers(1, 4), replace=False)
        first = rng.integers(n)
        span = slice(first, first + int(rng.uniform(0.1, 1) * rate) + 1)
        scores[span, hidden] *= rng.uniform(0.1, 0.6)
        joints[span, hidden, :2] += rng.normal(0, 0.3 * tall, 2)
    if rng.random() < 0.5:  # left and right change places
        for first in rng.integers(0, n, rng.integers(1, 5)):
            span = slice(first, first + int(rng.uniform(0, 0.5) * rate) + 1)
            for left, right in PAIRS[5:] if rng.random() < 0.6 else PAIRS:
                joints[span, [left, right]] = joints[span, [right, left]]
    outside = (joints[..., :2] < -0.02) | (joints[..., :2] > 1.02)
    joints[..., :2] = np.clip(joints[..., :2], 0, 1)
    joints[..., 2] = np.clip(scores - 0.5 * outside.any(-1), 0.02, 1)
    missed = ~inside | (rng.random(n) < rng.choice([0, 0.03, 0.15]))
    joints[missed] = 0
    return joints.astype(np.float32)


def mirror(joints: Floats) -> Floats:
    """The person seen in a mirror."""
    turned = joints.copy()
    turned[..., 0] = np.where(turned[..., 2] > 0, 1 - turned[..., 0], 0)
    for left, right in PAIRS:
        turned[:, [left, right]] = turned[:, [right, left]]
    return turned


# Learning


def make_batch(motions: list[Motion], rng: Rng) -> tuple[Tensor, ...]:
    """Inputs, wanted curves, strengths, and which points count."""
    rows = [_example(motion, rng) for motion in motions]
    return tuple(
        torch.from_numpy(np.stack(part).astype(np.float32)) for part in zip(*rows, strict=True)
    )


def _example(motion: Motion, rng: Rng) -> tuple[NDArray[Any], ...]:
    lasts = len(motion.joints) / 60
    start = float(rng.uniform(-0.4, max(-0.39, lasts - SECONDS + 0.4)))
    times, joints, aspect = see(motion, rng, start, SECONDS)
    if rng.random() < 0.5:
        joints = mirror(joints)
    points = (np.arange(POINTS) + rng.random()) / RATE
    grid = points[::STEP] + (STEP - 1) / (2 * RATE)
    landings = motion.landings - [start, 0]
    near = np.exp(-0.5 * ((points[:, None] - landings[None, :, 0]) / WIDTH) ** 2)
    bumps = near.max(1, initial=0)
    best = near.argmax(1) if len(landings) else np.zeros(POINTS, int)
    strengths = landings[best, 1] if len(landings) else np.zeros(POINTS)
    counts = (points + start > 0.05) & (points + start < lasts - 0.05)
    return step_inputs(times, joints, aspect, grid), bumps, strengths, counts


def loss_of(
    net: StepNet, inputs: Tensor, bumps: Tensor, strengths: Tensor, counts: Tensor
) -> Tensor:
    """Where the landings are, and how strong where they are."""
    logits, strength = net(inputs)
    where = nn.functional.binary_cross_entropy_with_logits(
        logits, bumps, counts, reduction="sum"
    ) / counts.sum().clamp(min=1)
    how = ((strength - strengths) ** 2 * bumps * counts).sum() / (bumps * counts).sum().clamp(min=1)
    return where + 0.3 * how


def held_out_f1(
    net: StepNet, motions: list[Motion], rate: float, tolerance: float = 0.1, views: int = 1
) -> float:
    """F1 of the steps of held-out motions, each seen by ``views`` cameras at a rate."""
    weights = as_weights(net)
    found = asked = right = 0
    for number, motion in enumerate(motions):
        for view in range(views):
            rng = np.random.default_rng((7, number, view))
            lasts = len(motion.joints) / 60
            times, joints, aspect = see(motion, rng, 0.0, lasts, rate)
            left = [step.time for step in find_steps(times, joints, aspect, weights)]
            found, asked = found + len(left), asked + len(motion.landings)
            for landing in motion.landings[:, 0]:
                near = [t for t in left if abs(t - landing) <= tolerance]
                if near:
                    left.remove(min(near, key=lambda t, landing=landing: abs(t - landing)))
                    right += 1
    return 2 * right / max(1, found + asked)
