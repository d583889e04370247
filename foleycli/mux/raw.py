"""Raw H.264 and HEVC carry no time stamps; here their pictures get them, none coded anew."""

import logging
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext

from foleycli.clip.media import open_media
from foleycli.clip.probe import Clip, probe

LOG = logging.getLogger("foleycli")

REORDERED = frozenset({"h264", "hevc"})  # codecs that FFmpeg's dts2pts filter knows


def with_times(clip: Clip, folder: Path, most: int | None = None) -> Clip:
    """The clip itself, or a .mov copy of a raw stream in ``folder``, a picture every 1/rate s.

    Pictures are stored in the order they are decoded in, which with B-frames is not the order
    they are shown in; the stream's own picture order count tells the latter.
    """
    if clip.timed or clip.codec not in REORDERED or not clip.frame_rate:
        return clip
    path = folder / "timed.mov"
    with open_media(clip.path) as raw, av.open(str(path), "w") as timed:
        source = raw.streams.video[clip.picture_number]
        target = timed.add_stream_from_template(source)
        order = BitStreamFilterContext("dts2pts", source)
        tick = source.time_base or Fraction(1, 90_000)
        step = round(1 / (clip.frame_rate * tick))  # ticks a picture lasts
        packets = islice((packet for packet in raw.demux(source) if packet.size), most)
        for number, packet in enumerate(packets):
            packet.pts, packet.dts, packet.duration = None, number * step, step
            _write(timed, target, order.filter(packet), tick)
        _write(timed, target, order.filter(None), tick)
    if most is None:
        LOG.warning(
            "%s has no time stamps; its pictures are shown at %s a second.",
            clip.path.name,
            round(float(clip.frame_rate), 3),
        )
    return probe(path)


def _write(container, stream, packets: list[av.Packet], tick: Fraction) -> None:
    for packet in packets:
        packet.stream, packet.time_base = stream, tick
        container.mux(packet)
