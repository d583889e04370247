"""The public Diff-Foley checkpoints, and the bundle made of them.

A bundle of this family has up to four parts: ``cavp`` (features), ``diffusion`` (conditioner,
denoiser, autoencoder), ``guide`` (double guidance) and ``align`` (scores finished sound). One that
`foley train select` wrote has a fifth, ``select``, which looks for words.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from foleycli.config import (
    BUNDLE_DTYPES,
    AlignmentConfig,
    CavpConfig,
    LatentDiffusionConfig,
    TextSelectConfig,
)
from foleycli.errors import ModelError
from foleycli.latents.align import Alignment
from foleycli.latents.diff_foley import DiffFoley
from foleycli.models.bundle import BROKEN, CONFIG, WEIGHTS, Bundle, broken, write_bundle
from foleycli.models.checkpoint import read_checkpoint
from foleycli.output import atomic_output
from foleycli.sight.cavp import Cavp
from foleycli.sight.words import TextSelect
from foleycli.sources.convert import COUNTER, from_public, to_public

logger = logging.getLogger("foleycli")

FAMILY = "diff-foley"
DTYPES: dict[str, torch.dtype] = dict(
    zip(BUNDLE_DTYPES, (torch.bfloat16, torch.float32), strict=True)
)
# File names of each part in the public repository begin so.
PREFIXES = {
    "cavp": "cavp_",
    "diffusion": "ldm_",
    "guide": "double_guidance",
    "align": "eval_classifier",
}
NEEDED = ("cavp", "diffusion")  # without these nothing sounds


def find_checkpoints(folder: Path) -> dict[str, Path]:
    """Part -> file, by the public file names.

    Raises:
        ModelError: a part that is needed is not there.
    """
    files = sorted(folder.glob("*.ckpt")) + sorted(folder.glob("*.safetensors"))
    found = {
        part: next((file for file in files if file.name.startswith(prefix)), None)
        for part, prefix in PREFIXES.items()
    }
    missing = [f"{PREFIXES[part]}*" for part in NEEDED if found[part] is None]
    if missing:
        raise ModelError(
            f"{folder} has no file named {' nor '.join(missing)}.",
            "Give the folder of the public checkpoints.",
        )
    return {part: file for part, file in found.items() if file}


def convert_checkpoints(
    files: Mapping[str, Path],
    folder: Path,
    card: str,
    dtype: str = "bf16",
    source: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> Bundle:
    """Make a bundle of public checkpoints.

    Args:
        files: part -> checkpoint.
        folder: the bundle to write.
        card: the model card, Markdown.
        dtype: of matrices, ``bf16`` or ``f32``; what has one dimension stays in 32 bits.
        source: where the files came from, for the record.

    Raises:
        ModelError: a tensor is missing, or has another shape; each is named.
    """
    tensors: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Any]] = {}
    for part, path in files.items():
        public = read_checkpoint(path)
        with torch.device("meta"):
            module, parts[part] = _build_like(part, public, path)
        found, extra = from_public(module, public)
        if extra:
            logger.warning(
                "%s has %d tensors that nothing uses, left out: %s",
                path.name,
                len(extra),
                ", ".join(extra),
            )
        tensors |= {f"{part}.{name}": _stored(t, DTYPES[dtype]) for name, t in found.items()}
    config = {"family": FAMILY, "dtype": dtype, "parts": parts, "source": dict(source or {})}
    return write_bundle(folder, config, tensors, card, overwrite=overwrite)


def _stored(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    if tensor.is_floating_point():
        tensor = tensor.to(dtype if tensor.ndim > 1 else torch.float32)
    return tensor.contiguous()


def _build_like(
    part: str, public: Mapping[str, Tensor], path: Path
) -> tuple[nn.Module, dict[str, Any]]:
    """A module of the sizes of a checkpoint, and those sizes."""
    try:
        sizes = _SIZES[part](public)
    except (KeyError, IndexError) as error:
        raise ModelError(
            f"{path} is not a checkpoint of {part}: {error} is missing.", "Is it the right file?"
        ) from error
    return build_part(part, asdict(sizes)), asdict(sizes)


def _cavp_sizes(public: Mapping[str, Tensor]) -> CavpConfig:
    return CavpConfig(
        base_channels=len(public["video_encoder.conv1.conv.weight"]),
        audio_channels=len(public["spec_encoder.conv_block1.conv1.weight"]),
        size=len(public["video_project_head.weight"]),
        n_mels=len(public["spec_encoder.bn.weight"]),
    )


def _diffusion_sizes(public: Mapping[str, Tensor]) -> LatentDiffusionConfig:
    rows, context = public["cond_stage_model.pos_emb.weight"].shape
    return LatentDiffusionConfig(
        feature_size=public["cond_stage_model.embedder.0.weight"].shape[1],
        feature_rows=rows,
        context_size=context,
        base_channels=len(public["model.diffusion_model.input_blocks.0.0.weight"]),
        autoencoder_channels=len(public["first_stage_model.encoder.conv_in.weight"]),
    )


def _alignment_sizes(public: Mapping[str, Tensor]) -> AlignmentConfig:
    rows, context = public["cond_model.pos_emb.weight"].shape
    return AlignmentConfig(
        feature_size=public["cond_model.embedder.0.weight"].shape[1],
        feature_rows=rows,
        context_size=context,
        base_channels=len(public["model.input_blocks.0.0.weight"]),
    )


_SIZES = {
    "cavp": _cavp_sizes,
    "diffusion": _diffusion_sizes,
    "guide": _alignment_sizes,
    "align": _alignment_sizes,
}


def build_part(part: str, sizes: Mapping[str, Any]) -> nn.Module:
    """The module of a part; ``sizes`` as the bundle's config holds them."""
    sizes = {name: tuple(v) if isinstance(v, list) else v for name, v in sizes.items()}
    if part == "cavp":
        return Cavp(CavpConfig(**sizes))
    if part == "select":
        return TextSelect(TextSelectConfig(**sizes))
    if part == "diffusion":
        return DiffFoley(LatentDiffusionConfig(**sizes))
    return Alignment(AlignmentConfig(**sizes), scores=part == "align")


