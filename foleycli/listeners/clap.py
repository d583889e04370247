"""LAION CLAP, which places sounds and words in one space (arXiv 2211.06687): 512 numbers of 10 s.

The weights are those that AudioLDM's and MMAudio's evaluations load, by the names and shapes they
have there (``music_speech_audioset_epoch_15_esc_89.98.pt`` of the hub's lukewys/laion_clap); the
network is that of the package transformers. As the package laion_clap does, a sound under 10 s is
repeated as often as it fits, and the rest is silence. Of a longer sound that one hears ten seconds
drawn at random; here all of it is heard, in windows of 10 s.
"""

import importlib.util
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from foleycli.config import MelConfig
from foleycli.errors import ModelError
from foleycli.install import get_extra
from foleycli.listeners.heard import Heard
from foleycli.listeners.pulled import listener_file, load_listener
from foleycli.waveform.mel import hann, mel_filters
from foleycli.waveform.sound import cut_windows

NAME, TOKENIZER = "eval-clap", "tokenizer.json"
MEL = MelConfig(
    sample_rate=48_000, n_fft=1024, hop_length=480, n_mels=64, f_min=50.0, f_max=14_000.0
)
WINDOW = 10 * MEL.sample_rate  # samples, that are heard at once
WORDS = 77  # tokens at most, with those of beginning and end
FIRST = 2  # position of the first token
# HTSAT-base and RoBERTa-base, as laion_clap builds them; transformers' defaults where none stands.
SIZES: dict[str, dict[str, Any]] = {
    "audio_config": {
        "patch_embeds_hidden_size": 128,
        "hidden_size": 1024,
        "depths": [2, 2, 12, 2],
        "num_attention_heads": [4, 8, 16, 32],
    },
    "text_config": {"layer_norm_eps": 1e-5},  # RoBERTa's own; transformers' 1e-12 is BERT's
}
# Parts of the public names, and what transformers calls them, in this order.
RENAMED = (
    (r"^text_branch\.", "text_model."),
    (r"^audio_branch\.bn0\.", "audio_model.audio_encoder.batch_norm."),
    (r"^audio_branch\.", "audio_model.audio_encoder."),
    (r"_projection\.0\.", "_projection.linear1."),
    (r"_projection\.2\.", "_projection.linear2."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.", ".attention.self."),
)
# Numbers of places that some versions of transformers keep among the weights; `read` gives its own.
GIVEN = {"text_model.embeddings.position_ids", "text_model.embeddings.token_type_ids"}


class ClapListener:
    """CLAP as it was pulled.

    Args:
        sizes: of the network, for tests.

    Raises:
        ModelError: it was not, or transformers is not installed; the remedy names the command.
    """

    name = "clap"
    sample_rate = MEL.sample_rate
    levelled = False

    def __init__(self, sizes: Mapping[str, dict[str, Any]] = SIZES) -> None:
        if importlib.util.find_spec("transformers") is None:
            raise ModelError(
                "CLAP needs the package transformers, which is not installed.",
                f"{get_extra('clap')}, and `foley models pull {NAME}`.",
            )
        from tokenizers import Tokenizer

        self._net, self.fingerprint = load_listener(
            NAME, lambda: build(sizes), mapped=True, arrange=arrange
        )
        self._tokenizer = Tokenizer.from_file(str(listener_file(NAME, TOKENIZER)))
        self._tokenizer.enable_truncation(WORDS)
        self._read: dict[str, NDArray[np.float32]] = {}

    def __call__(self, waveform: NDArray[np.float32]) -> Heard:
        """Hear a mono waveform (samples,) at 48 kHz: a unit row for each window of 10 s."""
        return Heard(hear(self._net, waveform))

    def read(self, words: str) -> NDArray[np.float32]:
        """A unit row (512,) for words."""
        if words not in self._read:
            self._read[words] = read(self._net, self._tokenizer.encode(words).ids)
        return self._read[words]


@torch.inference_mode()
def hear(net: Any, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit rows (windows, 512) of a mono waveform (samples,) at 48 kHz."""
    windows = clap_mel(cut_windows(repeated(waveform, WINDOW), WINDOW)).split(1)
    rows = [net.audio_projection(net.audio_model(window).pooler_output) for window in windows]
    return F.normalize(torch.cat(rows), dim=1).numpy()


@torch.inference_mode()
def read(net: Any, tokens: Sequence[int]) -> NDArray[np.float32]:
    """A unit row (512,) of the numbers of tokens."""
    given = torch.tensor([tokens])
    row = net.text_model(
        given,
        token_type_ids=torch.zeros_like(given),
        position_ids=torch.arange(len(tokens))[None] + FIRST,
    ).pooler_output
    return F.normalize(net.text_projection(row), dim=1)[0].numpy()


def build(sizes: Mapping[str, dict[str, Any]] = SIZES) -> Any:
    """The network, transformers' ClapModel."""
    from transformers import (  # pyright: ignore[reportMissingImports]  # an extra
        ClapConfig,
        ClapModel,
    )

    return ClapModel(ClapConfig(**sizes))


def arrange(net: nn.Module, public: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The public tensors that the network has, by its names.

    Query, key and value are one matrix in the public attention over sound, and three here; the
    public file's classifier and what it trained beside the projections are left out.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in public.items():
        for part, ours in RENAMED:
            name = re.sub(part, ours, name)
        if ".qkv." in name:
            thirds = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            found |= {name.replace("qkv", which): third for which, third in thirds}
        else:
            found[name] = tensor
    wanted = net.state_dict()
    for name in GIVEN & wanted.keys():
        found[name] = torch.zeros_like(wanted[name], device="cpu")
    return {name: tensor for name, tensor in found.items() if name in wanted}


def repeated(waveform: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """A sound (samples,) as often as it fits whole into a length, at least once."""
    return np.tile(waveform, max(1, length // max(1, len(waveform))))


def clap_mel(waveforms: NDArray[np.float32]) -> Tensor:
    """CLAP's input: (windows, samples) at 48 kHz -> (windows, 1, frames, 64) in dB."""
    spectrogram = torch.stft(
        torch.from_numpy(waveforms.astype(np.float32)), MEL.n_fft, MEL.hop_length,
        window=hann(MEL.n_fft), pad_mode="reflect", return_complex=True,
    )  # fmt: skip
    decibels = 10 * (mel_filters(MEL) @ spectrogram.abs().square()).clamp(min=1e-10).log10()
    return decibels.mT[:, None]
