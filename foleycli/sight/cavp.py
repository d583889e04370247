"""CAVP: features of pictures and of sound that agree when the two belong together.

The public model of Diff-Foley (Luo et al. 2023, arXiv 2306.17203): a SlowOnly ResNet-50 sees four
frames a second, a Cnn14 hears a mel spectrogram, and both end in rows of 512 numbers. Modules carry
the names and shapes of the public checkpoint, so that it loads without renaming.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foleycli.config import CAVP, CavpConfig
from foleycli.listeners.conv_block import ConvBlock


class Conv(nn.Module):
    """Convolution and batch norm. The weight is 3-D as published, the arithmetic is 2-D: no kernel
    of the SlowOnly network reaches over space and time at once, and its stride in time is 1.

    In channels-last memory (batch * time, channels, height, width) and (batch, channels, time,
    height * width) are one layout, so that going between them costs nothing.
    """

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int = 1):
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, kernel, bias=False)
        self.bn = nn.BatchNorm3d(outputs)
        self.stride = stride

    def forward(self, pictures: Tensor, frames: int) -> Tensor:
        """(batch * frames, channels, height, width) -> the same with other channels and size."""
        depth, _, size = self.conv.kernel_size
        weight = self.conv.weight
        if depth == 1:
            weight = weight.squeeze(2)
            pictures = F.conv2d(pictures, weight, stride=self.stride, padding=size // 2)
        else:
            pictures = over_time(pictures, weight.squeeze(4), frames)
        return self.bn(pictures.unsqueeze(2)).squeeze(2)


def over_time(pictures: Tensor, weight: Tensor, frames: int) -> Tensor:
    """Convolve every pixel over neighbouring frames, zeros beyond the ends.

    Args:
        pictures: (batch * frames, channels, height, width), channels last in memory.
        weight: (outputs, channels, depth, 1), depth odd.
    """
    _, channels, height, width = pictures.shape
    rows = pictures.permute(0, 2, 3, 1).reshape(-1, frames, height * width, channels)
    rows = F.conv2d(rows.permute(0, 3, 1, 2), weight, padding=(weight.shape[2] // 2, 0))
    rows = rows.permute(0, 2, 3, 1).reshape(-1, height, width, weight.shape[0])
    return rows.permute(0, 3, 1, 2)


class Bottleneck(nn.Module):
    """1 x 1 (or over three frames), 3 x 3, 1 x 1, beside a shortcut."""

    def __init__(self, inputs: int, width: int, depth: int, stride: int, project: bool):
        super().__init__()
        self.conv1 = Conv(inputs, width, (depth, 1, 1))
        self.conv2 = Conv(width, width, (1, 3, 3), stride)
        self.conv3 = Conv(width, 4 * width, (1, 1, 1))
        self.downsample = Conv(inputs, 4 * width, (1, 1, 1), stride) if project else None

    def forward(self, pictures: Tensor, frames: int) -> Tensor:
        """(batch * frames, inputs, h, w) -> (batch * frames, 4 width, h / stride, w / stride)."""
        shortcut = self.downsample(pictures, frames) if self.downsample else pictures
        inner = F.relu(self.conv1(pictures, frames), inplace=True)
        inner = F.relu(self.conv2(inner, frames), inplace=True)
        return F.relu(self.conv3(inner, frames) + shortcut, inplace=True)


class SlowOnly(nn.Module):
    """ResNet-50 over space; the last two of its four stages also see one frame to either side.

    Source: Feichtenhofer et al. 2019, arXiv 1812.03982 (the slow pathway alone).
    """

    BLOCKS = (3, 4, 6, 3)
    DEPTHS = (1, 1, 3, 3)  # frames that the first convolution of a block sees
    ALONE = 2  # stages at the beginning that see each frame alone
    GROUP = 8  # frames that pass those stages at a time: their maps are the largest
    REACH = 9  # frames to either side that can change a feature: one a block of the last stages

    def __init__(self, base_channels: int = 64):
        super().__init__()
        self.conv1 = Conv(3, base_channels, (1, 7, 7), stride=2)
        inputs = base_channels
        for stage, (blocks, depth) in enumerate(zip(self.BLOCKS, self.DEPTHS, strict=True)):
            width = base_channels * 2**stage
            layer = nn.ModuleList()
            for block in range(blocks):
                stride = 2 if block == 0 and stage > 0 else 1
                layer.append(Bottleneck(inputs, width, depth, stride, project=block == 0))
                inputs = 4 * width
            self.add_module(f"layer{stage + 1}", layer)
        self.channels = inputs

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, time, 3, height, width) in [0, 1] -> (batch, time, 32 x base_channels)."""
        return self.look(frames).mean((2, 3)).view(*frames.shape[:2], -1)

    def look(self, frames: Tensor) -> Tensor:
        """Maps of the pictures of `forward`: (batch * time, 32 x base_channels, h / 32, w / 32)."""
        time = frames.shape[1]
        pictures = frames.flatten(0, 1)
        # A batch norm that is being trained must see all of them at once.
        groups = (pictures,) if self.training else pictures.split(self.GROUP)
        pictures = torch.cat([self._see_alone(group) for group in groups])
        for stage in range(self.ALONE, len(self.BLOCKS)):
            pictures = self._pass(stage, pictures, time)
        return pictures

    def _see_alone(self, pictures: Tensor) -> Tensor:
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        pictures = F.relu(self.conv1(pictures, 1), inplace=True)
        pictures = F.max_pool2d(pictures, 3, 2, 1)
        for stage in range(self.ALONE):
            pictures = self._pass(stage, pictures, 1)
        return pictures

    def _pass(self, stage: int, pictures: Tensor, frames: int) -> Tensor:
        for block in self.get_submodule(f"layer{stage + 1}").children():
            pictures = block(pictures, frames)
        return pictures


