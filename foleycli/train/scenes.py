"""Rendered scenes whose sounding instants are known exactly: what `when` is trained on.

Photographs are the scenery and the cut-out actors; actors strike, bounce, collide, walk, open
their mouths, shoot, saw, pass or merely wander, under a camera that pans, zooms, shakes and cuts.
Distances are pixels of the 160 x 90 picture, times seconds, angles radians.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from foleycli.config import FEATURES, FRAMES, SAME_BYTES
from foleycli.frames.windows import Window

Floats = NDArray[np.floating]
Rng = np.random.Generator

WIDTH, HEIGHT = FRAMES.luma_width, FRAMES.luma_height
FINE = 480  # points per second of every motion curve
RATE = FEATURES.when_rate


@dataclass(frozen=True, slots=True)
class Event:
    """Something that is heard: when, how strong (0 to 1), and where in the scene."""

    time: float
    strength: float
    x: float
    y: float


@dataclass(slots=True)
class Actor:
    """A cut-out and its path: every curve has FINE points a second."""

    sprite: Image.Image  # L
    mask: Image.Image  # L, of the same size
    x: Floats
    y: Floats
    angle: Floats
    stretch: Floats  # vertical scale
    shown: Floats  # opacity 0 to 1
    pivot: tuple[float, float] = (0.5, 0.5)  # part of the sprite that stands at (x, y)
    glow: bool = False  # adds light instead of covering


@dataclass(slots=True)
class Act:
    """Actors, what they make heard, and light that falls on everything."""

    actors: list[Actor] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    activity: Floats | None = None  # FINE points a second, 0 to 1
    light: Floats | None = None  # levels added to the whole picture
    jolt: Floats | None = None  # pixels the camera is thrown


@dataclass(frozen=True, slots=True)
class Scene:
    """Pictures in time, and what should be read from them."""

    times: list[Fraction]
    lumas: NDArray[np.uint8]  # (m, 90, 160)
    duration: Fraction
    hits: list[tuple[float, float]]  # (seconds, strength) of every visible event
    activity: Floats  # (round(duration * 64),)


class Photos:
    """Gray photographs from a folder, a few kept open, drawn by chance."""

    def __init__(self, folder: Path, rng: Rng, held: int = 120) -> None:
        paths = sorted(folder.glob("*.jpg"))
        chosen = rng.permutation(len(paths))[:held]
        self._pictures = [Image.open(paths[i]).convert("L") for i in chosen]

    def draw(self, rng: Rng) -> Image.Image:
        return self._pictures[rng.integers(len(self._pictures))]

    def backdrop(self, rng: Rng) -> Image.Image:
        """A photograph of twice the picture's size, so that the camera has room."""
        picture = self.draw(rng)
        part = rng.uniform(0.5, 1)
        width, height = picture.size
        box_width = part * min(width, height * 16 / 9)
        box_height = box_width * 9 / 16
        x, y = rng.uniform(0, width - box_width), rng.uniform(0, height - box_height)
        size = (2 * WIDTH, 2 * HEIGHT)
        return picture.resize(
            size, Image.Resampling.BILINEAR, (x, y, x + box_width, y + box_height)
        )

    def cutout(self, rng: Rng, width: float, height: float) -> tuple[Image.Image, Image.Image]:
        """A rounded piece of a photograph and its soft-edged mask."""
        size = (max(3, round(width)), max(3, round(height)))
        piece = self.draw(rng)
        side = min(piece.size) * rng.uniform(0.2, 0.7)
        x, y = rng.uniform(0, piece.width - side), rng.uniform(0, piece.height - side)
        sprite = piece.resize(size, Image.Resampling.BILINEAR, (x, y, x + side, y + side))
        sprite = sprite.point(_tone(rng))
        return sprite, _blob(rng, size)


def _tone(rng: Rng) -> list[int]:
    contrast, shift = rng.uniform(0.3, 1.2), rng.uniform(-70, 70)
    return [int(np.clip(128 + contrast * (v - 128) + shift, 0, 255)) for v in range(256)]


