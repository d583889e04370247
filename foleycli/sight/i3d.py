"""I3D, the network of published FVD: what is done in 16 pictures (arXiv 1705.07750).

Inception-v1 whose filters have a third side, time. Modules carry the names and shapes of the public
weights (``i3d_pretrained_400.pt`` of songweige/TATS; Kinetics-400), as piergiaj/pytorch-i3d names
them. The Frechet video distance (Unterthiner et al. 2018, arXiv 1812.01717) is over its logits.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 224  # pixels
CLASSES = 400
# (name, channels of the six filters of a block: alone; narrow, 3; narrow, 3; after the maximum)
BLOCKS = (
    ("3b", (64, 96, 128, 16, 32, 32)),
    ("3c", (128, 128, 192, 32, 96, 64)),
    ("4b", (192, 96, 208, 16, 48, 64)),
    ("4c", (160, 112, 224, 24, 64, 64)),
    ("4d", (128, 128, 256, 24, 64, 64)),
    ("4e", (112, 144, 288, 32, 64, 64)),
    ("4f", (256, 160, 320, 32, 128, 128)),
    ("5b", (256, 160, 320, 32, 128, 128)),
    ("5c", (384, 192, 384, 48, 128, 128)),
)
STEM = (64, 64, 192)
Sizes = tuple[int, int, int]  # of time, height, width


class Unit(nn.Module):
    """A convolution as TensorFlow's "same" pads it, its norm, and what is over 0."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs)
        self._kernel, self._stride = (kernel, kernel, kernel), (stride, stride, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, time, height, width) -> (batch, outputs, ...)"""
        return F.relu(self.bn(self.conv3d(pad_same(maps, self._kernel, self._stride))))


class Block(nn.Module):
    """Four looks at the same maps, side by side."""

    def __init__(self, inputs: int, channels: Sequence[int]) -> None:
        super().__init__()
        alone, narrow, wide, narrower, less, last = channels
        self.b0 = Unit(inputs, alone)
        self.b1a, self.b1b = Unit(inputs, narrow), Unit(narrow, wide, 3)
        self.b2a, self.b2b = Unit(inputs, narrower), Unit(narrower, less, 3)
        self.b3b = Unit(inputs, last)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, time, height, width) -> (batch, channels of all four, ...)"""
        largest = max_same(maps, (3, 3, 3), (1, 1, 1))
        looks = (self.b0(maps), self.b1b(self.b1a(maps)), self.b2b(self.b2a(maps)))
        return torch.cat([*looks, self.b3b(largest)], dim=1)


class Head(nn.Module):
    """Numbers of classes of the mean over a picture and over two steps of time."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, classes, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, channels, time, 7, 7) -> (batch, classes), the mean over time"""
        return self.conv3d(F.avg_pool3d(maps, (2, 7, 7), 1)).mean((2, 3, 4))


class I3d(nn.Module):
    """Pictures that follow each other -> logits of what is done in them.

    Args:
        narrow: divides all widths, for tests.
    """

    def __init__(self, narrow: int = 1, classes: int = CLASSES) -> None:
        super().__init__()
        first, second, width = (size // narrow for size in STEM)
        self.Conv3d_1a_7x7 = Unit(3, first, 7, 2)
        self.Conv3d_2b_1x1 = Unit(first, second)
        self.Conv3d_2c_3x3 = Unit(second, width, 3)
        for name, sizes in BLOCKS:
            channels = [size // narrow for size in sizes]
            self.add_module(f"Mixed_{name}", Block(width, channels))
            width = channels[0] + channels[2] + channels[4] + channels[5]
        self.logits = Head(width, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, 3, time, 224, 224) in [-1, 1], nine pictures or more -> (batch, classes)"""
        maps = max_same(self.Conv3d_1a_7x7(pictures), (1, 3, 3), (1, 2, 2))
        maps = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(maps))
        maps = max_same(maps, (1, 3, 3), (1, 2, 2))
        for name, _ in BLOCKS:
            if name == "4b":
                maps = max_same(maps, (3, 3, 3), (2, 2, 2))
            elif name == "5b":
                maps = max_same(maps, (2, 2, 2), (2, 2, 2))
            maps = self.get_submodule(f"Mixed_{name}")(maps)
        return self.logits(maps)


def i3d_pictures(pictures: Tensor) -> Tensor:
    """I3D's input: (time, height, width, 3) bytes -> (3, time, 224, 224) in [-1, 1].

    Squashed by a bilinear filter that does not average, as the public scripts do; give squares of
    about this size.
    """
    planes = pictures.permute(0, 3, 1, 2).float()
    small = F.interpolate(planes, (SIDE, SIDE), mode="bilinear", align_corners=False)
    return (2 * small / 255 - 1).transpose(0, 1)


def pad_same(maps: Tensor, kernel: Sizes, stride: Sizes) -> Tensor:
    """Zeros around the last three axes, so that as many steps come out as stride says; an odd one
    stands behind."""
    pads: list[int] = []
    for size, width, step in zip(maps.shape[2:], kernel, stride, strict=True):
        missing = max(0, width - (size % step or step))
        pads = [missing // 2, missing - missing // 2, *pads]
    return F.pad(maps, pads)


def max_same(maps: Tensor, kernel: Sizes, stride: Sizes) -> Tensor:
    """The largest of each neighbourhood; nothing is under the zeros around."""
    return F.max_pool3d(pad_same(maps, kernel, stride), kernel, stride)
