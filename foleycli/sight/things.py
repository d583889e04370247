"""Things with boxes around them: SSD with MobileNetV2 over COCO's 80 kinds.

SSD: arXiv 1512.02325; MobileNetV2 with it: arXiv 1801.04381. The weights are those of
TensorFlow's model zoo, 8-bit; the boxes around which the network codes its own are those of the
configuration that it was trained with (object_detection, ssd_mobilenet_v2_coco.config): six
scales from .2 to .95, five aspect ratios and one more square, fewer and smaller ones in the first
layer.
"""

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foleycli.models.sessions import open_session
from foleycli.sight.sightings import Box, Thing

MODEL = Path(__file__).parent.parent / "models" / "sight" / "ssd_mobilenet_v2_coco.q8.onnx"
SIZE = 300  # pixels a side; the picture is squashed
CELLS = (19, 10, 5, 3, 2, 1)  # a side, of the layers that boxes are read from
SMALLEST, LARGEST = 0.2, 0.95
VARIANCES = np.array([10, 10, 5, 5], np.float32)  # codes are this many times as large
LEAST = 0.2  # score under which nothing is told
OVERLAP = 0.6  # shared part of two boxes from which they hold one thing
MOST = 20  # things in a picture

NAMES = {
    number: name
    for number, name in enumerate(
        "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,,"
        "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,,"
        "backpack,umbrella,,,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,"
        "baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,,wine glass,cup,"
        "fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,"
        "cake,chair,couch,potted plant,bed,,dining table,,,toilet,,tv,laptop,mouse,remote,keyboard,"
        "cell phone,microwave,oven,toaster,sink,refrigerator,,book,clock,vase,scissors,teddy bear,"
        "hair drier,toothbrush".split(","),
        1,
    )
    if name
}
"""COCO's category ids, 1 to 90, of which ten were never used."""


class ThingDetector:
    """Finds things in pictures; 30 ms of one core each."""

    def __init__(self) -> None:
        self._session = open_session(MODEL)

    def find(self, picture: NDArray[np.uint8], least: float = LEAST) -> tuple[Thing, ...]:
        """The things in a picture (height, width, 3), the surest first, at most 20."""
        square = Image.fromarray(picture).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        pixels = np.asarray(square, np.float32)[None] / 127.5 - 1
        codes, logits = self._session.run(["concat:0", "concat_1:0"], {"image:0": pixels})
        return read_things(np.asarray(codes)[0, :, 0], np.asarray(logits)[0], least)


def read_things(
    codes: NDArray[np.float32], logits: NDArray[np.float32], least: float = LEAST
) -> tuple[Thing, ...]:
    """What the network says, codes (1917, 4) and logits (1917, 91), as things."""
    columns = list(NAMES)
    scores = logits[:, columns]
    rows, kinds = np.nonzero(scores > math.log(least / (1 - least)))
    if not len(rows):
        return ()
    sure = 1 / (1 + np.exp(-scores[rows, kinds]))
    boxes = decode_boxes(codes[rows], anchors()[rows])
    kept: list[int] = []
    for i in np.argsort(-sure):
        same = [j for j in kept if kinds[j] == kinds[i]]
        if not same or overlaps(boxes[i], boxes[same]).max() < OVERLAP:
            kept.append(i)
        if len(kept) == MOST:
            break
    return tuple(Thing(NAMES[columns[kinds[i]]], float(sure[i]), _box(boxes[i])) for i in kept)


@lru_cache(maxsize=1)
def anchors() -> NDArray[np.float32]:
    """(1917, 4): centre down, centre right, height and width of the boxes that codes refer to."""
    scales = [*np.linspace(SMALLEST, LARGEST, len(CELLS)), 1.0]
    layers = []
    for layer, cells in enumerate(CELLS):
        scale, between = scales[layer], math.sqrt(scales[layer] * scales[layer + 1])
        shapes = [(scale, ratio) for ratio in (1, 2, 1 / 2, 3, 1 / 3)] + [(between, 1)]
        if layer == 0:
            shapes = [(SMALLEST / 2, 1), (scale, 2), (scale, 1 / 2)]
        sides = np.array([(s / math.sqrt(ratio), s * math.sqrt(ratio)) for s, ratio in shapes])
        centres = (np.arange(cells) + 0.5) / cells
        down, right = np.meshgrid(centres, centres, indexing="ij")
        grid = np.stack([down, right], -1)[:, :, None].repeat(len(shapes), 2)
        layers.append(np.concatenate([grid, np.broadcast_to(sides, grid.shape)], -1).reshape(-1, 4))
    return np.concatenate(layers).astype(np.float32)


def decode_boxes(codes: NDArray[np.float32], around: NDArray[np.float32]) -> NDArray[np.float32]:
    """Codes (n, 4) of centre and size -> (n, 4) left, top, right, bottom, within the picture."""
    down, right, tall, wide = (codes / VARIANCES).T
    anchor_down, anchor_right, height, width = around.T
    down, right = anchor_down + down * height, anchor_right + right * width
    tall, wide = height * np.exp(tall) / 2, width * np.exp(wide) / 2
    boxes = np.stack([right - wide, down - tall, right + wide, down + tall], 1)
    return np.clip(boxes, 0, 1)


def overlaps(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a box (4,) shares with each of (n, 4), over what the two cover together: (n,)."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return shared / np.maximum(np.prod(box[2:] - box[:2]) + areas - shared, 1e-9)


def _box(box: NDArray[np.float32]) -> Box:
    left, top, right, bottom = (float(side) for side in box)
    return left, top, right, bottom
