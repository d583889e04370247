"""From file and folder names to words that can be searched."""

import csv
import math
import re
from functools import lru_cache
from importlib.resources import files
from pathlib import PurePath

# CatIDs of the Universal Category System (universalcategorysystem.com, a public-domain initiative)
# read CATSub, for example DOORWood. ucs.csv has the categories, and their subcategories where the
# abbreviation itself is no word; checked against lists that tools for sound editors carry.
_UCS_NAME = re.compile(r"^([A-Z]{2,5})([A-Z][a-zA-Z]{1,7})?(?:-[^_]*)?_([^_]+)(?:_|$)")
SHORT_RANK = 13_000  # parts of three letters must be among the commonest words
_NOISE = frozenset(
    "wav aif flac mp3 ogg stereo mono take tk var vol mix final edit raw rec st khz bit hz db sfx"
    " fx sound sounds sample samples recording audio untitled the a an of and with in on".split()
)


def name_words(path: PurePath) -> str:
    """Words that a file's name and its folders say about its sound.

    A UCS name (``CATSub_FX Name_Creator_Source``) gives category and FX name, nothing else. Any
    other name gives its own words, then those of its folder.

    Args:
        path: relative to the collection, so that folders above it say nothing.
    """
    if ucs := _ucs_words(path.stem):
        return label_words(ucs)
    own = label_words(path.stem)
    folder = label_words(" ".join(path.parent.parts[-2:]))
    return _unique(f"{own} {folder}")


def label_words(label: str) -> str:
    """Lower-case words of a label: numbers, codes and repetitions gone, compounds split."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z]+", " ", label)
    words = (w for w in spaced.lower().split() if len(w) > 1 and w not in _NOISE)
    return _unique(" ".join(part for word in words for part in split_compound(word)))


def split_compound(word: str) -> list[str]:
    """Split a lower-case word that is none into commonest ones that are: "liddrop" -> lid, drop."""
    ranks = word_ranks()
    if len(word) < 5 or is_word(word):
        return [word]
    best: list[tuple[float, list[str]]] = [(0.0, [])]
    for end in range(1, len(word) + 1):
        options = [
            (cost + math.log(ranks[word[start:end]] + 10) + 2.0, [*parts, word[start:end]])
            for start, (cost, parts) in enumerate(best)
            if end - start >= (3 if ranks.get(word[start:end], SHORT_RANK) < SHORT_RANK else 4)
            and word[start:end] in ranks
        ]
        best.append(min(options, default=(math.inf, [word])))
    cost, parts = best[-1]
    return parts if math.isfinite(cost) and len(parts) <= 3 else [word]


def is_word(word: str) -> bool:
    """Whether a lower-case word, or the one it is a form of, is known: "chopping" is "chop"."""
    ranks = word_ranks()
    forms = [word, word + "s"]
    for ending in ("ing", "ed", "er", "ers", "ling"):
        root = word.removesuffix(ending)
        if root != word and len(root) >= 3:
            forms += [root, root + "e"]
            if root[-1] == root[-2]:
                forms.append(root[:-1])
    return any(form in ranks for form in forms)


@lru_cache(maxsize=1)
def word_ranks() -> dict[str, int]:
    """Known English words, commonest first: the whole words of BERT's vocabulary, in its order."""
    vocabulary = (files("foleycli.spot") / "minilm" / "vocab.txt").read_text("utf-8")
    words = (w for w in vocabulary.split("\n") if len(w) > 1 and w.isascii() and w.isalpha())
    return {word: rank for rank, word in enumerate(words)}


def _ucs_words(name: str) -> str | None:
    match = _UCS_NAME.match(name)
    if not match:
        return None
    known, short, sub = ucs_categories(), match[1], match[2] or ""
    if short not in known or (not sub and name.count("_") < 3):  # WOOD_hit_hard.wav is none
        return None
    category, subcategories = known[short]
    return f"{match[3]} {category} {subcategories.get(sub, sub.replace('Misc', ''))}"


@lru_cache(maxsize=1)
def ucs_categories() -> dict[str, tuple[str, dict[str, str]]]:
    """The words of each UCS category by its abbreviation, and of its subcategories by theirs."""
    text = (files("foleycli.library") / "ucs.csv").read_text("utf-8")
    return {
        row["short"]: (
            row["category"],
            dict(sub.split(" ", 1) for sub in row["subcategories"].split("|") if sub),
        )
        for row in csv.DictReader(text.splitlines())
    }


def _unique(text: str) -> str:
    return " ".join(dict.fromkeys(text.split()))
