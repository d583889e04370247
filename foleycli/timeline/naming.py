"""Names of what is delivered: templates, and two that delivery sheets ask for."""

import re
from dataclasses import dataclass
from fractions import Fraction
from string import Formatter

from foleycli.config import NAMING
from foleycli.errors import UsageError
from foleycli.timeline.model import rate_label

# CatID_FXName_CreatorID_SourceID of the Universal Category System, which keeps underscores for
# its own four blocks; and Netflix's "Asset Naming: Sound Mastering and Music Archival":
# title, reel, version, asset, channels, sample rate, bits, timecode rate without a period.
PRESETS = {
    "plain": ("{title}_{number:03}_{clip}", "{title}_{stem}"),
    "ucs": (
        "{category}_{title-} {number:03} {clip-}_FOLEY_{title-}",
        "{category}_{title-} {stem-}_FOLEY_{title-}",
    ),
    "netflix": (
        "{title~}_{reel}_{version}_FXPD_{number:03}_{clip~}_{channels}_48k_24b_{rate}",
        "{title~}_{reel}_{version}_{stem}_{channels}_48k_24b_{rate}",
    ),
}
STEMS = {
    "all": "FXStem",
    "feet": "FXStem_FOLEY_FEET",
    "moves": "FXStem_FOLEY_MOVES",
    "props": "FXStem_FOLEY_PROPS",
    "hard": "FXStem_HARD",
    "voices": "FXStem_VOICES",
    "air": "FXStem_BG",
    "room": "FXStem_REVERB",
    "adm": "FXStem_ADM",
}
UCS = {  # CatIDs of the Universal Category System
    "all": "FOLYMisc",
    "feet": "FOLYFeet",
    "moves": "FOLYClth",
    "props": "FOLYProp",
    "hard": "MECHMisc",
    "voices": "CREAMisc",
    "air": "AMBMisc",
    "room": "FOLYMisc",
    "adm": "FOLYMisc",
}
FIELDS = (
    *("title", "reel", "version", "number", "clip", "timecode", "rate", "category", "stem"),
    "channels",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How files are called.

    Attributes:
        template: a preset's name, or a template of `FIELDS` such as ``{title}_{number:03}_{clip}``.
            ``{title~}`` is in small letters with underscores, ``{title-}`` has no underscores.
        reel: such as r01 or s01e02.
        version: such as v01.
        channels: mono, stereo or 5.1.
    """

    template: str = NAMING.template
    title: str = ""
    reel: str = NAMING.reel
    version: str = NAMING.version
    channels: str = "mono"

    def shot(self, title: str, rate: Fraction, number: int, clip: str, timecode: str) -> str:
        """A shot's file name without suffix.

        Raises:
            UsageError: the template has a field that does not exist.
        """
        template = PRESETS.get(self.template, (self.template, ""))[0]
        values = {"number": number, "clip": clip, "timecode": timecode.replace(":", "")}
        return self._fill(template, title, rate, values, "all")

    def stem(self, title: str, rate: Fraction, kind: str) -> str:
        """A stem's file name without suffix; ``kind`` is all, a layer or room."""
        template = PRESETS.get(self.template, ("", PRESETS["plain"][1]))[1]
        return self._fill(template, title, rate, {}, kind)

    def _fill(
        self, template: str, title: str, rate: Fraction, values: dict[str, object], kind: str
    ) -> str:
        known: dict[str, object] = {
            "title": self.title or title,
            "reel": self.reel,
            "version": self.version,
            "rate": rate_label(rate),
            "channels": self.channels.replace(".", ""),
            "category": UCS[kind],
            "stem": STEMS[kind],
            **values,
        }
        try:
            parts = [
                literal + (_said(known, name, form or "") if name is not None else "")
                for literal, name, form, _ in Formatter().parse(template)
            ]
        except (KeyError, ValueError) as error:
            raise UsageError(
                f"The name template {template} cannot be filled: {error}.",
                f"Use {', '.join('{' + field + '}' for field in FIELDS)}, or a preset: "
                f"{', '.join(PRESETS)}.",
            ) from error
        return safe_name("".join(parts), spaces=self.template == "ucs")


def _said(known: dict[str, object], name: str, form: str) -> str:
    value = known[name.rstrip("~-")]
    if re.search(r"\d{3}", form):
        raise ValueError(f"{form} is wider than a name can be")
    if name.endswith("~"):
        return re.sub(r"\W+", "_", str(value)).strip("_").lower()
    if name.endswith("-"):
        return re.sub(r"[\W_]+", " ", str(value)).strip()
    return format(value, form)


def safe_name(name: str, *, spaces: bool = False) -> str:
    """A name every system takes, at most 120 bytes, not hidden."""
    wrong = r'[/\\:*?"<>|\x00-\x1f]+' if spaces else r'[\s/\\:*?"<>|\x00-\x1f]+'
    plain = re.sub(wrong, "_", name).strip("._ ") or "shot"
    return plain.encode()[:120].decode(errors="ignore").rstrip(" .")


PLAIN = Naming()
