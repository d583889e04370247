"""CatIDs of the Universal Category System, for what we call a sound.

``catids.csv`` was written for our own words; each CatID in it stands in UCS 8.2.1's list.
"""

import csv
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

from foleycli.library.bank import split_phrases
from foleycli.library.words import ucs_categories
from foleycli.spot.phrases import other_words

_NAMED = re.compile(r"([A-Z]{2,5})([A-Z][a-zA-Z]{1,7})?(?:-[^_]*)?_")  # CatID, user category


@lru_cache(maxsize=1)
def catids() -> dict[str, str]:
    """CatID by our words."""
    text = (files("foleycli.library") / "catids.csv").read_text("utf-8")
    return {
        words: row["catid"]
        for row in csv.DictReader(text.splitlines())
        for words in row["words"].split("|")
    }


def catid_of(what: str, heard: Sequence[str] = ()) -> str:
    """The CatID of a sound; "" where nobody can say.

    Args:
        what: its words; of several sounds the first one's.
        heard: ids of the recordings that sound; a file of a library of one's own that is named
            after UCS says its CatID itself.
    """
    for name in heard:
        file = name.rpartition("/")[2]
        named = _NAMED.match(file)
        # WOOD_hit_hard.wav is no name of UCS, RAIN_On Roof_Anna_Home.wav is
        if named and named[1] in ucs_categories() and (named[2] or file.count("_") >= 3):
            return named[1] + (named[2] or "")
    known = catids()
    for words in (what, *split_phrases(what)):
        plain = words.strip().casefold()
        if plain in known:
            return known[plain]
        meant = other_words().get(plain, "").partition(";")[0].partition("@")[0].strip()
        if meant in known:
            return known[meant]
    return ""
