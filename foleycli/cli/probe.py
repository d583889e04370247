"""``foley probe``: what a file is, as foley sees it."""

import json
from dataclasses import asdict

from foleycli.cli import options
from foleycli.cli.each import each_clip
from foleycli.cli.progress import listen_for_warnings
from foleycli.cli.say import say


def probe(clips: options.Clips, as_json: options.Json = False) -> None:
    """Say what clips are: picture, length, timecode, sound and other streams."""
    from foleycli.clip.find import find_clips
    from foleycli.clip.probe import probe as look_into

    listen_for_warnings(quiet=False, verbose=False)
    found = find_clips(clips)

    def tell(number: int) -> None:
        clip = look_into(found[number])
        if as_json:
            print(json.dumps(asdict(clip), default=str))
        else:
            say(*_sheet(clip))

    each_clip(found, tell, as_json, "cannot be used")


def _sheet(clip) -> list[str]:
    rate = f"{float(clip.frame_rate):.3f} fps" if clip.frame_rate else "no constant rate"
    duration = f"{float(clip.duration):.3f} s by its header" if clip.duration else "length unknown"
    sounds = ", ".join(f"{a.codec} {a.layout} {a.sample_rate} Hz" for a in clip.audio) or "none"
    lines = {
        "picture": f"{clip.codec} {clip.width}x{clip.height}, {clip.pixel_format}, {rate}",
        "length": duration,
        "rotation": f"{clip.rotation} degrees" if clip.rotation else "",
        "timecode": str(clip.timecode or ""),
        "sound": sounds,
        "subtitles": str(len(clip.subtitles) or ""),
        "chapters": str(clip.chapters or ""),
    }
    return [str(clip.path), *(f"  {name:10}{text}" for name, text in lines.items() if text)]
