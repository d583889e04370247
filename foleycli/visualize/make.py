"""The way back, in one short function: a sound goes in, it is listened to, pictures are found or
drawn, and the two become a film of the sound's exact length. Read this file first."""

import logging
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from foleycli.clip.timecode import TIMECODE, Timecode, parse_offset
from foleycli.config import VISUALIZE
from foleycli.errors import UsageError
from foleycli.output import check_output
from foleycli.visualize.film import find_kind, keeps_samples
from foleycli.visualize.hear import Heard, hear
from foleycli.visualize.request import Progress, Request, Take, finish, silent
from foleycli.visualize.sound import Sound, cut_sound, open_sound

LOG = logging.getLogger("foleycli")
WAYS = ("sheet", "rushes", "stills", "tempotokens")
SMALLEST, LARGEST = (320, 180), (7680, 4320)  # pixels


@dataclass(frozen=True, slots=True)
class Result:
    """What `visualize` made of one sound."""

    sound: Path
    way: str
    frames: int
    frame_rate: Fraction
    timecode: Timecode
    untouched: bool  # the sound's own samples are in it
    takes: tuple[Take, ...]
    heard: Heard


def visualize(
    sound: str | Path, out: str | Path, request: Request, progress: Progress = silent
) -> Result:
    """Make a rough picture for a sound: as many frames as its duration times the rate.

    Args:
        sound: any file with sound; of a broadcast wave the timecode is kept.
        out: the film: .mov and .mkv keep the sound's own samples, .mp4 has AAC.

    Raises:
        FoleyError: one of its kinds, before anything slow where that is possible.
    """
    check_request(request)
    out = Path(out)
    outs = plan_outputs(Path(sound), out, request)
    if request.way == "tempotokens":
        from foleycli.visualize.tempotokens.make import check_weights

        check_weights(request.model)
    opened = open_sound(sound)
    rate = request.frame_rate or opened.own_rate or Fraction(VISUALIZE.frame_rate)
    heard_part = cut_sound(
        opened, *(parse_place(text, opened, rate) for text in (request.start, request.end))
    )
    if not keeps_samples(heard_part, out):
        LOG.warning("%s: the sound becomes AAC; .mov and .mkv keep its own samples", out.name)
    heard = hear(heard_part, progress=lambda done: progress("listening", done))
    drawn = _draw(heard_part, heard, outs, rate, request, progress)
    return Result(
        sound=Path(sound),
        way=request.way,
        frames=heard_part.frames(rate),
        frame_rate=rate,
        timecode=heard_part.timecode(rate),
        untouched=keeps_samples(heard_part, out),
        takes=tuple(drawn),
        heard=heard,
    )


def _draw(
    sound: Sound,
    heard: Heard,
    outs: list[Path],
    rate: Fraction,
    request: Request,
    progress: Progress,
) -> list[Take]:
    if request.way == "rushes":
        from foleycli.visualize.rushes import cut_rushes

        return cut_rushes(sound, heard, outs, rate, request, progress)
    if request.way == "stills":
        from foleycli.visualize.stills import draw_stills

        return draw_stills(sound, heard, outs, rate, request, progress)
    if request.way == "tempotokens":
        from foleycli.visualize.tempotokens.make import generate_film

        return generate_film(sound, heard, outs, rate, request, progress)
    from foleycli.visualize.sheet import draw_sheet

    size = request.width, request.height
    frames = draw_sheet(sound, heard, rate, size, lambda done: progress("drawing", done))
    coded = {"preset": VISUALIZE.sheet_preset, "qp": VISUALIZE.sheet_qp}
    finish(frames, sound, outs[0], rate, request, **coded)
    return [Take(outs[0], (), {})]


def check_request(request: Request) -> None:
    """Refuse what cannot be done, before anything slow.

    Raises:
        UsageError: naming what.
    """
    width, height = request.width, request.height
    small = width < SMALLEST[0] or height < SMALLEST[1]
    if small or width > LARGEST[0] or height > LARGEST[1] or width % 2 or height % 2:
        raise UsageError(
            f"--size {width}x{height} cannot be drawn.",
            "Give even numbers from 320x180 to 7680x4320, such as 1920x1080.",
        )
    if request.frame_rate is not None and not 1 <= request.frame_rate <= 120:
        raise UsageError(
            f"--fps {float(request.frame_rate):g} is no frame rate.", "Give 1 to 120, such as 25."
        )
    if request.takes > 1 and request.way == "sheet":
        raise UsageError("There is one sheet of a sound.", "Leave --takes out.")
    if request.material is not None and not request.material.is_dir():
        raise UsageError(f"{request.material} is no folder.", "Give the folder of your pictures.")


def plan_outputs(sound: Path, out: Path, request: Request) -> list[Path]:
    """The film of each take, and whether all can be written.

    Raises:
        OutputExistsError: one is there and ``overwrite`` is off.
        UsageError: it is the sound itself, or of a kind that is not written.
    """
    find_kind(out)
    outs = [
        out if number == 1 else out.with_name(f"{out.stem}_take{number}{out.suffix}")
        for number in range(1, request.takes + 1)
    ]
    for path in outs:
        check_output(path, overwrite=request.overwrite, inputs=(sound,))
        for kind in request.lists if request.way == "rushes" else ():
            check_output(path.with_suffix(f".{kind}"), overwrite=request.overwrite)
    return outs


def parse_place(text: str | None, sound: Sound, rate: Fraction) -> Fraction | None:
    """Where ``--in`` or ``--out`` points: seconds from the sound's first sample.

    A timecode counts on the broadcast wave's own clock where it lies in it, else from the start.

    Raises:
        UsageError: it is no time.
    """
    if text is None:
        return None
    text = text.strip()
    if TIMECODE.fullmatch(text):
        own = sound.timecode(rate)
        asked = Timecode.parse(text, rate, own.drop)
        since = asked.since(own)
        return since if since <= sound.duration else asked.seconds
    return parse_offset(text, lambda: rate)