class Cnn14(nn.Module):
    """The audio network of PANNs (Kong et al. 2020, arXiv 1912.10211), one row per 16 mel frames.

    The published model applies ``fc1`` twice; so does this one.
    """

    POOLS = ((2, 2), (2, 2), (2, 2), (2, 2), (1, 2), (1, 1))

    def __init__(self, n_mels: int = 128, embed_size: int = 512, base_channels: int = 64):
        super().__init__()
        self.bn = nn.BatchNorm2d(n_mels)
        inputs = 1
        for i, pool in enumerate(self.POOLS):
            outputs = base_channels * 2**i
            self.add_module(f"conv_block{i + 1}", ConvBlock(inputs, outputs, pool))
            inputs = outputs
        self.fc1 = nn.Linear(inputs, inputs)
        self.final_project = nn.Linear(inputs, embed_size)

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, n_mels, time) -> (batch, time / 16, embed_size)."""
        bands = self.bn(mel.unsqueeze(3)).permute(0, 3, 2, 1)  # (batch, 1, time, n_mels)
        for i in range(len(self.POOLS)):
            bands = self.get_submodule(f"conv_block{i + 1}")(bands)
        steps = bands.mean(3)
        steps = F.max_pool1d(steps, 3, 1, 1) + F.avg_pool1d(steps, 3, 1, 1)
        steps = F.relu(self.fc1(steps.transpose(1, 2)))
        return self.final_project(F.relu(self.fc1(steps)))


class Cavp(nn.Module):
    """Both encoders and the temperature they were trained with.

    ``hears=False`` leaves the audio half out: sounding a clip needs the pictures only.
    """

    def __init__(self, config: CavpConfig = CAVP, hears: bool = True):
        super().__init__()
        self.config = config
        self.video_encoder = SlowOnly(config.base_channels)
        self.video_project_head = nn.Linear(self.video_encoder.channels, config.size)
        if hears:
            self.spec_encoder = Cnn14(config.n_mels, config.size, config.audio_channels)
            self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def encode_frames(self, frames: Tensor) -> Tensor:
        """One row a frame, not yet of unit length.

        Args:
            frames: (batch, time, 3, height, width), uint8 or in [0, 1]; nothing is subtracted.

        Returns:
            (batch, time, 512)
        """
        return self.video_project_head(self.video_encoder(self._in_unit(frames))).float()

    def unit_rows(self, frames: Tensor) -> Tensor:
        """One film (time, 3, height, width) -> (time, 512) of unit length."""
        return unit_rows(self.encode_frames(frames[None])[0])

    def maps(self, frames: Tensor) -> Tensor:
        """What `encode_frames` takes the mean of, place by place: (batch, time, channels, h, w)."""
        maps = self.video_encoder.look(self._in_unit(frames))
        return maps.unflatten(0, frames.shape[:2])

    def rows(self, pooled: Tensor) -> Tensor:
        """What places add up to, (..., channels), as rows (..., 512), not yet of unit length."""
        weight = self.video_project_head.weight
        return self.video_project_head(pooled.to(weight.dtype)).float()

    def _in_unit(self, frames: Tensor) -> Tensor:
        if frames.dtype == torch.uint8:
            frames = frames.float() / 255
        return frames.to(self.video_project_head.weight.dtype)

    def encode_mel(self, mel: Tensor) -> Tensor:
        """(batch, 128, time) log mel in [0, 1], hop 250 at 16 kHz -> (batch, time / 16, 512)."""
        return self.spec_encoder(mel)


def unit_rows(features: Tensor) -> Tensor:
    """Rows of unit length: what the denoiser is conditioned on."""
    return F.normalize(features, dim=-1)


def pool_time(features: Tensor, steps: int = 16) -> Tensor:
    """One unit row for 4 s, for scores: the maximum over time of rows not yet of unit length.

    (batch, time in [steps, 2 steps), 512) -> (batch, 512)
    """
    return unit_rows(F.max_pool1d(features.transpose(1, 2), steps).squeeze(2))


@torch.inference_mode()
def encode_long(
    cavp: Cavp,
    frames: Iterable[Tensor],
    chunk: int = 32,
    read: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[Tensor]:
    """Rows of a film of any length, as if it had been encoded whole, in memory that stays flat.

    The reference encodes 40 frames at a time, with zeros for neighbours where it cuts; the rows
    beside a cut then differ. Here each chunk sees the 9 real frames on either side that can reach
    it, so that a clip of up to 40 frames gives the reference's rows and a longer one has no seams.

    Args:
        frames: (3, 224, 224) uint8 each, four a second.
        chunk: rows that leave at once.
        read: frames (time, 3, 224, 224) -> what is made of them, (time, ...); rows of unit length
            (time, 512) when None.

    Yields:
        (up to ``chunk``, 512) of unit length, or what ``read`` makes.
    """
    reach, read = cavp.video_encoder.REACH, read or cavp.unit_rows
    waiting: list[Tensor] = []
    before = 0  # frames at the head of `waiting` whose rows have left
    for frame in frames:
        waiting.append(frame)
        if len(waiting) == before + chunk + reach:
            yield read(torch.stack(waiting))[before : before + chunk]
            drop = max(0, before + chunk - reach)
            del waiting[:drop]
            before = before + chunk - drop
    if len(waiting) > before:
        yield read(torch.stack(waiting))[before:]
