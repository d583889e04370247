"""How far apart are sound and picture? Synchformer (Iashin et al. 2024, arXiv 2401.16423).

A transformer over spectrograms (AST, Gong et al. 2021, arXiv 2104.01778) hears segments of 0.64 s
as `foleycli.sight.motionformer` sees them, and a third one looks at 14 segments of both, 4.8 s,
and chooses among 21 offsets from -2 to 2 s. Modules carry the names and shapes of the public
weights (v-iashin/Synchformer, model 24-01-04T16-39-21), so that they load without renaming.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foleycli.config import SYNCHFORMER, SynchformerConfig
from foleycli.sight.motionformer import FRAME_RATE, MOMENTS, SEGMENT, Motionformer, Summary
from foleycli.waveform.mel import hann

SAMPLE_RATE = 16_000  # Hz
FRAME = SAMPLE_RATE // FRAME_RATE  # samples of sound to a picture
SEGMENTS = 14  # that are compared at once: 4.8 s
OFFSETS = torch.linspace(-2, 2, 21)  # seconds, the classes
N_FFT, WINDOW, HOP, N_MELS = 1024, 400, 160, 128
STEPS = 66  # of a segment's spectrogram: 65, and one of zeros
EPSILON = 1e-6  # added before the logarithm
MEAN, SPREAD = -4.2677393, 2 * 4.5689974  # of AudioSet's spectrograms, as AST takes them
PATCH, STRIDE = 16, 10  # points of a spectrogram
BANDS, INSTANTS = ((length - PATCH) // STRIDE + 1 for length in (N_MELS, STEPS))  # 12, 6


class Attention(nn.Module):
    """Every token asks all tokens."""

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.heads = heads
        self.key = nn.Linear(size, size)
        self.query = nn.Linear(size, size)
        self.value = nn.Linear(size, size)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, size) -> the same, not yet projected"""
        query, key, value = (
            layer(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)


class ProjectedAttention(Attention):
    """With a projection at its end."""

    def __init__(self, size: int, heads: int):
        super().__init__(size, heads)
        self.proj = nn.Linear(size, size)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, size) -> the same"""
        return self.proj(super().forward(tokens))


class AstBlock(nn.Module):
    """A transformer layer under the names of the AST that is published on the hub."""

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.layernorm_before = nn.LayerNorm(size, 1e-12)
        self.attention = nn.ModuleDict(
            {"attention": Attention(size, heads), "output": _dense(size, size)}
        )
        self.layernorm_after = nn.LayerNorm(size, 1e-12)
        self.intermediate = _dense(size, 4 * size)
        self.output = _dense(4 * size, size)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, size) -> the same"""
        heard = self.attention["attention"](self.layernorm_before(tokens))
        tokens = tokens + self.attention.get_submodule("output.dense")(heard)
        wide = F.gelu(self.intermediate["dense"](self.layernorm_after(tokens)))
        return tokens + self.output["dense"](wide)


def _dense(inputs: int, outputs: int) -> nn.ModuleDict:
    return nn.ModuleDict({"dense": nn.Linear(inputs, outputs)})


class AstEmbeddings(nn.Module):
    """Overlapping patches of a spectrogram as tokens, after two that stand for the whole."""

    def __init__(self, size: int):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size))
        self.distillation_token = nn.Parameter(torch.zeros(1, 1, size))
        self.position_embeddings = nn.Parameter(torch.zeros(1, 2 + BANDS * INSTANTS, size))
        self.patch_embeddings = nn.ModuleDict({"projection": nn.Conv2d(1, size, PATCH, STRIDE)})

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, 128, 66) -> (batch, 2 + 12 * 6, size), band by band"""
        patches = self.patch_embeddings["projection"](mel[:, None]).flatten(2).transpose(1, 2)
        first = (self.cls_token, self.distillation_token)
        tokens = [*(token.expand(len(mel), -1, -1) for token in first), patches]
        return torch.cat(tokens, 1) + self.position_embeddings


class Ast(nn.Module):
    """The transformer over patches of a spectrogram."""

    def __init__(self, config: SynchformerConfig):
        super().__init__()
        layers = (AstBlock(config.size, config.heads) for _ in range(config.blocks))
        self.embeddings = AstEmbeddings(config.size)
        self.encoder = nn.ModuleDict({"layer": nn.Sequential(*layers)})
        self.layernorm = nn.LayerNorm(config.size, 1e-12)

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, 128, 66) -> (batch, 2 + 12 * 6, size)"""
        return self.layernorm(self.encoder["layer"](self.embeddings(mel)))