def _blob(rng: Rng, size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", (size[0] * 2, size[1] * 2), 0)
    draw = ImageDraw.Draw(mask)
    if rng.random() < 0.3:
        draw.rectangle((2, 2, size[0] * 2 - 3, size[1] * 2 - 3), fill=255)
    else:
        turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        radius = rng.uniform(0.7, 1, 12)
        xs = size[0] * (1 + radius * np.cos(turns))
        ys = size[1] * (1 + radius * np.sin(turns))
        draw.polygon([(float(x), float(y)) for x, y in zip(xs, ys, strict=True)], fill=255)
    return mask.resize(size, Image.Resampling.BILINEAR)


# Curves


def _times(duration: float) -> Floats:
    return np.arange(int(duration * FINE) + 2) / FINE


def _wander(
    rng: Rng, times: Floats, size: float, slowest: float = 0.15, fastest: float = 1.2
) -> Floats:
    """A smooth path without sudden stops."""
    rates = rng.uniform(slowest, fastest, 4)
    waves = np.sin(2 * np.pi * (rates[:, None] * times + rng.random((4, 1))))
    return size * 0.5 * (rng.standard_normal(4) / (1 + rates)) @ waves


def _rhythm(rng: Rng, duration: float) -> Floats:
    """Instants of a repeated deed: even, uneven or rare."""
    period = float(np.exp(rng.uniform(np.log(0.16), np.log(1.6))))
    jitter = rng.choice([0.03, 0.15, 0.5])
    steps = period * np.maximum(0.5, 1 + jitter * rng.standard_normal(64))
    steps *= np.where(rng.random(64) < 0.15, rng.uniform(1.5, 4, 64), 1)
    instants = np.cumsum(steps) - rng.uniform(0, period)
    return instants[(instants > 0.05) & (instants < duration - 0.02)]


def _swing(rng: Rng, times: Floats, instants: Floats) -> tuple[Floats, Floats]:
    """A path that is 0 at each instant, where it stops or rebounds, and lifted between.

    Returns:
        the path (0 touching, 1 lifted) and the strength of each touch.
    """
    path = np.ones_like(times)
    strengths = np.empty(len(instants))
    fall = rng.uniform(0.05, 0.18)
    rise = rng.uniform(0.06, 0.35)
    stays = rng.random() < 0.3
    lift_before = 1.0
    for i, instant in enumerate(instants):
        before = instant - (instants[i - 1] if i else -1.0)
        after = (instants[i + 1] if i + 1 < len(instants) else times[-1] + 1) - instant
        down, up = min(fall, 0.45 * before), min(rise, 0.5 * after)
        lift_after = rng.uniform(0.35, 1.0)
        falling = (times >= instant - down) & (times < instant)
        path[falling] = lift_before * (1 - ((times[falling] - instant + down) / down) ** 2)
        hold = rng.uniform(0.05, 0.4) * after if stays else 0.0
        path[(times >= instant) & (times < instant + hold)] = 0
        rising = (times >= instant + hold) & (times < instant + hold + up)
        u = (times[rising] - instant - hold) / up
        path[rising] = lift_after * (u * u * (3 - 2 * u) if stays else 1 - (1 - u) ** 2)
        path[times >= instant + hold + up] = lift_after
        strengths[i] = np.clip(0.3 + 0.7 * lift_before * fall / down, 0.2, 1)
        lift_before = lift_after
    return path, strengths


def _pulses(
    times: Floats, instants: Floats, attack: Floats, hold: Floats, release: Floats
) -> Floats:
    curve = np.zeros_like(times)
    for instant, a, h, r in zip(instants, attack, hold, release, strict=True):
        one = np.clip(np.minimum((times - instant) / a, 1 - (times - instant - a - h) / r), 0, 1)
        curve = np.maximum(curve, one * one * (3 - 2 * one))
    return curve


def _ringing(rng: Rng, times: Floats, instants: Floats, size: float) -> Floats:
    """A shaking that each instant sets off and that dies away."""
    curve = np.zeros_like(times)
    rate, decay = rng.uniform(4, 14), rng.uniform(0.05, 0.25)
    for instant in instants:
        later = np.maximum(0, times - instant)
        curve += (times >= instant) * np.exp(-later / decay) * np.sin(2 * np.pi * rate * later)
    return size * curve


def _still(times: Floats, value: float) -> Floats:
    return np.full_like(times, value)


def _place(rng: Rng, margin: float = 0.2) -> tuple[float, float]:
    return (
        float(rng.uniform(margin, 1 - margin) * WIDTH),
        float(rng.uniform(margin, 1 - margin) * HEIGHT),
    )


# Acts: each takes chance, photographs and the fine times


def strike(rng: Rng, photos: Photos, times: Floats) -> Act:
    """A stick, knife or hand comes down on something, which may shake."""
    instants = _rhythm(rng, times[-1])
    path, strengths = _swing(rng, times, instants)
    x, y = _place(rng)
    length = rng.uniform(18, 85)
    swing, travel = rng.uniform(0.1, 1.1), rng.uniform(2, 30)
    rest = rng.uniform(-0.6, 0.6) + (np.pi if rng.random() < 0.5 else 0)
    angle = rest - np.sign(np.cos(rest)) * swing * path
    roam = rng.uniform(0, 14) * path
    wide, tall = _wander(rng, times, 1.0), _wander(rng, times, 1.0)
    hand_x, hand_y = x - length * np.cos(rest), y - length * np.sin(rest)
    if rng.random() < 0.7:
        sprite, mask = _stick(rng, photos, length)
        pivot = (0.0, 0.5)
    else:
        sprite, mask = photos.cutout(rng, length, rng.uniform(0.3, 1) * length)
        pivot = (0.0, 0.5)
    actor = Actor(
        sprite, mask, hand_x + roam * wide, hand_y - travel * path + 0.5 * roam * tall, angle,
        _still(times, 1), _still(times, 1), pivot,
    )  # fmt: skip
    actors = [actor]
    if rng.random() < 0.5:
        actors.insert(0, _struck(rng, photos, times, instants, x, y))
    events = [Event(t, s, x, y) for t, s in zip(instants, strengths, strict=True)]
    return Act(actors, events)


def _stick(rng: Rng, photos: Photos, length: float) -> tuple[Image.Image, Image.Image]:
    thickness = rng.uniform(2, 8)
    sprite, _ = photos.cutout(rng, length, thickness)
    return sprite, Image.new("L", sprite.size, 255)


def _struck(rng: Rng, photos: Photos, times: Floats, instants: Floats, x: float, y: float) -> Actor:
    width, height = rng.uniform(15, 70), rng.uniform(10, 50)
    sprite, mask = photos.cutout(rng, width, height)
    shake = _ringing(rng, times, instants, rng.uniform(0.3, 4))
    turn = _ringing(rng, times, instants, rng.uniform(0, 0.1))
    flat = _still(times, 1)
    return Actor(sprite, mask, x + 0.4 * shake, y + height / 2 + shake, turn, flat, flat)


def bounce(rng: Rng, photos: Photos, times: Floats) -> Act:
    """A thing falls, bounces and comes to rest."""
    ground, gravity = rng.uniform(0.5, 0.95) * HEIGHT, rng.uniform(150, 700)
    height, kept = rng.uniform(15, 70), rng.uniform(0.0, 0.85)
    start = rng.uniform(0, 0.4) * times[-1]
    y, speed = np.full_like(times, -height), 0.0
    events, first, falls = [], np.sqrt(2 * gravity * height), start
    x0, drift = rng.uniform(0.2, 0.8) * WIDTH, rng.uniform(-30, 30)
    landed = start + np.sqrt(2 * height / gravity)
    y = np.where(times > start, -height + 0.5 * gravity * (times - falls) ** 2, -height)
    speed = first
    while landed < times[-1]:
        strength = float(np.clip(speed / first, 0.1, 1))
        events.append(Event(landed, strength, x0 + drift * (landed - start), ground))
        speed *= kept
        later = times - landed
        y = np.where(later >= 0, -speed * later + 0.5 * gravity * later**2, y)
        if speed < 0.12 * first or speed < 12:
            y = np.where(later >= 0, 0, y)
            break
        landed += 2 * speed / gravity
    rest = events[-1].time if events else times[-1]
    moving = np.clip(times, start, max(start, rest + 0.2)) - start
    radius = rng.uniform(5, 28)
    sprite, mask = photos.cutout(rng, radius, radius * rng.uniform(0.5, 1.2))
    flat = _still(times, 1)
    turn = rng.uniform(-4, 4) * moving
    return Act([Actor(sprite, mask, x0 + drift * moving, ground + y, turn, flat, flat)], events)


def collide(rng: Rng, photos: Photos, times: Floats) -> Act:
    """One thing runs into another and stops or turns back; the other moves off and slows down."""
    x, y = _place(rng, 0.3)
    instant = rng.uniform(0.2, 0.8) * times[-1]
    speed, side = rng.uniform(30, 200), rng.choice([-1, 1])
    later = np.maximum(0, times - instant)
    back, ahead = rng.uniform(-0.3, 0.2), rng.uniform(0, 0.9)
    slow = rng.uniform(0.1, 0.6)
    ease = slow * (1 - np.exp(-later / slow))
    approach = np.minimum(0, np.maximum(-1.2, times - instant))
    size = rng.uniform(10, 35, 2)
    first = side * speed * (approach + back * ease) - side * size[0] / 2
    second = side * speed * ahead * ease + side * size[1] / 2
    flat = _still(times, 1)
    actors = [
        Actor(*photos.cutout(rng, wide, wide * rng.uniform(0.6, 1.4)), x + path, _still(times, y),
              rng.uniform(-1, 1) * (path - path[-1]) / 40, flat, flat)
        for wide, path in zip(size, (first, second), strict=True)
    ]  # fmt: skip
    return Act(actors, [Event(instant, float(np.clip(speed / 150, 0.3, 1)), x, y)])


def walk(rng: Rng, photos: Photos, times: Floats) -> Act:
    """Somebody walks or runs: each foot is heard as it is set down."""
    step = rng.uniform(0.24, 0.65)
    tall = rng.uniform(30, 110)
    phase = (times + rng.uniform(0, step)) / step  # a foot lands at whole numbers
    speed = rng.choice([0.0, 1.0]) * rng.uniform(10, 60) * rng.choice([-1, 1])
    x = rng.uniform(0.2, 0.8) * WIDTH - speed * times[-1] / 2 + speed * times
    foot = rng.uniform(0.55, 1.1) * HEIGHT
    lift = np.abs(np.sin(np.pi * phase)) * rng.uniform(0.01, 0.05) * tall
    flat, hip = _still(times, 1), foot - 0.45 * tall
    actors = []
    for leg in (0, 1):
        sprite, _ = photos.cutout(rng, 0.48 * tall, max(3, 0.1 * tall))
        mask = Image.new("L", sprite.size, 255)
        stride = (phase + leg) % 2  # 0 to 1 carried forward fast, 1 to 2 standing back
        u = np.clip(stride / 0.85, 0, 1)
        forward = np.where(stride < 1, u * u * (3 - 2 * u), 2 - stride)
        swing = rng.uniform(0.4, 0.6) * (np.sign(speed) or 1)
        angle = np.pi / 2 - swing * (2 * forward - 1)
        actors.append(Actor(sprite, mask, x, hip - lift, angle, flat, flat, (0.0, 0.5)))
    body = photos.cutout(rng, 0.3 * tall, 0.6 * tall)
    actors.append(Actor(*body, x, hip - lift - 0.25 * tall, _still(times, 0), flat, flat))
    lands = times[1:][np.diff(np.floor(phase)) > 0].tolist()
    events = [Event(t, rng.uniform(0.4, 0.6), float(x[int(t * FINE)]), foot) for t in lands]
    return Act(actors, events)


def mouth(rng: Rng, photos: Photos, times: Floats) -> Act:
    """A head that barks, calls or cries: heard while the jaw is open."""
    instants = _rhythm(rng, times[-1])
    count = len(instants)
    attack, hold = (
        rng.uniform(0.04, 0.1, count),
        rng.uniform(0.03, 0.3) * rng.uniform(0.5, 1.5, count),
    )
    opened = _pulses(times, instants, attack, hold, rng.uniform(0.06, 0.2, count))
    size = rng.uniform(20, 75)
    x, y = _place(rng)
    nod, gape = rng.uniform(0, 0.12) * size, rng.uniform(0.04, 0.25) * size
    sway_x, sway_y = _wander(rng, times, rng.uniform(0, 12)), _wander(rng, times, rng.uniform(0, 8))
    turn = rng.uniform(-0.25, 0.25) * opened + _wander(rng, times, 0.15)
    flat = _still(times, 1)
    head_y = y + sway_y - nod * opened
    head = Actor(*photos.cutout(rng, size, size), x + sway_x, head_y, turn, flat, flat)
    jaw = Actor(
        *photos.cutout(rng, 0.6 * size, 0.3 * size), x + sway_x,
        head_y + 0.35 * size + gape * opened, turn, flat, flat,
    )  # fmt: skip
    dark, mask = photos.cutout(rng, 0.4 * size, max(4, 1.2 * gape))
    inside = Actor(
        dark.point([v // 4 for v in range(256)]), mask, x + sway_x,
        head_y + 0.3 * size + 0.4 * gape * opened, turn, np.maximum(0.1, opened), opened,
    )  # fmt: skip
    events = [
        Event(t + 0.4 * a, rng.uniform(0.5, 0.9), x, y)
        for t, a in zip(instants, attack, strict=True)
    ]
    return Act([head, jaw, inside], events, 0.8 * opened)


def shoot(rng: Rng, photos: Photos, times: Floats) -> Act:
    """A muzzle flashes and recoils, or something bursts."""
    instants = _rhythm(rng, times[-1])
    x, y = _place(rng)
    count = len(instants)
    flash = _pulses(
        times, instants, np.full(count, 0.004), rng.uniform(0.01, 0.05, count), np.full(count, 0.03)
    )
    kick = _pulses(
        times, instants, np.full(count, 0.03), np.zeros(count), rng.uniform(0.1, 0.35, count)
    )
    flat = _still(times, 1)
    recoil = rng.uniform(0, 12) * kick
    gun = Actor(
        *photos.cutout(rng, rng.uniform(15, 70), rng.uniform(6, 30)), x + recoil, y - 0.3 * recoil,
        rng.uniform(-0.3, 0.3) * kick, flat, flat, (0.0, 0.5),
    )  # fmt: skip
    size = rng.uniform(6, 50)
    glow = Image.new("L", (round(size), round(size)), 255)
    fire = Actor(
        glow, _disc(round(size)), x + recoil, _still(times, y), _still(times, 0), flat,
        flash * rng.uniform(0.2, 1) * (rng.random() < 0.75), glow=True,
    )  # fmt: skip
    light = flash * rng.uniform(0, 60) * (rng.random() < 0.4)
    jolt = rng.uniform(0, 4) * kick * (rng.random() < 0.3)
    events = [Event(float(t), rng.uniform(0.8, 1), x, y) for t in instants]
    return Act([gun, fire], events, light=light, jolt=jolt)


def _disc(size: int) -> Image.Image:
    line = np.linspace(-1, 1, size)
    disc = np.clip(1.4 * (1 - np.hypot(line[:, None], line)), 0, 1)
    return Image.fromarray((255 * disc).astype(np.uint8))


def burst(rng: Rng, photos: Photos, times: Floats) -> Act:
    """An explosion or firework: light that grows at once and dies slowly."""
    instants = _rhythm(rng, times[-1])[:5]
    x, y = _place(rng)
    actors = []
    light = np.zeros_like(times)
    activity = np.zeros_like(times)
    for instant in instants:
        later = np.maximum(0, times - instant)
        fade = np.where(times >= instant, np.exp(-later / rng.uniform(0.1, 0.6)), 0)
        size = round(rng.uniform(20, 90))
        grown = np.maximum(0.05, 1 - np.exp(-later / 0.12))
        glow, _ = photos.cutout(rng, size, size)
        place = (x + rng.uniform(-30, 30), y + rng.uniform(-20, 20))
        actors.append(
            Actor(glow, _disc(size), _still(times, place[0]), _still(times, place[1]), 0.3 * later,
                  grown, fade, glow=True)
        )  # fmt: skip
        light = light + fade * rng.uniform(0, 30)
        activity = np.maximum(activity, 0.8 * fade)
    events = [Event(float(t), rng.uniform(0.8, 1), x, y) for t in instants]
    return Act(actors, events, activity, light)


def saw(rng: Rng, photos: Photos, times: Floats) -> Act:
    """To and fro against something: heard as fast as it goes, each stroke begins anew."""
    period = rng.uniform(0.25, 1.0)
    works = _pulses(times, np.array([rng.uniform(0, 1)]), np.array([0.2]),
                    np.array([rng.uniform(1, 6)]), np.array([0.3]))  # fmt: skip
    phase = 2 * np.pi * (times / period + rng.random())
    reach = rng.uniform(4, 30)
    path = reach * np.sin(phase) * works
    x, y = _place(rng)
    lean = rng.uniform(-np.pi, np.pi)
    size = rng.uniform(12, 60)
    flat = _still(times, 1)
    actor = Actor(*photos.cutout(rng, size, size * rng.uniform(0.3, 1)), x + path * np.cos(lean),
                  y + path * np.sin(lean), 0.01 * path, flat, flat)  # fmt: skip
    begins = times[1:][np.diff(np.floor((phase - np.pi / 2) / np.pi)) > 0] + 0.08 * period
    begins = begins[begins < times[-1]]
    events = [Event(float(t), 0.45, x, y) for t in begins if works[int(t * FINE)] > 0.5]
    return Act([actor], events, 0.7 * np.abs(np.cos(phase)) * works)


def go_by(rng: Rng, photos: Photos, times: Floats) -> Act:
    """Something drives or flies past: heard for as long as it is near, no hit."""
    size = rng.uniform(15, 90)
    middle, speed = rng.uniform(0.2, 0.8) * times[-1], rng.uniform(20, 160) * rng.choice([-1, 1])
    x = WIDTH / 2 + speed * (times - middle)
    y = rng.uniform(0.3, 0.8) * HEIGHT + _ringing(rng, times, times[::60], 0.3)
    near = np.exp(-(((x - WIDTH / 2) / WIDTH) ** 2) * 2)
    flat = _still(times, 1)
    sprite = photos.cutout(rng, size, size * rng.uniform(0.3, 0.7))
    return Act([Actor(*sprite, x, y, _still(times, 0), flat, flat)], [], 0.7 * near)


def wander(rng: Rng, photos: Photos, times: Floats) -> Act:
    """Gestures and idling: much motion, nothing to hear."""
    actors = []
    for _ in range(rng.integers(1, 4)):
        x, y = _place(rng, 0.1)
        size, reach, fastest = rng.uniform(8, 70), rng.uniform(2, 60), rng.uniform(0.3, 2.0)
        flat = _still(times, 1)
        actors.append(
            Actor(*photos.cutout(rng, size, size * rng.uniform(0.3, 1.5)),
                  x + _wander(rng, times, reach, fastest=fastest),
                  y + _wander(rng, times, reach, fastest=fastest),
                  _wander(rng, times, 0.6, fastest=fastest), flat, flat)
        )  # fmt: skip
    return Act(actors)


def still(rng: Rng, photos: Photos, times: Floats) -> Act:
    """Nothing happens."""
    return Act()


ACTS: list[tuple[Callable[[Rng, Photos, Floats], Act], float]] = [
    (strike, 0.32), (bounce, 0.09), (collide, 0.06), (walk, 0.09), (mouth, 0.12), (shoot, 0.08),
    (burst, 0.04), (saw, 0.06), (go_by, 0.04), (wander, 0.06), (still, 0.04),
]  # fmt: skip


# Camera and light


@dataclass(slots=True)
class Camera:
    """Where the picture's centre lies, how near it is and how it leans, at FINE points a second;
    and the part of the picture that is shown, where it is not all of it."""

    x: Floats
    y: Floats
    zoom: Floats
    roll: Floats
    window: Window | None = None


def move_camera(rng: Rng, times: Floats) -> Camera:
    x, y = _still(times, WIDTH / 2), _still(times, HEIGHT / 2)
    zoom = _still(times, float(np.exp(rng.uniform(-0.25, 0.6)) if rng.random() < 0.5 else 1.0))
    roll = _still(times, 0.0)
    if rng.random() < 0.3:  # pan
        ease = np.clip((times - rng.uniform(0, 2)) / rng.uniform(0.3, 4), 0, 1)
        ease = ease * ease * (3 - 2 * ease) - 0.5
        x, y = x + rng.uniform(-80, 80) * ease, y + rng.uniform(-25, 25) * ease
    if rng.random() < 0.2:
        zoom = zoom * np.exp(rng.uniform(-0.5, 0.5) * times / times[-1])
    if rng.random() < 0.45:  # held in the hand
        size = rng.choice([0.4, 1.5, 5.0])
        x, y = x + _wander(rng, times, size, 0.3, 3), y + _wander(rng, times, size, 0.3, 3)
        shiver = 0.25 * size
        x, y = x + _wander(rng, times, shiver, 3, 9), y + _wander(rng, times, shiver, 3, 9)
        roll = roll + _wander(rng, times, 0.004 * size, 0.3, 4)
    return Camera(x, y, zoom, roll)


def _cut(rng: Rng, camera: Camera, times: Floats, instant: float) -> Camera:
    """From an instant on, another view of the same scene: nearer, farther or aside."""
    after = times >= instant
    zoom, x, y = np.exp(rng.uniform(-0.4, 0.8)), rng.uniform(-30, 30), rng.uniform(-15, 15)
    return replace(
        camera,
        x=camera.x + after * x,
        y=camera.y + after * y,
        zoom=camera.zoom * np.where(after, zoom, 1),
    )


def _flicker(rng: Rng, times: Floats) -> Floats:
    """Exposure that drifts, steps or hums."""
    kind = rng.random()
    if kind < 0.7:
        return np.zeros_like(times)
    if kind < 0.85:
        return _wander(rng, times, rng.uniform(5, 30), 0.1, 1)
    if kind < 0.93:
        ease = np.clip((times - rng.uniform(0, times[-1])) / rng.uniform(0.03, 1), 0, 1)
        return rng.uniform(-30, 30) * ease
    return rng.uniform(1, 8) * np.sin(2 * np.pi * rng.uniform(3, 20) * times)


class Texture:
    """Water, leaves, rain or grain in a part of the picture: it moves everywhere and never hits."""

    def __init__(self, rng: Rng) -> None:
        shape = (2 * HEIGHT, 2 * WIDTH)
        grain = rng.choice([1, 2, 4, 8])
        layers = []
        for _ in range(2):
            small = rng.standard_normal((shape[0] // grain, shape[1] // grain)).astype(np.float32)
            layers.append(np.asarray(Image.fromarray(small).resize((shape[1], shape[0]))))
        self._layers = layers
        self._speeds = rng.uniform(-90, 90, (2, 2)) * (rng.random() < 0.7) + rng.uniform(
            -15, 15, (2, 2)
        )
        self._size = rng.uniform(4, 35)
        self._mask = _region(rng)

    def add(self, picture: Floats, time: float, window: Window | None = None) -> Floats:
        waves = 1.0
        for layer, (right, down) in zip(self._layers, self._speeds, strict=True):
            rolled = np.roll(layer, (int(down * time), int(right * time)), (0, 1))
            waves = waves * rolled[:HEIGHT, :WIDTH]
        layer = self._size * self._mask * waves
        return picture + (_through(window, time, layer) if window else layer)


def _through(window: Window, time: float, layer: Floats) -> Floats:
    """A layer of the picture's size as the window shows it."""
    left, top, width, height = window.share_at(time)
    box = (left * WIDTH, top * HEIGHT, (left + width) * WIDTH, (top + height) * HEIGHT)
    seen = Image.fromarray(layer.astype(np.float32))
    return np.asarray(seen.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR, box))


def _region(rng: Rng) -> Floats:
    """A soft part of the picture, or all of it."""
    if rng.random() < 0.3:
        return np.ones((HEIGHT, WIDTH), np.float32)
    mask = Image.new("L", (WIDTH, HEIGHT), 0)
    width, height = int(rng.uniform(40, WIDTH)), int(rng.uniform(25, HEIGHT))
    blob = _blob(rng, (width, height))
    mask.paste(blob, (int(rng.uniform(-20, WIDTH - 30)), int(rng.uniform(-10, HEIGHT - 20))))
    soft = mask.filter(ImageFilter.GaussianBlur(4))
    return np.asarray(soft, np.float32) / 255


# Rendering


def _matrix(x: float, y: float, angle: float, width: float, height: float) -> Floats:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos * width, -sin * height, x], [sin * width, cos * height, y], [0, 0, 1]])


def _view(camera: Camera, i: int) -> Floats:
    """Scene to picture."""
    zoom, roll = float(camera.zoom[i]), float(camera.roll[i])
    here = _matrix(WIDTH / 2, HEIGHT / 2, roll, zoom, zoom)
    whole = here @ _matrix(-float(camera.x[i]), -float(camera.y[i]), 0, 1, 1)
    if camera.window is None:
        return whole
    left, top, width, height = camera.window.share_at(i / FINE)
    part = _matrix(-left / width * WIDTH, -top / height * HEIGHT, 0, 1 / width, 1 / height)
    return part @ whole


def _transform(picture: Image.Image, to_picture: Floats) -> Image.Image:
    back = np.linalg.inv(to_picture)
    return picture.transform(
        (WIDTH, HEIGHT), Image.Transform.AFFINE, tuple(back[:2].ravel()), Image.Resampling.BILINEAR
    )


def _draw(backdrop: Image.Image, acts: list[Act], camera: Camera, i: int) -> Floats:
    view = _view(camera, i)
    wide = _matrix(-WIDTH / 2, -HEIGHT / 2, 0, 1, 1)  # the backdrop is twice the picture's size
    picture = np.asarray(_transform(backdrop, view @ wide), np.float32)
    for act in acts:
        for actor in act.actors:
            picture = _cover(picture, actor, view, i)
    return picture


def _cover(picture: Floats, actor: Actor, view: Floats, i: int) -> Floats:
    shown = float(actor.shown[i])
    if shown < 0.02:
        return picture
    width, height = actor.sprite.size
    stretch = float(actor.stretch[i])
    grow = stretch if actor.glow else 1.0
    place = _matrix(float(actor.x[i]), float(actor.y[i]), float(actor.angle[i]), grow, stretch)
    corner = _matrix(-actor.pivot[0] * width, -actor.pivot[1] * height, 0, 1, 1)
    whole = view @ place @ corner
    mask = np.asarray(_transform(actor.mask, whole), np.float32) * (shown / 255)
    sprite = np.asarray(_transform(actor.sprite, whole), np.float32)
    return picture + mask * (sprite if actor.glow else sprite - picture)


def render_scene(
    rng: Rng, photos: Photos, duration: float = 4.0, window: Window | None = None
) -> Scene:
    """Draw one scene by chance.

    Args:
        rng: all chance comes from it; in the same state it gives the same scene again.
        photos: scenery and actors.
        duration: seconds.
        window: the part of the picture that is shown, drawn as sharp as the whole. Hits and
            activity stay those of the whole picture.
    """
    times = _times(duration)
    kinds, weights = zip(*ACTS, strict=True)
    chosen = [kinds[rng.choice(len(kinds), p=weights)]]
    chosen += [wander] * (rng.random() < 0.3) + [go_by] * (rng.random() < 0.06)
    acts = [kind(rng, photos, times) for kind in chosen]
    rng.shuffle(acts)  # pyright: ignore[reportArgumentType]
    camera = move_camera(rng, times)
    for act in acts:
        if act.jolt is not None:
            camera.y = camera.y + act.jolt
    cuts = [rng.uniform(0.3, duration - 0.3) for _ in range(rng.poisson(0.25))]
    for instant in cuts:
        camera = _cut(rng, camera, times, instant)
    light = _flicker(rng, times) + sum(act.light for act in acts if act.light is not None)
    textures = [Texture(rng) for _ in range(rng.random() < 0.22)]
    stamps, shutter = _stamps(rng, duration)
    backdrops = [photos.backdrop(rng) for _ in range(len(cuts) + 1)]
    changes_scene = rng.random() < 0.5
    whole, camera = camera, replace(camera, window=window)
    lumas = np.empty((len(stamps), HEIGHT, WIDTH), np.float32)
    for n, stamp in enumerate(stamps):
        shot = sum(stamp >= instant for instant in cuts) if changes_scene else 0
        picture = np.zeros((HEIGHT, WIDTH), np.float32)
        moments = stamp + shutter * np.arange(3) / 3 if shutter > 0.008 else [stamp]
        for moment in moments:
            i = min(int(moment * FINE), len(times) - 1)
            picture += _draw(backdrops[shot], acts, camera, i) / len(moments)
        for texture in textures:
            picture = texture.add(picture, stamp, window)
        lumas[n] = picture + np.asarray(light)[min(int(stamp * FINE), len(times) - 1)]
    lumas = _film(rng, lumas)
    seen = [event for act in acts for event in act.events if _visible(whole, event, duration)]
    hits = sorted((event.time, event.strength) for event in seen)
    activity = _activity(acts, len(textures), times, duration)
    exact = [Fraction(round(stamp * 90_000), 90_000) for stamp in stamps]
    exact, film = _repeat(rng, exact, lumas)
    return Scene(exact, film, Fraction(duration).limit_denominator(1000), hits, activity)


def _stamps(rng: Rng, duration: float) -> tuple[Floats, float]:
    """When pictures are taken, sometimes unevenly, and how long each is exposed."""
    rate = float(rng.choice([12, 15, 15, 20, 24, 25, 25, 30, 30, 30, 48, 60]))
    stamps = np.arange(0, duration, 1 / rate)
    if rng.random() < 0.08:
        stamps = np.sort(stamps + rng.uniform(-0.3, 0.3, len(stamps)) / rate)
        stamps -= stamps[0]
    return stamps, float(rng.choice([0.0, 0.25, 0.5, 0.9])) / rate


def _film(rng: Rng, lumas: Floats) -> NDArray[np.uint8]:
    """Lens blur, tone, grain and compression."""
    blur = float(rng.choice([0.0, 0.0, 0.5, 1.0]))
    contrast, shift = rng.uniform(0.4, 1.1), rng.uniform(-40, 40)
    lumas = 128 + contrast * (lumas - 128) + shift
    if rng.random() < 0.5:
        grain = rng.uniform(0.3, 5) * rng.random()
        lumas = lumas + grain * rng.standard_normal(lumas.shape, np.float32)
    film = np.clip(lumas, 0, 255).astype(np.uint8)
    if blur:
        softened = [
            Image.fromarray(picture).filter(ImageFilter.GaussianBlur(blur)) for picture in film
        ]
        film = np.stack([np.asarray(picture) for picture in softened])
    return _compress(rng, film) if rng.random() < 0.45 else film


def _compress(rng: Rng, film: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Through H.264 and back, at a low rate, so that its pumping is known."""
    buffer = BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        options = {
            "crf": str(rng.integers(18, 38)),
            "preset": "veryfast",
            "g": str(rng.choice([12, 30, 250])),
            "x264-params": SAME_BYTES,
        }
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.thread_count = 1
        for picture in film:
            out.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(picture, "gray").reformat(format="yuv420p")
                )
            )
        out.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as back:
        back.streams.video[0].thread_count = 1
        pictures = [frame.to_ndarray(format="gray") for frame in back.decode(video=0)]
    return np.stack(pictures).astype(np.uint8)


def _repeat(
    rng: Rng, times: list[Fraction], film: NDArray[np.uint8]
) -> tuple[list[Fraction], NDArray[np.uint8]]:
    """Now and then every picture twice, as 15 in 30 is delivered."""
    if rng.random() > 0.08 or len(times) < 3:
        return times, film
    half = (times[1] - times[0]) / 2
    doubled = [moment for time in times for moment in (time, time + half)]
    return doubled, np.repeat(film, 2, axis=0)


def _visible(camera: Camera, event: Event, duration: float) -> bool:
    if not 0 <= event.time < duration:
        return False
    x, y, _ = _view(camera, int(event.time * FINE)) @ (event.x, event.y, 1)
    return bool(-0.03 * WIDTH < x < 1.03 * WIDTH and -0.05 * HEIGHT < y < 1.05 * HEIGHT)


def _activity(acts: list[Act], textures: int, times: Floats, duration: float) -> Floats:
    level = np.zeros_like(times)
    for act in acts:
        if act.activity is not None:
            level = np.maximum(level, act.activity)
    if textures:
        level = np.maximum(level, 0.4)
    points = (np.arange(round(duration * RATE)) + 0.5) / RATE
    return np.interp(points, times, level).astype(np.float32)
