"""XML that others wrote, read with bounds, so that each fault costs a line that names its place."""

import xml.etree.ElementTree as ET
from fractions import Fraction

from foleycli.documents import exact_number
from foleycli.errors import MediaError

DEEPEST = 200  # elements inside one another; editors reach some thirty


def parse_xml(text: str) -> ET.Element:
    """The document's first element.

    Raises:
        MediaError: it is no XML, nested without end, or defines entities, which no editor writes
            and which may stand for any length.
    """
    if "<!ENTITY" in text:
        raise MediaError("The document defines entities.", "Export it again from your editor.")
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise MediaError(f"This is not XML: {error}.", "Export it again.") from error
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise MediaError(
                f"The document is nested too deeply: {level[0].tag} inside {DEEPEST} elements.",
                "Open compound clips and nested sequences in your editor, and export again.",
            )
        level = [child for element in level for child in element]
    return root


def element_name(element: ET.Element) -> str:
    """How a message calls an element: ``asset-clip "B"``."""
    name = element.get("name") or element.findtext("name") or element.get("id") or ""
    return f'{element.tag} "{" ".join(name.split())[:60]}"' if name else element.tag


def number_of(element: ET.Element, what: str, text: str) -> Fraction:
    """A number that stands in an element.

    Raises:
        MediaError: it is none; naming the element and what of it.
    """
    try:
        return exact_number(text)
    except (ValueError, ZeroDivisionError) as error:
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        raise MediaError(
            f'{element_name(element)}: {what} "{shown}" is not a number that can be.',
            "Correct it, or export again.",
        ) from error
