"""Where in a clip a written time points: `--in`, `--out`, a moment to look at."""

from fractions import Fraction

from foleycli.clip.probe import Clip
from foleycli.clip.timecode import TIMECODE, Timecode, parse_offset
from foleycli.errors import UsageError


def parse_time(text: str, clip: Clip) -> Fraction:
    """Where ``--in`` or ``--out`` points, in seconds from the clip's first frame.

    Understood: timecode ``01:00:00:00`` (``;`` for drop-frame), a clock ``1:02.5`` or
    ``00:01:02.5``, seconds ``12.5``, frames ``300f``. A timecode within the clip's own
    timecode (its last frame's end included, for ``--out``) is read on it; any other counts from
    the first frame as 00:00:00:00. On a drop-frame clip colons are read as drop-frame too.

    Raises:
        UsageError: not a time, an impossible timecode, or frames of a clip without a frame rate.
    """
    text = text.strip()
    if TIMECODE.fullmatch(text):
        return _parse_timecode(text, clip)
    return parse_offset(text, lambda: _frame_rate(clip, text))


def _parse_timecode(text: str, clip: Clip) -> Fraction:
    own = clip.timecode
    if own is None:
        return Timecode.parse(text, _frame_rate(clip, text)).seconds
    if ";" in text and not own.drop:
        raise UsageError(
            f"{text} is drop-frame, but {clip.path.name} counts {own} without dropping.",
            f"Write {text.replace(';', ':')}.",
        )
    asked = Timecode.parse(text, own.rate, own.drop)
    since_first = asked.since(own)
    if clip.duration is None or since_first <= clip.duration:
        return since_first
    if asked.seconds <= clip.duration:
        return asked.seconds
    last = own + int(clip.duration * own.rate)
    raise UsageError(
        f"{text} is not in {clip.path.name}, which runs from {own} to {last}.",
        "Give a time in it, or seconds from its first frame, such as 12.5.",
    )


def _frame_rate(clip: Clip, text: str) -> Fraction:
    if clip.frame_rate is None:
        raise UsageError(
            f"{clip.path.name} states no frame rate, so {text} has no place in it.",
            "Give the time in seconds, such as 12.5.",
        )
    return clip.frame_rate
