"""Films rendered with MuJoCo, whose contacts are known to the millisecond: what `when` learns from.

    foley data render OUT --kind things --count 200 --photos PHOTOS

Four kinds. `things` fall, bounce, roll, slide, swing and are struck by held tools: physics at 1000
steps a second, whose normal forces say what touched when, and how hard. `walkers` are joint
positions of people, drawn as capsules; a table says when their feet land. `quiet` is motion that
makes no hit: flags, waves, plants, wheels, gliders, gestures, a camera that shakes. `pairs` are two
films that differ in one factor only: nearer, faster, heavier, another material, further left.

Beside each NAME.mp4 a NAME.json holds its events, its activity and its cuts; ``events.csv`` has all
events, ``pairs.csv`` what differs in a pair. Lengths are metres, times seconds, z is up.
"""

import csv
import itertools
import json
import os
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter1d

from foleycli.config import FEATURES, SAME_BYTES, RenderConfig
from foleycli.errors import FoleyError, ModelError, UsageError
from foleycli.output import atomic_output
from foleycli.processes import do_all
from foleycli.train.listing import keep_settings, write_table

Floats = NDArray[np.floating]
Rng = np.random.Generator
Curve = Callable[[Floats], Floats]  # seconds (n,) to values (n,)

KINDS = ("things", "walkers", "quiet", "pairs")
FACTORS = ("nearer", "faster", "heavier", "material", "left")
EVENTS = "events.csv"
PHYSICS = 1000  # steps a second
RATE = FEATURES.when_rate
LISTEN = 8  # milliseconds over which the impulse of a contact is summed
APART = 70  # milliseconds between two impacts of one thing, at least
RINGING = 160  # milliseconds after an impact in which a much softer one belongs to it
SOFTEST = 0.15  # m/s by which an impact changes a thing's speed, at least
UP = np.array([0, 0, 1.0])
TOUCH_SECONDS = 0.01  # how long a bounce touches: stiff enough for the eye, slow enough for a step


class Material(NamedTuple):
    """What a thing is made of: colour, density (kg per cubic metre), share of speed that a bounce
    keeps, friction, shine, opacity."""

    colour: tuple[int, int, int]
    density: float
    bounce: float
    friction: float
    shine: float = 0.1
    alpha: float = 1.0


MATERIALS = {
    "wood": Material((150, 105, 60), 600, 0.45, 0.5),
    "metal": Material((150, 155, 160), 4000, 0.55, 0.35, 0.9),
    "stone": Material((125, 120, 115), 2500, 0.35, 0.7),
    "plastic": Material((190, 60, 50), 900, 0.55, 0.4, 0.4),
    "rubber": Material((50, 60, 70), 1100, 0.8, 0.9),
    "glass": Material((190, 215, 220), 2400, 0.4, 0.3, 1.0, 0.45),
    "cloth": Material((90, 100, 150), 200, 0.05, 0.9, 0.0),
    "cardboard": Material((175, 140, 95), 150, 0.2, 0.6, 0.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Something that is heard."""

    time: float
    strength: float  # 0 to 1
    place: tuple[float, float, float]
    thing: str
    material: str
    on: str  # material of what it meets
    speed: float  # m/s lost in the impact
    mass: float  # kg


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A contact in the picture; ``x`` and ``y`` are shares of its width and height."""

    time: float
    strength: float
    x: float
    y: float
    distance: float  # metres from the camera
    seen: bool
    thing: str
    material: str
    on: str
    speed: float
    mass: float


class Piece(NamedTuple):
    """A drawn shape that physics does not know: from ``a`` to ``b`` if a capsule, else at ``a``."""

    shape: str  # capsule, box, ellipsoid
    a: Floats
    b: Floats  # the other end, or half sizes
    width: float  # of a capsule
    colour: Floats  # (4,) 0..1
    material: int = -1
    turned: Floats = np.eye(3)


@dataclass(slots=True)
class Thing:
    """A body of the model and what it is called."""

    name: str
    material: str
    start: tuple[float, ...] = ()  # speed at first (6,): along and around x, y, z


@dataclass(slots=True)
class Stage:
    """A scene in the making: MuJoCo's XML, what drives it, what is drawn beside it."""

    rng: Rng
    photos: "Photos"
    seconds: float
    ground: str = "wood"
    size: float = 1.0  # metres that the camera should hold
    middle: Floats = field(default_factory=lambda: np.zeros(3))
    assets: dict[str, bytes] = field(default_factory=dict)
    textures: list[str] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)
    drives: list[str] = field(default_factory=list)
    wanted: list[Curve] = field(default_factory=list)  # of each drive
    things: list[Thing] = field(default_factory=list)
    drawn: list[Callable[[float], list[Piece]]] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    hums: list[Curve] = field(default_factory=list)  # activity of what is drawn
    follow: Callable[[float], Floats] | None = None  # where the camera may look
    details: list[Callable[[float], Floats]] = field(default_factory=list)  # for close-ups
    room: Floats = field(default_factory=lambda: np.full(3, 2.5))  # x, y, -x of the walls
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Shot:
    """A camera from one cut to the next; every curve is in seconds of the film."""

    start: float
    end: float
    position: Callable[[float], Floats]
    target: Callable[[float], Floats]
    roll: Callable[[float], float]
    view: Callable[[float], float]  # vertical angle in degrees


@dataclass(frozen=True, slots=True)
class Film:
    """What a film holds beside its pictures."""

    kind: str
    setup: str
    seconds: float
    frame_rate: float
    cuts: list[float]
    events: list[Event]
    activity: list[float]  # 64 a second


# Textures


class Photos:
    """Photographs of a folder as textures and backdrops; where it is None, colours and noise."""

    def __init__(self, folder: Path | None, rng: Rng, held: int = 12) -> None:
        paths = sorted(folder.rglob("*.jpg")) if folder else []
        chosen = rng.permutation(len(paths))[:held]
        self._pictures = [Image.open(paths[i]).convert("RGB") for i in chosen]

    def texture(self, rng: Rng, size: int = 256) -> bytes:
        """A square piece of a photograph, or noise in two colours, as PNG."""
        if self._pictures and rng.random() < 0.7:
            picture = self._pictures[rng.integers(len(self._pictures))]
            side = min(picture.size) * rng.uniform(0.3, 1)
            left, top = (rng.uniform(0, length - side) for length in picture.size)
            box = (left, top, left + side, top + side)
            return _png(picture.resize((size, size), Image.Resampling.BILINEAR, box))
        colours = rng.integers(20, 235, (2, 3)).astype(float)
        part = _noise(rng, size)[..., None]
        return _png(Image.fromarray((colours[0] * part + colours[1] * (1 - part)).astype("uint8")))


def _png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "png", compress_level=1)
    return file.getvalue()


