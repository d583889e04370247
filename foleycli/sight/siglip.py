"""SigLIP 2 base, which places pictures and words in one space (arXiv 2502.14786); ``foley models
pull eyes`` fetches it.

The weights are Google's (the hub's google/siglip2-base-patch16-224), the network is SiglipModel of
the package transformers. A picture is squeezed to 224 x 224 and brought to -1 to 1; words are in
lower case and 64 tokens long, the last of those said is the end and the rest are padding, as the
paper has it. How likely words and a picture belong together is the sigmoid of their scaled and
shifted cosine.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from foleycli.errors import ModelError
from foleycli.install import get_extra
from foleycli.listeners.pulled import listener_file, load_listener

NAME, TOKENIZER = "eyes", "tokenizer.json"
TOKENS, PAD, END = 64, 0, 1  # of a text; the numbers of two tokens
SIDE = 224  # pixels
TOGETHER = 32  # texts that are read at once
# Base, as transformers has it but for the tokens; of the tests' networks.
SIZES: dict[str, dict[str, Any]] = {"text_config": {"vocab_size": 256_000}, "vision_config": {}}


class SiglipEyes:
    """SigLIP 2 as it was pulled.

    Args:
        sizes: of the network, for tests.

    Raises:
        ModelError: it was not, or transformers is not installed; the remedy names the command.
    """

    def __init__(self, sizes: Mapping[str, dict[str, Any]] = SIZES) -> None:
        if importlib.util.find_spec("transformers") is None:
            raise ModelError(
                "These eyes need the package transformers, which is not installed.",
                f"{get_extra('eyes')}, and `foley models pull {NAME}`.",
            )
        from tokenizers import Tokenizer

        self._net, self.fingerprint = load_listener(NAME, lambda: build(sizes), mapped=True)
        for part in self._net.modules():  # counted, not stored
            if getattr(part, "position_ids", None) is not None:
                part.position_ids = torch.arange(part.position_ids.shape[-1])[None]
        self._tokenizer = Tokenizer.from_file(str(listener_file(NAME, TOKENIZER)))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit rows (texts, 768)."""
        rows = []
        for first in range(0, len(texts), TOGETHER):
            tokens = [self.tokens(text) for text in texts[first : first + TOGETHER]]
            rows.append(self._net.text_model(torch.tensor(tokens)).pooler_output)
        return F.normalize(torch.cat(rows), dim=1).numpy()

    def tokens(self, text: str) -> list[int]:
        """The numbers of the tokens of a text, 64 of them."""
        said = self._tokenizer.encode(text.lower(), add_special_tokens=False).ids[: TOKENS - 1]
        return [*said, END, *[PAD] * (TOKENS - 1 - len(said))]

    @torch.inference_mode()
    def look(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Unit rows (pictures, 768) of pictures (height, width, 3)."""
        pixels = torch.from_numpy(np.stack([prepare(picture) for picture in pictures]))
        return F.normalize(self._net.vision_model(pixels).pooler_output, dim=1).numpy()

    @torch.inference_mode()
    def belong(
        self, pictures: NDArray[np.float32], texts: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """How likely they belong together, of rows of `look` and `read`: (pictures, texts)."""
        cosines = torch.from_numpy(pictures @ texts.T)
        return (cosines * self._net.logit_scale.exp() + self._net.logit_bias).sigmoid().numpy()


def prepare(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture (height, width, 3) as the network takes it: (3, 224, 224), -1 to 1."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
    return (small / np.float32(127.5) - np.float32(1)).transpose(2, 0, 1)


def build(sizes: Mapping[str, dict[str, Any]] = SIZES) -> Any:
    """The network, transformers' SiglipModel."""
    from transformers import (  # pyright: ignore[reportMissingImports]  # an extra
        SiglipConfig,
        SiglipModel,
    )

    configure: Any = SiglipConfig  # which checkers take for one of many plain options
    return SiglipModel(configure(**sizes))
