"""Documents as nobody should write them, drawn by hypothesis, and what is done with each.

A kind is a name, a suffix, a strategy of bytes, and a function that reads a file and uses what came
of it as the commands do. It may raise a FoleyError, and nothing else.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from xml.sax.saxutils import quoteattr

from hypothesis import strategies as st

from foleycli.config import GenerateConfig
from foleycli.errors import FoleyError
from foleycli.models.bundle import Bundle
from foleycli.recipe import Recipe, read_recipe, write_recipe
from foleycli.sources.public import load_part
from foleycli.sources.small import SmallModel
from foleycli.spot.cues import COLUMNS, Cue, read_cues, write_cues
from foleycli.timeline.files import add_sounds, films_of_list, read_timeline, write_timeline
from foleycli.timeline.manifest import find_jobs
from foleycli.timeline.markers import cue_markers, marker_cues, read_markers, write_markers
from foleycli.timeline.media import find_media
from foleycli.timeline.model import Event, Media, Timeline, Track, sounding

NUMBERS = (
    *("0", "1", "2", "24", "25", "48", "100", "0.5", "1001/24000", "3600", "-1", "-2.5", "7/3"),
    *("0/1", "1/0", "", " 5 ", "1e999999999", "1e-9", "1E9", "nan", "inf", "-inf", "9" * 30),
    *("9" * 5000, "1_000", "0x10", "5s", "１２", "--1", "1/2/3", "+4", ".5", "5.", "TRUE", "48k"),
)
RATES = ("1/24", "1/25", "1001/30000", "1001/24000", "1/50", "100/2500", "0", "1/0", "1e9", "-1/24")
WORDS = st.one_of(
    st.sampled_from(
        ["door", "a.mov", "C:\\film\\a.mov", "\\\\server\\share\\a.mov", "file:///a%20b.mov", "..",
         "file://localhost/%5c%5cserver%5cs%5ca.mov", "-", "http://host/a.mov", "a" * 300, "über",
         "a\nb", "x|y", "a;b", "", " ", "%", "%00", "file://[", "CON", "\ud800"]
    ),
    st.text(max_size=12),
)  # fmt: skip


def mostly(honest: st.SearchStrategy, odd: st.SearchStrategy, times: int = 20):
    """Odd values one time in so many: with more, no document would get past its first line."""
    return st.integers(1, times).flatmap(lambda n: odd if n == times else honest)


LABELS = st.one_of(
    st.builds(
        "{}:{:02}:{:02}{}{:02}".format,
        st.sampled_from(["00", "01", "0", "1", "23", "99"]),
        st.integers(0, 61),
        st.integers(0, 61),
        st.sampled_from(":;.,"),
        st.integers(0, 30),
    ),
    st.sampled_from(["", "1:2", "01:00:00", "01:00:00:999", "-1:00:00:00", "10:00:00:0"]),
)
any_number = st.sampled_from(NUMBERS)
numbers = mostly(st.integers(0, 200).map(str), any_number)
times = mostly(
    st.builds("{}/{}s".format, st.integers(0, 240), st.sampled_from([1, 24, 24, 24, 1001, 24000])),
    st.one_of(any_number.map("{}s".format), any_number, st.just("-5/24s")),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """Documents of a kind, and what is done with one."""

    suffix: str
    documents: st.SearchStrategy[bytes]
    use: Callable[[Path], object]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _damaged(documents: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Documents, some of them cut off, doubled in places, or with other bytes."""

    def damage(text: str, place: float, other: float, what: str, junk: bytes) -> bytes:
        data = _bytes(text)
        first, last = sorted((int(place * len(data)), int(other * len(data))))
        if what == "cut":
            return data[:first]
        if what == "without":
            return data[:first] + data[last:]
        if what == "twice":
            return data[:last] + data[first:]
        if what == "junk":
            return data[:first] + junk + data[first:]
        if what == "utf-16":
            return text.encode("utf-16", "surrogatepass")
        return data

    return st.builds(
        damage,
        documents,
        st.floats(0, 1),
        st.floats(0, 1),
        mostly(st.just(""), st.sampled_from(["cut", "without", "twice", "junk", "utf-16"]), 4),
        st.binary(max_size=6),
    )


