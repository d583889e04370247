"""VisAH (arXiv 2505.12154): a network that hears a mix, sees its frames, and gives the mix anew.

A hybrid of a spectrogram and a waveform U-Net (Hybrid Demucs, arXiv 2111.03600) with a transformer
between them that attends to what is seen. Names and shapes are those of the published checkpoints.

The published context encoder attends over the clips of a batch, not over the frames of a clip, for
its attention was built sequence-first and fed batch-first. `HighlightNet(over_frames=False)` does
what weights trained so expect, every clip as a batch of one; networks of our own attend over frames
and know when each was seen.
"""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foleycli.config import VISAH, VisahConfig

Watch = Callable[[str, Tensor], None]
N_FFT, HOP = 4096, 1024  # samples
LEAD = 3 * HOP // 2  # samples reflected before the sound, so that frames stand as convolutions do
LSTM_FRAMES = 200  # steps that the LSTM hears at a time; half as far apart
EMBEDDING_WEIGHT, EMBEDDING_SCALE = 0.2, 10.0
NORMED_FROM = 4  # layers from here on have group norms, LSTM and attention
KERNEL, STRIDE = 8, 4
POSITIONS = 5000  # rows of the published position tables


def unwatched(name: str, value: Tensor) -> None:
    """Steps that nobody looks at."""


# ---- spectrogram ----


def pad_reflected(sound: Tensor, left: int, right: int) -> Tensor:
    """Reflect both ends of (..., samples); a sound shorter than a pad is first filled with zeros.

    The zeros take the place of as much reflection, at the right end before the left.
    """
    short = max(left, right) - sound.shape[-1] + 1
    if short > 0:
        zeros_right = min(right, short)
        zeros_left = short - zeros_right
        sound = F.pad(sound, (zeros_left, zeros_right))
        left, right = left - zeros_left, right - zeros_right
    return F.pad(sound, (left, right), mode="reflect")


def spectrogram(sound: Tensor) -> Tensor:
    """(batch, channels, samples) -> complex (batch, channels, 2048, ceil(samples / 1024))."""
    batch, channels, samples = sound.shape
    frames = math.ceil(samples / HOP)
    padded = pad_reflected(sound, LEAD, LEAD + frames * HOP - samples)
    window = torch.hann_window(N_FFT, device=sound.device, dtype=sound.dtype)
    spectrum = torch.stft(
        padded.reshape(batch * channels, -1), N_FFT, HOP, window=window, return_complex=True
    )
    spectrum = spectrum[:, :-1, 2 : 2 + frames]
    return spectrum.reshape(batch, channels, N_FFT // 2, frames)


def waveform(spectrum: Tensor, samples: int) -> Tensor:
    """The way back from `spectrogram`, to so many samples."""
    batch, channels, bins, frames = spectrum.shape
    flat = F.pad(spectrum.reshape(batch * channels, bins, frames), (2, 2, 0, 1))
    window = torch.hann_window(N_FFT, device=spectrum.device)
    sound = torch.istft(flat, N_FFT, HOP, window=window, length=HOP * frames + 2 * LEAD)
    return sound[:, LEAD : LEAD + samples].reshape(batch, channels, samples)


# ---- layers ----


class Scale(nn.Module):
    """A factor a channel, small at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), 1e-4))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale[:, None]


class FramedLstm(nn.Module):
    """A bidirectional LSTM and its input; long sequences in frames of 200 steps, each alone."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, num_layers=2, bidirectional=True)
        self.linear = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, steps)"""
        batch, channels, steps = x.shape
        if steps <= LSTM_FRAMES:
            return x + self._run(x)
        stride, edge = LSTM_FRAMES // 2, LSTM_FRAMES // 4
        count = math.ceil(steps / stride)
        padded = F.pad(x, (0, stride * (count - 1) + LSTM_FRAMES - steps))
        frames = padded.unfold(-1, LSTM_FRAMES, stride).transpose(1, 2)
        heard = self._run(frames.reshape(batch * count, channels, LSTM_FRAMES))
        heard = heard.reshape(batch, count, channels, LSTM_FRAMES)
        kept = [
            heard[:, n, :, (edge if n else 0) : (LSTM_FRAMES - edge if n < count - 1 else None)]
            for n in range(count)
        ]
        return x + torch.cat(kept, dim=-1)[..., :steps]

    def _run(self, x: Tensor) -> Tensor:
        heard, _ = self.lstm(x.permute(2, 0, 1))
        return self.linear(heard).permute(1, 2, 0)


class LocalAttention(nn.Module):
    """Attention over steps that learns how fast it fades with distance."""

    def __init__(self, channels: int, heads: int = 4, decays: int = 4) -> None:
        super().__init__()
        self.heads, self.decays = heads, decays
        self.content = nn.Conv1d(channels, channels, 1)
        self.query = nn.Conv1d(channels, channels, 1)
        self.key = nn.Conv1d(channels, channels, 1)
        self.query_decay = nn.Conv1d(channels, heads * decays, 1)
        with torch.no_grad():
            self.query_decay.weight *= 0.01
            cast(Tensor, self.query_decay.bias)[:] = -2
        self.proj = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, steps)"""
        batch, channels, steps = x.shape
        queries, keys, content = (
            layer(x).view(batch, self.heads, -1, steps)
            for layer in (self.query, self.key, self.content)
        )
        dots = torch.einsum("bhct,bhcs->bhts", keys, queries) / keys.shape[2] ** 0.5
        places = torch.arange(steps, device=x.device, dtype=x.dtype)
        apart = (places[:, None] - places).abs()
        decays = torch.arange(1, self.decays + 1, device=x.device, dtype=x.dtype)
        fading = -decays[:, None, None] * apart / self.decays**0.5
        wanted = self.query_decay(x).view(batch, self.heads, self.decays, steps).sigmoid() / 2
        dots = dots + torch.einsum("fts,bhfs->bhts", fading, wanted)
        itself = torch.eye(steps, device=x.device, dtype=torch.bool)
        weights = dots.masked_fill(itself, -100).softmax(dim=2)
        out = torch.einsum("bhts,bhct->bhcs", weights, content)
        return x + self.proj(out.reshape(batch, channels, steps))