def _noise(rng: Rng, size: int, stretch: int = 1) -> Floats:
    """Noise of many sizes, 0 to 1; ``stretch`` draws it out along the second axis."""
    total = np.zeros((size, size))
    for octave in range(2, 7):
        cells = 2**octave
        small = rng.standard_normal((cells, max(2, cells // stretch))).astype(np.float32)
        large = Image.fromarray(small).resize((size, size), Image.Resampling.BILINEAR)
        total += np.asarray(large) / cells**0.6
    return (total - total.min()) / np.ptp(total)


def material_texture(rng: Rng, name: str, size: int = 128) -> bytes:
    """How a material looks, as PNG: streaks, grain or weave."""
    colour = np.array(MATERIALS[name].colour, float)
    grain = _noise(rng, size, 8 if name in ("wood", "metal") else 1)
    if name == "cloth":
        line = np.arange(size) % 6 < 3
        grain = 0.5 * grain + 0.5 * (line[:, None] ^ line[None])
    depth = {"plastic": 0.1, "rubber": 0.15, "glass": 0.1, "metal": 0.35}.get(name, 0.6)
    shade = 1 + depth * (grain - 0.5)
    return _png(Image.fromarray(np.clip(colour * shade[..., None], 0, 255).astype("uint8")))


# Curves


def _wander(rng: Rng, size: float, slowest: float = 0.15, fastest: float = 1.2) -> Curve:
    """A smooth path without sudden stops."""
    rates, phases = rng.uniform(slowest, fastest, 4), rng.random(4)
    sizes = size * 0.5 * rng.standard_normal(4) / (1 + rates)
    return lambda t: (
        sizes @ np.sin(2 * np.pi * (rates[:, None] * np.atleast_1d(t) + phases[:, None]))
    )


def _rhythm(rng: Rng, seconds: float, fastest: float = 0.13, slowest: float = 1.6) -> Floats:
    """Instants of a repeated deed: even, uneven or rare, now and then with a rest."""
    period = float(np.exp(rng.uniform(np.log(fastest), np.log(slowest))))
    steps = period * np.maximum(0.6, 1 + rng.choice([0.03, 0.12, 0.4]) * rng.standard_normal(128))
    steps *= np.where(rng.random(128) < 0.12, rng.uniform(1.5, 5, 128), 1)
    instants = np.cumsum(steps) - rng.uniform(0, period)
    return instants[(instants > 0.2) & (instants < seconds - 0.05)]


def _lift(rng: Rng, instants: Floats, seconds: float) -> Curve:
    """1 lifted, 0 down: falls to each instant, stays or rebounds, rises again."""
    times = np.arange(int(seconds * PHYSICS) + 2) / PHYSICS
    path = np.ones_like(times)
    falls, rises = rng.uniform(0.05, 0.18), rng.uniform(0.07, 0.4)
    rests = rng.random() < 0.3
    height = 1.0
    for i, instant in enumerate(instants):
        before = instant - (instants[i - 1] if i else -1.0)
        after = (instants[i + 1] if i + 1 < len(instants) else seconds + 1) - instant
        down, up = min(falls, 0.45 * before), min(rises, 0.5 * after)
        next_height = rng.uniform(0.4, 1.0)
        falling = (times >= instant - down) & (times < instant)
        path[falling] = height * (1 - ((times[falling] - instant + down) / down) ** 2)
        hold = rng.uniform(0.05, 0.4) * after if rests else 0.0
        path[(times >= instant) & (times < instant + hold)] = 0
        rising = (times >= instant + hold) & (times < instant + hold + up)
        u = (times[rising] - instant - hold) / up
        path[rising] = next_height * (u * u * (3 - 2 * u) if rests else 1 - (1 - u) ** 2)
        path[times >= instant + hold + up] = next_height
        height = next_height
    return lambda t: np.interp(t, times, path)


def _ease(start: float, end: float) -> Curve:
    """0 before, 1 after, smooth between."""

    def curve(t: Floats) -> Floats:
        u = np.clip((np.asarray(t) - start) / max(end - start, 1e-3), 0, 1)
        return u * u * (3 - 2 * u)

    return curve


# XML


def _numbers(*values: float) -> str:
    return " ".join(f"{value:.5g}" for value in values)


def _material(stage: Stage, name: str | None = None) -> str:
    """A new material of the model: a named one, or any texture; its name in the XML."""
    number = len(stage.textures)
    png = material_texture(stage.rng, name) if name else stage.photos.texture(stage.rng)
    stage.assets[f"t{number}.png"] = png
    made = MATERIALS.get(name or "", MATERIALS["wood"])
    repeat = 1 if name else stage.rng.integers(1, 5)
    stage.textures.append(
        f'<texture name="t{number}" type="2d" file="t{number}.png"/>'
        f'<material name="m{number}" texture="t{number}" texuniform="{str(bool(name)).lower()}" '
        f'texrepeat="{4 if name else repeat} {4 if name else repeat}" specular="{made.shine}" '
        f'shininess="{made.shine}" rgba="1 1 1 {made.alpha}"/>'
    )
    return f"m{number}"


def _touch(material: Material) -> str:
    """Attributes of a geom that bounces as much and slides as much as the material does."""
    loss = -np.log(max(material.bounce, 0.01))
    damping = loss / np.hypot(np.pi, loss)  # of a spring that gives back this share of the speed
    stiffness = (np.pi / TOUCH_SECONDS) ** 2
    return (
        f'solref="{_numbers(-stiffness, -2 * damping * np.sqrt(stiffness))}" '
        f'solimp=".95 .99 .001" friction="{material.friction} .005 .0005" priority="1"'
    )


def add_thing(
    stage: Stage,
    shape: str,
    size: Sequence[float] | Floats,
    at: Sequence[float] | Floats,
    material: str,
    *,
    turn: Sequence[float] | Floats = (0, 0, 0),
    start: Sequence[float] | Floats = (0, 0, 0, 0, 0, 0),
    look: str | None = None,
) -> str:
    """A free body; its name."""
    name = f"thing{len(stage.things)}"
    made = MATERIALS[material]
    stage.bodies.append(
        f'<body name="{name}" pos="{_numbers(*at)}" euler="{_numbers(*turn)}"><freejoint/>'
        f'<geom type="{shape}" size="{_numbers(*size)}" density="{made.density}" '
        f'material="{look or _material(stage, material)}" {_touch(made)}/></body>'
    )
    stage.things.append(Thing(name, material, tuple(start)))
    return name


def add_surface(stage: Stage, material: str | None = None, table: bool | None = None) -> None:
    """The ground at z = 0: a floor, or a table with a floor under it; and two walls."""
    rng = stage.rng
    stage.ground = material or str(rng.choice(["wood", "stone", "metal", "cloth", "wood"]))
    made = MATERIALS[stage.ground]
    named = material or (stage.ground if rng.random() < 0.5 else None)
    touch = f'friction="{made.friction} .005 .0005"'
    wide = 6 * stage.size
    if table if table is not None else rng.random() < 0.4:
        top = _numbers(1.4 * stage.size, 1.0 * stage.size, 0.03 * stage.size)
        stage.bodies.append(
            f'<geom type="box" size="{top}" pos="0 0 {-0.03 * stage.size:.4g}" '
            f'material="{_material(stage, named)}" {touch}/>'
        )
        low = -1.2 * stage.size
    else:
        low = 0.0
    stage.bodies.append(
        f'<geom type="plane" size="{_numbers(wide, wide, 1)}" pos="0 0 {low:.4g}" '
        f'material="{_material(stage, None if low else named)}" {touch}/>'
    )
    stage.room = rng.uniform(2.5, 4, 3) * stage.size
    for side, away in zip(((1, 0), (0, 1), (-1, 0)), stage.room, strict=True):
        far = np.array(side) * away
        stage.bodies.append(
            f'<geom type="box" size="{_numbers(*(wide * (1 - abs(np.array(side))) + 0.05), wide)}" '
            f'pos="{_numbers(*far, 0)}" material="{_material(stage)}"/>'
        )


def build(stage: Stage, width: int, height: int, shadows: bool) -> Any:
    """The model of a stage.

    Raises:
        FoleyError: MuJoCo does not take it.
    """
    import mujoco  # pyright: ignore[reportMissingImports]

    rng = stage.rng
    lights = "".join(
        f'<light pos="{_numbers(*(-4 * d))}" dir="{_numbers(*d)}" directional="true" '
        f'diffuse="{_numbers(*([bright] * 3))}" specular=".3 .3 .3" '
        f'castshadow="{str(shadows and not n).lower()}"/>'
        for n, (d, bright) in enumerate(
            (np.array([*rng.uniform(-0.8, 0.8, 2), -1]), rng.uniform(0.25, 0.75))
            for _ in range(rng.integers(1, 3))
        )
    )
    ambient = _numbers(*([rng.uniform(0.15, 0.45)] * 3))
    xml = (
        f'<mujoco><option timestep="{1 / PHYSICS}" cone="elliptic" integrator="implicitfast"/>'
        f'<visual><global offwidth="{width}" offheight="{height}"/>'
        f'<quality shadowsize="512" offsamples="0"/><map znear=".005" zfar="60"/>'
        f'<headlight ambient="{ambient}" diffuse="{ambient}" specular="0 0 0"/></visual>'
        f'<asset><texture type="skybox" builtin="gradient" width="64" height="64" '
        f'rgb1="{_numbers(*rng.uniform(0.2, 1, 3))}" rgb2="{_numbers(*rng.uniform(0.1, 1, 3))}"/>'
        f"{''.join(stage.textures)}</asset><worldbody>{lights}"
        f'<camera name="camera"/>{"".join(stage.bodies)}</worldbody>'
        f"<actuator>{''.join(stage.drives)}</actuator></mujoco>"
    )
    try:
        return mujoco.MjModel.from_xml_string(xml, stage.assets)  # pyright: ignore
    except ValueError as error:
        raise FoleyError(f"A scene was not built: {error}", "This is a bug; report it.") from error


# Things: each setup fills a stage


def _any(rng: Rng) -> str:
    return str(rng.choice(list(MATERIALS)))


def _shape(rng: Rng, size: float) -> tuple[str, list[float]]:
    shape = str(rng.choice(["sphere", "box", "cylinder", "capsule", "ellipsoid"]))
    sizes = {
        "sphere": [size], "cylinder": [size * rng.uniform(0.3, 0.9), size * rng.uniform(0.2, 1)],
        "capsule": [size * rng.uniform(0.15, 0.4), size],
    }  # fmt: skip
    return shape, sizes.get(shape, list(size * rng.uniform(0.25, 1, 3)))


def _scale(stage: Stage, smallest: float = 0.25, largest: float = 3.0) -> float:
    """A size for the scene, in metres across."""
    stage.size = float(np.exp(stage.rng.uniform(np.log(smallest), np.log(largest))))
    return stage.size


def drop(stage: Stage) -> None:
    """Things fall one after another, bounce, tumble and come to rest."""
    rng, size = stage.rng, _scale(stage)
    add_surface(stage)
    stage.middle = np.array([0, 0, 0.25 * size])
    for _ in range(rng.integers(1, 5)):
        shape, sizes = _shape(rng, size * rng.uniform(0.05, 0.2))
        high = rng.uniform(0.4, 1.2) * size + rng.choice([0.0, 0.0, 0.5, 2, 6]) * rng.random()
        at = (*(rng.uniform(-0.5, 0.5, 2) * size), high)
        start = (*rng.uniform(-0.5, 0.5, 3), *rng.uniform(-6, 6, 3))
        name = add_thing(
            stage, shape, sizes, at, _any(rng), turn=rng.uniform(-180, 180, 3), start=start
        )
        stage.details.append(_at_body(name))
    if rng.random() < 0.4:  # something stands where they land
        half = size * rng.uniform(0.1, 0.3, 3)
        add_thing(stage, "box", half, (*(rng.uniform(-0.3, 0.3, 2) * size), half[2]), _any(rng))


def throw(stage: Stage) -> None:
    """Something is thrown against others or a wall."""
    rng, size = stage.rng, _scale(stage)
    add_surface(stage, table=False)
    stage.middle = np.array([0, 0, 0.3 * size])
    for i in range(rng.integers(1, 4)):
        half = size * rng.uniform(0.06, 0.2, 3)
        low = 0.0
        at = (rng.uniform(0.1, 0.5) * size, 0.3 * size * (i - 1), half[2] + low)
        add_thing(stage, "box", half, at, _any(rng))
    radius = size * rng.uniform(0.05, 0.15)
    speed = rng.uniform(1, 5) * np.sqrt(size)
    at = (-rng.uniform(1, 2.2), rng.uniform(-0.3, 0.3), radius / size + rng.uniform(0, 0.6))
    start = (speed, 0, speed * rng.uniform(0, 0.6), *rng.uniform(-9, 9, 3))
    name = add_thing(stage, "sphere", [radius], size * np.array(at), _any(rng), start=start)
    stage.follow = _at_body(name)


def roll(stage: Stage) -> None:
    """Something round rolls: heard faintly, without hits until it meets something."""
    rng, size = stage.rng, _scale(stage)
    add_surface(stage, table=rng.random() < 0.2)
    stage.middle = np.array([0, 0, 0.1 * size])
    for i in range(rng.integers(1, 4)):
        radius, side = size * rng.uniform(0.06, 0.25), rng.choice([-1, 1])
        speed = rng.uniform(0.3, 2) * size
        at = (-side * rng.uniform(0.6, 1.4) * size, 0.4 * size * (i - 1), radius * 1.001)
        start = (side * speed, 0, 0, 0, side * speed / radius, 0)
        shape, sizes, turn = "sphere", [radius], (0, 0, 0)
        if rng.random() < 0.4:
            shape, sizes, turn = "cylinder", [radius, radius * rng.uniform(0.2, 2)], (90, 0, 0)
            start = (side * speed, 0, 0, 0, 0, -side * speed / radius)
        name = add_thing(stage, shape, sizes, at, _any(rng), turn=turn, start=start)
        stage.follow = stage.follow or _at_body(name)
    if rng.random() < 0.5:
        half = size * rng.uniform(0.08, 0.25, 3)
        add_thing(stage, "box", half, (rng.uniform(0.2, 0.8) * size, 0, half[2]), _any(rng))


def slide(stage: Stage) -> None:
    """Something slides and is braked by friction: heard as long as it slides, no hit."""
    rng, size = stage.rng, _scale(stage, 0.3, 2)
    add_surface(stage)
    stage.middle = np.array([0, 0, 0.1 * size])
    for i in range(rng.integers(1, 3)):
        half = size * rng.uniform(0.06, 0.2, 3)
        material = str(rng.choice(["wood", "metal", "glass", "plastic"]))
        if rng.random() < 0.5:  # pushed by a hand, to and fro
            _pushed(stage, half, material, 0.4 * size * i)
            continue
        speed = rng.uniform(0.8, 2.5) * np.sqrt(size) * rng.choice([-1, 1])
        at = (-np.sign(speed) * 0.7 * size, 0.4 * size * i, half[2] * 1.001)
        name = add_thing(stage, "box", half, at, material, start=(speed, 0, 0, 0, 0, 0))
        stage.follow = stage.follow or _at_body(name)


def _pushed(stage: Stage, half: Floats, material: str, aside: float) -> None:
    """A box on a rail of its own that a hand moves over the ground."""
    rng, number = stage.rng, len(stage.drives)
    made = MATERIALS[material]
    reach, rate = stage.size * rng.uniform(0.15, 0.6), rng.uniform(0.2, 1.2)
    mass = 8 * float(np.prod(half)) * made.density
    stage.bodies.append(
        f'<body name="pushed{number}" pos="0 {aside:.4g} {half[2]:.4g}">'
        f'<joint name="push{number}" type="slide" axis="1 0 0"/>'
        f'<geom type="box" size="{_numbers(*half)}" density="{made.density}" contype="0" '
        f'conaffinity="0" material="{_material(stage, material)}"/>'
        f"{_hand(rng, np.array([-half[0], 0, 0]), 1.6 * float(max(half)))}</body>"
    )
    stage.drives.append(
        f'<position joint="push{number}" kp="{900 * mass:.4g}" kv="{60 * mass:.4g}"/>'
    )
    works = _ease(rng.uniform(0, 2), rng.uniform(2.1, 3))
    phase = rng.random()

    def path(t: Floats) -> Floats:
        return reach * np.sin(2 * np.pi * (rate * t + phase)) * works(t)

    def hum(t: Floats) -> Floats:
        return 0.6 * np.abs(np.cos(2 * np.pi * (rate * t + phase))) * works(t)

    stage.wanted.append(path)
    stage.hums.append(hum)


def _hand(rng: Rng, at: Floats, size: float, solid: bool = False) -> str:
    """A hand and a forearm, as geoms of the body that they hold."""
    skin = rng.choice([0.9, 0.75, 0.5]) * np.array([1, 0.8, 0.68])
    away = np.array([rng.uniform(-1, -0.2), rng.uniform(-0.8, 0.8), rng.uniform(0.3, 1)])
    elbow = at + 5 * size * away / np.linalg.norm(away)
    sleeve = rng.uniform(0.1, 0.9, 3)
    touch = "" if solid else 'contype="0" conaffinity="0"'
    return (
        f'<geom type="ellipsoid" size="{_numbers(size, 0.7 * size, 0.5 * size)}" '
        f'pos="{_numbers(*at)}" rgba="{_numbers(*skin, 1)}" {touch} mass="0.0001"/>'
        f'<geom type="capsule" fromto="{_numbers(*at, *elbow)}" size="{0.5 * size:.4g}" '
        f'rgba="{_numbers(*sleeve, 1)}" contype="0" conaffinity="0" mass="0.0001"/>'
    )


def strike(stage: Stage) -> None:
    """A held hammer, stick or knife strikes a thing or the ground, at once or in a run."""
    rng, size = stage.rng, _scale(stage, 0.3, 2.0)
    add_surface(stage)
    stage.middle = np.array([0, 0, 0.2 * size])
    half = size * np.array([*rng.uniform(0.08, 0.3, 2), rng.uniform(0.03, 0.2)])
    material = _any(rng)
    if rng.random() < 0.6:
        add_thing(stage, "box", half, (0, 0, half[2]), material)
        top = 2 * half[2]
    else:
        top = 0.0
    for number in range(1 + (rng.random() < 0.25)):
        instants = _rhythm(rng, stage.seconds)
        _tool(stage, instants, top, 0.12 * size * number)
    stage.details.append(lambda t: np.array([0, 0, top]))


def _tool(
    stage: Stage, instants: Floats, top: float, aside: float, material: str | None = None,
    swing: float | None = None,
) -> None:  # fmt: skip
    """A tool on a hinge behind its handle, which a curve drives down onto ``top``."""
    rng, number = stage.rng, len(stage.drives)
    material = material or str(rng.choice(["wood", "metal", "plastic"]))
    made = MATERIALS[material]
    length, thick = stage.size * rng.uniform(0.25, 0.6), stage.size * rng.uniform(0.008, 0.025)
    head = stage.size * np.array([rng.uniform(0.02, 0.05), rng.uniform(0.02, 0.1), 0.03])
    blade = rng.random()
    shape = f'type="box" size="{_numbers(*head)}"'
    if blade < 0.35:
        shape = f'type="sphere" size="{1.3 * thick:.4g}"'
    elif blade < 0.6:
        shape = f'type="box" size="{_numbers(0.3 * length, 0.2 * thick, 2 * thick)}"'
    lowest = 1.3 * thick if blade < 0.35 else 2 * thick if blade < 0.6 else head[2]
    pivot = np.array([-length, aside, top + lowest])
    stage.bodies.append(
        f'<body name="tool{number}" pos="{_numbers(*pivot)}">'
        f'<joint name="swing{number}" type="hinge" axis="0 -1 0" armature="1e-5"/>'
        f'<geom type="capsule" fromto="0 0 0 {length:.4g} 0 0" size="{thick:.4g}" '
        f'material="{_material(stage, material)}" density="{made.density}" contype="0" '
        f'conaffinity="0"/><geom {shape} pos="{length:.4g} 0 0" density="{made.density}" '
        f'material="{_material(stage, material)}" {_touch(made)}/>'
        f"{_hand(rng, np.zeros(3), 3 * thick + 0.02 * stage.size)}</body>"
    )
    inertia = made.density * (8 * float(np.prod(head)) + length * np.pi * thick**2) * length**2
    stage.drives.append(
        f'<position joint="swing{number}" kp="{15000 * inertia:.4g}" kv="{130 * inertia:.4g}"/>'
    )
    stage.things.append(Thing(f"tool{number}", material))
    lift, reach = _lift(rng, instants, stage.seconds), swing or rng.uniform(0.15, 1.2)
    stage.wanted.append(lambda t: reach * (1.15 * lift(t) - 0.15))  # a blow aims behind the surface


def keys(stage: Stage) -> None:
    """Fingers type: many small taps close together."""
    rng = stage.rng
    stage.size = 0.35
    add_surface(stage, table=True)
    stage.middle = np.array([0, 0, 0.02])
    board = _material(stage, "plastic")
    stage.bodies.append(f'<geom type="box" size=".2 .07 .008" pos="0 0 .008" material="{board}"/>')
    for row, column in itertools.product(range(4), range(10)):
        at = _numbers(-0.18 + 0.04 * column, -0.05 + 0.033 * row, 0.018)
        stage.bodies.append(
            f'<geom type="box" size=".015 .012 .004" pos="{at}" rgba=".2 .2 .2 1" '
            'contype="0" conaffinity="0"/>'
        )
    taps = _rhythm(rng, stage.seconds, 0.09, 0.35)
    fingers = rng.integers(0, 6, len(taps))
    for finger in range(6):
        at = np.array([-0.13 + 0.05 * finger + rng.uniform(-0.01, 0.01), rng.uniform(-0.05, 0.03)])
        number = len(stage.drives)
        stage.bodies.append(
            f'<body name="tool{number}" pos="{_numbers(*at, 0.03)}">'
            f'<joint name="tap{number}" type="slide" axis="0 0 1"/>'
            f'<geom type="capsule" fromto="0 0 0 0 -.05 .03" size=".008" mass=".02" '
            f'rgba=".85 .65 .55 1" {_touch(MATERIALS["plastic"])}/>'
            '<geom type="ellipsoid" pos="0 -.08 .03" size=".03 .04 .015" rgba=".85 .65 .55 1" '
            'contype="0" conaffinity="0" mass=".001"/></body>'
        )
        stage.drives.append(f'<position joint="tap{number}" kp="160" kv="2"/>')
        stage.things.append(Thing(f"tool{number}", "plastic"))
        lift, high = _lift(rng, taps[fingers == finger], stage.seconds), rng.uniform(0.01, 0.03)
        stage.wanted.append(lambda t, lift=lift, high=high: high * lift(t) - 0.007)


def place(stage: Stage) -> None:
    """A hand carries something, sets it down, and lifts it again."""
    rng, size = stage.rng, _scale(stage, 0.3, 1.0)
    add_surface(stage)
    stage.middle = np.array([0, 0, 0.2 * size])
    material, number = _any(rng), len(stage.drives)
    half = size * rng.uniform(0.04, 0.12, 3)
    made = MATERIALS[material]
    mass = 8 * float(np.prod(half)) * made.density
    stage.bodies.append(
        f'<body name="tool{number}" pos="0 0 {half[2]:.4g}">'
        f'<joint name="x{number}" type="slide" axis="1 0 0"/>'
        f'<joint name="z{number}" type="slide" axis="0 0 1"/>'
        f'<geom type="{rng.choice(["box", "cylinder"])}" size="{_numbers(*half)}" '
        f'density="{made.density}" material="{_material(stage, material)}" {_touch(made)}/>'
        f"{_hand(rng, np.array([0, 0, half[2]]), 0.06 * size + float(half[0]))}</body>"
    )
    for axis in "xz":
        stage.drives.append(
            f'<position joint="{axis}{number}" kp="{10000 * mass:.4g}" kv="{160 * mass:.4g}"/>'
        )
    stage.things.append(Thing(f"tool{number}", material))
    instants = _rhythm(rng, stage.seconds, 0.6, 3.0)
    lift, high = _lift(rng, instants, stage.seconds), size * rng.uniform(0.1, 0.5)
    across = _wander(rng, 0.6 * size)
    stage.wanted += [
        lambda t: across(t) * np.minimum(1, 3 * lift(t)), lambda t: high * (1.1 * lift(t) - 0.1)
    ]  # fmt: skip


def door(stage: Stage) -> None:
    """A door or lid swings shut against its frame, once or more."""
    rng, size = stage.rng, _scale(stage, 0.5, 2.0)
    add_surface(stage, table=False)
    stage.middle = np.array([0.2 * size, 0, 0.5 * size])
    material = str(rng.choice(["wood", "metal", "glass"]))
    made = MATERIALS[material]
    half = size * np.array([rng.uniform(0.2, 0.4), 0.015, rng.uniform(0.3, 0.6)])
    frame = _material(stage, "wood")
    for x in (-0.05 * size, 2 * half[0] + 0.05 * size):
        stage.bodies.append(
            f'<geom type="box" size="{_numbers(0.05 * size, 0.04 * size, half[2])}" '
            f'pos="{_numbers(x, 0.03 * size, half[2] * 1.02)}" material="{frame}"/>'
        )
    stage.bodies.append(
        f'<body name="tool0" pos="{_numbers(0, -0.01 * size, 1.02 * half[2])}">'
        f'<joint name="hinge" type="hinge" axis="0 0 1" damping="1e-4"/>'
        f'<geom type="box" size="{_numbers(*half)}" pos="{_numbers(half[0] + 0.02 * size, 0, 0)}" '
        f'density="{made.density}" material="{_material(stage, material)}" {_touch(made)}/></body>'
    )
    inertia = 8 * float(np.prod(half)) * made.density * (2 * half[0]) ** 2 / 3
    stage.drives.append(
        f'<position joint="hinge" kp="{1500 * inertia:.4g}" kv="{55 * inertia:.4g}"/>'
    )
    stage.things.append(Thing("tool0", material))
    lift = _lift(rng, _rhythm(rng, stage.seconds, 0.9, 3.0), stage.seconds)
    open_angle = rng.uniform(0.3, 1.4)
    stage.wanted.append(lambda t: open_angle * (0.1 - 1.1 * lift(t)))
    stage.details.append(lambda t: np.array([2 * half[0], 0, half[2]]))


def swing(stage: Stage) -> None:
    """Something hangs and swings freely, silent, or knocks against what stands below."""
    rng, size = stage.rng, _scale(stage, 0.4, 2.0)
    add_surface(stage)
    stage.middle = np.array([0, 0, 0.5 * size])
    length, radius = size * rng.uniform(0.4, 0.7), size * rng.uniform(0.04, 0.12)
    material = _any(rng)
    made = MATERIALS[material]
    knocks = rng.random() < 0.5
    stage.bodies.append(
        f'<body name="tool0" pos="0 0 {length + 2 * radius:.4g}" '
        f'euler="0 {rng.uniform(-60, 60):.4g} 0">'
        f'<joint type="hinge" axis="0 1 0" damping="1e-5"/>'
        f'<geom type="capsule" fromto="0 0 0 0 0 {-length:.4g}" size="{0.05 * radius:.4g}" '
        f'rgba=".2 .2 .2 1" mass=".001" contype="0" conaffinity="0"/>'
        f'<geom type="sphere" size="{radius:.4g}" pos="0 0 {-length:.4g}" '
        f'density="{made.density}" material="{_material(stage, material)}" {_touch(made)}/></body>'
    )
    stage.things.append(Thing("tool0", material))
    if knocks:
        half = size * np.array([0.05, 0.1, rng.uniform(0.08, 0.2)])
        at = (radius + half[0] + rng.uniform(0, 0.2) * size, 0, half[2])
        add_thing(stage, "box", half, at, _any(rng))


# Quiet: motion that makes no hit


def flag(stage: Stage) -> None:
    """A flag or curtain in the wind."""
    rng, size = stage.rng, _scale(stage, 0.8, 3)
    add_surface(stage, table=False)
    stage.middle = np.array([0.3 * size, 0, 0.6 * size])
    rows, columns = 5, 12
    colours = rng.uniform(0.1, 1, (3, 3))
    rate, waves, reach = rng.uniform(0.3, 3), rng.uniform(0.5, 2.5), size * rng.uniform(0.02, 0.12)
    gusts = _wander(rng, 1.0)
    cell = np.array([0.9 * size / columns, 0.6 * size / rows])

    def pieces(t: float) -> list[Piece]:
        gust = 0.6 + 0.5 * float(gusts(np.array([t]))[0])
        made = []
        for row, column in itertools.product(range(rows), range(columns)):
            part = column / columns
            aside = reach * gust * part * np.sin(2 * np.pi * (waves * part - rate * t) + 0.4 * row)
            at = np.array([column * cell[0], aside, 0.4 * size + row * cell[1]])
            half = np.array([0.52 * cell[0], 0.004 * size, 0.52 * cell[1]])
            made.append(Piece("box", at, half, 0, np.array([*colours[row % 3], 1])))
        return made

    stage.drawn.append(pieces)
    stage.hums.append(lambda t: np.full(len(t), 0.3))


def waves(stage: Stage) -> None:
    """Water: rows of swell that rise and fall."""
    rng, size = stage.rng, _scale(stage, 1, 4)
    add_surface(stage, table=False)
    stage.middle = np.array([0, 0, 0.1 * size])
    count = 34
    deep, rates, phases = rng.uniform(0.01, 0.06, 3) * size, rng.uniform(0.2, 1.2, 3), rng.random(3)
    numbers = rng.uniform(0.5, 4, 3)
    colour = np.array([*rng.uniform(0.1, 0.6, 2), rng.uniform(0.4, 0.9), 1])

    def pieces(t: float) -> list[Piece]:
        y = np.linspace(-1.2, 2.2, count) * size
        turns = numbers[:, None] * y / size - rates[:, None] * t * 2 + phases[:, None]
        z = deep @ np.sin(2 * np.pi * turns)
        shades = np.clip(0.75 + 8 * np.gradient(z) / size, 0.4, 1.3)
        return [
            Piece("box", np.array([0, y[i], z[i]]), np.array([3 * size, 0.07 * size, 0.05 * size]),
                  0, np.clip(colour * np.array([*[shades[i]] * 3, 1]), 0, 1))
            for i in range(count)
        ]  # fmt: skip

    stage.drawn.append(pieces)
    stage.hums.append(lambda t: np.full(len(t), 0.5))


def plants(stage: Stage) -> None:
    """Grass, leaves or branches sway."""
    rng, size = stage.rng, _scale(stage, 0.5, 3)
    add_surface(stage, table=False)
    stage.middle = np.array([0, 0, 0.3 * size])
    count = 45
    feet = rng.uniform(-0.9, 0.9, (count, 2)) * size
    tall, lean = rng.uniform(0.3, 0.9, count) * size, _wander(rng, 1, 0.1, 0.6)
    rates, phases = rng.uniform(0.4, 2.2, count), rng.random(count)
    reach = rng.uniform(0.03, 0.3)
    colours = np.array([0.2, 0.5, 0.15]) * rng.uniform(0.5, 1.6, (count, 1))

    def pieces(t: float) -> list[Piece]:
        bent = reach * tall * (np.sin(2 * np.pi * (rates * t + phases)) + lean(np.array([t]))[0])
        return [
            Piece("capsule", np.array([*feet[i], 0]),
                  np.array([feet[i][0] + bent[i], feet[i][1] + 0.3 * bent[i], tall[i]]),
                  0.012 * size, np.clip(np.array([*colours[i], 1]), 0, 1))
            for i in range(count)
        ]  # fmt: skip

    stage.drawn.append(pieces)
    stage.hums.append(lambda t: np.full(len(t), 0.2))


def wheel(stage: Stage) -> None:
    """A fan, wheel or propeller turns evenly."""
    rng, size = stage.rng, _scale(stage, 0.4, 2)
    add_surface(stage)
    stage.middle = np.array([0, 0, 0.5 * size])
    blades, rate = rng.integers(2, 9), rng.uniform(0.2, 4) * rng.choice([-1, 1])
    colours = np.clip(rng.uniform(0.1, 0.9, 3) + rng.uniform(-0.2, 0.2, (blades, 3)), 0, 1)
    begins = _ease(rng.uniform(-3, 2), rng.uniform(2, 4))
    long, high = 0.4 * size, 0.5 * size

    def pieces(t: float) -> list[Piece]:
        turn = 2 * np.pi * rate * t
        made = []
        for i in range(blades):
            angle = turn + 2 * np.pi * i / blades
            end = np.array([long * np.cos(angle), 0, high + long * np.sin(angle)])
            made.append(Piece("capsule", np.array([0, 0, high]), end, 0.05 * size,
                              np.array([*colours[i], 1])))  # fmt: skip
        return made

    stage.drawn.append(pieces)
    stage.hums.append(lambda t: 0.6 * np.maximum(begins(t), 0.5))


def gliders(stage: Stage) -> None:
    """Skaters, boats, balloons and cars glide by, slow down or turn, and touch nothing."""
    rng, size = stage.rng, _scale(stage, 1, 5)
    add_surface(stage, table=False)
    stage.middle = np.array([0, 0, 0.3 * size])
    for _ in range(rng.integers(1, 4)):
        along, aside = _wander(rng, 2.5 * size, 0.05, 0.5), _wander(rng, 1.0 * size, 0.05, 0.5)
        up = _wander(rng, 0.3 * size, 0.05, 0.6)
        drift, high = rng.uniform(-0.4, 0.4) * size, rng.choice([0.0, 0.4]) * size
        half = size * rng.uniform(0.05, 0.25, 3)
        shape, look = str(rng.choice(["box", "ellipsoid"])), len(stage.textures)
        _material(stage)

        def pieces(
            t: float, along: Curve = along, aside: Curve = aside, up: Curve = up,
            drift: float = drift, high: float = high, half: Floats = half, shape: str = shape,
            look: int = look,
        ) -> list[Piece]:  # fmt: skip
            now = np.array([t])
            x = along(now)[0] + drift * (t - 3)
            at = np.array([x, aside(now)[0], half[2] + high + (up(now)[0] if high else 0)])
            ahead = np.array([t + 0.05])
            turn = np.arctan2(aside(ahead)[0] - at[1], along(ahead)[0] - along(now)[0] + 1e-6)
            cos, sin = np.cos(turn), np.sin(turn)
            turned = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
            return [Piece(shape, at, half, 0, np.ones(4), look, turned)]

        stage.drawn.append(pieces)
        stage.follow = lambda t, pieces=pieces: pieces(t)[0].a
    stage.hums.append(lambda t: np.full(len(t), 0.25))


def gestures(stage: Stage) -> None:
    """Arms wave and point without touching anything; heads nod."""
    rng = stage.rng
    stage.size = 1.2
    add_surface(stage, table=False)
    stage.middle = np.array([0, 0, 1.1])
    skin = rng.choice([0.9, 0.75, 0.5]) * np.array([1, 0.8, 0.68])
    shirt = rng.uniform(0.05, 0.95, 3)
    lively = rng.uniform(0.3, 2.0)
    curves = [_wander(rng, rng.uniform(0.1, 0.6), 0.1, lively) for _ in range(9)]
    stand = _wander(rng, 0.1, 0.05, 0.3)

    def pieces(t: float) -> list[Piece]:
        now = np.array([t])
        a = [float(curve(now)[0]) for curve in curves]
        middle = np.array([float(stand(now)[0]), 0, 0])
        head = middle + np.array([0.1 * a[6], -0.05 + 0.1 * a[7], 1.62])
        made = [
            Piece("capsule", middle + UP * 0.9, middle + UP * 1.35, 0.16, np.array([*shirt, 1])),
            Piece("ellipsoid", head, np.array([0.09, 0.1, 0.12]), 0, np.array([*skin, 1])),
        ]  # fmt: skip
        for side, b in ((-1, a[0:3]), (1, a[3:6])):
            upper = np.array([side * (0.12 + 0.2 * b[0]), -0.15 - 0.15 * b[1], 0.2 * b[2] - 0.2])
            lower = np.array([0.4 * b[1] - 0.1 * side, 0.1 * b[0] - 0.18, 0.15 + 0.4 * b[2]])
            shoulder = middle + np.array([0.2 * side, 0, 1.4])
            elbow = shoulder + upper
            wrist = elbow + lower
            made += [
                Piece("capsule", shoulder, elbow, 0.05, np.array([*shirt, 1])),
                Piece("capsule", elbow, wrist, 0.04, np.array([*skin, 1])),
                Piece("ellipsoid", wrist, np.array([0.05, 0.05, 0.08]), 0, np.array([*skin, 1])),
            ]
        return made

    stage.drawn.append(pieces)


def statics(stage: Stage) -> None:
    """Things stand; only the camera moves."""
    rng, size = stage.rng, _scale(stage)
    add_surface(stage)
    stage.middle = np.array([0, 0, 0.2 * size])
    for _ in range(rng.integers(2, 8)):
        half = size * rng.uniform(0.05, 0.3, 3)
        look = f'material="{_material(stage)}"'
        at = _numbers(*(rng.uniform(-0.9, 0.9, 2) * size), half[2])
        shape = str(rng.choice(["box", "cylinder", "ellipsoid"]))
        stage.bodies.append(f'<geom type="{shape}" size="{_numbers(*half)}" pos="{at}" {look}/>')


# Walkers


@cache
def read_mocap(folder: Path) -> list[tuple[str, Floats, list[str], list[int], Floats]]:
    """Motions of a folder: name, (n, joints, 3) metres at 60 a second with z up, the joints' names
    and parents, and the times of foot contacts.

    The folder holds NAME.npz (pos in mm with y up, length, clip, joint_names, parents) and
    contacts.csv (set, clip, onset_s).

    Raises:
        UsageError: it does not.
    """
    table = folder / "contacts.csv"
    if not table.is_file():
        raise UsageError(f"{folder} has no contacts.csv.", "Give --mocap a folder of motions.")
    landings: dict[tuple[str, str], list[float]] = defaultdict(list)
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            landings[row["set"], row["clip"]].append(float(row["onset_s"]))
    motions = []
    for path in sorted(folder.glob("*.npz")):
        held = np.load(path)
        ends = np.cumsum(held["length"])
        names = [str(name) for name in held["joint_names"]]
        for clip, end, length in zip(held["clip"], ends, held["length"], strict=True):
            joints = held["pos"][end - length : end].astype(np.float32) / 1000
            joints = joints[..., [0, 2, 1]] * np.float32([1, -1, 1])  # pyright: ignore
            times = np.sort(landings[path.stem, str(clip)])
            motions.append((f"{path.stem}/{clip}", joints, names, held["parents"].tolist(), times))
    return motions


def is_held_out(motion: str) -> bool:
    """Whether no training may read a motion: one in five, by its name. A person can be in both."""
    return zlib.crc32(motion.encode()) % 5 == 0


def walker(stage: Stage, mocap: Path, held_out: bool) -> None:
    """Somebody of a motion capture, drawn as capsules; each foot is heard as it lands."""
    rng = stage.rng
    motions = [m for m in read_mocap(mocap) if is_held_out(m[0]) == held_out and len(m[1]) > 60]
    stage.size = 1.8
    add_surface(stage, table=False)
    for _ in range(1 + (rng.random() < 0.15)):
        chosen = motions[rng.integers(len(motions))]
        _walk(stage, *chosen[1:])


def _walk(
    stage: Stage, joints: Floats, names: list[str], parents: list[int], landings: Floats
) -> None:
    rng, n = stage.rng, len(joints)
    first = rng.integers(0, max(1, n - int(stage.seconds * 60)))
    speed = rng.choice([1.0, 1.0, 1.0, rng.uniform(0.8, 1.25)])
    turn = rng.uniform(-np.pi, np.pi)
    spin = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    joints = (joints[first:] - [*joints[first:, 0].mean(0)[:2], 0]) @ spin.T
    joints = joints + np.array([*rng.uniform(-0.5, 0.5, 2), 0])
    lasts = (len(joints) - 1) / 60 / speed
    looks = rng.uniform(0.05, 0.95, (4, 3))
    fat = rng.uniform(0.85, 1.3)
    limbs = [(j, parents[j], *_limb(names[j])) for j in range(len(names)) if parents[j] >= 0]
    feet = [j for j, name in enumerate(names) if "foot" in name.lower()]

    def at(t: float) -> Floats:
        place = min(max(t, 0), lasts) * 60 * speed
        i = min(int(place), len(joints) - 2)
        return joints[i] + (place - i) * (joints[i + 1] - joints[i])

    def pieces(t: float) -> list[Piece]:
        now = at(t)
        return [
            Piece("capsule", now[p], now[j], fat * wide, np.array([*looks[part], 1]))
            for j, p, wide, part in limbs
            if np.linalg.norm(now[p] - now[j]) > 1e-3
        ]

    stage.drawn.append(pieces)
    stage.follow = lambda t: at(t)[0]
    stage.details.append(lambda t: at(t)[feet].mean(0))
    for landing in (landings - first / 60) / speed:
        if not 0 < landing < min(stage.seconds, lasts):
            continue
        now, before = at(landing), at(landing - 0.1)
        falls = (before[feet] - now[feet])[:, 2] / 0.1
        foot = (
            feet[int(now[feet][:, 2].argmin())] if falls.max() <= 0 else feet[int(falls.argmax())]
        )
        fall = float(np.clip(falls.max(), 0.1, 3))
        stage.contacts.append(
            Contact(time=float(landing), strength=float(np.clip(0.3 + 0.3 * fall, 0.3, 1)),
                    place=tuple(now[foot]), thing="foot", material="rubber", on=stage.ground,
                    speed=fall, mass=70.0)
        )  # fmt: skip


def _limb(name: str) -> tuple[float, int]:
    """How thick a limb is drawn, and which of four colours it has."""
    name = name.lower()
    for words, wide, part in (
        (("toe", "foot"), 0.045, 2), (("leg", "calf", "thigh"), 0.065, 1),
        (("spine", "back", "waist", "pelvis", "hip"), 0.12, 0), (("head", "neck"), 0.08, 3),
        (("hand", "finger", "thumb"), 0.03, 3),
    ):  # fmt: skip
        if any(word in name for word in words):
            return wide, part
    return 0.04, 0


# Physics


def _at_body(name: str) -> Callable[[float], Floats]:
    """Where a body is; `simulate` fills in the path."""

    def at(t: float) -> Floats:
        path = PATHS[name]
        return path[min(int(t * PHYSICS), len(path) - 1)]

    return at


PATHS: dict[str, Floats] = {}  # body -> (steps, 3) of the film that is being made


def simulate(model: Any, stage: Stage) -> tuple[Floats, Floats]:
    """Let it happen: positions of all joints at each step, and the activity of what slides.

    Impacts are added to the stage's contacts.
    """
    import mujoco  # pyright: ignore[reportMissingImports]

    data = mujoco.MjData(model)  # pyright: ignore
    steps = int(stage.seconds * PHYSICS) + 1
    for thing in stage.things:
        if thing.start:
            joint = model.body(thing.name).jntadr[0]
            first = model.jnt_dofadr[joint]
            data.qvel[first : first + 6] = thing.start
    times = np.arange(steps) / PHYSICS
    wanted = np.stack([curve(times) for curve in stage.wanted]) if stage.wanted else None
    states = np.empty((steps, model.nq), np.float32)
    forces = np.zeros((steps, model.nbody), np.float32)
    partners = np.full((steps, model.nbody), -1, np.int16)
    places = np.empty((steps, model.nbody, 3), np.float32)
    meets = np.zeros((steps, model.nbody, 3), np.float32)  # force times where it is
    slides = np.zeros(steps, np.float32)
    bodies = model.geom_bodyid
    for step in range(steps):
        if wanted is not None:
            data.ctrl[:] = wanted[:, step]
        mujoco.mj_step(model, data)  # pyright: ignore
        states[step], places[step] = data.qpos, data.xpos
        if data.ncon:
            contact, held = data.contact, data.contact.efc_address >= 0
            first, second = bodies[contact.geom[held]].T
            normal = data.efc_force[contact.efc_address[held]]
            for a, b in ((first, second), (second, first)):
                np.add.at(forces[step], a, normal)
                np.add.at(meets[step], a, normal[:, None] * contact.pos[held])
                partners[step, a] = b
            slides[step] = _sliding(data, contact, held, normal, bodies)
    PATHS.clear()
    PATHS.update({thing.name: places[:, model.body(thing.name).id] for thing in stage.things})
    stage.contacts += _impacts(model, stage, forces, partners, meets)
    return states, uniform_filter1d(slides, LISTEN * 8, mode="nearest")


def _sliding(data: Any, contact: Any, held: Floats, normal: Floats, bodies: Floats) -> float:
    """How loud what slides is, 0 to 1: friction at its limit, times the speed along the ground."""
    first = contact.efc_address[held]
    along = np.hypot(data.efc_force[first + 1], data.efc_force[first + 2])
    slips = along > 0.9 * contact.friction[held, 0] * normal
    if not slips.any():
        return 0.0
    moving = np.maximum(*bodies[contact.geom[held][slips]].T)
    speeds = np.linalg.norm(data.cvel[moving, 3:], axis=1)
    return float(min(1.0, speeds.max()) * 0.7)


def _impacts(
    model: Any, stage: Stage, forces: Floats, partners: NDArray[np.int16], meets: Floats
) -> list[Contact]:
    """Sudden pushes: a body's impulse over some ms, less what rested on it just before.

    They are where the bodies touch, which of a tool is its end: ``meets`` (steps, bodies, 3) is the
    force times where it is.
    """
    found: list[Contact] = []
    materials = {model.body(thing.name).id: thing for thing in stage.things}
    for body, thing in materials.items():
        force = forces[:, body]
        sums = np.concatenate([[0], np.cumsum(force)])
        steps = np.arange(len(force))
        ahead = sums[np.minimum(steps + LISTEN, len(force))] - sums[steps]
        behind = (sums[steps] - sums[np.maximum(steps - 40, 0)]) * LISTEN / 40
        mass = float(model.body_subtreemass[body])
        speeds = (ahead - behind) / PHYSICS / mass
        last, before = -RINGING, 0.0
        for step in np.flatnonzero((speeds > SOFTEST) & (steps > 40)):
            if step - last < APART or force[step : step + 2].max() <= 0:
                continue
            speed = float(speeds[step : step + LISTEN].max())
            if step - last < RINGING and speed < 0.35 * before:
                continue
            last, before = int(step), speed
            other = materials.get(int(partners[step : step + LISTEN, body].max()))
            place = meets[step : step + LISTEN, body].sum(0) / force[step : step + LISTEN].sum()
            found.append(
                Contact(time=step / PHYSICS, place=tuple(place.tolist()), thing=thing.name,
                        strength=float(np.clip(0.1 + 0.3 * np.sqrt(speed), 0, 1)), speed=speed,
                        material=thing.material, on=other.material if other else stage.ground,
                        mass=mass)
            )  # fmt: skip
    return _together(found)


def _together(contacts: list[Contact], reach: float = 0.02) -> list[Contact]:
    """Two things that meet are heard once."""
    kept: list[Contact] = []
    for contact in sorted(contacts, key=lambda contact: contact.time):
        if kept and contact.time - kept[-1].time < reach:
            first = kept[-1]
            loud = first if first.strength >= contact.strength else contact
            kept[-1] = replace(loud, time=first.time)
        else:
            kept.append(contact)
    return kept


# Camera


def plan_shots(stage: Stage) -> list[Shot]:
    """Cameras from cut to cut: wide or near, still, in the hand, panning, zooming, following."""
    rng = stage.rng
    cuts = np.sort(rng.uniform(0.6, stage.seconds - 0.6, rng.choice([0, 0, 0, 1, 2])))
    edges = [0.0, *(float(cut) for cut in cuts), stage.seconds]
    azimuth = rng.uniform(-np.pi, 0)  # the walls are on the other side
    return [
        draw_shot(stage, start, end, azimuth + rng.uniform(-0.9, 0.9))
        for start, end in itertools.pairwise(edges)
    ]


def draw_shot(stage: Stage, start: float, end: float, azimuth: float) -> Shot:
    rng, size = stage.rng, stage.size
    elevation, distance = rng.uniform(0.05, 0.7), size * rng.uniform(1.4, 3.2)
    looks: Callable[[float], Floats] = lambda t: stage.middle  # noqa: E731
    if stage.details and rng.random() < 0.3:
        looks = stage.details[rng.integers(len(stage.details))]
        distance = size * rng.uniform(0.45, 1.0)
        if rng.random() < 0.6:
            looks = _held(looks, rng.uniform(start, end))
    elif stage.follow and rng.random() < 0.6:
        looks = stage.follow if rng.random() < 0.6 else _held(stage.follow, (start + end) / 2)
    looks = _lagging(looks, start, rng.uniform(0.1, 0.5))
    shake = rng.choice([0.0, 0.0, 0.003, 0.01, 0.03]) * (2 if stage.silent else 1)
    hands = [_wander(rng, shake, 0.3, 3) for _ in range(3)]
    shivers = [_wander(rng, 0.4 * shake, 3, 9) for _ in range(3)]
    moves = rng.random(3) < (0.6 if stage.silent else 0.25)
    begin = rng.uniform(start, end)
    pan = _ease(begin, begin + rng.uniform(0.25, 3))
    turns = rng.uniform(-0.7, 0.7) * moves[0]
    rides = rng.uniform(-0.4, 0.4) * moves[1]
    zooms = rng.uniform(-0.5, 0.5) * moves[2]
    angle = rng.uniform(25, 55)

    def position(t: float) -> Floats:
        around = azimuth + rides * (t - start) / 4
        flat = np.cos(elevation)
        out = np.array([flat * np.cos(around), flat * np.sin(around), np.sin(elevation)])
        right, behind, left = stage.room * 0.93
        return np.clip(
            looks(start) + distance * out, [-left, -9e9, 0.04 * size], [right, behind, 9e9]
        )

    def target(t: float) -> Floats:
        now, at = np.array([t]), looks(t)
        side = turns * float(pan(now)[0])
        out = at - position(t)
        cos, sin = np.cos(side), np.sin(side)
        out = np.array([cos * out[0] - sin * out[1], sin * out[0] + cos * out[1], out[2]])
        jitter = np.array(
            [float(h(now)[0] + s(now)[0]) for h, s in zip(hands, shivers, strict=True)]
        )
        return position(t) + out + jitter * distance

    def roll(t: float) -> float:
        return 0.4 * float(hands[0](np.array([t + 3]))[0])

    def view(t: float) -> float:
        return float(angle * np.exp(zooms * float(pan(np.array([t]))[0])))

    return Shot(start, end, position, target, roll, view)


def _held(looks: Callable[[float], Floats], instant: float) -> Callable[[float], Floats]:
    return lambda t: looks(instant)


def _lagging(
    looks: Callable[[float], Floats], start: float, lag: float
) -> Callable[[float], Floats]:
    """The mean of where it was a little while ago: an operator is late and smooth."""
    return lambda t: np.mean([looks(max(start, t - part * lag)) for part in (0, 0.5, 1)], axis=0)


def _frame(shot: Shot, t: float) -> tuple[Floats, Floats, float]:
    """Position, axes (right, up, back as columns) and vertical angle of a camera."""
    position, angle = shot.position(t), shot.view(t)
    back = position - shot.target(t)
    back = back / np.linalg.norm(back)
    right = np.cross([0, 0, 1.0], back)
    right = right / max(float(np.linalg.norm(right)), 1e-6)
    up = np.cross(back, right)
    cos, sin = np.cos(shot.roll(t)), np.sin(shot.roll(t))
    right, up = cos * right + sin * up, cos * up - sin * right
    return position, np.stack([right, up, back], 1), angle


def project(shots: Sequence[Shot], contact: Contact, aspect: float) -> Event:
    """Where a contact is in the picture."""
    shot = next((s for s in shots if s.start <= contact.time < s.end), shots[-1])
    position, axes, angle = _frame(shot, contact.time)
    away = np.array(contact.place) - position
    right, up, back = away @ axes
    depth = max(1e-3, -float(back))
    half = np.tan(np.radians(angle) / 2)
    x, y = 0.5 + right / depth / half / aspect / 2, 0.5 - up / depth / half / 2
    seen = back < 0 and -0.03 < x < 1.03 and -0.05 < y < 1.05
    facts = {name: getattr(contact, name) for name in ("thing", "material", "on")}
    numbers = {name: round(getattr(contact, name), 4) for name in ("time", "strength", "speed")}
    return Event(
        **numbers, **facts, mass=float(f"{contact.mass:.4g}"), x=round(float(np.clip(x, -1, 2)), 3),
        y=round(float(np.clip(y, -1, 2)), 3), seen=bool(seen),
        distance=round(float(np.linalg.norm(away)), 3),
    )  # fmt: skip


# Pictures


@dataclass(frozen=True, slots=True)
class Look:
    """How a film is shot: rate, grain, tone and compression."""

    rate: Fraction = Fraction(25)
    grain: float = 0.0
    contrast: float = 1.0
    shift: float = 0.0
    crf: int = 18
    shadows: bool = True
    shutter: int = 1  # moments whose mean is a picture


def draw_look(rng: Rng) -> Look:
    return Look(
        Fraction(str(rng.choice(["12", "15", "20", "24", "24000/1001", "25", "25", "30",
                                 "30000/1001", "30", "50", "60"]))),
        grain=float(rng.choice([0, 0, 2, 6])) * rng.random(), contrast=rng.uniform(0.5, 1.15),
        shift=rng.uniform(-25, 30), crf=int(rng.integers(20, 37)),
        shadows=bool(rng.random() < 0.4), shutter=int(rng.choice([1, 1, 1, 1, 2])),
    )  # fmt: skip


def draw_film(
    model: Any, stage: Stage, states: Floats, shots: Sequence[Shot], look: Look, out: Path,
    config: RenderConfig,
) -> None:  # fmt: skip
    """Render and encode every picture."""
    import mujoco  # pyright: ignore[reportMissingImports]

    data = mujoco.MjData(model)  # pyright: ignore
    renderer = mujoco.Renderer(model, config.height, config.width, max_geom=600)
    count = int(stage.seconds * look.rate)
    try:
        with av.open(str(out), "w", format="mp4") as file:
            stream = file.add_stream("libx264", rate=look.rate)
            stream.width, stream.height, stream.pix_fmt = config.width, config.height, "yuv420p"
            stream.options = {
                "crf": str(look.crf),
                "preset": "veryfast",
                "x264-params": SAME_BYTES,
            }
            stream.codec_context.thread_count = 1
            for n in range(count):
                moments = [
                    (n + part / 2 / look.shutter) / look.rate for part in range(look.shutter)
                ]
                pictures = [
                    _picture(mujoco, renderer, model, data, stage, states, shots, float(t))
                    for t in moments
                ]
                picture = np.mean(pictures, axis=0) if len(pictures) > 1 else pictures[0]
                frame = av.VideoFrame.from_ndarray(_filmed(stage.rng, picture, look), "rgb24")
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    finally:
        renderer.close()


def _filmed(rng: Rng, picture: NDArray[Any], look: Look) -> NDArray[np.uint8]:
    levels = 128 + look.contrast * (picture.astype(np.float32) - 128) + look.shift
    if look.grain:
        levels += look.grain * rng.standard_normal((*levels.shape[:2], 1), np.float32)
    return np.clip(levels, 0, 255).astype(np.uint8)


def _picture(
    mujoco: Any, renderer: Any, model: Any, data: Any, stage: Stage, states: Floats,
    shots: Sequence[Shot], t: float,
) -> NDArray[np.uint8]:  # fmt: skip
    data.qpos[:] = states[min(int(t * PHYSICS), len(states) - 1)]
    mujoco.mj_kinematics(model, data)
    mujoco.mj_camlight(model, data)
    shot = next((s for s in shots if s.start <= t < s.end), shots[-1])
    position, axes, angle = _frame(shot, t)
    data.cam_xpos[0], data.cam_xmat[0] = position, axes.ravel()
    model.cam_fovy[0] = angle
    renderer.update_scene(data, camera="camera")
    for draw in stage.drawn:
        for piece in draw(t):
            _add(mujoco, renderer.scene, piece)
    return renderer.render()


def _add(mujoco: Any, scene: Any, piece: Piece) -> None:
    if scene.ngeom >= scene.maxgeom:
        return
    kind = getattr(mujoco.mjtGeom, f"mjGEOM_{piece.shape.upper()}")
    geom = scene.geoms[scene.ngeom]
    sizes = np.zeros(3) if piece.shape == "capsule" else np.asarray(piece.b, np.float64)
    mujoco.mjv_initGeom(
        geom, kind, sizes, np.asarray(piece.a, np.float64), piece.turned.ravel().astype(np.float64),
        piece.colour.astype(np.float32),
    )  # fmt: skip
    if piece.shape == "capsule":
        ends = (np.asarray(end, np.float64) for end in (piece.a, piece.b))
        mujoco.mjv_connector(geom, kind, piece.width, *ends)
    geom.matid = piece.material
    geom.category = mujoco.mjtCatBit.mjCAT_DYNAMIC
    scene.ngeom += 1


# Films


THINGS: list[tuple[Callable[[Stage], None], float]] = [
    (drop, 0.24), (throw, 0.08), (roll, 0.1), (slide, 0.08), (strike, 0.26), (keys, 0.07),
    (place, 0.09), (door, 0.05), (swing, 0.03),
]  # fmt: skip
QUIET: list[tuple[Callable[[Stage], None], float]] = [
    (flag, 0.14), (waves, 0.14), (plants, 0.14), (wheel, 0.13), (gliders, 0.19), (gestures, 0.16),
    (statics, 0.1),
]  # fmt: skip


def _draw_setup(
    table: list[tuple[Callable[[Stage], None], float]], rng: Rng
) -> Callable[[Stage], None]:
    setups, shares = zip(*table, strict=True)
    return setups[rng.choice(len(setups), p=np.array(shares) / sum(shares))]


def render_film(out: Path, config: RenderConfig, number: int) -> None:
    """Write one film and what is known of it; a film that is there is left as it is."""
    if out.with_suffix(".json").exists():
        return
    rng = np.random.default_rng((config.seed, zlib.crc32(config.kind.encode()), number))
    photos = Photos(Path(config.photos) if config.photos else None, rng)
    stage = Stage(rng, photos, config.seconds, silent=config.kind == "quiet")
    if config.kind == "walkers":
        setup = "walker"
        walker(stage, Path(config.mocap), config.held_out)
    else:
        chosen = _draw_setup(THINGS if config.kind == "things" else QUIET, rng)
        setup = chosen.__name__
        chosen(stage)
    finish(out, stage, config, draw_look(rng), config.kind, setup)


def finish(
    out: Path, stage: Stage, config: RenderConfig, look: Look, kind: str, setup: str,
    shots: list[Shot] | None = None,
) -> Film:  # fmt: skip
    """Simulate, render and write a stage."""
    model = build(stage, config.width, config.height, look.shadows)
    states, slides = simulate(model, stage)
    shots = shots or plan_shots(stage)
    aspect = config.width / config.height
    events = [project(shots, contact, aspect) for contact in sorted(
        stage.contacts, key=lambda contact: contact.time)]  # fmt: skip
    points = (np.arange(round(stage.seconds * RATE)) + 0.5) / RATE
    activity = np.interp(points, np.arange(len(slides)) / PHYSICS, slides)
    activity = np.maximum.reduce([activity, *(hum(points) for hum in stage.hums)])
    film = Film(
        kind, setup, stage.seconds, float(look.rate), [shot.start for shot in shots[1:]], events,
        np.round(np.clip(activity, 0, 1), 3).tolist(),
    )  # fmt: skip
    with atomic_output(out, overwrite=True) as beside:
        draw_film(model, stage, states, shots, look, beside, config)
    with atomic_output(out.with_suffix(".json"), overwrite=True) as beside:
        beside.write_text(json.dumps(asdict(film)))
    return film


def render_films(
    out: Path, config: RenderConfig, count: int, jobs: int
) -> Iterator[tuple[str, str]]:
    """Render ``count`` films of a kind, or pairs of them; those that are there are kept.

    Yields:
        the name of each and its problem, "" where there is none.

    Raises:
        UsageError: the kind is unknown, or its folder was made with other settings.
        ModelError: MuJoCo is not installed.
    """
    if config.kind not in KINDS:
        raise UsageError(f"--kind {config.kind} is unknown.", f"Of {', '.join(KINDS)}.")
    if config.kind == "walkers" and not config.mocap:
        raise UsageError("Walkers need joint positions.", "Give --mocap FOLDER.")
    _need_mujoco()
    keep_settings(out, asdict(config))
    work = partial(_render_number, out, config)
    for number, problem in do_all(work, range(count), jobs):
        yield film_name(config, number), problem
    write_events(out)


def _need_mujoco() -> None:
    os.environ.setdefault("MUJOCO_GL", "egl")
    os.environ.setdefault("LP_NUM_THREADS", "1")  # Mesa's software renderer
    try:
        import mujoco  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ModelError("MuJoCo is not installed.", "pip install 'foleycli[train]'") from error


def film_name(config: RenderConfig, number: int) -> str:
    return f"{config.kind}{number:05d}"


def _render_number(out: Path, config: RenderConfig, number: int) -> None:
    _need_mujoco()
    name = film_name(config, number)
    if config.kind == "pairs":
        render_pair(out, config, number)
    else:
        render_film(out / f"{name}.mp4", config, number)


def write_events(out: Path) -> None:
    """events.csv from the .json files."""
    rows = []
    for path in sorted(out.glob("*.json")):
        if path.name != "settings.json":
            facts = json.loads(path.read_text())
            rows += [{"file": f"{path.stem}.mp4", **event} for event in facts["events"]]
    columns = ("file", *(name for name in Event.__slots__))
    write_table(out / EVENTS, columns, rows)


# Pairs: two films that differ in one factor


@dataclass(frozen=True, slots=True)
class Case:
    """What a film of a pair shows: a thing falls, or a tool strikes."""

    setup: str  # drop or strike
    shape: str
    size: float  # half the thing's width
    material: str
    height: float  # metres it falls
    speed: float  # m/s downward at first; of a tool: radians it is lifted
    aside: float  # metres to the right
    distance: float  # of the camera


def _draw_case(rng: Rng) -> Case:
    setup = str(rng.choice(["drop", "drop", "strike"]))
    return Case(
        setup, str(rng.choice(["sphere", "box"])), float(rng.uniform(0.05, 0.09)),
        str(rng.choice(["wood", "plastic", "stone"])), float(rng.uniform(0.35, 0.5)),
        0.45 if setup == "strike" else 0.0, float(rng.uniform(0.1, 0.25)),
        float(rng.uniform(2.6, 3.2)),
    )  # fmt: skip


def change(case: Case, factor: str) -> Case:
    """The same with one factor changed."""
    other = {"wood": "metal", "plastic": "wood", "stone": "rubber"}
    return {
        "nearer": lambda: replace(case, distance=case.distance / 2.2),
        "faster": lambda: replace(case, speed=case.speed * 2.2 if case.speed else 2.5),
        "heavier": lambda: replace(case, size=case.size * 1.8),
        "material": lambda: replace(case, material=other[case.material]),
        "left": lambda: replace(case, aside=case.aside - 0.7),
    }[factor]()


def render_pair(out: Path, config: RenderConfig, number: int) -> None:
    """Two films, a and b, and a row of pairs.csv; the factors take turns."""
    factor = FACTORS[number % len(FACTORS)]
    rng = np.random.default_rng((config.seed, zlib.crc32(b"pairs"), number))
    case = _draw_case(rng)
    seed = int(rng.integers(2**31))
    names = [f"pair{number:04d}_{factor}_{side}" for side in "ab"]
    for name, shown in zip(names, (case, change(case, factor)), strict=True):
        if not (out / f"{name}.json").exists():
            _render_case(out / f"{name}.mp4", config, shown, seed)
    _note_pair(out, {"pair": number, "factor": factor, "setup": case.setup,
                     "a": f"{names[0]}.mp4", "b": f"{names[1]}.mp4"})  # fmt: skip


def _render_case(out: Path, config: RenderConfig, case: Case, seed: int) -> None:
    rng = np.random.default_rng(seed)
    photos = Photos(Path(config.photos) if config.photos else None, rng)
    stage = Stage(rng, photos, config.seconds)
    add_surface(stage, "wood", table=False)
    if case.setup == "drop":
        sizes = [case.size] if case.shape == "sphere" else [case.size] * 3
        start = (0, 0, -case.speed, 0, 0, 0)
        at = (case.aside, 0, case.size + case.height)
        add_thing(stage, case.shape, sizes, at, case.material, start=start)
    else:
        instants = np.arange(0.8, config.seconds - 0.3, 0.9)
        add_thing(stage, "box", [case.size * 1.5] * 3, (case.aside, 0, 1.5 * case.size), "wood")
        stage.middle = np.array([0.0, 0, 0.0])
        _striker(stage, instants, case)
    position = np.array([0, -case.distance, 0.5])
    shot = Shot(0, config.seconds, lambda t: position, lambda t: np.array([0, 0, 0.3]),
                lambda t: 0.0, lambda t: 38.0)  # fmt: skip
    finish(out, stage, config, Look(), "pairs", case.setup, [shot])


def _striker(stage: Stage, instants: Floats, case: Case) -> None:
    """A mallet of a case comes down on its block."""
    made, length = MATERIALS[case.material], 0.45
    radius = 0.6 * case.size
    stage.bodies.append(
        f'<body name="tool0" pos="{_numbers(case.aside - length, 0, 3 * case.size + radius)}">'
        '<joint name="swing0" type="hinge" axis="0 -1 0" armature="1e-5"/>'
        f'<geom type="capsule" fromto="0 0 0 {length} 0 0" size=".012" mass=".05" '
        f'material="{_material(stage, "wood")}" contype="0" conaffinity="0"/>'
        f'<geom type="sphere" size="{radius:.4g}" pos="{length} 0 0" density="{made.density}" '
        f'material="{_material(stage, case.material)}" {_touch(made)}/></body>'
    )
    inertia = made.density * 4.19 * radius**3 * length**2 + 0.004
    stage.drives.append(
        f'<position joint="swing0" kp="{15000 * inertia:.4g}" kv="{130 * inertia:.4g}"/>'
    )
    stage.things.append(Thing("tool0", case.material))
    lift = _lift(np.random.default_rng(1), instants, stage.seconds)
    stage.wanted.append(lambda t: case.speed * (1.15 * lift(t) - 0.15))


def _note_pair(out: Path, row: dict[str, Any]) -> None:
    with atomic_output(out / f"pair{row['pair']:04d}.row", overwrite=True) as beside:
        beside.write_text(json.dumps(row))
    rows = [json.loads(path.read_text()) for path in sorted(out.glob("pair*.row"))]
    write_table(out / "pairs.csv", ("pair", "factor", "setup", "a", "b"), rows)