# XML: the elements and attributes that mean something, in any order and depth.
def _element(
    tags: list[str],
    attributes: dict[str, st.SearchStrategy[str]],
    text: st.SearchStrategy[str] | None = None,
):
    def build(tag: str, values: dict[str, str], inside: list[str], words: str) -> str:
        said = "".join(f" {name}={quoteattr(_printable(value))}" for name, value in values.items())
        plain = _printable(words).replace("&", "&amp;").replace("<", "&lt;")
        return f"<{tag}{said}>{plain}{''.join(inside)}</{tag}>"

    values = st.fixed_dictionaries({}, optional=attributes)
    words = st.just("") if text is None else text
    leaf = st.builds(build, st.sampled_from(tags), values, st.just([]), words)
    return st.recursive(
        leaf,
        lambda inner: st.builds(
            build, st.sampled_from(tags), values, st.lists(inner, max_size=4), st.just("")
        ),
        max_leaves=12,
    )


def _printable(text: str) -> str:
    return "".join(sign for sign in text if sign >= " " and not 0xD800 <= ord(sign) <= 0xDFFF)


REFS = mostly(st.sampled_from(["r2", "r2", "r3", "r4"]), st.sampled_from(["r1", "rX", ""]))
_ITEMS = _element(
    ["asset-clip", "asset-clip", "asset-clip", "clip", "video", "ref-clip", "sync-clip", "audio",
     "audition", "gap", "transition", "spine", "marker", "conform-rate", "conform-rate", "title"],
    {
        "ref": REFS, "offset": times, "start": times, "duration": times, "name": WORDS,
        "lane": mostly(st.integers(-3, 3).map(str), any_number),
        "enabled": st.sampled_from("01"), "format": REFS, "time": times,
        "value": times, "scaleEnabled": st.sampled_from("01"),
        "srcFrameRate": mostly(st.sampled_from(["24", "25", "23.98", "29.97", "60"]), any_number),
        "srcEnable": st.sampled_from(["all", "audio", "video"]),
    },
)  # fmt: skip


def _fcpxml(rate, start, asset, wrapped, nested, items, version) -> str:
    src, length, begins = (quoteattr(_printable(value)) for value in asset)
    return (
        f'<?xml version="1.0"?><!DOCTYPE fcpxml><fcpxml version="{version}"><resources>'
        f'<format id="r1" frameDuration="{rate}s"/><format id="r5" name="FFVideoFormat1080p2398"/>'
        f'<asset id="r2" name="a" src={src} duration={length} start={begins} hasVideo="1" '
        f'format="r1" audioChannels="2" audioRate="48000"/>'
        f'<media id="r3" name="m"><sequence format="r1"><spine>{"".join(wrapped)}</spine>'
        f'</sequence></media><media id="r4" name="n"><sequence format="r5"><spine>'
        f"{''.join(nested)}</spine></sequence></media></resources><library><event>"
        f'<project name="p"><sequence format="r1" tcStart={quoteattr(start)} tcFormat="NDF">'
        f"<spine>{''.join(items)}</spine></sequence></project></event></library></fcpxml>"
    )


fcpxml = st.builds(
    _fcpxml,
    mostly(st.sampled_from(RATES[:6]), st.sampled_from(RATES)),
    times.map(_printable),
    st.tuples(WORDS, times, times),
    st.lists(_ITEMS, max_size=3),
    st.lists(_ITEMS, max_size=3),
    st.lists(_ITEMS, max_size=5),
    st.sampled_from(["1.8", "1.10", "1.11", "x", ""]),
)

_FCP7_WORDS = st.one_of(
    numbers, numbers, LABELS, mostly(st.sampled_from(["TRUE", "FALSE", "DF", "center"]), WORDS)
)
_FCP7_ITEMS = _element(
    ["clipitem", "clipitem", "transitionitem", "file", "sequence", "media", "video", "audio",
     "track", "rate", "timebase", "ntsc", "start", "end", "in", "out", "name", "duration",
     "timecode", "frame", "string", "displayformat", "filter", "effect", "effectid", "parameter",
     "parameterid", "value", "marker", "pathurl", "enabled", "pproTicksIn", "alignment",
     "mediaSource", "channelcount"],
    {"id": st.sampled_from(["s1", "f1", "c1", "s2"])},
    _FCP7_WORDS,
)  # fmt: skip


def _clipitem(name, rate, start, end, into, out, path, more) -> str:
    fields = {"name": name, "start": start, "end": end, "in": into, "out": out}
    said = "".join(f"<{tag}>{_text(value)}</{tag}>" for tag, value in fields.items())
    return (
        f'<clipitem id="c1">{said}<rate><timebase>{_text(rate)}</timebase><ntsc>FALSE</ntsc></rate>'
        f'<file id="f1"><name>{_text(name)}</name><pathurl>{_text(path)}</pathurl><duration>480'
        f"</duration><rate><timebase>{_text(rate)}</timebase></rate></file>{''.join(more)}"
        "</clipitem>"
    )


