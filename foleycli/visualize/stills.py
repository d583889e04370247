"""Stills: an animatic of photographs or storyboards, with camera moves on the onsets.

Each stretch of sound gets the picture whose contents fit it; the camera drifts over it faster where
the sound is louder, and punches in on strong onsets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from foleycli.config import FRAMES
from foleycli.errors import MediaError
from foleycli.timeline.model import STILLS
from foleycli.visualize.burn import Burn
from foleycli.visualize.cutting import Slot, find_slots
from foleycli.visualize.hear import RATE, Heard
from foleycli.visualize.match import Floats, query_of, unit
from foleycli.visualize.request import Progress, Request, Take, finish, write_facts
from foleycli.visualize.sound import Sound

DRIFT = 0.016  # of the picture's width that the camera goes by in a second, in quiet sound
LOUD_DRIFT = 0.05  # more of it in loud sound
PUNCH = 0.07  # of its size that the picture grows at the strongest onset
PUNCH_SECONDS = 0.45  # until it is back
ZOOM = 1.16  # how much larger than the frame a picture is, so that there is room to move
KEPT = 0.7  # share of a picture that filling the frame must keep, or it stands whole
AGAIN = 0.5  # cosine that a picture loses for each time it was shown
TAKEN = 10.0  # and for the place it had in an earlier take
LARGEST = 200_000_000  # pixels of a photograph that are opened


@dataclass(frozen=True, slots=True)
class Still:
    """A photograph, and what is in it."""

    path: Path
    words: Floats  # (384,) words that are seen


def draw_stills(
    sound: Sound,
    heard: Heard,
    outs: list[Path],
    rate: Fraction,
    request: Request,
    progress: Progress,
) -> list[Take]:
    """Choose pictures, move over them, and write every take."""
    assert request.material is not None
    stills = look_at_stills(request.material, lambda done: progress("looking", done))
    slots = find_slots(heard, sound.frames(rate), rate)
    taken: dict[int, set[int]] = {}
    takes = []
    for number, out in enumerate(outs):
        chosen = choose_stills(stills, slots, heard, rate, request.prompt, taken)
        for slot, still in zip(slots, chosen, strict=True):
            taken.setdefault(slot.first, set()).add(still)
        pictures = [stills[still].path for still in chosen]
        frames = move(sound, heard, slots, pictures, rate, request, request.seed + number)
        counted = _counted(frames, sound.frames(rate), progress, number, len(outs))
        finish(counted, sound, out, rate, request)
        facts = {
            "pictures": [
                {"frame": slot.first, "frames": slot.frames, "picture": path.name}
                for slot, path in zip(slots, pictures, strict=True)
            ]
        }
        write_facts(out, sound, request, facts)
        takes.append(Take(out, (), facts))
    return takes


def look_at_stills(folder: Path, progress=lambda _: None) -> list[Still]:
    """What is in every picture of a folder, by name.

    Raises:
        MediaError: there is none that can be opened.
    """
    from foleycli.spot.encode import Encoder

    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in STILLS)
    seer = Encoder.open().seer
    stills = []
    for number, path in enumerate(paths):
        try:
            small = open_still(path, FRAMES.size).resize((FRAMES.size, FRAMES.size))
        except MediaError:
            continue
        stills.append(Still(path, unit(seer.look(np.asarray(small)[None])[0])))
        progress((number + 1) / len(paths))
    if not stills:
        raise MediaError(f"{folder} holds no picture.", f"Looked for {' '.join(STILLS)}.")
    return stills


def open_still(path: Path, least: int) -> Image.Image:
    """A photograph upright, RGB; opened no larger than it takes to be ``least`` pixels wide.

    Raises:
        MediaError: it is no picture.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > LARGEST:
                raise MediaError(f"{path.name} is too large.", "Make it smaller first.")
            image.draft("RGB", (least, least))
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path.name} is no picture: {error}.", "Leave it out.") from error


