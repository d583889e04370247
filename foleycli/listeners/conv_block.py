"""The block of which PANNs, CAVP's ear and aiSFX are built, with the names of their weights."""

import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm, then average pooling."""

    def __init__(self, inputs: int, outputs: int, pool: tuple[int, int]):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.pool = pool

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, inputs, time, bands) -> (batch, outputs, time / pool, bands / pool)."""
        mel = F.relu(self.bn1(self.conv1(mel)))
        mel = F.relu(self.bn2(self.conv2(mel)))
        return F.avg_pool2d(mel, self.pool)