def _text(value: str) -> str:
    return _printable(value).replace("&", "&amp;").replace("<", "&lt;")


frames = mostly(st.integers(-1, 200).map(str), any_number)
fcp7 = st.builds(
    lambda rate, clips, items: (
        '<?xml version="1.0"?><!DOCTYPE xmeml><xmeml version="5"><sequence id="s1"><name>s</name>'
        f"<rate><timebase>{_text(rate)}</timebase><ntsc>TRUE</ntsc></rate><media><video><track>"
        f"{''.join(clips)}</track><track>{''.join(items)}</track></video></media></sequence>"
        "</xmeml>"
    ),
    mostly(st.sampled_from(["24", "25", "30"]), st.sampled_from(["0", "60", "1e9", "-24", "9999"])),
    st.lists(
        st.builds(_clipitem, WORDS, numbers, frames, frames, frames, frames, WORDS,
                  st.lists(_FCP7_ITEMS, max_size=2)),
        max_size=4,
    ),
    st.lists(_FCP7_ITEMS, max_size=4),
)  # fmt: skip


def _label(frame: int) -> str:
    return f"{frame // 90000:02}:{frame // 1500 % 60:02}:{frame // 25 % 60:02}:{frame % 25:02}"


def _event(number, reel, channel, edit, source, record, length, odd) -> str:
    labels = [_label(n) for n in (source, source + length, record, record + length)]
    labels = [odd.get(place, label) for place, label in enumerate(labels)]
    return f"{number:03}  {reel} {channel} {edit} {' '.join(labels)}"


_EVENT = st.builds(
    _event,
    st.integers(0, 5),
    mostly(st.sampled_from(["AX", "BL", "R1"]), WORDS.map(lambda w: "".join(w.split()) or "AX")),
    mostly(st.sampled_from(["V", "V", "A", "AA/V", "B", "V2", "NONE"]),
           st.sampled_from(["A99999", "Q", "V" * 60])),
    mostly(st.sampled_from(["C", "C", "D 012", "W001 030", "D"]),
           st.sampled_from(["K B", "D 99999999999"])),
    st.integers(0, 200_000), st.integers(0, 2000), st.integers(0, 300),
    mostly(st.just({}), st.dictionaries(st.integers(0, 3), LABELS, max_size=2)),
)  # fmt: skip
_NOTES = st.one_of(
    st.builds("* {}: {}".format, st.sampled_from(
        ["FROM CLIP NAME", "TO CLIP NAME", "SOURCE FILE", "FOLEYCLI RATE", "FOLEYCLI SPEED"]),
        st.one_of(WORDS, numbers)),
    st.builds("M2 AX {} {}".format, numbers, LABELS),
    st.builds("* LOC: {} RED {}".format, LABELS, WORDS),
    st.builds("{} |C:ResolveColorBlue |M:{} |D:{}".format, WORDS, WORDS, numbers),
    st.sampled_from(["FCM: DROP FRAME", "FCM: NON-DROP FRAME", "TITLE: t", "AUD  3  4", "",
                     "*" + " " * 1500, "001 " + " C" * 900]),
    WORDS,
)  # fmt: skip
edl = st.lists(st.one_of(_EVENT, _EVENT, _NOTES), max_size=14).map("\n".join)

_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), WORDS, numbers),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
_MANY_BRACKETS = st.sampled_from(["[" * 5000, '{"a":' * 5000, "[" * 5000 + "]" * 5000])


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


def _otio_time(value: float, rate: float) -> dict:
    return {"OTIO_SCHEMA": "RationalTime.1", "rate": rate, "value": value}