def load_part(
    bundle: Bundle,
    part: str,
    dtype: torch.dtype | None = None,
    without: tuple[str, ...] = (),
) -> nn.Module:
    """One part of a bundle, ready to run.

    Args:
        dtype: of all tensors but a batch norm's, which costs nothing in 32 bits; None keeps what
            is stored.
        without: modules inside that are not needed, and so not read.

    Raises:
        ModelError: the bundle lacks the part, or tensors of it.
    """
    parts = bundle.config.get("parts", {})
    sizes = parts.get(part) if isinstance(parts, dict) else None
    if sizes is None:
        raise ModelError(
            f"{bundle.folder} has no part {part!r}.", "Pull it again, or do without the option."
        )
    try:
        with torch.device("meta"):
            module = build_part(part, sizes)
    except BROKEN as error:
        raise broken(bundle.folder / CONFIG, error) from error
    for path in without:
        parent, _, name = path.rpartition(".")
        delattr(module.get_submodule(parent), name)
    tensors = bundle.tensors(part, tuple(f"{path}." for path in without))
    lacking = [name for name in module.state_dict() if name not in tensors]
    tensors |= {name: torch.tensor(0) for name in lacking if name.endswith(COUNTER)}
    lacking = [name for name in lacking if name not in tensors]
    if lacking:
        raise ModelError(
            f"{bundle.folder} lacks tensors of {part}: {', '.join(lacking)}.", "Convert it again."
        )
    kept = tuple(
        f"{name}."
        for name, layer in module.named_modules()
        if isinstance(layer, (nn.BatchNorm2d, nn.BatchNorm3d))
    )
    for name, tensor in tensors.items():
        if dtype and tensor.is_floating_point() and not (kept and name.startswith(kept)):
            tensors[name] = tensor.to(dtype)
    try:
        module.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise broken(bundle.folder / WEIGHTS, error) from error
    return module.eval().requires_grad_(False)


def write_public(bundle: Bundle, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """The way back: one ``.safetensors`` a part, under the public names and shapes.

    Returns:
        the files written, named as `find_checkpoints` looks for them.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for part in bundle.config.get("parts", {}).keys() & PREFIXES.keys():
        path = folder / f"{PREFIXES[part].rstrip('_')}_{FAMILY}.safetensors"
        public = to_public(load_part(bundle, part))
        with atomic_output(path, overwrite=overwrite) as beside:
            save_file({name: tensor.contiguous() for name, tensor in public.items()}, beside)
        written.append(path)
    return written