def choose_stills(
    stills: Sequence[Still],
    slots: Sequence[Slot],
    heard: Heard,
    rate: Fraction,
    prompt: str | None = None,
    taken: dict[int, set[int]] | None = None,
) -> list[int]:
    """The picture of each slot: its contents fit best, those that were shown stand back."""
    rows = np.stack([still.words for still in stills])
    rows = rows - rows.mean(axis=0) if len(rows) > 4 else rows
    vectors = np.stack([unit(row) for row in rows])
    shown = np.zeros(len(stills))
    chosen = []
    for slot in slots:
        query = query_of(heard, float(slot.first / rate), float(slot.last / rate), prompt)
        fit = vectors @ query.words - AGAIN * shown
        for still in (taken or {}).get(slot.first, set()):
            fit[still] -= TAKEN
        best = int(fit.argmax())
        shown[best] += 1
        chosen.append(best)
    return chosen


def move(
    sound: Sound,
    heard: Heard,
    slots: Sequence[Slot],
    pictures: Sequence[Path],
    rate: Fraction,
    request: Request,
    seed: int,
) -> Iterator[VideoFrame]:
    """Every frame of the animatic; the same seed moves the same way."""
    random, origin = Random(seed), sound.timecode(rate)
    width, height = request.width, request.height
    burn = Burn(width, height, request.burn)
    scale = np.exp(0.8 * (heard.level - heard.level.max()))  # 0 silence to 1 the loudest
    for slot, path in zip(slots, pictures, strict=True):
        canvas = _canvas(path, width, height)
        angle = random.choice((0.0, np.pi)) + random.uniform(-0.4, 0.4)
        way = np.array([np.cos(angle), np.sin(angle)])
        gone = 0.0
        steps = [_speed(scale, n, rate) for n in range(slot.first, slot.last)]
        length = sum(steps)
        for number, step in zip(range(slot.first, slot.last), steps, strict=True):
            time = float(number / rate)
            punch = 1 + PUNCH * _punch(heard, time)
            place = way * (gone - length / 2)
            rgb = _window(canvas, width, height, place, punch)
            gone += step
            now = sorted((s for s in heard.spans if s.start <= time < s.end), key=lambda s: -s.sure)
            words = ", ".join(span.label for span in now[:2])
            yield burn.frame(rgb, str(origin + number), path.name, words)


def _speed(scale: Floats, number: int, rate: Fraction) -> float:
    """Widths of the picture that the camera goes by at a frame."""
    first = int(number * RATE / rate)
    part = scale[first : first + max(1, int(RATE / rate))]
    loud = float(part.mean()) if len(part) else 0.0
    return (DRIFT + LOUD_DRIFT * loud) / float(rate)


def _punch(heard: Heard, time: float) -> float:
    """0 to 1: how far the picture is punched in, at once at an onset, then back."""
    ages = time - heard.onsets + 0.02
    recent = (ages >= 0) & (ages < PUNCH_SECONDS)
    if not recent.any():
        return 0.0
    back = 1 - ages[recent] / PUNCH_SECONDS
    return float((heard.sizes[recent] ** 1.5 * back**2).max())


def _canvas(path: Path, width: int, height: int) -> Image.Image:
    """A picture that fills more than the frame, so that there is room to move; one of quite
    another shape, such as an upright board, stands whole on its own blurred and darkened self."""
    image = open_still(path, round(1.6 * width))
    size = (round(width * ZOOM), round(height * ZOOM))
    filled = ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    shape = image.width * height / (image.height * width)
    if min(shape, 1 / shape) >= KEPT:
        return filled
    soft = filled.filter(ImageFilter.GaussianBlur(height / 18)).point(lambda value: value * 0.4)
    whole = ImageOps.contain(image, (width, height), Image.Resampling.BICUBIC)
    soft.paste(whole, ((size[0] - whole.width) // 2, (size[1] - whole.height) // 2))
    return soft


def _window(
    canvas: Image.Image, width: int, height: int, place: NDArray[np.float64], punch: float
) -> NDArray[np.uint8]:
    """The part of a picture in the frame: moved to sub-pixels, as large as ``punch`` makes it."""
    across, down = width / punch, height / punch
    room = np.array([canvas.width - across, canvas.height - down]) / 2
    x, y = np.clip(place * width, -room, room) + room
    box = (float(x), float(y), float(x + across), float(y + down))
    return np.array(canvas.resize((width, height), Image.Resampling.BILINEAR, box))


def _counted(
    frames: Iterator[VideoFrame], total: int, progress: Progress, number: int, takes: int
) -> Iterator[VideoFrame]:
    for done, frame in enumerate(frames):
        yield frame
        if done % 16 == 0:
            progress("drawing", (number + done / total) / takes)