_TIME = st.builds(
    _otio_time,
    mostly(st.integers(0, 200).map(float), st.sampled_from([48.5, -3.0, 1e12, 1e300, 1e-300]), 40),
    mostly(
        st.sampled_from([24.0, 25.0, 23.976, 29.97]),
        st.sampled_from([0.0, -1.0, 48000.0, 14.985, 1.0, 1e9]),
        40,
    ),
)
_SPAN = st.builds(
    lambda a, b: {"OTIO_SCHEMA": "TimeRange.1", "start_time": a, "duration": b}, _TIME, _TIME
)
_OWN = st.dictionaries(
    st.just("foleycli"),
    mostly(st.just({}), st.one_of(_JSON, st.fixed_dictionaries(
        {}, optional={"speed": numbers, "rate": numbers, "start": numbers, "note": WORDS,
                      "channels": numbers, "drop_frame": st.booleans()}))),
)  # fmt: skip
_REFERENCE = st.one_of(
    st.none(),
    st.builds(
        lambda url, span, own: {
            "OTIO_SCHEMA": "ExternalReference.1",
            "target_url": url,
            "available_range": span,
            "metadata": own,
        },
        WORDS,
        st.one_of(st.none(), _SPAN),
        _OWN,
    ),
    st.just({"OTIO_SCHEMA": "GeneratorReference.1", "generator_kind": "black"}),
    st.just({"OTIO_SCHEMA": "MissingReference.1"}),
)
_WARP = st.builds(
    lambda scalar, own: {"OTIO_SCHEMA": "LinearTimeWarp.1", "time_scalar": scalar, "metadata": own},
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 1e-9, 1e9]),
    _OWN,
)
_CLIP = st.builds(
    lambda name, span, ref, effects: {
        "OTIO_SCHEMA": "Clip.1",
        "name": name,
        "source_range": span,
        "media_reference": ref,
        "effects": effects,
    },
    WORDS,
    st.one_of(st.none(), _SPAN),
    _REFERENCE,
    st.lists(st.one_of(_WARP, st.just({"OTIO_SCHEMA": "FreezeFrame.1"})), max_size=2),
)
_CHILD = st.recursive(
    st.one_of(
        _CLIP,
        _CLIP,
        st.builds(lambda span: {"OTIO_SCHEMA": "Gap.1", "source_range": span}, _SPAN),
        st.builds(
            lambda a, b: {"OTIO_SCHEMA": "Transition.1", "in_offset": a, "out_offset": b},
            _TIME,
            _TIME,
        ),
    ),
    lambda inner: st.builds(
        lambda what, children, own: {
            "OTIO_SCHEMA": f"{what}.1",
            "children": children,
            "kind": "Video",
            "metadata": own,
        },
        st.sampled_from(["Track", "Stack"]),
        st.lists(inner, max_size=3),
        _OWN,
    ),
    max_leaves=8,
)
_TRACK = st.builds(
    lambda children, kind: {"OTIO_SCHEMA": "Track.1", "kind": kind, "children": children},
    st.lists(_CHILD, max_size=4),
    st.sampled_from(["Video", "Video", "Audio", ""]),
)
otio = mostly(
    st.builds(
        lambda children, start, own, markers: _dumped(
            {
                "OTIO_SCHEMA": "Timeline.1",
                "name": "t",
                "global_start_time": start,
                "metadata": own,
                "tracks": {
                    "OTIO_SCHEMA": "Stack.1",
                    "children": children,
                    "markers": markers,
                },
            }
        ),
        st.lists(mostly(_TRACK, _CHILD), max_size=4),
        st.one_of(st.none(), _TIME),
        _OWN,
        st.lists(
            st.builds(
                lambda span, name: {
                    "OTIO_SCHEMA": "Marker.1",
                    "marked_range": span,
                    "name": name,
                },
                _SPAN,
                WORDS,
            ),
            max_size=2,
        ),
    ),
    st.one_of(_JSON.map(_dumped), _MANY_BRACKETS),
)


