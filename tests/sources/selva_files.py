"""Files named and laid out as SelVA's public ones, but small: weights made by rule."""

from pathlib import Path

import torch
from torch import Tensor

from foleycli.config import (
    BigvganConfig,
    ClipTextConfig,
    FlowTransformerConfig,
    MelVaeConfig,
    SelvaEncoderConfig,
    SynchformerConfig,
    T5Config,
)
from foleycli.latents.flow_transformer import FlowTransformer
from foleycli.latents.mel_vae import MelVae
from foleycli.models.filled import fill_tensor, filled
from foleycli.sight.selva import SelvaEncoder
from foleycli.spot.clip_text import ClipText
from foleycli.spot.t5 import T5Encoder
from foleycli.waveform.bigvgan import BigVgan

SEEN = SynchformerConfig(size=48, heads=3, blocks=1)
WORDS = "dog barking footsteps on gravel rain a the".split()


def write_public(folder: Path) -> Path:
    """Every file that `foley models pull selva` fetches."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = filled(SelvaEncoder(SelvaEncoderConfig(seen=SEEN, text_size=32)).state_dict())
    torch.save(encoder, folder / "video_enc_sup_5.pth")
    sizes = FlowTransformerConfig(
        size=64, heads=2, joint_blocks=2, fused_blocks=1,
        sync_size=48, picture_size=24, text_size=64,
    )  # fmt: skip
    generator = filled(FlowTransformer(sizes).state_dict())
    extra = {
        "t_embed.freqs": torch.zeros(128),
        "latent_rot": torch.zeros(2),
        "clip_rot": torch.zeros(2),
    }
    torch.save(generator | extra, folder / "generator_small_16k_sup_5.pth")
    torch.save(raw_vae(), folder / "v1-16.pth")
    torch.save({"generator": weight_normed()}, folder / "best_netG.pt")
    from safetensors.torch import save_file

    t5 = filled(
        T5Encoder(
            T5Config(vocabulary=300, size=32, heads=4, head_size=8, inner=48, blocks=1)
        ).state_dict()
    )
    save_file(
        t5 | {"decoder.block.0.weight": torch.zeros(2), "lm_head.weight": torch.zeros(2)},
        folder / "model.safetensors",
    )
    clip = filled(ClipText(ClipTextConfig(size=64, heads=1, blocks=1)).state_dict())
    unused = {
        "visual.conv1.weight": torch.zeros(2),
        "text_projection": torch.zeros(2, 2),
        "logit_scale": torch.zeros(()),
    }
    torch.save(clip | unused, folder / "open_clip_pytorch_model.bin")
    write_tokenizer(folder / "tokenizer.json")
    return folder


def raw_vae() -> dict[str, Tensor]:
    """As published: not folded, with gains, both halves."""
    net = MelVae(MelVaeConfig(size=32), encodes=True)
    raw = {name: tensor for name, tensor in net.state_dict().items() if name.startswith("data_")}
    raw |= {
        name: fill_tensor(name, tuple(t.shape))
        for name, t in net.state_dict().items()
        if name not in raw
    }
    return raw | {f"{half}.learnable_gain": torch.tensor(0.1) for half in ("encoder", "decoder")}


def weight_normed() -> dict[str, Tensor]:
    """As published: lengths and directions, and the filters."""
    plain = filled(BigVgan(BigvganConfig(size=64)).state_dict())
    public = {"activation_post.upsample.filter": torch.zeros(1, 1, 12)}
    for name, tensor in plain.items():
        if name.endswith(".weight") and tensor.ndim == 3:
            stem = name.removesuffix(".weight")
            public[f"{stem}.weight_g"] = tensor.flatten(1).norm(dim=1).view(-1, 1, 1)
            public[f"{stem}.weight_v"] = 3 * tensor
        else:
            public[name] = tensor
    return public


def write_tokenizer(path: Path) -> None:
    """A tokenizer that ends texts with </s>, as FLAN-T5's does."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    vocabulary = {"<pad>": 0, "</s>": 1, "<unk>": 2} | {w: i for i, w in enumerate(WORDS, 3)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.save(str(path))
