"""A transformer that moves noise to a mel's latents, led by pictures, words and time.

MMAudio's network (Cheng et al., arXiv 2412.15322), which SelVA (arXiv 2512.02650) sounds with: rows
of sound, picture and words attend to each other in the first blocks (MM-DiT, arXiv 2403.03206), and
sound alone in those after them. Rows of motion, eight for each 0.64 s, are added to what conditions
each row of sound. Modules carry the names and shapes of the public weights.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foleycli.config import FLOW_TRANSFORMER, FlowTransformerConfig
from foleycli.latents.gated import Gated, HeadNorm, RowConv, row_map, turn, turns

NEAR = 3  # rows that a map over time sees inside
FAR = 7  # and at the ends
GROUP = 8  # rows of motion that share a segment
EPS = 1e-5  # of norms over a row


@dataclass(frozen=True, slots=True)
class Conditions:
    """What leads one clip, projected; the same at every step."""

    sync: Tensor  # (batch, length, size), motion at every row of sound
    picture: Tensor  # (batch, pictures, size)
    words: Tensor  # (batch, words, size)
    whole: Tensor  # (batch, 1, size), of the picture and of the words
    sound_turns: Tensor  # (length, head / 2, 2)
    picture_turns: Tensor  # (pictures, head / 2, 2)


class HeadAttention(nn.Module):
    """Queries, keys and values of a stream, normalised a head and turned by their places."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(size, 3 * size)
        self.q_norm = HeadNorm(size // heads)
        self.k_norm = HeadNorm(size // heads)

    def forward(self, rows: Tensor, places: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, length, size) -> three of (batch, heads, length, size / heads)"""
        parts = self.qkv(rows).unflatten(-1, (self.heads, -1, 3)).transpose(1, 2)
        query, key = self.q_norm(parts[..., 0]), self.k_norm(parts[..., 1])
        if places is not None:
            query, key = turn(query, places), turn(key, places)
        return query, key, parts[..., 2].contiguous()


class StreamBlock(nn.Module):
    """What a block holds of one stream: its maps, led by a condition (adaLN, arXiv 2212.09748).

    Args:
        width: rows that its maps see.
        last: it only lends keys and values, and ends there.
    """

    def __init__(self, size: int, heads: int, width: int, last: bool = False) -> None:
        super().__init__()
        self.attn = HeadAttention(size, heads)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(size, (2 if last else 6) * size))
        if not last:
            self.linear1 = row_map(size, size, width)
            self.ffn = Gated(size, 4 * size, width)

    def lead(self, condition: Tensor) -> tuple[Tensor, ...]:
        """shift, scale, gate of the attention, and of the perceptron: (batch, 1 or length, size)"""
        parts = self.adaLN_modulation(condition)
        return parts.chunk(parts.shape[-1] // self.attn.qkv.in_features, -1)

    def ask(
        self, rows: Tensor, led: tuple[Tensor, ...], places: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of rows."""
        return self.attn(modulate(rows, led[0], led[1]), places)

    def answer(self, rows: Tensor, heard: Tensor, led: tuple[Tensor, ...]) -> Tensor:
        """Rows with what they attended to, (batch, heads, length, size / heads)."""
        rows = rows + self.linear1(heard.transpose(1, 2).flatten(2)) * led[2]
        return rows + self.ffn(modulate(rows, led[3], led[4])) * led[5]

    def forward(self, rows: Tensor, condition: Tensor, places: Tensor | None) -> Tensor:
        """The stream alone."""
        led = self.lead(condition)
        heard = F.scaled_dot_product_attention(*self.ask(rows, led, places))
        return self.answer(rows, heard, led)


class JointBlock(nn.Module):
    """Sound, picture and words ask each other."""

    def __init__(self, size: int, heads: int, last: bool) -> None:
        super().__init__()
        self.last = last
        self.latent_block = StreamBlock(size, heads, NEAR)
        self.clip_block = StreamBlock(size, heads, NEAR, last)
        self.text_block = StreamBlock(size, heads, 1, last)

    def forward(
        self,
        streams: tuple[Tensor, Tensor, Tensor],
        whole: Tensor,
        each: Tensor,
        places: tuple[Tensor, Tensor],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sound, picture, words -> the same three.

        Args:
            whole: (batch, 1, size), leads picture and words.
            each: (batch, length, size), leads each row of sound.
            places: turns of sound and of picture.
        """
        blocks = (self.latent_block, self.clip_block, self.text_block)
        leads = [
            block.lead(condition)
            for block, condition in zip(blocks, (each, whole, whole), strict=True)
        ]
        asked = [
            block.ask(rows, led, turned)
            for block, rows, led, turned in zip(
                blocks, streams, leads, (*places, None), strict=True
            )
        ]
        query, key, value = (torch.cat(parts, 2) for parts in zip(*asked, strict=True))
        lengths = [rows.shape[1] for rows in streams]
        if self.last:
            query = query[:, :, : lengths[0]]
            heard = F.scaled_dot_product_attention(query, key, value)
            return self.latent_block.answer(streams[0], heard, leads[0]), *streams[1:]
        heard = F.scaled_dot_product_attention(query, key, value).split(lengths, 2)
        sound, picture, words = (
            block.answer(rows, part, led)
            for block, rows, part, led in zip(blocks, streams, heard, leads, strict=True)
        )
        return sound, picture, words


class TimeEmbedding(nn.Module):
    """A time in [0, 1] as a row."""

    def __init__(self, size: int, waves: int, speed: float) -> None:
        super().__init__()
        self.waves, self.speed = waves, speed
        self.mlp = nn.Sequential(nn.Linear(waves, size), nn.SiLU(), nn.Linear(size, size))

    def forward(self, time: Tensor) -> Tensor:
        """(batch,) -> (batch, size)"""
        half = torch.arange(0, self.waves, 2, device=time.device, dtype=torch.float32)
        rates = self.speed * 10_000.0 ** (-half / self.waves)
        angles = time.float()[:, None] * rates
        return self.mlp(torch.cat([angles.cos(), angles.sin()], 1))


class FinalLayer(nn.Module):
    """Rows -> the velocity of each."""

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(size, 2 * size))
        self.conv = RowConv(size, channels, FAR)

    def forward(self, rows: Tensor, condition: Tensor) -> Tensor:
        """(batch, length, size), (batch, 1, size) -> (batch, length, channels)"""
        shift, scale = self.adaLN_modulation(condition).chunk(2, -1)
        return self.conv(modulate(rows, shift, scale))


class FlowTransformer(nn.Module):
    """Noise, time and conditions -> velocity."""

    def __init__(self, config: FlowTransformerConfig = FLOW_TRANSFORMER) -> None:
        super().__init__()
        self.config = config
        size, later = config.size, config.second_version
        self.sync_pos_emb = nn.Parameter(torch.zeros(1, 1, GROUP, config.sync_size))
        self.latent_mean: Tensor
        self.latent_std: Tensor
        self.register_buffer("latent_mean", torch.zeros(1, 1, config.channels))
        self.register_buffer("latent_std", torch.ones(1, 1, config.channels))
        self.empty_string_feat = nn.Parameter(torch.zeros(config.words, config.text_size))
        self.empty_clip_feat = nn.Parameter(torch.zeros(1, config.picture_size))
        self.empty_sync_feat = nn.Parameter(torch.zeros(1, config.sync_size))

        def enter(inputs: int, width: int, inner: int, bent: nn.Module | None) -> nn.Sequential:
            first = row_map(inputs, size, width)
            between = [] if bent is None else [bent]
            return nn.Sequential(first, *between, Gated(size, 4 * size, inner))

        bent, plain = (nn.SiLU, nn.SiLU()) if later else (nn.SELU, None)
        self.audio_input_proj = enter(config.channels, FAR, FAR, bent())
        self.clip_input_proj = enter(config.picture_size, 1, NEAR, plain)
        self.sync_input_proj = enter(config.sync_size, FAR, NEAR, bent())
        self.text_input_proj = enter(config.text_size, 1, 1, plain)
        self.clip_cond_proj = nn.Linear(size, size)
        self.text_cond_proj = nn.Linear(size, size)
        self.global_cond_mlp = Gated(size, 4 * size)
        self.final_layer = FinalLayer(size, config.channels)
        self.t_embed = TimeEmbedding(
            size, size if later else config.time_waves, 10_000.0 if later else 1.0
        )
        self.joint_blocks = nn.ModuleList(
            JointBlock(size, config.heads, last=i == config.joint_blocks - 1)
            for i in range(config.joint_blocks)
        )
        self.fused_blocks = nn.ModuleList(
            StreamBlock(size, config.heads, NEAR) for _ in range(config.fused_blocks)
        )

    def prepare(self, sync: Tensor, text: Tensor, length: int, picture: Tensor | int) -> Conditions:
        """Project what leads a clip, once.

        Args:
            sync: (batch, 8 n, sync size) rows of motion; see `empty_sync`.
            text: (batch, words, text size); see `empty_text`.
            length: rows of sound.
            picture: (batch, pictures, picture size), or how many empty ones.
        """
        if isinstance(picture, int):
            picture = self.empty_clip_feat.expand(len(text), picture, -1)
        motion = (sync.unflatten(1, (-1, GROUP)) + self.sync_pos_emb).flatten(1, 2)
        motion = self.sync_input_proj(motion)
        # float32 decides which row a tie takes, as the public model was trained
        motion = F.interpolate(motion.float().mT, size=length, mode="nearest-exact").mT
        seen, read = self.clip_input_proj(picture), self.text_input_proj(text)
        whole = self.clip_cond_proj(seen.float().mean(1, keepdim=True))
        whole = whole + self.text_cond_proj(read.float().mean(1, keepdim=True))
        head, pictures = self.config.size // self.config.heads, picture.shape[1]
        return Conditions(
            motion,
            seen.float(),
            read.float(),
            whole.float(),
            turns(length, head).to(text.device),
            turns(pictures, head, length / pictures).to(text.device),
        )

    def empty_sync(self, batch: int, rows: int) -> Tensor:
        """Rows that say no motion is known."""
        return self.empty_sync_feat.expand(batch, rows, -1)

    def empty_text(self, batch: int) -> Tensor:
        """Rows that say no words are."""
        return self.empty_string_feat.expand(batch, -1, -1)

    def forward(self, latent: Tensor, time: Tensor, conditions: Conditions) -> Tensor:
        """The velocity of rows of sound.

        Args:
            latent: (batch, length, channels).
            time: (batch,) 0 at noise, 1 at sound.

        Returns:
            (batch, length, channels), float32
        """
        whole = self.t_embed(time)[:, None] + self.global_cond_mlp(conditions.whole)
        whole = whole.float()
        each = whole + conditions.sync
        places = (conditions.sound_turns, conditions.picture_turns)
        sound = self.audio_input_proj(latent).float()
        streams = (sound, conditions.picture, conditions.words)
        for block in self.joint_blocks:
            streams = block(streams, whole, each, places)
        sound = streams[0]
        for block in self.fused_blocks:
            sound = block(sound, each, conditions.sound_turns)
        return self.final_layer(sound, whole).float()

    def to_mel_latent(self, latent: Tensor) -> Tensor:
        """(batch, length, channels) of unit variance -> (batch, channels, length) of the mel's
        autoencoder."""
        return (latent * self.latent_std + self.latent_mean).mT


def modulate(rows: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Rows of mean 0 and variance 1, then a scale and a shift."""
    return F.layer_norm(rows, rows.shape[-1:], eps=EPS) * (1 + scale) + shift
