"""CLIP similarity: are a film's pictures what the words say?

CLIPSIM of GODIVA (Wu et al. 2021, arXiv 2104.14806), as TempoTokens (arXiv 2309.16429) names it:
the mean over pictures of CLIP's cosine to the label of the sound. Here by ViT-B/32, 12 pictures a
second. TempoTokens prints .47 to .70, which no cosine of a picture and words by this network
reaches; it does not say by what it scaled. Compare figures of this command with each other only.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from foleycli.clip.probe import probe
from foleycli.config import ClipTextConfig
from foleycli.evaluate.fvd import RATE
from foleycli.evaluate.kept import kept
from foleycli.evaluate.material import Film
from foleycli.frames.decode import decode_squares
from foleycli.listeners.pulled import load_listener
from foleycli.sight.clip import ClipVision, clip_pictures
from foleycli.spot.clip_text import LAST, ClipText, clip_tokens

NAME = "eval-clip"
SIDE = 224
TEXT = ClipTextConfig(size=512, heads=8, blocks=12)
# The hub's names of a block, and OpenAI's, in this order.
RENAMED = (
    ("self_attn.out_proj.", "attn.out_proj."),
    ("layer_norm1.", "ln_1."),
    ("layer_norm2.", "ln_2."),
    ("mlp.fc1.", "mlp.c_fc."),
    ("mlp.fc2.", "mlp.c_proj."),
)
WHOLE = {
    "text_model.embeddings.token_embedding.weight": "text.token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "text.positional_embedding",
    "text_model.final_layer_norm.weight": "text.ln_final.weight",
    "text_model.final_layer_norm.bias": "text.ln_final.bias",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",  # so misspelt there
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
}
TOWERS = {"text_model": "text", "vision_model": "visual"}


class Clip(nn.Module):
    """What sees and what reads, in one space. The sizes are those of ViT-B/32."""

    def __init__(
        self, visual: ClipVision | None = None, text: ClipTextConfig = TEXT, row: int = 512
    ) -> None:
        super().__init__()
        self.visual = visual or ClipVision()
        self.text = ClipText(text)
        self.text_projection = nn.Parameter(torch.zeros(text.size, row))

    def read(self, ids: Tensor) -> Tensor:
        """(batch, 77) of `clip_tokens` -> (batch, row), each of length 1: of its last word's row"""
        rows = self.text(ids)[torch.arange(len(ids)), (ids == LAST).int().argmax(dim=1)]
        return F.normalize(rows @ self.text_projection, dim=-1)


def clipsim(film: Film, words: str) -> float:
    """Mean cosine of a film's pictures and words; nan when there are none.

    Raises:
        ModelError: CLIP is not here; the remedy names the command.
        MediaError: nothing of the film decodes.
    """
    if not words.strip():
        return float("nan")
    judge = open_judge()
    return float((judge.see(film) @ judge.read(words)).mean())


@lru_cache(maxsize=1)
def open_judge() -> "ClipJudge":
    """The network, opened once."""
    return ClipJudge()


class ClipJudge:
    """CLIP as it was pulled.

    Raises:
        ModelError: it was not; the remedy names the command.
    """

    def __init__(self, visual: ClipVision | None = None, text: ClipTextConfig = TEXT) -> None:
        row = visual.proj.shape[1] if visual else 512
        self._net, self.fingerprint = load_listener(
            NAME,
            lambda: Clip(visual, text, row),
            arrange=lambda net, public: openai_names(public),
        )

    def see(self, film: Film) -> NDArray[np.float32]:
        """(pictures, row) of a film, kept on disk by content."""
        made = kept(f"clip-{self.fingerprint}", film.digest, lambda: {"rows": self._see(film)})
        return made["rows"]

    @torch.inference_mode()
    def read(self, words: str) -> NDArray[np.float32]:
        """(row,)"""
        return self._net.read(clip_tokens([words]))[0].numpy()

    @torch.inference_mode()
    def _see(self, film: Film) -> NDArray[np.float32]:
        squares = decode_squares(probe(film.path), RATE, SIDE)
        seen = (clip_pictures(torch.from_numpy(square)[None]) for square in squares)
        return np.concatenate([self._net.visual(picture).numpy() for picture in seen])


def openai_names(public: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The hub's tensors by OpenAI's names: keys, values and questions of a block become one."""
    named: dict[str, Tensor] = {}
    for name, tensor in public.items():
        tower, _, rest = name.partition(".encoder.layers.")
        if name in WHOLE:
            named[WHOLE[name]] = tensor
        elif name == "visual_projection.weight":
            named["visual.proj"] = tensor.T.contiguous()
        elif name == "text_projection.weight":
            named["text_projection"] = tensor.T.contiguous()
        elif rest and ".self_attn.out_proj." not in name and ".self_attn." in name:
            if ".q_proj." in name:
                parts = [public[name.replace(".q_proj.", f".{one}_proj.")] for one in "qkv"]
                number, _, kind = rest.partition(".self_attn.q_proj.")
                block = f"{TOWERS[tower]}.transformer.resblocks.{number}"
                named[f"{block}.attn.in_proj_{kind}"] = torch.cat(parts)
        elif rest:
            for theirs, ours in RENAMED:
                rest = rest.replace(theirs, ours)
            named[f"{TOWERS[tower]}.transformer.resblocks.{rest}"] = tensor
    return named
