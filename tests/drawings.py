"""Pictures drawn with PIL in which it is known what is where."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Color = NDArray[np.uint8]
WIDTH, HEIGHT = 640, 360


def stop_sign(x: int = 400, y: int = 130, radius: int = 90) -> Color:
    """An octagon that says STOP; its box is radius * cos(22.5 degrees) around the middle."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (120, 160, 200))
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, 250, WIDTH, HEIGHT], fill=(90, 120, 70))
    draw.rectangle([x - 4, y, x + 4, HEIGHT], fill=(130, 130, 130))
    for size, fill in ((radius, (255, 255, 255)), (radius - 6, (190, 20, 30))):
        turns = [math.pi / 8 + n * math.pi / 4 for n in range(8)]
        corners = [(x + size * math.cos(turn), y + size * math.sin(turn)) for turn in turns]
        draw.polygon(corners, fill=fill)
    font = ImageFont.load_default(radius * 2 / 3)
    draw.text((x, y), "STOP", anchor="mm", fill=(255, 255, 255), font=font)
    return np.asarray(image)


def figure(x: int = 220, raised: int = 0) -> Color:
    """Somebody who stands and faces us; the left hand is ``raised`` by some pixels.

    In pixels: nose (x, 72), shoulders (x +- 28, 112), wrists (x +- 66, 205 - raised), ankles
    (x +- 22, 318). Left is the figure's own: at the right of the picture.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), (190, 200, 210))
    draw = ImageDraw.Draw(image)
    skin, shirt, trousers = (224, 172, 130), (40, 70, 150), (50, 50, 60)
    draw.rectangle([0, 300, WIDTH, HEIGHT], fill=(120, 110, 100))
    draw.rounded_rectangle([x - 30, 100, x + 30, 205], 18, fill=shirt)
    for side in (-1, 1):
        up = raised if side == 1 else 0
        wrist, knee, foot = x + side * 66, x + side * 20, x + side * 22
        draw.line([x + side * 28, 112, x + side * 52, 160 - up // 2], fill=shirt, width=18)
        draw.line([x + side * 52, 160 - up // 2, wrist, 205 - up], fill=skin, width=13)
        draw.ellipse([wrist - 9, 200 - up, wrist + 9, 218 - up], fill=skin)
        draw.line([x + side * 15, 200, knee, 260], fill=trousers, width=24)
        draw.line([knee, 260, foot, 318], fill=trousers, width=20)
        draw.ellipse([foot - 14, 312, foot + 14, 328], fill=(30, 20, 20))
    draw.rectangle([x - 8, 85, x + 8, 104], fill=skin)
    draw.ellipse([x - 22, 42, x + 22, 94], fill=skin)
    draw.pieslice([x - 24, 36, x + 24, 90], 180, 360, fill=(60, 40, 30))
    for side in (-1, 1):
        draw.ellipse([x + side * 8 - 3, 62, x + side * 8 + 3, 68], fill=(20, 20, 20))
    draw.line([x - 7, 82, x + 7, 82], fill=(150, 60, 60), width=3)
    return np.asarray(image)
