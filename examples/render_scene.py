"""Render ball.mp4, a scene whose hits are known to the millisecond, and ball.csv, their times.

    python examples/render_scene.py

A basketball drops on a wooden floor and bounces until it rests; after a cut, a hammer drives a
nail. ball.csv is a cue sheet, so that `foley gen examples/ball.mp4 --cues examples/ball.csv`
sounds the scene by its true times.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from foleycli.spot.cues import Cue, write_cues

HERE = Path(__file__).parent
WIDTH, HEIGHT, FRAME_RATE = 640, 360, 24
DURATION, CUT = 6.0, 3.5  # seconds
SCALE = 2  # drawn larger, then shrunk, so that edges are smooth

# The ball: it lands at FIRST_HIT and keeps BOUNCE of its speed at every hit.
RADIUS, DROP = 74, 165  # pixels: its size, and how far it falls at first
FIRST_HIT, FALL, BOUNCE = 0.9, 0.6, 0.7  # s, s, 1
BALL_HITS = 6
FLOOR = 318  # y where the ball touches

# The hammer: it strikes at these times and rises between them.
STRIKES = (4.1, 4.8, 5.5)  # s
RAISED = 0.35  # radians
SWING, REST = 0.16, 0.06  # s that a blow takes from above, and that it stays down


def ball_hits() -> list[tuple[float, float]]:
    """When the ball lands (s) and how fast it is then, 1 at the first."""
    hits, time = [], FIRST_HIT
    for n in range(BALL_HITS):
        hits.append((time, BOUNCE**n))
        time += 2 * FALL * BOUNCE ** (n + 1)
    return hits


def ball_height(time: float) -> float:
    """Pixels between ball and floor."""
    if time < FIRST_HIT:
        return DROP * (1 - (max(0.0, time - FIRST_HIT + FALL) / FALL) ** 2)
    landed, speed = [hit for hit in ball_hits() if hit[0] <= time][-1]
    if speed == BOUNCE ** (BALL_HITS - 1):
        return 0.0
    flight = (time - landed) / FALL  # the height is v t - g t^2 / 2, in units of the drop
    return max(0.0, DROP * (2 * BOUNCE * speed * flight - flight**2))


def hammer_angle(time: float) -> float:
    """Radians above the nail: 0 when it strikes."""
    before = min((strike - time for strike in STRIKES if strike > time), default=math.inf)
    after = min((time - strike for strike in STRIKES if strike <= time), default=math.inf)
    if before < SWING:  # faster and faster
        return RAISED * (1 - (1 - before / SWING) ** 2)
    return RAISED * (1 - math.exp(-max(0.0, after - REST) / 0.15))


def draw_room(wall: tuple[int, int, int], horizon: int) -> Image.Image:
    """A wall and a floor of planks in perspective."""
    rng = np.random.default_rng(0)
    size = (WIDTH * SCALE, HEIGHT * SCALE)
    image = Image.new("RGB", size, wall)
    draw = ImageDraw.Draw(image)
    top = horizon * SCALE
    for plank in range(-14, 15):
        tone = rng.integers(-14, 15)
        colour = (172 + tone, 122 + tone, 72 + tone)
        near = [(size[0] / 2 + edge * 150 * SCALE, size[1]) for edge in (plank, plank + 1)]
        far = [(size[0] / 2 + edge * 58 * SCALE, top) for edge in (plank + 1, plank)]
        draw.polygon([*near, *far], fill=colour)
        draw.line([near[0], far[1]], fill=(112, 74, 40), width=SCALE)
    draw.rectangle([0, top - 14 * SCALE, size[0], top], fill=(236, 232, 224))
    grain = rng.normal(0, 4, (size[1], size[0], 1))
    return Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8))


def draw_ball(image: Image.Image, x: float, y: float, turn: float) -> None:
    """A basketball: orange, shaded, with its black seams, turned by ``turn`` radians."""
    r = RADIUS * SCALE
    grid = np.mgrid[-r : r + 1, -r : r + 1] / r
    v, u = grid[0], grid[1]
    inside = u**2 + v**2 < 1
    w = np.sqrt(np.clip(1 - u**2 - v**2, 0, 1))
    a = u * math.cos(turn) + v * math.sin(turn)
    b = v * math.cos(turn) - u * math.sin(turn)
    seams = np.minimum(np.abs(a), np.abs(b))
    for side in (-1, 1):
        seams = np.minimum(seams, np.abs(np.hypot(a - side * 1.25, b) - 0.85))
    light = np.clip(0.35 + 0.75 * (-0.45 * u - 0.6 * v + 0.66 * w), 0.25, 1.2)
    dimples = 1 + 0.06 * np.sin(38 * a / (0.3 + w)) * np.sin(38 * b / (0.3 + w))
    colour = np.array([226, 110, 38]) * (light * dimples)[..., None]
    colour[seams < 0.028] = np.array([30, 22, 18])
    patch = Image.fromarray(np.clip(colour, 0, 255).astype(np.uint8))
    mask = Image.fromarray((inside * 255).astype(np.uint8))
    image.paste(patch, (round(x * SCALE - r), round(y * SCALE - r)), mask)


def draw_shadow(image: Image.Image, x: float, y: float, width: float, strength: float) -> None:
    """A soft shadow on the floor."""
    shade = Image.new("L", image.size)
    box = [
        (x - width) * SCALE,
        (y - width / 5) * SCALE,
        (x + width) * SCALE,
        (y + width / 5) * SCALE,
    ]
    ImageDraw.Draw(shade).ellipse(box, fill=round(150 * strength))
    shade = shade.filter(ImageFilter.GaussianBlur(7 * SCALE))
    image.paste((40, 24, 12), (0, 0), shade)


def draw_ball_shot(room: Image.Image, time: float) -> Image.Image:
    """The first shot at a time."""
    image = room.copy()
    x, height = 210 + 62 * time, ball_height(time)
    draw_shadow(image, x, FLOOR - 2, RADIUS * (0.8 + height / 400), 1 - height / 400)
    draw_ball(image, x, FLOOR - RADIUS - height, 1.1 * time)
    return image


def draw_hammer_shot(room: Image.Image, time: float) -> Image.Image:
    """The second shot at a time: a hammer that turns about the hand, a nail in a bench."""
    image = room.copy()
    draw = ImageDraw.Draw(image)

    def at(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(x * SCALE, y * SCALE) for x, y in points]

    draw.polygon(at([(0, 268), (640, 268), (640, 360), (0, 360)]), fill=(188, 142, 86))
    draw.polygon(at([(0, 268), (0, 240), (640, 240), (640, 268)]), fill=(222, 180, 120))
    for y in (282, 301, 317, 340):
        draw.line(at([(0, y), (640, y + 3)]), fill=(164, 118, 66), width=SCALE)
    driven = sum(9 for strike in STRIKES if strike <= time)
    head = 212 + driven
    draw.rectangle([430 * SCALE, head * SCALE, 435 * SCALE, 256 * SCALE], fill=(150, 152, 158))
    draw.rectangle(
        [423 * SCALE, head * SCALE, 442 * SCALE, (head + 4) * SCALE], fill=(120, 122, 130)
    )

    # The hammer lies along the x axis of its own plane, its face down, and turns about the hand.
    hand = (96.0, head - 26.0)
    angle = hammer_angle(time)

    def turned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        cos, sin = math.cos(-angle), math.sin(-angle)
        return at([(hand[0] + x * cos - y * sin, hand[1] + x * sin + y * cos) for x, y in points])

    draw.polygon(turned([(-40, -11), (316, -8), (316, 8), (-40, 11)]), fill=(176, 112, 52))
    draw.polygon(turned([(-40, -11), (316, -8), (316, -3), (-40, -4)]), fill=(206, 146, 84))
    draw.polygon(turned([(-40, -12), (70, -12), (70, 12), (-40, 12)]), fill=(52, 54, 60))
    draw.polygon(turned([(314, -20), (358, -20), (356, 12), (316, 12)]), fill=(108, 112, 120))
    draw.polygon(turned([(318, 10), (354, 10), (358, 26), (314, 26)]), fill=(134, 138, 146))
    claw = [(316, -18), (358, -18), (352, -40), (330, -62), (296, -76), (318, -50), (320, -34)]
    draw.polygon(turned(claw), fill=(92, 96, 104))
    return image


def draw_frames() -> Iterator[Image.Image]:
    """Every frame of the scene, 640 x 360."""
    hall = draw_room((170, 150, 120), 228)
    shop = draw_room((235, 235, 235), 250)
    for n in range(round(DURATION * FRAME_RATE)):
        time = n / FRAME_RATE
        big = draw_ball_shot(hall, time) if time < CUT else draw_hammer_shot(shop, time)
        yield big.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def write_video(path: Path) -> None:
    """Encode the scene as H.264, without sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options={"crf": "23"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for image in draw_frames():
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())


def true_cues() -> list[Cue]:
    """When what sounds; the softer a landing, the quieter."""
    ball = [(time, "basketball bouncing", 20 * math.log10(speed)) for time, speed in ball_hits()]
    hammer = [(time, "hammering", 0.0) for time in STRIKES]
    return [
        Cue(
            start=Fraction(str(round(time, 3))),
            duration=Fraction(1, 2),
            kind="hit",
            what=what,
            level_db=round(level_db, 1),
        )
        for time, what, level_db in ball + hammer
    ]


if __name__ == "__main__":
    write_video(HERE / "ball.mp4")
    write_cues(HERE / "ball.csv", true_cues(), overwrite=True)
