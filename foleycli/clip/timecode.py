"""Exact time: SMPTE 12M timecode, seconds as Fraction, and samples, rounded once at most."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from foleycli.errors import UsageError

TIMECODE = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})([:;])(\d{1,3})")
CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,2}):(\d{2}(?:\.\d{1,30})?)")
SECONDS = re.compile(r"(\d{1,12}(?:\.\d{0,30})?|\.\d{1,30})\s*s?")
FRAMES = re.compile(r"(\d{1,12})\s*f")


def parse_offset(text: str, frame_rate: Callable[[], Fraction]) -> Fraction:
    """Seconds that are written as frames ``300f``, seconds ``12.5`` or a clock ``1:02.5``.

    Args:
        frame_rate: asked only where frames are written.

    Raises:
        UsageError: it is none of them.
    """
    if match := FRAMES.fullmatch(text):
        return int(match[1]) / frame_rate()
    if match := SECONDS.fullmatch(text):
        return Fraction(match[1])
    if match := CLOCK.fullmatch(text):
        return (int(match[1] or 0) * 60 + int(match[2])) * 60 + Fraction(match[3])
    raise UsageError(
        f'"{text}" is not a time.',
        "Write a timecode (01:00:00:00), seconds (12.5) or frames (300f).",
    )


@dataclass(frozen=True, slots=True)
class Timecode:
    """A point of the day counted in frames since midnight.

    Attributes:
        frames: frames since 00:00:00:00; real ones, so drop-frame labels are already resolved.
        rate: frames per second, exact: ``Fraction(24000, 1001)``, not 23.976.
        drop: labelled as drop-frame, which SMPTE 12M allows at 29.97 and 59.94 only.
    """

    frames: int
    rate: Fraction
    drop: bool = False

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ValueError(f"rate must be positive, got {self.rate}")
        if self.drop and not drops(self.rate):
            raise UsageError(
                f"Drop-frame timecode does not exist at {rate_name(self.rate)} frames a second.",
                "Write the frames after a colon: 01:00:00:00.",
            )

    @classmethod
    def parse(cls, text: str, rate: Fraction, drop: bool | None = None) -> Timecode:
        """Read ``HH:MM:SS:FF``; ``;`` before the frames says drop-frame.

        Args:
            text: the label.
            rate: frames per second.
            drop: what the footage counts in; None lets the separator decide.

        Raises:
            UsageError: not a timecode, or a label that this rate never shows.
        """
        match = TIMECODE.fullmatch(text.strip())
        if match is None:
            raise UsageError(f'"{text}" is not a timecode.', "Write it as 01:00:00:00.")
        hours, minutes, seconds, frames = (int(match[i]) for i in (1, 2, 3, 5))
        drop = match[4] != ":" if drop is None else drop
        nominal = round(rate)
        for value, limit, unit in (
            (hours, 24, "hours"),
            (minutes, 60, "minutes"),
            (seconds, 60, "seconds"),
            (frames, nominal, f"frames at {rate_name(rate)} frames a second"),
        ):
            if value >= limit:
                raise UsageError(
                    f"{text} is no timecode: {unit} go from 0 to {limit - 1}.",
                    "Read the value again in your editor.",
                )
        total = ((hours * 60 + minutes) * 60 + seconds) * nominal + frames
        if not drop:
            return cls(total, rate)
        timecode = cls(total - _dropped_before(hours * 60 + minutes, nominal), rate, True)
        skipped = nominal // 15
        if frames < skipped and seconds == 0 and minutes % 10:
            raise UsageError(
                f"{text} does not exist: drop-frame timecode skips frames 00 to {skipped - 1:02} "
                "of every minute but each tenth.",
                f"Use {hours:02}:{minutes:02}:00;{skipped:02}.",
            )
        return timecode

    @classmethod
    def from_seconds(cls, seconds: Fraction, rate: Fraction, drop: bool = False) -> Timecode:
        """The frame on screen at ``seconds`` of real time after midnight."""
        return cls(seconds * rate // 1, rate, drop)

    @property
    def seconds(self) -> Fraction:
        """Real time since midnight: one hour of 23.976 timecode is 3603.6 s."""
        return self.frames / self.rate

    def samples(self, sample_rate: int = 48_000) -> int:
        """Audio samples since midnight, as a broadcast wave's TimeReference counts them."""
        return round(self.seconds * sample_rate)

    def since(self, earlier: Timecode) -> Fraction:
        """Seconds from an earlier timecode of the same footage, which may lie before midnight."""
        return (self.frames - earlier.frames) % self._frames_a_day / self.rate

    def __add__(self, frames: int) -> Timecode:
        return Timecode(self.frames + frames, self.rate, self.drop)

    def __str__(self) -> str:
        nominal = round(self.rate)
        label = self.frames % self._frames_a_day
        if self.drop:
            label += _drops_until(label, nominal)
        seconds, frame = divmod(label, nominal)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        separator = ";" if self.drop else ":"
        return f"{hour:02}:{minute:02}:{second:02}{separator}{frame:02}"

    @property
    def _frames_a_day(self) -> int:
        nominal = round(self.rate)
        return 86_400 * nominal - (_dropped_before(1440, nominal) if self.drop else 0)


def drops(rate: Fraction) -> bool:
    """Whether SMPTE 12M defines drop-frame labels at this rate: 29.97 and its multiples."""
    return rate.denominator == 1001 and rate.numerator % 30_000 == 0


def rate_name(rate: Fraction) -> str:
    """The rate as people say it: 23.976, 25, 59.94."""
    return f"{float(rate):.3f}".rstrip("0").rstrip(".")


def _dropped_before(minutes: int, nominal: int) -> int:
    """Labels skipped before this minute of the day: 2 of 30 (4 of 60), but none each tenth."""
    return nominal // 15 * (minutes - minutes // 10)


def _drops_until(frames: int, nominal: int) -> int:
    """Labels skipped before a real frame of the day (the inverse of _dropped_before)."""
    skipped = nominal // 15
    tens, rest = divmod(frames, nominal * 600 - 9 * skipped)
    minute = max(0, rest - skipped) // (nominal * 60 - skipped)
    return skipped * (9 * tens + minute)