class Residual(nn.Module):
    """``dconv``: two dilated branches added to their input; deep ones with LSTM and attention."""

    def __init__(self, channels: int, deep: bool) -> None:
        super().__init__()
        hidden = channels // 4
        self.layers = nn.ModuleList()
        for number in range(2):
            dilation = 2**number
            inner = [FramedLstm(hidden), LocalAttention(hidden)] if deep else []
            self.layers.append(
                nn.Sequential(
                    nn.Conv1d(channels, hidden, 3, dilation=dilation, padding=dilation),
                    nn.GroupNorm(1, hidden),
                    nn.GELU(),
                    *inner,
                    nn.Conv1d(hidden, 2 * channels, 1),
                    nn.GroupNorm(1, 2 * channels),
                    nn.GLU(1),
                    Scale(channels),
                )
            )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


def _norm(channels: int, normed: bool) -> nn.Module:
    return nn.GroupNorm(4, channels) if normed else nn.Identity()


class Encoder(nn.Module):
    """Down by a stride; over frequency (2-D) or over time (1-D)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        over_frequency: bool,
        normed: bool = False,
        bare: bool = False,
        kernel: int = KERNEL,
        stride: int = STRIDE,
        pad: int = 2,
    ) -> None:
        super().__init__()
        self.over_frequency, self.stride, self.bare = over_frequency, stride, bare
        if over_frequency:
            self.conv: nn.Module = nn.Conv2d(inputs, outputs, (kernel, 1), (stride, 1), (pad, 0))
        else:
            self.conv = nn.Conv1d(inputs, outputs, kernel, stride, pad)
        if bare:
            return
        self.norm1, self.norm2 = _norm(outputs, normed), _norm(2 * outputs, normed)
        kind = nn.Conv2d if over_frequency else nn.Conv1d
        self.rewrite = kind(outputs, 2 * outputs, 1)
        self.dconv = Residual(outputs, normed)

    def forward(self, x: Tensor, inject: Tensor | None = None) -> Tensor:
        """``inject`` (batch, channels, frames) is added to what the convolution gives."""
        if not self.over_frequency and x.shape[-1] % self.stride:
            x = F.pad(x, (0, self.stride - x.shape[-1] % self.stride))
        y = self.conv(x)
        if self.bare:
            return y
        if inject is not None:
            y = y + (inject[:, :, None] if y.dim() == 4 else inject)
        y = F.gelu(self.norm1(y))
        if self.over_frequency:
            batch, channels, rows, frames = y.shape
            flat = y.permute(0, 2, 1, 3).reshape(-1, channels, frames)
            y = self.dconv(flat).view(batch, rows, channels, frames).permute(0, 2, 1, 3)
        else:
            y = self.dconv(y)
        return F.glu(self.norm2(self.rewrite(y)), dim=1)


class Decoder(nn.Module):
    """Up by a stride, after what the encoder saw is added."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        over_frequency: bool,
        normed: bool = False,
        bare: bool = False,
        last: bool = False,
        kernel: int = KERNEL,
        stride: int = STRIDE,
        pad: int = 2,
    ) -> None:
        super().__init__()
        self.over_frequency, self.bare, self.last, self.pad = over_frequency, bare, last, pad
        self.inputs = inputs
        if over_frequency:
            self.conv_tr: nn.Module = nn.ConvTranspose2d(inputs, outputs, (kernel, 1), (stride, 1))
        else:
            self.conv_tr = nn.ConvTranspose1d(inputs, outputs, kernel, stride)
        self.norm2 = _norm(outputs, normed)
        if bare:
            return
        kind = nn.Conv2d if over_frequency else nn.Conv1d
        self.rewrite = kind(inputs, 2 * inputs, 3, padding=1)
        self.norm1 = _norm(2 * inputs, normed)

    def forward(
        self, x: Tensor, skip: Tensor | None = None, length: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """
        Args:
            skip: what is added to ``x`` first.
            length: steps of the output, of layers over time.

        Returns:
            the output, and what went into the transposed convolution.
        """
        if self.over_frequency and x.dim() == 3:
            x = x[:, :, None]
        before = x
        if not self.bare:
            assert skip is not None
            before = F.glu(self.norm1(self.rewrite(x + skip)), dim=1)
        y = self.norm2(self.conv_tr(before))
        if self.over_frequency:
            y = y[:, :, self.pad : y.shape[2] - self.pad] if self.pad else y
        else:
            y = y[..., self.pad : self.pad + length] if length is not None else y
        return y if self.last else F.gelu(y), before


class FrequencyEmbedding(nn.Module):
    """A vector a row of the spectrogram, alike for neighbours."""

    def __init__(self, rows: int, channels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(rows, channels)
        with torch.no_grad():
            counts = torch.arange(1, rows + 1).sqrt()[:, None]
            self.embedding.weight[:] = (
                self.embedding.weight.cumsum(dim=0) / counts / EMBEDDING_SCALE
            )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, rows, frames)"""
        rows = self.embedding.weight[: x.shape[2]] * EMBEDDING_SCALE
        return x + EMBEDDING_WEIGHT * rows.T[None, :, :, None]


# ---- what is seen ----


class Positions(nn.Module):
    """Sinusoids: even columns sine, odd ones cosine. A buffer, for the checkpoint holds it."""

    pe: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("pe", positions(torch.arange(POSITIONS), width)[None])


def positions(times: Tensor, width: int) -> Tensor:
    """Times (n,) -> (n, width)."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width)).to(times.device)
    angles = times[:, None].float() * rates
    table = torch.zeros(len(times), width, device=times.device)
    table[:, 0::2], table[:, 1::2] = angles.sin(), angles.cos()
    return table


class Attention(nn.Module):
    """Queries of one sequence look at another."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.to_out[0](attended.transpose(1, 2).flatten(2))


class _Gated(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 2 * hidden)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class _FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 4 * width
        self.net = nn.Sequential(_Gated(width, hidden), nn.Identity(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Block(nn.Module):
    """The sound looks at itself, then at the picture."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn1 = Attention(width, heads, width)
        self.ff = _FeedForward(width)
        self.attn2 = Attention(width, heads, width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = x + self.attn1(normed, normed)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class ContextLayer(nn.Module):
    """A pre-norm transformer layer over the frames of a clip."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads)
        self.linear1, self.linear2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor, places: Tensor, over_frames: bool) -> Tensor:
        """``places`` (frames, width) are added to queries and keys."""
        x = x + self._attend(self.norm1(x), places, over_frames)
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))

    def _attend(self, x: Tensor, places: Tensor, over_frames: bool) -> Tensor:
        attn = self.self_attn
        if not over_frames:  # softmax over one clip is 1: only values remain
            width = x.shape[-1]
            bias = attn.in_proj_bias[2 * width :]
            return attn.out_proj(F.linear(x, attn.in_proj_weight[2 * width :], bias))
        placed = (x + places).transpose(0, 1)
        attended, _ = attn(placed, placed, x.transpose(0, 1), need_weights=False)
        return attended.transpose(0, 1)

    def over_batch(self, x: Tensor, places: Tensor) -> Tensor:
        """As the published code runs it: over the clips of a batch, frame by frame."""
        normed = self.norm1(x)
        placed = normed + places
        attended, _ = self.self_attn(placed, placed, normed, need_weights=False)
        x = x + attended
        return x + self.linear2(F.gelu(self.linear1(self.norm2(x))))


class ContextEncoder(nn.Module):
    """The layers over the frames."""

    def __init__(self, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ContextLayer(width, heads) for _ in range(depth))


class LatentModule(nn.Module):
    """The middle of the network: what is heard, in the light of what is seen, and its input."""

    def __init__(self, config: VisahConfig = VISAH) -> None:
        super().__init__()
        self.over_frames = config.over_frames
        channels, width = config.latent_channels, config.width
        self.norm = nn.GroupNorm(32, channels, eps=1e-6)
        self.proj_in = nn.Conv1d(channels, width, 1)
        self.transformer_blocks = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.depth)
        )
        self.context_proj = nn.Linear(config.context_size, width)
        self.context_transformer_encoder = ContextEncoder(
            width, config.context_heads, config.context_depth
        )
        self.proj_out = nn.Conv1d(width, channels, 1)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(cast(Tensor, self.proj_out.bias))
        self.pe = Positions(channels)  # never read; the checkpoint holds it
        self.pe_context = Positions(width)

    def forward(self, x: Tensor, context: Tensor, times: Tensor | None = None) -> Tensor:
        """
        Args:
            x: (batch, channels, steps), over the whole window.
            context: (batch, frames, size) of what is seen.
            times: (frames,) where in the window, 0 to 1, each was seen; only networks that attend
                over frames know. Evenly spread when None.
        """
        seen = self.encode_context(context, times)
        y = self.proj_in(self.norm(x)).transpose(1, 2)
        if self.over_frames:
            y = y + positions(torch.linspace(0, 100, y.shape[1], device=y.device), y.shape[2])
        for block in self.transformer_blocks:
            y = block(y, seen)
        return x + self.proj_out(y.transpose(1, 2))

    def encode_context(self, context: Tensor, times: Tensor | None = None) -> Tensor:
        """(batch, frames, size) -> (batch, frames, width)"""
        seen = self.context_proj(context)
        places = self.pe_context.pe[0, : seen.shape[1]]
        if self.over_frames:
            count = seen.shape[1]
            middles = (torch.arange(count, device=seen.device) + 0.5) / count
            places = positions(100 * (middles if times is None else times), seen.shape[2])
            seen = seen + places
        for layer in self.context_transformer_encoder.layers:
            seen = layer(seen, places, self.over_frames)
        return seen

    def encode_batch(self, context: Tensor) -> Tensor:
        """As the published code encodes several clips at once: each mixed with the others."""
        seen = self.context_proj(context)
        places = self.pe_context.pe[0, : seen.shape[1]]
        for layer in self.context_transformer_encoder.layers:
            seen = cast(ContextLayer, layer).over_batch(seen, places)
        return seen


# ---- the whole ----


class HighlightNet(nn.Module):
    """A mix in, the mix balanced anew out: a mask on its spectrogram, and a waveform beside it."""

    def __init__(self, config: VisahConfig = VISAH) -> None:
        super().__init__()
        self.config = config
        widths = [config.channels * 2**i for i in range(6)]
        ins = [1, *widths[:-1]]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        self.tencoder, self.tdecoder = nn.ModuleList(), nn.ModuleList()
        for i, (inputs, outputs) in enumerate(zip(ins, widths, strict=True)):
            shared = i == 5
            shape: dict[str, Any] = {"normed": i >= NORMED_FROM, "over_frequency": not shared}
            if shared:
                shape |= {"kernel": 4, "stride": 2, "pad": 1}
            elif i == 4:
                shape |= {"pad": 0}
            self.encoder.append(Encoder(inputs, outputs, **shape))
            self.decoder.insert(0, Decoder(outputs, inputs, last=i == 0, **shape))
            if not shared:
                own: dict[str, Any] = {"over_frequency": False, "bare": i == 4}
                own["normed"] = i >= NORMED_FROM
                self.tencoder.append(Encoder(inputs, outputs, **own))
                self.tdecoder.insert(0, Decoder(outputs, inputs, last=i == 0, **own))
        self.freq_emb = FrequencyEmbedding(N_FFT // 2 // STRIDE, widths[0])
        self.rescale()
        self.latent_transformer = LatentModule(config)

    def rescale(self) -> None:
        """Bring the spread of every convolution of the U-Nets near .1 (Demucs' start)."""
        with torch.no_grad():
            for module in self.modules():
                if isinstance(
                    module, nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d | nn.ConvTranspose2d
                ):
                    scale = (module.weight.std() / 0.1) ** 0.5
                    module.weight /= scale
                    if module.bias is not None:
                        module.bias /= scale

    def forward(
        self,
        sound: Tensor,
        context: Tensor,
        times: Tensor | None = None,
        watch: Watch = unwatched,
    ) -> Tensor:
        """
        Args:
            sound: (batch, 1, samples) at 44.1 kHz.
            context: (batch, frames, size) of what is seen.
            times: (frames,), see `LatentModule`.
            watch: is told the inner steps by name.

        Returns:
            (batch, 1, samples)
        """
        spectrum = spectrogram(sound)
        magnitude = spectrum.abs()
        mean, spread = sound.mean(dim=(1, 2), keepdim=True), sound.std(dim=(1, 2), keepdim=True)
        x, xt = magnitude, (sound - mean) / (1e-5 + spread)
        watch("mag_in", magnitude)
        skips, skips_time, lengths, lengths_time = [], [], [], []
        for i, encode in enumerate(self.encoder):
            inject = None
            lengths.append(x.shape[-1])
            if i < len(self.tencoder):
                lengths_time.append(xt.shape[-1])
                xt = self.tencoder[i](xt)
                watch(f"t{i}", xt)
                if i == 4:
                    inject = xt
                else:
                    skips_time.append(xt)
            if i == 5 and x.dim() == 4:
                x = x[:, :, 0]
            x = encode(x, inject)
            if i == 0:
                x = self.freq_emb(x)
            watch(f"f{i}", x)
            skips.append(x)
        x = self.latent_transformer(x, context, times)
        watch("latent_out", x)
        xt = x  # until the second decoder gives the waveform's its start
        for j, decode in enumerate(self.decoder):
            x, before = decode(x, skips.pop(), lengths.pop() if j == 0 else None)
            watch(f"df{j}", x)
            if j == 1:
                xt, _ = self.tdecoder[0](before[:, :, 0], None, lengths_time.pop())
            elif j > 1:
                xt, _ = self.tdecoder[j - 1](xt, skips_time.pop(), lengths_time.pop())
            watch(f"dt{j}", xt)
        mask = x[:, None]
        turned = mask[:, 0] * magnitude
        watch("mask", mask)
        watch("mag_out", turned)
        from_mask = waveform(torch.polar(turned, spectrum.angle()), sound.shape[-1])
        beside = xt * spread + mean
        watch("wave_f", from_mask[:, None])
        watch("wave_t", beside[:, None])
        return from_mask + beside

    def describe(self) -> dict[str, Any]:
        """Its sizes, as a checkpoint keeps them."""
        return asdict(self.config)
