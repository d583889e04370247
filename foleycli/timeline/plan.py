"""What will be done with a timeline: everything found, nothing made."""

from dataclasses import dataclass
from pathlib import Path

from foleycli.timeline.model import Timeline
from foleycli.timeline.naming import PLAIN, Naming
from foleycli.timeline.shots import Shot
from foleycli.timeline.template import Template


@dataclass(frozen=True, slots=True)
class ReelPlan:
    """What will be done, with everything found and nothing made yet."""

    path: Path
    out: Path
    folder: Path  # for the waves and the cue sheets
    stem: Path
    parts: tuple[tuple[str, Path], ...]  # a stem of each layer and of the room, when asked for
    two_pop: bool
    timeline: Timeline
    shots: tuple[Shot, ...]
    names: tuple[str, ...]  # of the shots' files, without suffix
    handles: int = 0  # frames
    naming: Naming = PLAIN
    adm: Path | None = None  # the stem as a bed and objects, when asked for
    template: Template | None = None  # whose tracks the sounds are laid on
