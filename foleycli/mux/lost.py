"""What a video that we wrote lacks of its clip, found by looking at both."""

from collections.abc import Iterator
from pathlib import Path

from foleycli.mux.look import SeenStream, keenest_ffmpeg, look
from foleycli.mux.plan import Plan
from foleycli.mux.verify import compare_times

# Marks of a stream that tell players and people what it is.
FLAGS = frozenset(
    {"default", "forced", "comment", "hearing impaired", "visual impaired", "dub", "original",
     "lyrics", "karaoke", "captions", "descriptions", "clean effects", "attached pic"}
)  # fmt: skip


def tell_losses(plan: Plan, out: Path) -> Iterator[str]:
    """One line for each thing that a finished output has lost, though the plan was to keep it:
    what stands beside a stream, its language and flags, and how many pictures there are, and when.

    Raises:
        MediaError: the output cannot be read.
    """
    clip = plan.clip
    before, after = look(clip.path, keenest_ffmpeg()), look(out, keenest_ffmpeg())
    for name, one, other in _pairs(plan, before.streams, after.kind):
        lost = list(_differences(one, other, keeps_default=not plan.first))
        if lost:
            yield f"lost of the {name}: {', '.join(lost)}"
    yield from compare_times(clip, out)


def _pairs(plan: Plan, before, after) -> Iterator[tuple[str, SeenStream, SeenStream]]:
    """Each stream that was kept, as it was and as it is."""
    kinds = (
        ("Video", "picture", plan.pictures),
        ("Audio", "audio track", [track.index for track in plan.sounds]),
        ("Subtitle", "subtitle track", [stream.index for stream in plan.subtitles]),
    )
    for kind, name, indices in kinds:
        written = after(kind)
        if kind == "Audio":
            written = written[1:] if plan.first else written[: len(indices)]
        for number, (index, other) in enumerate(zip(indices, written, strict=False), 1):
            if index in before:
                called = name if len(indices) == 1 else f"{name} {number}"
                yield called, before[index], other


def _differences(one: SeenStream, other: SeenStream, *, keeps_default: bool) -> Iterator[str]:
    for name, value in one.beside.items():
        if other.beside.get(name) != value:
            yield name
    if one.language and one.language != other.language:
        yield f"the language {one.language}"
    flags = FLAGS if keeps_default or one.kind != "Audio" else FLAGS - {"default"}
    yield from (f'the flag "{flag}"' for flag in sorted((one.flags & flags) - other.flags))
