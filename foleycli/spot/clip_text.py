"""Words as CLIP reads them: the tower of ViT-H/14 (Radford et al., arXiv 2103.00020), all rows.

SelVA's generator takes a unit row for each of the 77 places (arXiv 2512.02650), so what makes one
row of all of them is left out. Modules carry the names and shapes of the public weights.
"""

import html
import lzma
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foleycli.config import CLIP_TEXT, ClipTextConfig
from foleycli.sight.clip import Block

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FIRST, LAST = 49406, 49407  # tokens that open and close a text
MERGES = "clip_merges.txt.xz"  # pairs of the byte-pair code, most frequent first
# What a text falls apart into: contractions, words, single digits, the rest.
WORD = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class ClipText(nn.Module):
    """Numbers of tokens -> a unit row each."""

    def __init__(self, config: ClipTextConfig = CLIP_TEXT) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocabulary, config.size)
        self.positional_embedding = nn.Parameter(torch.zeros(config.words, config.size))
        blocks = (Block(config.size, config.heads, causal=True) for _ in range(config.blocks))
        self.transformer = nn.ModuleDict({"resblocks": nn.Sequential(*blocks)})
        self.ln_final = nn.LayerNorm(config.size)

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, 77) -> (batch, 77, size), float32"""
        rows = self.token_embedding(ids).float() + self.positional_embedding
        rows = self.ln_final(self.transformer["resblocks"](rows))
        return F.normalize(rows.float(), dim=-1)


def clip_tokens(texts: list[str], words: int = CLIP_TEXT.words) -> Tensor:
    """Texts as CLIP's numbers: (texts, 77), opened, closed, zeros after it; cut where too long."""
    rows = torch.zeros(len(texts), words, dtype=torch.long)
    for row, text in zip(rows, texts, strict=True):
        ids = [FIRST, *_code().encode(clean(text), add_special_tokens=False).ids][: words - 1]
        row[: len(ids) + 1] = torch.tensor([*ids, LAST])
    return rows


def clean(text: str) -> str:
    """Text as CLIP cleans it: mended, without HTML, one space between words, small letters."""
    import ftfy

    plain = html.unescape(html.unescape(ftfy.fix_text(text)))
    return " ".join(plain.split()).lower()


@lru_cache(maxsize=1)
def _code() -> "Tokenizer":
    """CLIP's byte-pair code (Sennrich et al., arXiv 1508.07909): bytes, bytes that end a word, and
    then a token for each pair that was merged."""
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    packed = (files("foleycli.spot") / MERGES).read_bytes()
    lines = lzma.decompress(packed).decode("utf-8").splitlines()
    merges = [(one, other) for one, other in (line.split(" ") for line in lines)]
    letters = [*_printable(), *(f"{letter}</w>" for letter in _printable())]
    tokens = [*letters, *(one + other for one, other in merges)]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    code = Tokenizer(BPE(vocabulary, merges, end_of_word_suffix="</w>"))
    split = Split(Regex(WORD), "removed", invert=True)
    code.pre_tokenizer = Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    return code


def _printable() -> list[str]:
    """The letter that stands for each byte, in the order of CLIP's vocabulary: bytes that print,
    then the others, moved up past 255."""
    prints = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (chr(0x100 + i) for i in range(256 - len(prints)))
    return [*map(chr, prints), *others]
