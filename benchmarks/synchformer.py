"""Synchformer beside its published code, both filled alike; no weights are fetched.

    pip install --no-deps einops torchaudio
    git clone https://github.com/v-iashin/Synchformer
    python benchmarks/synchformer.py Synchformer [--full] [--write tests/features]

FOLDER may also be the copy that the package ``ayase`` 0.2.1 carries: pip download --no-deps
ayase==0.2.1, unpacked: ayase/vendor/verse_bench/syncformer. Of what that code imports, omegaconf,
timm, transformers and torchvision are stood in for, since only their smallest parts are used.
``--full`` takes the published sizes (4 GB, a minute) in place of small ones; ``--write`` makes
the files of numbers that tests compare with.
"""

import argparse
import csv
import importlib
import importlib.metadata
import importlib.util
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
from torch import Tensor, nn

from foleycli.config import SYNCHFORMER, SynchformerConfig
from foleycli.models.filled import filled
from foleycli.sight import synchformer

SMALL = SynchformerConfig(size=16, heads=2, blocks=1, sync_heads=2, sync_blocks=1)
BLANK = (
    "timm timm.data timm.models timm.models.resnet timm.models.registry torchvision requests tqdm "
    "transformers transformers.models transformers.models.audio_spectrogram_transformer"
).split()
ROWS = synchformer.SEGMENTS * 14 + 2  # of the last transformer
ASKED = {"sizes": SMALL}  # of what the published code builds, which asks its packages for them

Row = tuple[str, str, float, float]  # what, of whom, theirs, ours


def compare(folder: Path, config: SynchformerConfig = SMALL) -> Iterator[Row]:
    """Sums of what each part gives, in size; and of the spectrogram."""
    theirs, ours = published(folder, config), synchformer.Synchformer(config).eval()
    weights = filled(theirs.state_dict())
    theirs.load_state_dict(weights)
    ours.load_state_dict(weights)
    inputs = draw(config)
    with torch.inference_mode():
        pairs = zip(run_theirs(theirs, *inputs), run_ours(ours, *inputs), strict=True)
        for name, (one, other) in zip(("pictures", "sounds", "offsets"), pairs, strict=True):
            apart = float((one - other).abs().max())
            print(f"{name}: none differs by more than {apart:.1e}", file=sys.stderr)
            what = f"Synchformer's {name}, sum of sizes"
            yield what, "v-iashin/Synchformer", float(one.abs().sum()), float(other.abs().sum())
    waveform = 0.1 * torch.from_numpy(np.random.RandomState(1).standard_normal((4, 10_240))).float()
    theirs_mel, ours_mel = torchaudio_mel(waveform), synchformer.segment_mel(waveform)
    told = float(theirs_mel.abs().sum()), float(ours_mel.abs().sum())
    yield "Synchformer's spectrogram, sum of sizes", "torchaudio", *told


def draw(config: SynchformerConfig) -> tuple[Tensor, ...]:
    """A segment of pictures, two of sound, and rows of both."""
    rng = np.random.RandomState(0)
    frames = torch.from_numpy(rng.randint(0, 256, (1, 16, 3, 224, 224)).astype(np.uint8))
    shapes = (2, 128, 66), (1, 14, 8, config.size), (1, 14, 6, config.size)
    return frames, *(torch.from_numpy(rng.standard_normal(s).astype("f4")) for s in shapes)