class SegmentListener(nn.Module):
    """Spectrograms of segments -> six rows each."""

    def __init__(self, config: SynchformerConfig):
        super().__init__()
        self.ast = Ast(config)
        self.freq_attn_agg = Summary(config.size, config.heads)

    def forward(self, mel: Tensor) -> Tensor:
        """(batch, 128, 66) -> (batch, 6, size)"""
        bands = self.ast(mel)[:, 2:].unflatten(1, (BANDS, INSTANTS)).transpose(1, 2)
        return self.freq_attn_agg(bands.flatten(0, 1)).unflatten(0, (-1, INSTANTS))


class SyncBlock(nn.Module):
    """A transformer layer of the part that compares."""

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.ln1 = nn.LayerNorm(size)
        self.ln2 = nn.LayerNorm(size)
        self.attn = ProjectedAttention(size, heads)
        self.mlp = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, tokens, size) -> the same"""
        tokens = tokens + self.attn(self.ln1(tokens))
        return tokens + self.mlp(self.ln2(tokens))


class OffsetTransformer(nn.Module):
    """Looks at rows of both and chooses an offset."""

    def __init__(self, config: SynchformerConfig):
        super().__init__()
        size, rows = config.size, SEGMENTS * (MOMENTS + INSTANTS)
        self.OFF_tok = nn.Parameter(torch.zeros(1, 1, size))  # where the answer is read
        self.MOD_tok = nn.Parameter(torch.zeros(1, 1, size))  # between picture and sound
        self.vis_in_lnorm = nn.LayerNorm(size)
        self.aud_in_lnorm = nn.LayerNorm(size)
        self.pos_emb_cfg = nn.ParameterDict({"pos_emb": torch.zeros(1, 2 + rows, size)})
        blocks = (SyncBlock(size, config.sync_heads) for _ in range(config.sync_blocks))
        self.blocks = nn.Sequential(*blocks)
        self.ln_f = nn.LayerNorm(size)
        self.off_head = nn.Linear(size, len(OFFSETS))

    def forward(self, seen: Tensor, heard: Tensor) -> Tensor:
        """(batch, 112, size), (batch, 84, size) -> logits (batch, 21)"""
        ask, between = (token.expand(len(seen), -1, -1) for token in (self.OFF_tok, self.MOD_tok))
        rows = [ask, self.vis_in_lnorm(seen), between, self.aud_in_lnorm(heard)]
        tokens = self.blocks(torch.cat(rows, 1) + self.pos_emb_cfg["pos_emb"])
        return self.off_head(self.ln_f(tokens[:, 0]))


class Synchformer(nn.Module):
    """Both encoders and what compares them."""

    def __init__(self, config: SynchformerConfig = SYNCHFORMER):
        super().__init__()
        self.vfeat_extractor = Motionformer(config)
        self.afeat_extractor = SegmentListener(config)
        self.vproj = nn.Linear(config.size, config.size)
        self.aproj = nn.Linear(config.size, config.size)
        self.transformer = OffsetTransformer(config)

    def forward(self, seen: Tensor, heard: Tensor) -> Tensor:
        """Logits of `OFFSETS`, by how many seconds the sound is early.

        Args:
            seen: (batch, 14, 8, size), rows of ``vfeat_extractor``.
            heard: (batch, 14, 6, size), rows of ``afeat_extractor``.

        Returns:
            (batch, 21)
        """
        return self.transformer(self.vproj(seen).flatten(1, 2), self.aproj(heard).flatten(1, 2))


def segment_mel(waveform: Tensor) -> Tensor:
    """Log-mel spectrograms of segments, each on its own, as AST takes them.

    Args:
        waveform: (segments, 10240) at 16 kHz.

    Returns:
        (segments, 128, 66); the last step holds a logarithm of 0, whatever the sound.
    """
    assert waveform.shape[-1] == SEGMENT * FRAME
    spectrogram = torch.stft(
        waveform, N_FFT, HOP, WINDOW, hann(WINDOW), pad_mode="reflect", return_complex=True
    )
    mel = htk_filters() @ spectrogram.abs().square()
    return (F.pad((mel + EPSILON).log(), (0, STEPS - mel.shape[-1])) - MEAN) / SPREAD


@lru_cache(maxsize=1)
def htk_filters() -> Tensor:
    """Triangles of height 1, evenly apart in HTK's mel from 0 to 8 kHz: (128, 513)."""
    bins = torch.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1, dtype=torch.float64)
    top = torch.tensor(1 + SAMPLE_RATE / 2 / 700, dtype=torch.float64).log()
    edges = 700 * torch.expm1(top * torch.linspace(0, 1, N_MELS + 2, dtype=torch.float64))
    edges = edges[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0).float()
