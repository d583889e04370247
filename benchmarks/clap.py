"""LAION CLAP beside its own package, both filled alike; no weights are fetched.

    pip install 'foleycli[clap]' librosa
    pip install --no-deps laion_clap torchlibrosa
    HF_HUB_OFFLINE=1 python benchmarks/clap.py

Apart from references.py, because transformers does not import beside the torchaudio that one asks
for. What laion_clap imports and does not need here is stood in for.
"""

import importlib.metadata
import sys
from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch
import transformers

from foleycli.listeners import clap
from foleycli.models.filled import filled

BLANK = (
    "braceexpand ftfy h5py pandas timm timm.models timm.models.layers torchaudio "
    "torchaudio.functional torchaudio.transforms torchvision torchvision.datasets torchvision.ops "
    "torchvision.ops.misc torchvision.transforms webdataset wget"
).split()
SECONDS = (10, 8, 3.3)
TOKENS = [0, 100, 2000, 345, 9, 2]  # of some words, with beginning and end
PADDED, PADDING = 77, 1
OWN = ("_extractor.", "attn_mask")  # of its front end and attention: constants

Row = tuple[str, float, float]  # what, theirs, ours


def published() -> Any:
    """The package's model without fusion, HTSAT-base; its RoBERTa is made here, not fetched."""
    sizes = transformers.RobertaConfig(
        vocab_size=50_265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5
    )
    made = transformers.RobertaModel(sizes)
    transformers.RobertaModel.from_pretrained = lambda name: made  # type: ignore[method-assign]
    for name in ("BertTokenizer", "RobertaTokenizer", "BartTokenizer"):
        setattr(transformers, name, MagicMock())
    for name in BLANK:
        sys.modules[name] = MagicMock()
    import laion_clap

    return laion_clap.CLAP_Module(enable_fusion=False, device="cpu", amodel="HTSAT-base").eval()


def compare() -> Iterator[Row]:
    """Sums of sizes of what both hear and read, and their score."""
    ours = clap.build()  # before torchaudio is stood in for
    theirs = published()
    weights = {
        name: tensor
        for name, tensor in theirs.model.state_dict().items()
        if tensor.is_floating_point() and not any(part in name for part in OWN)
    }
    theirs.model.load_state_dict(filled(weights), strict=False)
    ours.load_state_dict(clap.arrange(ours, theirs.model.state_dict()))
    ours.eval()
    rng = np.random.default_rng(0)
    words = clap.read(ours, TOKENS)
    ids = torch.tensor([TOKENS + [PADDING] * (PADDED - len(TOKENS))])
    given = {"input_ids": ids, "attention_mask": (ids != PADDING).long()}
    with torch.no_grad():
        expected = theirs.get_text_embedding("", lambda text: given)[0]
    told("words", expected, words)
    yield "CLAP, words: sum of sizes", float(abs(expected).sum()), float(abs(words).sum())
    for seconds in SECONDS:
        samples = round(seconds * clap.MEL.sample_rate)
        noise = (0.1 * rng.standard_normal(samples) * np.linspace(0.01, 1, samples)).astype("f4")
        with torch.no_grad():
            heard = theirs.get_audio_embedding_from_data(
                torch.from_numpy(noise)[None], use_tensor=True
            )[0].numpy()
        found = clap.hear(ours, noise)[0]
        told(f"{seconds} s", heard, found)
        yield f"CLAP, {seconds} s: sum of sizes", float(abs(heard).sum()), float(abs(found).sum())
        yield f"CLAP score of {seconds} s", float(expected @ heard), float(words @ found)


def told(what: str, theirs: np.ndarray, ours: np.ndarray) -> None:
    """Say how far apart the numbers are."""
    print(f"{what}: none differs by more than {abs(theirs - ours).max():.1e}", file=sys.stderr)


def main() -> None:
    """Print a Markdown table."""
    version = importlib.metadata.version("laion_clap")
    print("| what | package | theirs | ours |\n|---|---|---|---|")
    for what, theirs, ours in compare():
        print(f"| {what} | laion_clap {version} | {theirs:.7g} | {ours:.7g} |", flush=True)


if __name__ == "__main__":
    main()
