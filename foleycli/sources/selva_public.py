"""The public files of SelVA, and the bundle made of them.

A bundle of this family has the parts ``encoder`` (sees with words in mind), ``generator`` (moves
noise to latents), ``vae`` (latents to a mel), ``vocoder`` (a mel to a waveform), ``t5`` and
``clip`` (words, for the one and for the other); and FLAN-T5's ``tokenizer.json`` beside them.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from foleycli.config import (
    BigvganConfig,
    ClipTextConfig,
    FlowTransformerConfig,
    MelVaeConfig,
    SelvaEncoderConfig,
    SynchformerConfig,
    T5Config,
)
from foleycli.errors import ModelError
from foleycli.latents import mel_vae
from foleycli.latents.flow_transformer import FlowTransformer
from foleycli.models.bundle import Bundle, write_bundle
from foleycli.models.checkpoint import read_checkpoint
from foleycli.sight.motionformer import PATCH
from foleycli.sight.selva import SelvaEncoder
from foleycli.sources.public import DTYPES
from foleycli.spot.clip_text import ClipText
from foleycli.spot.t5 import T5Encoder
from foleycli.waveform import bigvgan

logger = logging.getLogger("foleycli")

FAMILY = "selva"
TOKENIZER = "tokenizer.json"
# Beginnings of the public files' names, by part.
FILES = {
    "encoder": ("video_enc",),
    "generator": ("generator_", "mmaudio_"),
    "vae": ("v1-",),
    "vocoder": ("best_netG", "bigvgan_generator"),
    "t5": ("model.safetensors", "t5"),
    "clip": ("open_clip",),
    "tokenizer": (TOKENIZER,),
}
LICENCE = (
    "weights CC BY-NC 4.0, non-commercial; the CLIP text tower under Apple's licence for machine "
    "learning research: not for work that is paid for"
)
Tensors = Mapping[str, Tensor]


def convert_selva(
    files: Mapping[str, Path],
    folder: Path,
    card: str,
    dtype: str = "bf16",
    source: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> Bundle:
    """Make a bundle of the public files: what is not needed is left out, norms are folded in.

    Args:
        files: part -> file, and ``tokenizer``; see `find_files`.
        folder: the bundle to write.
        card: the model card, Markdown.
        dtype: of matrices, ``bf16`` or ``f32``; everything else stays in 32 bits.
        source: where the files came from, for the record.

    Raises:
        ModelError: a file is missing, or tensors of it are missing or have other shapes.
    """
    if missing := [part for part in FILES if part not in files]:
        names = ", ".join(f"{FILES[part][0]}*" for part in missing)
        raise ModelError(f"There is no file for {', '.join(missing)}.", f"Give {names} too.")
    tensors: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Any]] = {}
    for part, (keep, measure, build) in PARTS.items():
        kept = keep(read_checkpoint(files[part]))
        try:
            sizes = measure(kept)
        except (KeyError, IndexError, ZeroDivisionError) as error:
            raise ModelError(
                f"{files[part]} is no {part}: {error} is missing.", "Is it the right file?"
            ) from error
        with torch.device("meta"):
            module = build(sizes)
        _check(module, kept, files[part])
        parts[part] = asdict(sizes)
        for name in module.state_dict():
            tensors[f"{part}.{name}"] = _stored(name, kept[name], DTYPES[dtype])
    config = {
        "family": FAMILY,
        "dtype": dtype,
        "licence": LICENCE,
        "parts": parts,
        "source": dict(source or {}),
    }
    attached = [files["tokenizer"]]
    return write_bundle(folder, config, tensors, card, attached, overwrite=overwrite)


def find_files(folder: Path) -> dict[str, Path]:
    """Part -> file, by the public names; only what is there."""
    there = sorted(folder.iterdir())
    found = {
        part: next((path for path in there if path.name.startswith(begin)), None)
        for part, begin in FILES.items()
    }
    return {part: path for part, path in found.items() if path}


def load_selva(bundle: Bundle, part: str, dtype: torch.dtype | None = None) -> nn.Module:
    """One part of a bundle, ready to run.

    Args:
        dtype: of matrices; None keeps what is stored.

    Raises:
        ModelError: the bundle lacks the part, or tensors of it.
    """
    sizes = bundle.config.get("parts", {}).get(part)
    if sizes is None:
        raise ModelError(f"{bundle.folder} has no part {part!r}.", "Pull or convert it again.")
    with torch.device("meta"):
        module = PARTS[part][2](_sizes(part, sizes))
    tensors = bundle.tensors(part)
    if lacking := [name for name in module.state_dict() if name not in tensors]:
        raise ModelError(
            f"{bundle.folder} lacks tensors of {part}: {', '.join(lacking[:5])}.",
            "Convert it again.",
        )
    if dtype:
        tensors = {
            name: tensor.to(dtype) if is_matrix(name, tensor) else tensor
            for name, tensor in tensors.items()
        }
    module.load_state_dict(tensors, assign=True)
    return module.eval().requires_grad_(False)


def is_matrix(name: str, tensor: Tensor) -> bool:
    """Whether a tensor is multiplied with rows: those are stored in fewer bits."""
    return name.endswith("weight") and tensor.ndim > 1


def _stored(name: str, tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype if is_matrix(name, tensor) else torch.float32).contiguous()


def _check(module: nn.Module, kept: Tensors, path: Path) -> None:
    wrong = [
        f"{name} is missing" if name not in kept else f"{name} has shape {tuple(kept[name].shape)}"
        for name, tensor in module.state_dict().items()
        if name not in kept or kept[name].shape != tensor.shape
    ]
    if wrong:
        raise ModelError(
            f"{path} is not a {type(module).__name__}: {'; '.join(wrong[:5])}.",
            "Give the public file, or one with the same tensors.",
        )
    if extra := kept.keys() - module.state_dict().keys():
        logger.warning(
            "%s has %d tensors that nothing uses, left out: %s",
            path.name,
            len(extra),
            ", ".join(sorted(extra)[:5]),
        )


def _sizes(part: str, sizes: Mapping[str, Any]) -> Any:
    """A part's sizes as the bundle's config holds them."""
    known = {name: tuple(v) if isinstance(v, list) else v for name, v in sizes.items()}
    if part == "encoder":
        known["seen"] = SynchformerConfig(**dict(sizes["seen"]))
    return CONFIGS[part](**known)


# What is kept of each file


def _encoder(public: Tensors) -> dict[str, Tensor]:
    return dict(public)


def _generator(public: Tensors) -> dict[str, Tensor]:
    """Without tables that are computed again: other lengths have others."""
    constants = ("t_embed.freqs", "latent_rot", "clip_rot")
    return {name: tensor for name, tensor in public.items() if name not in constants}


def _vae(public: Tensors) -> dict[str, Tensor]:
    kept = ("decoder.", "data_")
    return mel_vae.fold({name: t for name, t in public.items() if name.startswith(kept)})


def _t5(public: Tensors) -> dict[str, Tensor]:
    """Without the half that writes; the table of tokens stands under one of two names."""
    kept = {name: t for name, t in public.items() if name.startswith(("shared.", "encoder."))}
    table = kept.pop("encoder.embed_tokens.weight", None)
    if table is not None:
        kept.setdefault("shared.weight", table)
    return kept


def _clip(public: Tensors) -> dict[str, Tensor]:
    """Without the tower of pictures, and what makes one row of all words."""
    unused = ("visual.", "text_projection", "logit_scale", "logit_bias", "attn_mask")
    named = {name.removeprefix("text."): tensor for name, tensor in public.items()}
    return {name: tensor for name, tensor in named.items() if not name.startswith(unused)}


# How large each network is, by its tensors


def _count(tensors: Tensors, prefix: str) -> int:
    """Modules of a list: one more than the highest number."""
    depth = len(prefix.split("."))
    numbers = [int(n.split(".")[depth - 1]) for n in tensors if n.startswith(prefix)]
    return max(numbers) + 1 if numbers else 0


def _encoder_sizes(kept: Tensors) -> SelvaEncoderConfig:
    size = kept["vfeat_extractor.temp_embed"].shape[-1]
    places = kept["vfeat_extractor.pos_embed"].shape[1] - 1
    head = len(kept["synch_text_cross_blocks.0.attn.q_norm.weight"])
    extra, text = kept["sup_text_feat"].shape
    seen = SynchformerConfig(
        size=size,
        heads=size // head,
        blocks=_count(kept, "vfeat_extractor.blocks."),
        picture_size=PATCH * round(places**0.5),
    )
    return SelvaEncoderConfig(seen=seen, text_size=text, extra_words=extra)


def _generator_sizes(kept: Tensors) -> FlowTransformerConfig:
    size, channels, _ = kept["audio_input_proj.0.weight"].shape
    head = len(kept["joint_blocks.0.latent_block.attn.q_norm.weight"])
    words, text = kept["empty_string_feat"].shape
    return FlowTransformerConfig(
        channels=channels,
        size=size,
        heads=size // head,
        joint_blocks=_count(kept, "joint_blocks."),
        fused_blocks=_count(kept, "fused_blocks."),
        sync_size=kept["empty_sync_feat"].shape[1],
        picture_size=kept["empty_clip_feat"].shape[1],
        text_size=text,
        words=words,
        time_waves=kept["t_embed.mlp.0.weight"].shape[1],
        second_version="clip_input_proj.2.w1.weight" in kept,
    )


def _vae_sizes(kept: Tensors) -> MelVaeConfig:
    n_mels, size, _ = kept["decoder.conv_out.weight"].shape
    return MelVaeConfig(n_mels=n_mels, size=size, channels=kept["decoder.conv_in.weight"].shape[1])


def _vocoder_sizes(kept: Tensors) -> BigvganConfig:
    size, n_mels, _ = kept["conv_pre.weight"].shape
    kernels = [kept[f"ups.{i}.0.weight"].shape[2] for i in range(_count(kept, "ups."))]
    return BigvganConfig(
        n_mels=n_mels,
        size=size,
        rates=tuple(kernel // 2 for kernel in kernels),  # in both published sizes
        kernels=tuple(kernels),
        second_version="conv_post.bias" not in kept,
    )


def _t5_sizes(kept: Tensors) -> T5Config:
    first = "encoder.block.0.layer"
    vocabulary, size = kept["shared.weight"].shape
    heads = kept[f"{first}.0.SelfAttention.relative_attention_bias.weight"].shape[1]
    return T5Config(
        vocabulary=vocabulary,
        size=size,
        heads=heads,
        head_size=len(kept[f"{first}.0.SelfAttention.q.weight"]) // heads,
        inner=len(kept[f"{first}.1.DenseReluDense.wi_0.weight"]),
        blocks=_count(kept, "encoder.block."),
    )


def _clip_sizes(kept: Tensors) -> ClipTextConfig:
    vocabulary, size = kept["token_embedding.weight"].shape
    return ClipTextConfig(
        vocabulary=vocabulary,
        size=size,
        heads=max(1, size // 64),  # as in every published CLIP
        blocks=_count(kept, "transformer.resblocks."),
        words=len(kept["positional_embedding"]),
    )


PARTS: dict[str, tuple[Callable[[Tensors], dict[str, Tensor]], Callable, Callable]] = {
    "encoder": (_encoder, _encoder_sizes, SelvaEncoder),
    "generator": (_generator, _generator_sizes, FlowTransformer),
    "vae": (_vae, _vae_sizes, mel_vae.MelVae),
    "vocoder": (bigvgan.fold, _vocoder_sizes, bigvgan.BigVgan),
    "t5": (_t5, _t5_sizes, T5Encoder),
    "clip": (_clip, _clip_sizes, ClipText),
}
CONFIGS: dict[str, type] = {
    "encoder": SelvaEncoderConfig,
    "generator": FlowTransformerConfig,
    "vae": MelVaeConfig,
    "vocoder": BigvganConfig,
    "t5": T5Config,
    "clip": ClipTextConfig,
}
