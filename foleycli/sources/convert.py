"""Names of tensors: those of the public latent-diffusion checkpoints, and those of our modules.

One rule turns our name into the public one; the way back is that rule's table turned round.
"""

import re
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from foleycli.errors import ModelError
from foleycli.latents.align import Alignment
from foleycli.latents.diff_foley import DiffFoley
from foleycli.sight.cavp import Cavp

# What a residual block of the public denoiser calls its layers.
RESIDUAL = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
DENOISER_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
AUTOENCODER_PARTS = {
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
    "downsamplers.0": "downsample",
    "upsamplers.0": "upsample",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
    "mid_block.attentions.0": "mid.attn_1",
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "resnets": "block",
}


def public_denoiser_name(name: str, layers: int = 2) -> str:
    """Our name of a tensor of the U-Net (or of its lower half) -> the public one.

    ``layers`` is the number of residual blocks a level; the public list runs through all levels.
    """
    for ours, public in DENOISER_ENDS.items():
        if name.startswith(ours + "."):
            return public + name.removeprefix(ours)
    return re.sub(
        r"^(down|mid|up)_blocks?\.(?:(\d+)\.)?(resnets|attentions|downsamplers|upsamplers)\.(\d+)",
        lambda match: _place(*match.groups(), layers=layers),
        _inside_block(name),
    )


def _inside_block(name: str) -> str:
    name = name.replace("downsamplers.0.conv", "downsamplers.0.op")
    return re.sub(
        r"(resnets\.\d+\.)(\w+)", lambda match: match[1] + RESIDUAL[match[2]], name, count=1
    )


def _place(half: str, level: str | None, kind: str, index: str, *, layers: int) -> str:
    i, j = int(level or 0), int(index)
    part = 0 if kind == "resnets" else 1
    if half == "mid":
        return f"middle_block.{1 if part else 2 * j}"
    if kind == "downsamplers":
        return f"input_blocks.{(i + 1) * (layers + 1)}.0"
    if kind == "upsamplers":  # after the attention where the level has one: all but the first
        return f"output_blocks.{i * (layers + 1) + layers}.{2 if i else 1}"
    if half == "down":
        return f"input_blocks.{1 + i * (layers + 1) + j}.{part}"
    return f"output_blocks.{i * (layers + 1) + j}.{part}"


def public_autoencoder_name(name: str, levels: int = 4) -> str:
    """Our name of a tensor of the autoencoder -> the public one, which counts up-levels from the
    output."""
    name = re.sub(r"up_blocks\.(\d+)", lambda m: f"up.{levels - 1 - int(m[1])}", name)
    name = name.replace("down_blocks", "down")
    for ours, public in AUTOENCODER_PARTS.items():
        name = name.replace(ours, public)
    return name


def _same(name: str) -> str:
    return name


def _half_denoiser(name: str) -> str:
    return public_denoiser_name(name, layers=1)


# For each module: our prefix, the public prefix, and the rule for what follows.
Layout = tuple[tuple[str, str, Callable[[str], str]], ...]
LAYOUTS: dict[type[nn.Module], Layout] = {
    Cavp: (("", "", _same),),
    DiffFoley: (
        ("conditioner.", "cond_stage_model.", _same),
        ("denoiser.", "model.diffusion_model.", public_denoiser_name),
        ("autoencoder.", "first_stage_model.", public_autoencoder_name),
    ),
    Alignment: (
        ("conditioner.", "cond_model.", _same),
        ("autoencoder.", "first_stage_model.", public_autoencoder_name),
        ("classifier.", "model.classifier.", _same),
        ("", "model.", _half_denoiser),
    ),
}
# Not weights: the noise schedule that every public checkpoint repeats, and counters.
SCHEDULE = re.compile(
    r"^(scale_factor|(log_|sqrt_)?(one_minus_|recip_|recipm1_)?alphas_cumprod(_prev)?|betas"
    r"|posterior_\w+)$"
)
COUNTER = "num_batches_tracked"


def public_names(module: nn.Module) -> dict[str, str]:
    """Our name of every tensor of a module -> its public name."""
    layout = LAYOUTS[type(module)]
    names = {}
    for name in module.state_dict():
        ours, public, rename = next(part for part in layout if name.startswith(part[0]))
        names[name] = public + rename(name.removeprefix(ours))
    return names


def to_public(module: nn.Module) -> dict[str, Tensor]:
    """The state dict under public names and shapes, as the public code would load it."""
    tensors, names = module.state_dict(), public_names(module)
    return {names[name]: _public_shape(names[name], tensor) for name, tensor in tensors.items()}


def from_public(
    module: nn.Module, public: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """A state dict of the public checkpoint under our names, and the names nothing asked for.

    Raises:
        ModelError: tensors are missing or have another shape; each is named.
    """
    found, wrong = {}, []
    names = public_names(module)
    for name, ours in module.state_dict().items():
        there = public.get(names[name])
        if there is None:
            if not name.endswith(COUNTER):
                wrong.append(f"{names[name]} is missing")
        elif there.shape != _public_shape(names[name], ours).shape:
            wrong.append(f"{names[name]} has shape {tuple(there.shape)}")
        else:
            found[name] = there.reshape(ours.shape)
    if wrong:
        raise ModelError(
            f"The checkpoint is not a {type(module).__name__}: {'; '.join(wrong)}.",
            "Give the public file, or one with the same tensors.",
        )
    known = set(names.values())
    extra = [name for name in public if name not in known and not SCHEDULE.match(name)]
    return found, extra


def _public_shape(public_name: str, tensor: Tensor) -> Tensor:
    """The public autoencoder writes its attention's linear maps as 1 x 1 convolutions."""
    convolution = re.search(r"mid\.attn_1\.(q|k|v|proj_out)\.weight$", public_name)
    return tensor[:, :, None, None] if convolution else tensor
