"""EfficientNet-lite in torch, as students are trained and as `evaluate.gradcam` looks into it.

What runs when a film is looked at is `foleycli.sight.lite`, the same network on onnxruntime; this
one has its sizes, its weights and their names from there.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu6

from foleycli.errors import ModelError
from foleycli.sight.lite import (
    CLASSES,
    HEAD,
    MEAN,
    SCALE,
    STEM,
    Shape,
    list_blocks,
    published_weights,
    same_padding,
)


class SameConv(nn.Conv2d):
    """Convolution padded as TensorFlow's "SAME" pads: the odd pixel goes right and below."""

    def forward(self, input: Tensor) -> Tensor:
        height, width = (self._padding(side, axis) for axis, side in enumerate(input.shape[-2:]))
        if height[0] == height[1] and width[0] == width[1]:  # the convolution pads without a copy
            around = height[0], width[0]
            return conv2d(input, self.weight, self.bias, self.stride, around, 1, self.groups)
        return super().forward(pad(input, (*width, *height)))

    def _padding(self, side: int, axis: int) -> tuple[int, int]:
        return same_padding(side, self.kernel_size[axis], self.stride[axis])


class Block(nn.Module):
    """Expand, convolve each channel, project; added to its input where the shapes agree."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.expand = SameConv(shape.size, shape.inner, 1) if shape.expansion > 1 else None
        self.depthwise = SameConv(
            shape.inner, shape.inner, shape.kernel, shape.stride, groups=shape.inner
        )
        self.project = SameConv(shape.inner, shape.out, 1)
        self.skip = shape.skip

    def forward(self, maps: Tensor) -> Tensor:
        inner = maps if self.expand is None else relu6(self.expand(maps), inplace=True)
        out = self.project(relu6(self.depthwise(inner), inplace=True))
        return maps + out if self.skip else out


class EfficientNetLite(nn.Module):
    """(batch, 224, 224, 3) 8-bit pictures -> (batch, 1280) embedding, (batch, 1000) logits.

    Batch normalisation is folded into the convolutions.

    Args:
        version: 0, 1 or 2, in order of size.
    """

    def __init__(self, version: int = 0) -> None:
        super().__init__()
        self.version = version
        self.stem = SameConv(3, STEM, 3, 2)
        shapes = list_blocks(version)
        self.blocks = nn.Sequential(*map(Block, shapes))
        self.head = SameConv(shapes[-1].out, HEAD, 1)
        self.classify = nn.Linear(HEAD, CLASSES)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        return self.finish(self.read(pictures, 0), 0)

    def read(self, pictures: Tensor, blocks: int) -> Tensor:
        """What the first ``blocks`` blocks make of pictures: (batch, channels, height, width)."""
        weight = self.stem.weight
        pixels = (pictures.to(weight.device).permute(0, 3, 1, 2).to(weight.dtype) - MEAN) / SCALE
        pixels = pixels.to(memory_format=torch.channels_last)
        maps = relu6(self.stem(pixels), inplace=True)
        return self.blocks[:blocks](maps)

    def finish(self, maps: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
        """The way on from there to embedding and logits."""
        embedding = self.places(maps, blocks).mean(dim=(2, 3))
        return embedding.float(), self.classify(embedding).float()

    def places(self, maps: Tensor, blocks: int) -> Tensor:
        """What the embedding is the mean of, place by place: (batch, 1280, height, width)."""
        return relu6(self.head(self.blocks[blocks:](maps)), inplace=True)

    @classmethod
    def from_pretrained(cls, version: int = 0) -> "EfficientNetLite":
        """The published ImageNet weights.

        Raises:
            ModelError: the package with the weights is not installed.
        """
        model = cls(version).eval().requires_grad_(False)
        weights = published_weights(version)
        model.load_state_dict(
            {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
        )
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model

    @classmethod
    def from_file(cls, path: Path) -> "EfficientNetLite":
        """Weights that were trained here, from a safetensors file of half precision.

        Raises:
            ModelError: the file cannot be read, or holds another network.
        """
        try:
            with safe_open(path, "pt") as file:
                version = int((file.metadata() or {}).get("version", 0))
            model = cls(version).eval().requires_grad_(False)
            model.load_state_dict(load_file(path))
        except (OSError, RuntimeError, KeyError, ValueError, SafetensorError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ModelError(
                f"{path} cannot be read: {reason}.", "Train or pull it again."
            ) from error
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model


def open_networks(weights: Path | None, versions: Sequence[int]) -> list[EfficientNetLite]:
    """A student's network, or published ones.

    Raises:
        ModelError: weights cannot be read, or their package is not installed.
    """
    if weights:
        return [EfficientNetLite.from_file(weights)]
    return [EfficientNetLite.from_pretrained(version) for version in versions]
