"""Any film that foley reads, as a browser plays it: pieces of all-intra H.264 whose frames are the
film's, each at its own time; its own sound; and small pictures for the strip."""

import io
import os
import threading
from collections import OrderedDict
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av import VideoFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray
from PIL import Image

from foleycli.clip.media import content_hash, decoded, open_media
from foleycli.clip.probe import Clip
from foleycli.config import EDIT, OUTPUT
from foleycli.errors import FoleyError, UsageError
from foleycli.folders import cache_folder
from foleycli.frames.decode import decode_frames
from foleycli.frames.resize import color_matrix
from foleycli.output import atomic_output, make_folder

TICKS = 90_000  # a second, of pieces
STRIP_HEIGHT = 90  # pixels
STRIP_KEPT = 2_000  # small pictures in memory
RATE = OUTPUT.sample_rate
NEAR = 1  # seconds; small pictures further apart are taken from the key frames


class Film:
    """The pictures and the sound of a span of a clip; times are seconds from the span's start.

    Args:
        clip: the film.
        start: seconds from the film's first frame.
    """

    def __init__(self, clip: Clip, start: Fraction = Fraction(0)) -> None:
        self.clip, self.start = clip, start
        self.hash = content_hash(clip.path)
        self.width, self.height = _fitted(clip)
        self._folder = cache_folder("edit") / self.hash
        self._locks: dict[int, threading.Lock] = {}
        self._strip: OrderedDict[tuple[int, bool], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def piece(self, number: int) -> bytes:
        """The frames that appear in ``proxy_seconds`` from ``number`` times that: a fragmented MP4
        that begins at 0, empty where none appears.

        Raises:
            FoleyError: it cannot be decoded or written.
        """
        if self.clip.duration is not None and number * EDIT.proxy_seconds > self.clip.duration + 1:
            return b""
        path = self._folder / f"{float(self.start):g}-{number}.mp4"
        with self._lock_of(number):
            with suppress(OSError):
                os.utime(path)  # used now, so dropped last
                return path.read_bytes()
            made = self._encode(number)
            make_folder(self._folder)
            with suppress(FoleyError):  # a full disk costs the cache only
                with atomic_output(path, overwrite=True) as beside:
                    beside.write_bytes(made)
                drop_oldest(self._folder.parent, EDIT.cache_bytes)
            return made

    def has_piece(self, number: int) -> bool:
        """Whether it is made already."""
        return (self._folder / f"{float(self.start):g}-{number}.mp4").is_file()

    def _lock_of(self, number: int) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(number, threading.Lock())

    def _encode(self, number: int) -> bytes:
        first = Fraction(number * EDIT.proxy_seconds)
        begin, end = self.start + first, self.start + first + EDIT.proxy_seconds
        buffer = io.BytesIO()
        encoder: _Encoder | None = None
        try:
            for time, stop, frame in decode_frames(self.clip, begin, end):
                if time < begin and number > 0:
                    continue  # it appears in an earlier piece
                if time >= end:
                    break
                encoder = encoder or _Encoder(buffer, self.clip, (self.width, self.height))
                encoder.add(frame, max(time, begin) - begin, stop - begin)
        except UsageError:  # the span begins after the last frame
            return b""
        if encoder is None:
            return b""
        encoder.close()
        return buffer.getvalue()

    def thumbnail(self, time: float, coarse: bool = False) -> bytes:
        """A small picture of what is on screen, as JPEG; ``coarse`` takes the key frame before,
        which is quick to find."""
        key = round(time * 1000), coarse
        with self._lock:
            if key in self._strip:
                self._strip.move_to_end(key)
                return self._strip[key]
        number = int(time // EDIT.proxy_seconds)
        frame = None
        if self.has_piece(number):
            frame = _frame_of_piece(self.piece(number), time - number * EDIT.proxy_seconds)
        if frame is None:
            frame = self._seek(time, coarse)
        made = _jpeg(frame) if frame is not None else b""
        with self._lock:
            self._strip[key] = made
            while len(self._strip) > STRIP_KEPT:
                self._strip.popitem(last=False)
        return made

    def _seek(self, time: float, coarse: bool) -> Image.Image | None:
        at = self.start + Fraction(time).limit_denominator(TICKS)
        with suppress(FoleyError):
            if coarse:
                with open_media(self.clip.path) as container:
                    stream = container.streams.video[self.clip.picture_number]
                    with suppress(FFmpegError):
                        ticks = int((self.clip.start + at) / self.clip.time_base)
                        container.seek(ticks, stream=stream)
                    frame = next(decoded(container, stream), None)
                    return _upright(frame, self.clip) if frame is not None else None
            for _, _, frame in decode_frames(self.clip, at, at + Fraction(1, 1000)):
                return _upright(frame, self.clip)
        return None

    def own_sound(self, begin: float, end: float) -> NDArray[np.float32]:
        """The film's own sound, all channels together: (samples,) at 48 kHz."""
        first, last = round(begin * RATE), round(end * RATE)
        heard = np.zeros(max(0, last - first), np.float32)
        track = self.clip.main_sound
        if track is None:
            return heard
        origin = self.clip.start + self.start
        with open_media(self.clip.path) as file:
            stream = file.streams[track.index]
            base = cast(Fraction, stream.time_base)
            with suppress(FFmpegError):
                wanted = float(origin) + begin - 0.2
                file.seek(int(max(0.0, wanted) / base), stream=stream)
            resampler = AudioResampler("flt", "mono", RATE)
            at: int | None = None  # where the next sample belongs
            try:
                for frame in file.decode(stream):
                    audio = cast(Any, frame)
                    if audio.pts is None:
                        continue
                    if at is None:
                        at = round((audio.pts * base - origin) * RATE)
                    for part in resampler.resample(audio):
                        samples = part.to_ndarray().reshape(-1)
                        _lay(heard, samples.astype(np.float32, copy=False), at - first)
                        at += len(samples)
                    if at >= last:
                        break
            except (FFmpegError, OSError):
                pass  # what is broken is silent here, as it is in the film
        return heard


class _Encoder:
    """Frames -> one fragmented MP4 in which each is a key frame at its own time."""

    def __init__(self, buffer: io.BytesIO, clip: Clip, size: tuple[int, int]) -> None:
        flags = "empty_moov+default_base_moof+frag_custom+omit_tfhd_offset"
        self._file = av.open(buffer, "w", format="mp4", options={"movflags": flags})
        stream = self._file.add_stream("libx264", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, TICKS)
        stream.options = {
            "preset": "veryfast",
            "tune": "fastdecode",
            "crf": str(EDIT.proxy_crf),
            "g": "1",
            "x264-params": "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv",
        }
        self._stream, self._clip = stream, clip
        self._scaler = VideoReformatter()
        self._ends: dict[int, int] = {}

    def add(self, frame: VideoFrame, time: Fraction, end: Fraction) -> None:
        """Add a frame that is on screen from ``time`` to ``end`` seconds."""
        picture = self._shown(frame)
        picture.pts, picture.time_base = round(time * TICKS), Fraction(1, TICKS)
        picture.pict_type = cast(Any, 1)  # I
        self._ends[picture.pts] = round(end * TICKS)
        self._mux(self._stream.encode(picture))

    def _shown(self, frame: VideoFrame) -> VideoFrame:
        width, height = self._stream.width, self._stream.height
        if self._clip.rotation == 0:
            return _scaled(self._scaler, frame, width, height, "yuv420p")
        turns = self._clip.rotation // 90 % 4
        size = (height, width) if turns % 2 else (width, height)
        pixels = _scaled(self._scaler, frame, *size, "rgb24").to_ndarray()
        upright = np.ascontiguousarray(np.rot90(pixels, turns)).astype(np.uint8, copy=False)
        turned = VideoFrame.from_ndarray(upright, format="rgb24")
        return turned.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)

    def close(self) -> None:
        """Write what is left."""
        self._mux(self._stream.encode())
        self._file.close()

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            if packet.pts in self._ends:
                packet.duration = max(1, self._ends.pop(packet.pts) - packet.pts)
            self._file.mux(packet)


def drop_oldest(folder: Path, most: int) -> None:
    """Delete the files that were used longest ago until a cache holds ``most`` bytes."""
    files = [(path.stat(), path) for path in folder.glob("*/*") if path.is_file()]
    total = sum(stat.st_size for stat, _ in files)
    for stat, path in sorted(files, key=lambda one: one[0].st_mtime):
        if total <= most:
            return
        with suppress(OSError):
            path.unlink()
            total -= stat.st_size


def _fitted(clip: Clip) -> tuple[int, int]:
    """Even width and height of the pictures that are played."""
    scale = min(1.0, EDIT.proxy_height / clip.height, 2 * EDIT.proxy_height / clip.width)
    return max(2, round(clip.width * scale / 2) * 2), max(2, round(clip.height * scale / 2) * 2)


def _scaled(
    scaler: VideoReformatter, frame: VideoFrame, width: int, height: int, form: str
) -> VideoFrame:
    return scaler.reformat(
        frame,
        width,
        height,
        form,
        src_colorspace=color_matrix(frame),
        dst_colorspace=Colorspace.ITU709,
        interpolation=Interpolation.BILINEAR,
    )


def _upright(frame: VideoFrame, clip: Clip) -> Image.Image:
    width, height = _fitted(clip)
    small = max(2, round(width * STRIP_HEIGHT / height)), STRIP_HEIGHT
    turns = clip.rotation // 90 % 4
    wide, high = (small[1], small[0]) if turns % 2 else small
    pixels = _scaled(VideoReformatter(), frame, wide, high, "rgb24").to_ndarray()
    return Image.fromarray(np.ascontiguousarray(np.rot90(pixels, turns)))


def _frame_of_piece(piece: bytes, time: float) -> Image.Image | None:
    """The frame of a piece that is on screen at a time."""
    if not piece:
        return None
    with av.open(io.BytesIO(piece), "r") as file:
        found = None
        for packet in file.demux(video=0):
            if packet.pts is not None and packet.pts / TICKS <= time + 1e-3:
                found = packet
        if found is None:
            return None
        stream = file.streams.video[0]
        frames = [*stream.decode(found), *stream.decode(None)]
    if not frames:
        return None
    width = max(2, round(frames[0].width * STRIP_HEIGHT / frames[0].height))
    return frames[0].to_image().resize((width, STRIP_HEIGHT), Image.Resampling.BILINEAR)


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=70)
    return out.getvalue()


def _lay(heard: NDArray[np.float32], samples: NDArray[np.float32], at: int) -> None:
    first, last = max(0, at), min(len(heard), at + len(samples))
    if first < last:
        heard[first:last] = samples[first - at : last - at]
