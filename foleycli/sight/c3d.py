"""C3D (arXiv 1412.0767) as it was tuned to UCF-101: the network of films' inception scores.

Modules carry the names and shapes of the public weights, Chainer's ``conv3d_deepnetA_ucf.npz`` and
``mean2.npz`` of pfnet-research/tgan2, and what goes in is made as that code makes it.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE, MARGIN = 112, 8  # pixels; of the mean picture so many lie above and left of what is taken
CLASSES, PICTURES = 101, 16
CONVOLUTIONS = ("1a", "2a", "3a", "3b", "4a", "4b", "5a", "5b")
WIDTHS = (64, 128, 256, 256, 512, 512, 512, 512)
POOLED = ("1a", "2a", "3b", "4b", "5b")  # after these the largest of two by two by two is taken
MEAN = (3, PICTURES, 128, 171)


class C3d(nn.Module):
    """Sixteen pictures -> logits of 101 actions.

    Args:
        narrow: divides all widths, for tests.
    """

    mean: Tensor

    def __init__(self, narrow: int = 1) -> None:
        super().__init__()
        inputs = 3
        for name, width in zip(CONVOLUTIONS, WIDTHS, strict=True):
            self.add_module(f"conv{name}", nn.Conv3d(inputs, width // narrow, 3, padding=1))
            inputs = width // narrow
        wide = 4096 // narrow
        self.fc6 = nn.Linear(inputs * 4 * 4, wide)
        self.fc7 = nn.Linear(wide, wide)
        self.fc8 = nn.Linear(wide, CLASSES)
        self.register_buffer("mean", torch.zeros(MEAN))

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, 3, 16, height, width), red first, in [-1, 1] -> (batch, 101)"""
        maps = self._prepared(pictures)
        for name in CONVOLUTIONS:
            maps = F.relu(self.get_submodule(f"conv{name}")(maps))
            if name in POOLED:
                sizes = (1, 2, 2) if name == "1a" else (2, 2, 2)
                maps = F.max_pool3d(maps, sizes, ceil_mode=True)  # Chainer covers every edge
        wide = F.relu(self.fc7(F.relu(self.fc6(maps.flatten(1)))))
        return self.fc8(wide)

    def _prepared(self, pictures: Tensor) -> Tensor:
        """Blue first, squashed to 112 by 112 (corners on corners), less the mean film."""
        batch, _, time, *_ = pictures.shape
        planes = 128 * pictures.flip(1).transpose(1, 2).flatten(0, 1)
        small = F.interpolate(planes, (SIDE, SIDE), mode="bilinear", align_corners=True)
        films = small.unflatten(0, (batch, time)).transpose(1, 2)
        here = slice(MARGIN, MARGIN + SIDE)
        return films + 128 - self.mean[:, :, here, here]


def c3d_pictures(pictures: Tensor) -> Tensor:
    """C3D's input: (16, height, width, 3) bytes -> (3, 16, height, width) in [-1, 1]."""
    return (pictures.float() / 127.5 - 1).permute(3, 0, 1, 2)