def _cell(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if any(s in value for s in ',"\n') else value


_HONEST = ("1.5", "2", "hit", "door", "-6", "0.9", "feet", "gravel", "0.2", "3", "a hand", "")
_ROW = st.builds(
    lambda cells, changes: ",".join(_cell(changes.get(i, cell)) for i, cell in enumerate(cells)),
    st.just(_HONEST),
    mostly(
        st.just({}),
        st.dictionaries(
            st.integers(0, len(_HONEST) + 1), st.one_of(any_number, numbers, WORDS), max_size=3
        ),
        3,
    ),
)
sheet = st.builds(
    lambda header, rows: "\n".join([header, *rows]),
    mostly(
        st.just(",".join(COLUMNS)),
        st.sampled_from(["start,what", "what,start,duration", "start", ""]),
    ),
    st.lists(_ROW, max_size=6),
)

_OPTIONS = mostly(st.just({"prompt": "rain", "seed": 3}), st.dictionaries(
    st.sampled_from(["prompt", "seed", "takes", "model", "mode", "loudness", "wav", "steps", "out",
                     "cues", "nonsense", "start", "guidance", "library"]),
    st.one_of(any_number, WORDS, st.integers(), st.floats(), st.booleans(), _JSON),
    max_size=4,
), 3)  # fmt: skip
_ROWS = st.builds(
    lambda clip, options: {"clip": clip} | options,
    mostly(st.integers(0, 99).map("{}.mov".format), st.one_of(WORDS, st.none(), _JSON), 6),
    _OPTIONS,
)
jsonl = st.lists(
    mostly(_ROWS.map(_dumped), st.one_of(_JSON.map(_dumped), _MANY_BRACKETS)), max_size=4
).map("\n".join)
table = st.builds(
    lambda names, rows, sign: "\n".join(
        [sign.join(names), *(sign.join(map(_cell, row)) for row in rows)]
    ),
    mostly(
        st.just(["clip", "seed", "prompt"]),
        st.lists(
            st.sampled_from(["clip", "out", "seed", "prompt", " Takes ", "", "x"]), max_size=4
        ),
        3,
    ),
    st.lists(
        mostly(
            st.builds("{}.mov,3,rain".format, st.integers(0, 99)).map(lambda row: row.split(",")),
            st.lists(st.one_of(WORDS, any_number), max_size=5),
            3,
        ),
        max_size=4,
    ),
    st.sampled_from(",;"),
)

_CUE = Cue(start=Fraction(1, 3), duration=Fraction(2), kind="hit", what="door")
RECIPE = Recipe(
    foleycli="0.1.0",
    clip="a.mp4",
    clip_hash="0" * 32,
    out="a_sfx.mp4",
    source="library",
    source_fingerprint="1",
    config=GenerateConfig(),
    cues=(_CUE,),
    waveform_hash="0" * 32,
)


def _recipe(changes: dict, config: dict, cue: dict, gone: str) -> str:
    stated = json.loads(json.dumps(asdict(RECIPE), default=str)) | changes
    if isinstance(stated["config"], dict):
        stated["config"] |= config
    if isinstance(stated["cues"], list) and stated["cues"] and isinstance(stated["cues"][0], dict):
        stated["cues"][0] |= cue
    stated.pop(gone, None)
    return _dumped(stated)


_ANY = st.one_of(any_number, numbers, WORDS, _JSON, st.integers(), st.floats())
recipe = mostly(
    st.builds(
        _recipe,
        mostly(st.just({}), st.dictionaries(st.sampled_from(list(asdict(RECIPE))), _ANY), 3),
        mostly(
            st.just({}),
            st.dictionaries(st.sampled_from(["takes", "seed", "mode", "prompt", "x"]), _ANY),
            3,
        ),
        mostly(st.just({}), st.dictionaries(st.sampled_from([*COLUMNS, "y"]), _ANY), 2),
        mostly(st.just(""), st.sampled_from(["clip", "cues", "config"])),
    ),
    st.one_of(_JSON.map(_dumped), _MANY_BRACKETS),
)

bundle = st.builds(
    lambda config, sums, header, length, data: _dumped(
        {"config": config, "sums": sums, "header": header, "length": length, "data": data}
    ),
    st.one_of(
        st.fixed_dictionaries(
            {},
            optional={
                "family": WORDS,
                "format": _ANY,
                "parts": _ANY,
                "denoiser": _ANY,
                "mel": _ANY,
            },
        ).map(_dumped),
        _JSON.map(_dumped),
        _MANY_BRACKETS,
    ),
    st.lists(
        st.builds(
            "{}  {}".format,
            st.sampled_from(["0" * 64, "x"]),
            st.one_of(WORDS, st.just("model.safetensors")),
        ),
        max_size=3,
    ).map("\n".join),
    st.one_of(
        st.builds(
            lambda offsets, dtype, shape: _dumped(
                {"a.w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}
            ),
            st.lists(st.integers(-5, 10**9), max_size=3),
            st.sampled_from(["F32", "F64", "Q8", ""]),
            st.lists(st.integers(-1, 10), max_size=3),
        ),
        _JSON.map(_dumped),
        _MANY_BRACKETS,
    ),
    st.sampled_from([None, None, 0, 2**40, 2**63]),
    st.text(max_size=20),
)


def use_timeline(path: Path) -> None:
    """Read it, see what is shown, look for the films, write it in every format and read that."""
    if path.suffix == ".edl":
        with suppress(FoleyError):
            films_of_list(path)
    timeline = read_timeline(path, Fraction(25) if path.suffix == ".edl" else None)
    shown = sounding(timeline)
    for event in shown:
        str(timeline.timecode(event.start))
        assert event.duration > 0 and event.start >= 0
    with suppress(FoleyError):
        find_media(shown, path.parent, [path.parent])
    sounds = (_laid(timeline),)
    for suffix in (".edl", ".fcpxml", ".xml", ".otio"):
        out = path.with_name(f"out{suffix}")
        try:
            write_timeline(timeline, out, overwrite=True)
            again = read_timeline(out)
        except FoleyError:
            continue
        if suffix in (".fcpxml", ".otio"):
            assert len(sounding(again)) == len(shown), suffix
    add_sounds(path, timeline, sounds, path.with_name(f"sounded{path.suffix}"), overwrite=True)


def _laid(timeline: Timeline) -> Track:
    """A track with a sound over the first second."""
    begin = timeline.start_seconds
    wave = Media(
        name="w.wav", path="/w.wav", start=begin, duration=Fraction(1), channels=1,
        sample_rate=48_000, rate=timeline.rate,
    )  # fmt: skip
    length = max(1, round(timeline.rate)) / timeline.rate
    event = Event(name="w", media=wave, start=Fraction(0), duration=length, source=begin)
    return Track(kind="sound", events=(event,), name="SFX 1")


def use_sheet(path: Path) -> None:
    """Read it, write it, and as markers, and read those: the same cues come back."""
    cues = read_cues(path)
    again = path.with_name("again.csv")
    write_cues(again, cues, overwrite=True)
    assert len(read_cues(again)) == len(cues)
    clock = Timeline(name="t", rate=Fraction(25))
    near = [replace(cue, start=cue.start % 80_000) for cue in cues]
    if near:
        markers = cue_markers(near, clock.rate)
        write_markers(clock, markers, path.with_name("m.edl"), overwrite=True)
        back = marker_cues(read_markers(path.with_name("m.edl"), clock), clock.rate)
        assert len(back) == len([cue for cue in near if " ".join(cue.what.split())])


def use_markers(path: Path) -> None:
    """Read markers of a program, as cues."""
    clock = Timeline(name="t", rate=Fraction(25))
    marker_cues(read_markers(path, clock), clock.rate)


def use_manifest(path: Path) -> None:
    """Plan what it asks for."""
    find_jobs([str(path)], path.parent, GenerateConfig())


def use_recipe(path: Path) -> None:
    """Read it, write it, and read that: the same."""
    made = read_recipe(path)
    write_recipe(path.with_name("again.foley.json"), made)
    assert read_recipe(path.with_name("again.foley.json")) == made


def use_bundle(path: Path) -> None:
    """Lay out the folder that the document describes, and open its weights."""
    try:
        stated = json.loads(path.read_bytes())
        parts = {name: str(stated[name]) for name in ("config", "sums", "header", "data")}
        length = stated["length"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    folder = path.with_name("bundle")
    folder.mkdir(exist_ok=True)
    header = _bytes(parts["header"])
    size = len(header) if length is None else int(length)
    weights = size.to_bytes(8, "little") + header + _bytes(parts["data"])
    for name in ("model", "denoiser", "autoencoder"):
        (folder / f"{name}.safetensors").write_bytes(weights)
    (folder / "config.json").write_bytes(_bytes(parts["config"]))
    (folder / "SHA256SUMS").write_bytes(_bytes(parts["sums"]))
    for look in (
        lambda: Bundle.open(folder).tensors("a"),
        lambda: load_part(Bundle.open(folder), "cavp"),
        lambda: SmallModel.load(folder),
    ):
        try:
            look()
        except FoleyError:
            continue


KINDS = {
    "fcpxml": Kind(".fcpxml", _damaged(fcpxml), use_timeline),
    "fcp7": Kind(".xml", _damaged(fcp7), use_timeline),
    "edl": Kind(".edl", _damaged(edl), use_timeline),
    "otio": Kind(".otio", _damaged(otio), use_timeline),
    "markers": Kind(".edl", _damaged(edl), use_markers),
    "sheet": Kind(".csv", _damaged(sheet), use_sheet),
    "jsonl": Kind(".jsonl", _damaged(jsonl), use_manifest),
    "table": Kind(".csv", _damaged(table), use_manifest),
    "recipe": Kind(".foley.json", _damaged(recipe), use_recipe),
    "bundle": Kind(".json", _damaged(bundle), use_bundle),
}
