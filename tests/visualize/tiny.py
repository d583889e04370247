"""A text-to-video model, a mapper and BEATs, all tiny, as files that users would have."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from foleycli.listeners.beats import Beats, BeatsConfig
from foleycli.models.filled import filled
from foleycli.visualize.tempotokens.tokens import Mapper, MapperConfig

WORDS = 49_408


def write_weights(folder: Path) -> dict[str, Path]:
    """Folder of the model, file of the mapper, file of BEATs."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    UNet3DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=8,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
    ).save_pretrained(folder / "vae")
    CLIPTextModel(
        CLIPTextConfig(
            vocab_size=WORDS,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
        )
    ).save_pretrained(folder / "text_encoder")
    write_tokenizer(folder / "tokenizer")
    mapper = Mapper(MapperConfig(144, 40, 32))
    save_file(filled(mapper.state_dict()), folder / "mapper.safetensors")
    sizes = {
        "encoder_layers": 3,
        "encoder_embed_dim": 48,
        "encoder_ffn_embed_dim": 96,
        "encoder_attention_heads": 4,
        "embed_dim": 32,
        "conv_pos": 16,
        "conv_pos_groups": 4,
        "num_buckets": 32,
        "max_distance": 60,
        "predictor_class": 11,
    }
    model = filled(Beats(BeatsConfig(**sizes)).state_dict())
    torch.save({"cfg": sizes | {"layerdrop": 0.05}, "model": model}, folder / "beats.pt")
    return {
        "t2v": folder,
        "mapper": folder / "mapper.safetensors",
        "beats": folder / "beats.pt",
    }


def write_tokenizer(folder: Path) -> None:
    """CLIP's vocabulary in size only: letters, then fillers, then start and end."""
    folder.mkdir(parents=True)
    letters = [chr(n) for n in range(97, 123)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), ",</w>"]
    words += [f"filler{n}" for n in range(49_406 - len(words))]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77})
    )