def run_theirs(
    net: Any, frames: Tensor, mel: Tensor, seen: Tensor, heard: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of pictures, rows of sounds, logits."""
    rows = net.vproj(seen).flatten(1, 2), net.aproj(heard).flatten(1, 2)
    pictures = net.extract_vfeats((frames[None] / 255 - 0.5) / 0.5, True)[0]
    return pictures, net.extract_afeats(mel[None, :, None], False)[0], net.transformer(*rows)


def run_ours(
    net: synchformer.Synchformer, frames: Tensor, mel: Tensor, seen: Tensor, heard: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The same."""
    return net.vfeat_extractor(frames), net.afeat_extractor(mel), net(seen, heard)


def published(folder: Path, config: SynchformerConfig) -> Any:
    """The published network at other sizes, without weights."""
    folder = folder.resolve()
    inside = folder.name == "syncformer"  # a copy that is a package
    prefix = "syncformer." if inside else ""
    sys.path[:0] = [str(folder.parent if inside else folder)]
    sys.path.append(str(folder / "model/modules/feat_extractors/visual"))
    ASKED["sizes"] = config
    stand_in()
    # it would fetch the file of sizes that `divided` stands in for
    fetching: Any = importlib.import_module(f"{prefix}utils.utils")
    fetching.check_if_file_exists_else_download = MagicMock()
    size, shared = config.size, {"extract_features": True, "add_global_repr": False}
    layer, none = "TransformerEncoderLayer", "torch.nn.Identity"
    linear = {"target": "torch.nn.Linear", "params": {"in_features": size, "out_features": size}}
    extractors = f"{prefix}model.modules.feat_extractors"
    sound = {"max_spec_t": 66, "factorize_freq_time": True, "agg_freq_module": layer}
    picture = {"factorize_space_time": True, "agg_space_module": layer}
    positions = {
        "target": f"{prefix}model.modules.transformer.RandInitPositionalEncoding",
        "params": {"block_shape": [ROWS], "n_embd": size},
    }
    head = {"target": "torch.nn.Linear", "params": {"in_features": size, "out_features": 21}}
    transformer = {
        **{f"{part}_pdrop": 0.0 for part in ("tok", "embd", "resid", "attn")},
        "n_layer": config.sync_blocks,
        "n_head": config.sync_heads,
        "n_embd": size,
        "pos_emb_cfg": positions,
        "off_head_cfg": head,
    }
    model = importlib.import_module(f"{prefix}model.sync_model")
    return model.Synchformer(
        {
            "target": f"{extractors}.audio.ast.AST",
            "params": {**shared, **sound, "agg_time_module": none},
        },
        {
            "target": f"{extractors}.visual.motionformer.MotionFormer",
            "params": {**shared, **picture, "agg_time_module": none},
        },
        linear,
        linear,
        {"target": f"{prefix}model.sync_model.GlobalTransformer", "params": transformer},
    ).eval()


def stand_in() -> None:
    """Modules in place of packages: a few names each."""
    for name in BLANK:
        sys.modules.setdefault(name, MagicMock())

    class Pretrained(nn.Module):
        device = torch.device("cpu")

        def __init__(self, sizes: Any):
            super().__init__()
            self.config = sizes

        def post_init(self) -> None: ...

        def get_head_mask(self, mask: None, blocks: int) -> list[None]:
            return [None] * blocks

    class Output(dict):
        def __getattr__(self, name: str) -> Any:
            return self[name]

        def __getitem__(self, key: Any) -> Any:
            return super().__getitem__(key) if isinstance(key, str) else list(self.values())[key]

    def decorated(*_: Any, **__: Any) -> Any:
        return lambda function: function

    outputs = ("BaseModelOutput", "BaseModelOutputWithPooling", "SequenceClassifierOutput")
    docstrings = ("code_sample_docstrings", "start_docstrings", "start_docstrings_to_model_forward")
    ast = "transformers.models.audio_spectrogram_transformer.modeling_audio_spectrogram_transformer"
    modules: dict[str, dict[str, Any]] = {
        "omegaconf": {"OmegaConf": SimpleNamespace(load=lambda path: divided(ASKED["sizes"]))},
        "timm.models.layers": {
            "trunc_normal_": nn.init.trunc_normal_,
            "DropPath": nn.Dropout,
            "to_2tuple": lambda side: (side, side),
        },
        "transformers.activations": {"ACT2FN": {"gelu": nn.functional.gelu}},
        "transformers.modeling_outputs": dict.fromkeys(outputs, Output),
        "transformers.modeling_utils": {"PreTrainedModel": Pretrained},
        "transformers.pytorch_utils": dict.fromkeys(
            ("find_pruneable_heads_and_indices", "prune_linear_layer")
        ),
        "transformers.utils": {"logging": MagicMock()}
        | dict.fromkeys((f"add_{name}" for name in docstrings), decorated),
        ast: {"ASTConfig": lambda: ast_sizes(ASKED["sizes"])},
    }
    for name, content in modules.items():
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__dict__.update(content)


def divided(config: SynchformerConfig) -> SimpleNamespace:
    """What divided_224_16x4.yaml of facebookresearch/Motionformer says, at our sizes."""
    return SimpleNamespace(
        DATA=SimpleNamespace(TRAIN_CROP_SIZE=224),
        TRAIN=SimpleNamespace(DATASET="Ssv2"),
        MODEL=SimpleNamespace(NUM_CLASSES=174),
        VIT=SimpleNamespace(
            PATCH_SIZE=16, PATCH_SIZE_TEMP=2, CHANNELS=3, EMBED_DIM=config.size,
            DEPTH=config.blocks, NUM_HEADS=config.heads, MLP_RATIO=4, QKV_BIAS=True,
            VIDEO_INPUT=True, TEMPORAL_RESOLUTION=8, USE_MLP=True, DROP=0.0, POS_DROPOUT=0.0,
            DROP_PATH=0.2, HEAD_DROPOUT=0.0, HEAD_ACT="tanh", ATTN_LAYER="divided",
        ),
    )  # fmt: skip


def ast_sizes(config: SynchformerConfig) -> SimpleNamespace:
    """The defaults of transformers' ASTConfig, at our sizes."""
    return SimpleNamespace(
        hidden_size=config.size, num_hidden_layers=config.blocks, hidden_act="gelu",
        num_attention_heads=config.heads, intermediate_size=4 * config.size, layer_norm_eps=1e-12,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.02,
        patch_size=16, qkv_bias=True, frequency_stride=10, time_stride=10, max_length=1024,
        num_mel_bins=128, chunk_size_feed_forward=0, num_labels=2, output_attentions=False,
        output_hidden_states=False, use_return_dict=True,
    )  # fmt: skip


def torchaudio_mel(waveform: Tensor) -> Tensor:
    """As av-benchmark calls torchaudio's MelSpectrogram: (segments, 128, 66)."""
    file = importlib.metadata.distribution("torchaudio").locate_file(
        "torchaudio/functional/functional.py"
    )
    for name in ("", ".functional", ".functional.filtering", "._internal", "._extension"):
        sys.modules.setdefault(f"torchaudio{name}", MagicMock())
    sys.modules["torchaudio._internal.module_utils"] = MagicMock()
    spec = importlib.util.spec_from_file_location("torchaudio.functional.functional", str(file))
    assert spec and spec.loader
    functional = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(functional)
    filters = functional.melscale_fbanks(513, 0.0, 8000.0, 128, 16_000, None, "htk")
    power = functional.spectrogram(waveform, 0, torch.hann_window(400), 1024, 160, 400, 2.0, False)
    mel = (power.transpose(1, 2) @ filters).transpose(1, 2).add(1e-6).log()
    return (nn.functional.pad(mel, (0, 1)) + 4.2677393) / (2 * 4.5689974)


def write(folder: Path, out: Path) -> None:
    """The tensors at full size, and the numbers at the small one, of the published code."""
    theirs = published(folder, SMALL)
    theirs.load_state_dict(filled(theirs.state_dict()))
    with torch.inference_mode():
        parts = run_theirs(theirs, *draw(SMALL))
    arrays = {
        name: part.numpy() for name, part in zip(("seen", "heard", "logits"), parts, strict=True)
    }
    np.savez(out / "synchformer_tiny.npz", **arrays)  # type: ignore[arg-type]
    tensors = published(folder, SYNCHFORMER).state_dict()
    counts = Counter(
        (re.sub(r"\.(blocks|layer)\.\d+\.", r".\1.*.", name), "x".join(map(str, tensor.shape)))
        for name, tensor in tensors.items()
    )
    with (out / "synchformer_tensors.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("name", "shape", "count"))
        rows.writerows((*key, count) for key, count in counts.items())


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description="Synchformer beside its published code.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    if asked.write:
        write(asked.folder, asked.write)
    print("| what | of whom | theirs | ours |\n|---|---|---|---|")
    for what, whose, theirs, ours in compare(asked.folder, SYNCHFORMER if asked.full else SMALL):
        print(f"| {what} | {whose} | {theirs:.7g} | {ours:.7g} |", flush=True)


if __name__ == "__main__":
    main()
