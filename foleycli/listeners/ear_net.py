"""The network of `listeners.ear`: a small stack of separable convolutions over log-mel patches."""

import torch
from torch import Tensor, nn

from foleycli.config import FEATURES


class Separable(nn.Module):
    """A depthwise convolution, then one across channels (arXiv 1704.04861)."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.across_time = nn.Sequential(
            nn.Conv2d(into, into, 3, stride, 1, groups=into, bias=False),
            nn.BatchNorm2d(into),
            nn.ReLU(),
        )
        self.across_channels = nn.Sequential(
            nn.Conv2d(into, out, 1, bias=False), nn.BatchNorm2d(out)
        )
        self.adds = stride == 1 and into == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.across_channels(self.across_time(x))
        return torch.relu(x + y if self.adds else y)


class EarNet(nn.Module):
    """Patches (batch, 96, 64) -> logits of classes, and a vector of words (batch, 384)."""

    def __init__(self, classes: int, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(1, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.body = nn.Sequential(
            Separable(width, 2 * width, 2),  # 24 x 16
            Separable(2 * width, 2 * width, 1),
            Separable(2 * width, 4 * width, 2),  # 12 x 8
            Separable(4 * width, 4 * width, 1),
            Separable(4 * width, 8 * width, 2),  # 6 x 4
            Separable(8 * width, 8 * width, 1),
        )
        self.drop = nn.Dropout(0.2)
        self.classes = nn.Linear(16 * width, classes)
        self.words = nn.Linear(16 * width, FEATURES.what_size)

    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(self.first(patches[:, None])).mean(3)
        pooled = self.drop(torch.cat([x.mean(2), x.amax(2)], dim=1))
        return self.classes(pooled), self.words(pooled)
