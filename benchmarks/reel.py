"""Twenty shots as EDL and FCPXML at 23.976 and 29.97 drop-frame, sounded from end to end.

python benchmarks/reel.py CLIPS OUT     # films, and a folder for what comes out
python benchmarks/reel.py CLIPS OUT --layers    # an .otio, each layer on tracks of its own

Prints for each list: shots, seconds of picture and of work, whether the cuts that come back are the
cuts that went in (by our reader, by OpenTimelineIO's, and by the XML itself), and whether the stem
is the sum of the waves. OpenTimelineIO reads FCPXML with `pip install otio-fcpx-xml-adapter`.
"""

import argparse
import struct
import subprocess
import time
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import opentimelineio as otio
import soundfile

from foleycli.clip.probe import probe
from foleycli.clip.timecode import Timecode
from foleycli.timeline.files import read_timeline, write_timeline
from foleycli.timeline.model import Event, Media, Timeline, Track, Transition
from foleycli.timeline.sound import first_sample

SHOTS = 20
RATES = {"23.976": (Fraction(24_000, 1001), False), "29.97DF": (Fraction(30_000, 1001), True)}


def build(clips: list[Path], name: str) -> Timeline:
    """Straight cuts, two dissolves, one shot at twice the speed, one gap."""
    rate, drop = RATES[name]
    events, at = [], 0
    for number, clip in enumerate(clips):
        length = probe(clip).duration or Fraction(2)
        speed = Fraction(2) if number == 8 else Fraction(1)
        frames = min(48 + number, int((length - Fraction(1, 2)) * rate / speed))
        dissolve = Transition(before=Fraction(0), after=12 / rate)
        film = Media(name=clip.name, path=str(clip.resolve()), start=Fraction(0), rate=rate,
                     duration=(length * rate // 1) / rate)  # fmt: skip
        event = Event(name=clip.name, media=film, start=at / rate, duration=frames / rate,
                      source=6 / rate, speed=speed,
                      intro=dissolve if number in (5, 11) else None)  # fmt: skip
        events.append(event)
        at += frames + (10 if number == 14 else 0)
    start = Timecode.parse("01:00:00:00", rate, drop).frames
    track = Track(kind="picture", events=tuple(events), name="V1")
    return Timeline(name=f"Reel {name}", rate=rate, drop=drop, start=start, tracks=(track,))


def cuts(timeline: Timeline) -> list[tuple]:
    return [(e.name, e.start, e.duration, e.source, e.speed) for e in timeline.tracks[0].events]


def cuts_by_otio(path: Path, timeline: Timeline) -> list[int] | None:
    """Frames of the timeline at which OpenTimelineIO sees clips begin; None if it has no reader.

    Its adapter of FCPXML (otio-fcpx-xml-adapter) counts frames from midnight, and cuts the rest
    off a floating-point product: at 29.97 a cut may come out one frame early.
    """
    if path.suffix.removeprefix(".") not in otio.adapters.suffixes_with_defined_adapters(read=True):
        return None
    options = {"rate": float(timeline.rate)} if path.suffix == ".edl" else {}
    opened = otio.adapters.read_from_file(str(path), **options)
    if not isinstance(opened, otio.schema.Timeline):
        opened = next(iter(opened.find_children(descended_from_type=otio.schema.Timeline)))
    starts = [c.range_in_parent().start_time for c in opened.video_tracks()[0].find_clips()]
    if path.suffix == ".fcpxml":
        return [round(start.value) - timeline.start for start in starts]
    return [round(start.rescaled_to(float(timeline.rate)).value) for start in starts]


def cuts_by_xml(path: Path, timeline: Timeline) -> list[Fraction] | None:
    """Frames at which clips begin, straight from an FCPXML's rational offsets."""
    if path.suffix != ".fcpxml":
        return None
    spine = ET.parse(path).find(".//project/sequence/spine")
    assert spine is not None
    offsets = [Fraction(clip.get("offset", "").removesuffix("s")) for clip in spine
               if clip.tag == "asset-clip"]  # fmt: skip
    return [offset * timeline.rate - timeline.start for offset in offsets]


def moved(seen: list | None, expected: list[int]) -> str:
    """How many cuts are not where they were."""
    if seen is None:
        return "-"
    return str(sum(a != b for a, b in zip(seen, expected, strict=True)))


def time_reference(wav: Path) -> int:
    """Samples from midnight, of a broadcast wave."""
    with wav.open("rb") as file:
        head = file.read(4096)
    return struct.unpack_from("<Q", head, head.index(b"bext") + 8 + 338)[0]


def is_summed(folder: Path, timeline: Timeline, shots: list[tuple[Fraction, Fraction]]) -> bool:
    """Whether the stem is the sum of the waves that lie at their own time references."""
    (stem,) = folder.glob("*_FXStem.wav")
    samples, _ = soundfile.read(stem, dtype="int32")
    summed = np.zeros(len(samples), np.int64)
    origin = first_sample(timeline, Fraction(0))
    events = sorted((e for t in timeline.sounds for e in t.events), key=lambda e: e.start)
    for event in events:
        wave, _ = soundfile.read(event.media.path, dtype="int32")
        begins = time_reference(Path(event.media.path))
        first, last = (first_sample(timeline, at) for at in (event.start, event.end))
        summed[first - origin : last - origin] += wave[first - begins : last - begins]
    return bool(np.array_equal(samples, summed)) and len(events) == len(shots)


def layers(clips: Path, out: Path, count: int) -> None:
    """The tracks of a timeline with a stem of each layer, as OpenTimelineIO opens it again."""
    there = build(sorted(clips.glob("*.mp4"))[:count], "23.976")
    path, back = out / "layers.otio", out / "layers_sfx.otio"
    write_timeline(there, path, overwrite=True)
    command = ["foley", "timeline", str(path), "-o", str(back), "--stems", "--room", "auto", "-q"]
    subprocess.run([*command, "--overwrite"], check=True, stdout=subprocess.DEVNULL)
    opened = otio.adapters.read_from_file(str(back))
    pictures = [len(list(track.find_clips())) for track in opened.video_tracks()]
    print(f"{path.name}: {sum(pictures)} shots; opened again by OpenTimelineIO:")
    for track in opened.audio_tracks():
        urls = [clip.media_reference.target_url for clip in track.find_clips()]
        waves = [Path(unquote(urlsplit(url).path)) for url in urls]
        there_are = sum((back.parent / wave).is_file() for wave in waves)
        length = track.duration().to_seconds()
        print(f"  {track.name}: {len(waves)} waves, {there_are} of them there, {length:.3f} s")
    (whole,) = out.glob("layers_sfx_sfx/*_FXStem.wav")
    parts = sorted(set(whole.parent.glob(f"{whole.stem}_*.wav")))
    samples = [soundfile.read(part, dtype="int32")[0].astype(np.int64) for part in (whole, *parts)]
    starts = {time_reference(part) for part in (whole, *parts)}
    lengths = {len(part) for part in samples}
    off = np.abs(sum(samples[1:]) - samples[0]).max()
    names = ", ".join(part.stem.removeprefix(f"{whole.stem}_") for part in parts)
    print(f"  stems {names}: {len(starts)} start, {len(lengths)} length, "
          f"largest difference of their sum from the mix: {off}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("clips", type=Path, help="folder of films")
    parser.add_argument("out", type=Path, help="folder for what comes out")
    parser.add_argument("--layers", action="store_true", help="an .otio with tracks of layers")
    parser.add_argument("--count", type=int, default=SHOTS, help="shots of it")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.layers:
        layers(options.clips, options.out, options.count)
    else:
        lists(options.clips, options.out)


def lists(clips: Path, out: Path) -> None:
    """EDL and FCPXML there and back."""
    films = sorted(clips.glob("*.mp4"))[:SHOTS]
    for name in RATES:
        for suffix in (".edl", ".fcpxml"):
            there = build(films, name)
            path, back = out / f"cut_{name}{suffix}", out / f"{suffix[1:]}_{name}{suffix}"
            write_timeline(there, path, overwrite=True)
            began = time.perf_counter()
            command = ["foley", "timeline", str(path), "-o", str(back), "--handles", "12", "-q"]
            subprocess.run([*command, "--overwrite"], check=True, stdout=subprocess.DEVNULL)
            took = time.perf_counter() - began
            result = read_timeline(back)
            same = cuts(result) == cuts(there)
            expected = [int(e.start * there.rate) for e in there.tracks[0].events]
            # OpenTimelineIO centres an EDL's dissolve: its cut lies half of it later
            by_otio = moved(cuts_by_otio(back, there), expected)
            by_xml = moved(cuts_by_xml(back, there), expected)
            summed = is_summed(back.with_name(f"{back.stem}_sfx"), result, expected)
            print(
                f"{path.name}: {len(expected)} shots, {float(there.duration):.1f} s of picture in "
                f"{took:.1f} s ({took / float(there.duration):.2f} x); cuts the same: {same}; "
                f"moved by OpenTimelineIO: {by_otio}, by plain XML: {by_xml}; "
                f"stem is the sum: {summed}",
                flush=True,
            )


if __name__ == "__main__":
    main()
