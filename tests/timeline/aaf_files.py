"""AAFs as an editing program writes them, made by pyaaf2."""

from fractions import Fraction
from pathlib import Path
from typing import Any

Shot = tuple[str | None, int, int]  # film (None: a gap), first frame in it, frames


def write_aaf(
    path: Path, shots: list[Shot], films: dict[str, Path], rate: Fraction, start: int, drop: bool
) -> None:
    """One picture track and a timecode of ``start`` frames; every film is 100 frames long."""
    import aaf2

    with aaf2.open(str(path), "w") as file:
        cut = file.create.CompositionMob("Reel")
        cut.usage = "Usage_TopLevel"
        file.content.mobs.append(cut)
        clock = cut.create_timeline_slot(f"{rate.numerator}/{rate.denominator}")
        clock.segment = file.create.Timecode(round(rate), drop)
        clock.segment.start = start
        clock.segment.length = sum(frames for _, _, frames in shots)
        picture = cut.create_picture_slot(f"{rate.numerator}/{rate.denominator}")
        masters = {name: _master(file, name, film, rate) for name, film in films.items()}
        for name, first, frames in shots:
            if name is None:
                part = file.create.Filler("picture", frames)
            else:
                part = masters[name].create_source_clip(1, first, frames, "picture")
            picture.segment.components.append(part)


def _master(file: Any, name: str, film: Path, rate: Fraction) -> Any:
    edit_rate = f"{rate.numerator}/{rate.denominator}"
    described = file.create.CDCIDescriptor()
    values = {"ComponentWidth": 8, "HorizontalSubsampling": 2, "ImageAspectRatio": "16/9",
              "StoredWidth": 320, "StoredHeight": 180, "FrameLayout": "FullFrame",
              "VideoLineMap": [42, 0], "SampleRate": edit_rate, "Length": 100}  # fmt: skip
    for key, value in values.items():
        described[key].value = value
    locator = file.create.NetworkLocator()
    locator["URLString"].value = film.as_uri()
    described["Locator"].append(locator)
    source = file.create.SourceMob()
    source.name, source.descriptor = name, described
    slot = source.create_timeline_slot(edit_rate)
    slot.segment = file.create.SourceClip(media_kind="picture", length=100)
    master = file.create.MasterMob(name)
    shown = master.create_timeline_slot(edit_rate)
    shown.segment = source.create_source_clip(slot.slot_id, 0, 100, "picture")
    file.content.mobs.append(source)
    file.content.mobs.append(master)
    return master


def add_dissolve(path: Path, index: int, frames: int, before: int) -> None:
    """Between components ``index - 1`` and ``index``, which overlap by ``frames``."""
    import aaf2

    with aaf2.open(str(path), "rw") as file:
        cut = next(file.content.toplevel())
        (picture,) = (slot for slot in cut.slots if slot.media_kind == "Picture")
        kind = file.create.OperationDef("0c3bea40-fc05-11d2-8a29-0050040ef7d2", "Dissolve")
        kind.media_kind = "picture"
        kind["NumberInputs"].value = 2
        file.dictionary.register_def(kind)
        dissolve = file.create.Transition("picture", frames)
        dissolve["CutPoint"].value = before
        dissolve["OperationGroup"].value = file.create.OperationGroup(kind, frames)
        picture.segment.components.insert(index, dissolve)
