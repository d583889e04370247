"""The sound joins the picture; the picture's packets and every other stream stay as they are."""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
import soundfile

from foleycli.clip.media import check_file, open_media, stamp
from foleycli.clip.probe import Clip
from foleycli.config import OUTPUT, LoudnessTarget
from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.mux.boxes import restore_boxes
from foleycli.mux.containers import CHANNELS
from foleycli.mux.ffmpeg import find_ffmpeg, input_path, run_ffmpeg
from foleycli.mux.look import start_time
from foleycli.mux.lost import tell_losses
from foleycli.mux.loudness import set_loudness
from foleycli.mux.plan import PictureRefused, Plan, Track, how_to_convert, settle
from foleycli.mux.raw import with_times
from foleycli.mux.soundtrack import read_soundtrack, speakers
from foleycli.output import atomic_output, check_output, output_error, scratch_folder
from foleycli.waveform.loudness import limit_peaks
from foleycli.waveform.mix import CENTRE, duck_sounds, mix_sounds
from foleycli.waveform.space import to_stereo
from foleycli.waveform.write import write_waveform

LOG = logging.getLogger("foleycli")

LOSSY = frozenset({"aac", "libopus", "libvorbis", "ac3", "mp2", "wmav2"})
LOSSY_BITS = 160_000  # per second and channel
# The same of FFmpeg's own AAC with its fast coder: on 100 s of Foley in stereo its noise lay 42 dB
# under the sound, and the usual coder took five times as long for 44 dB at 160,000.
AAC_BITS, AAC_CODER = 128_000, "fast"
MOST_LOSSY_BITS = 384_000  # per second, the most that MP2 takes
MOVIE_TIMESCALE = 48_000  # ticks per second; ffmpeg's own 1000 rounds lengths to a millisecond
TRIAL = 0.1  # seconds that `check_mux` tries
TRIAL_PACKETS = 200  # of a raw stream
LONG_TRIAL, LONGEST_TRIAL = 2.0, 60.0  # seconds, where those fail
OTHER_KINDS = (".mov", ".mp4", ".mkv")  # that are tried for a film that does not go in
# What trials let through, not to be tried twice: `check_mux` comes before the sound is made.
_went_through: deque[tuple[Plan, str, int, str]] = deque(maxlen=8)
# Where clocks may jump, ffmpeg counts from the first stream that is used, not from the file's.
JUMPING = ("mpegts", "mpeg")


def mux_audio(
    clip: Clip,
    sound: str | Path,
    out: str | Path,
    mode: str = "track",
    *,
    offset: Fraction = Fraction(0),
    codec: str | None = None,
    loudness: LoudnessTarget | None = None,
    title: str = "",
    is_mix: bool = False,
    overwrite: bool = False,
) -> Track:
    """Write a clip with a new sound; the picture is copied bit for bit, whole.

    The sound starts with the picture's first frame, or ``offset`` after it. Existing audio,
    subtitles, chapters, titles, colour, rotation and timecode are kept. What the container or
    ffmpeg does not take is coded anew or left out, and what is lost is told, by warnings.

    Modes:
        track: the sound is an extra track titled "Foley", last and not default, or the only one.
        mix: a new first track, default, sums the clip's main track (`Clip.main_sound`) and the
            sound, its peaks held under the usual ceiling, in that track's language; every existing
            track follows, none default.
        duck: as mix, the sound turned down while the existing track is heard.
        replace: the sound is the only audio.

    Args:
        sound: a .wav in mono, stereo or 5.1; for mix and duck at `config.OUTPUT.sample_rate`.
        out: its extension chooses the container.
        offset: seconds from the first frame to the sound's start.
        codec: aac, alac, flac, opus, pcm, ac3 or mp2 in place of the container's usual one.
        loudness: what one gain brings a mix to, as near as its peaks allow; a sound that is not
            mixed goes in as it is.
        title: of the new track, in place of "Foley" or "Foley mix".
        is_mix: the sound holds the existing one already: mode mix places it first, unsummed.

    Returns:
        the output's track that holds the sound.

    Raises:
        MediaError: the picture's codec goes into no container with sound.
        UsageError: the container or codec is not one we write, it cannot hold the picture, or
            ``out`` is the clip itself.
        OutputExistsError: ``out`` is there and ``overwrite`` is False.
        FoleyError: ffmpeg failed.
    """
    out, sound = Path(out), Path(sound)
    with (
        atomic_output(out, overwrite=overwrite, inputs=(clip.path, sound)) as hidden,
        scratch_folder(hidden.parent) as folder,
    ):
        check_file(clip.path)
        plan = replace(Plan.of(clip, out, mode, codec), title=title)
        channels = soundfile.info(str(sound)).channels
        plan = _settled(replace(plan, clip=with_times(clip, folder)), folder, out, channels)
        for line in plan.losses():
            LOG.warning("%s: %s", out.name, line)
        origin = _origin(plan)
        lead = plan.clip.start - origin + offset
        if plan.mixes and not is_mix:
            mixed = folder / "mix.wav"
            _write_mix(clip, sound, mixed, origin, lead, duck=mode == "duck")
            sound, lead = (set_loudness(mixed, loudness) if loudness else mixed), Fraction(0)
        if refused := _attempt(plan, sound, lead, hidden, out):
            plan = _once_more(plan, sound, lead, hidden, out, refused)
        restore_boxes(plan.clip.path, hidden)
        _check_written(hidden, out)
        for line in tell_losses(plan, hidden):
            LOG.warning("%s: %s", out.name, line)
    return plan.track


def _check_written(hidden: Path, out: Path) -> None:
    try:
        open_media(hidden).close()
    except MediaError as error:
        raise FoleyError(
            f"ffmpeg wrote {out.name} so that nobody can read it.",
            "Try another kind of file with -o, or another ffmpeg with FOLEY_FFMPEG.",
        ) from error


def check_mux(
    clip: Clip,
    out: str | Path,
    mode: str = "track",
    *,
    codec: str | None = None,
    channels: int = 1,
    overwrite: bool = False,
) -> None:
    """Find out before the slow part whether `mux_audio` will work: the first 0.1 s is tried.

    Raises:
        FoleyError: what `mux_audio` would raise.
    """
    check_output(out, overwrite=overwrite, inputs=(clip.path,))
    plan = Plan.of(clip, Path(out), mode, codec)
    with scratch_folder() as folder:
        timed = with_times(clip, folder, most=TRIAL_PACKETS)
        _settled(replace(plan, clip=timed), folder, Path(out), channels)


def _settled(plan: Plan, folder: Path, out: Path, channels: int = 1) -> Plan:
    """The plan that goes through, found out by the first 0.1 s of it; the longer of what fails.

    Raises:
        UsageError: the film itself does not go into such a file.
    """
    tried = plan, out.suffix, channels, f"{find_ffmpeg()} {stamp(plan.clip.path)}"
    if tried in _went_through:
        return plan
    silence = _silence(folder, channels)
    if not _try(plan, silence, folder, out, TRIAL):
        _went_through.append(tried)
        return plan
    # some sound cannot be written before its first packet has come
    begins = [float(t.start - plan.clip.format_start) for t in plan.own if t.start is not None]
    length = min(LONG_TRIAL + max([0.0, *begins]), LONGEST_TRIAL)
    try:
        return settle(plan, lambda plan: _try(plan, silence, folder, out, length))
    except PictureRefused as refused:
        raise _picture_refused(plan, str(refused), folder, out) from refused


def _silence(folder: Path, channels: int = 1) -> Path:
    sound = folder / "silence.wav"
    silence = np.zeros((round(TRIAL * OUTPUT.sample_rate), channels), np.float32)
    write_waveform(sound, [silence], OUTPUT.sample_rate, channels, overwrite=True)
    return sound


def _try(plan: Plan, silence: Path, folder: Path, out: Path, length: float | None) -> str:
    """Why a plan fails in the first seconds of it, "" where it does not."""
    trial = folder / f"trial{out.suffix}"
    try:
        short = {"t": length} if length else {}
        return _attempt(plan, silence, Fraction(0), trial, out, **short)
    finally:
        trial.unlink(missing_ok=True)


def _attempt(
    plan: Plan, sound: Path, lead: Fraction, hidden: Path, out: Path, **short: float
) -> str:
    """Mux; why it failed, "" where it did not.

    Raises:
        MediaError: the clip is gone.
        FoleyError: no ffmpeg, or the disk is full.
    """
    find_ffmpeg()  # that there is none is no fault of the output's
    try:
        run_ffmpeg(_mux_spec(plan, sound, lead, hidden, **short), "mux")
    except OSError as error:
        raise output_error(error, out) from error
    except FoleyError as error:
        check_file(plan.clip.path)
        return error.problem.removeprefix("ffmpeg could not mux: ").rstrip(".") or "no reason given"
    return ""


def _once_more(
    plan: Plan, sound: Path, lead: Fraction, hidden: Path, out: Path, refused: str
) -> Plan:
    """What went well in the first seconds failed later: without the stream that it fails over.

    Raises:
        FoleyError: it is the film itself.
    """
    with scratch_folder(hidden.parent) as folder:
        silence = _silence(folder)
        try:
            settled = settle(plan, lambda plan: _try(plan, silence, folder, out, None))
        except PictureRefused as error:
            refused, settled = str(error), plan
    if settled.fates == plan.fates or _attempt(settled, sound, lead, hidden, out):
        raise FoleyError(
            f"ffmpeg could not mux the sound into {out.name}: {refused}.",
            "Try another kind of file with -o, or another ffmpeg with FOLEY_FFMPEG.",
        )
    said = set(plan.losses())
    for line in settled.losses():
        if line not in said:
            LOG.warning("%s: %s", out.name, line)
    return settled


def _picture_refused(plan: Plan, reason: str, folder: Path, out: Path) -> UsageError:
    """What to do with a film that does not go into such a file, found out by trying others."""
    clip, fitting = plan.clip, []
    for suffix in OTHER_KINDS:
        other = out.with_suffix(suffix)
        if suffix == out.suffix.lower() or not out.stem:
            continue
        with suppress(UsageError, MediaError):
            tried = Plan.of(clip, other, plan.mode, None).bare()
            if not _try(tried, _silence(folder), folder, other, LONG_TRIAL):
                fitting.append(suffix)
    if fitting:
        remedy = f"Name the output {' or '.join(fitting)} with -o."
    elif clip.codec == "h264":
        remedy = "Copy the clip from its source again, or take another ffmpeg with FOLEY_FFMPEG."
    else:
        remedy = how_to_convert(clip)
    return UsageError(
        f"ffmpeg could not mux the sound into {out.name}: {reason} (the picture is {clip.codec}).",
        remedy,
    )


def _origin(plan: Plan) -> Fraction:
    """The time on the clip's own clock that ffmpeg makes the output's zero."""
    clip = plan.clip
    if clip.container.startswith(JUMPING):
        with open_media(clip.path) as file:
            used = [file.streams[index] for index in plan.indices]
            begins = [
                s.start_time * s.time_base for s in used if s.start_time is not None and s.time_base
            ]
        return min(begins, default=clip.format_start)
    begin = start_time(clip.path)
    return clip.format_start if begin is None else begin


def _mux_spec(plan: Plan, sound: Path, lead: Fraction, hidden: Path, **extra: Any) -> Any:
    """The ffmpeg command as an ffmpeg-python stream spec."""
    clip = plan.clip
    # raw streams carry no time stamps and get them here
    film = ffmpeg.input(input_path(clip.path), fflags="+genpts")
    foley = _placed(ffmpeg.input(input_path(sound)).audio, plan, sound, lead)
    own = [film[str(track.index)] for track in plan.sounds]
    pictures = plan.pictures
    streams = [
        *(film[str(index)] for index in pictures),
        *([foley, *own] if plan.first else [*own, foley]),
        *(film[str(stream.index)] for stream in plan.subtitles),
        *(film[str(stream.index)] for stream in plan.attachments),
    ]
    options = {
        "f": plan.container.muxer,
        "map_metadata": 0,
        "map_chapters": 0,
        "c:v": "copy",
        "copyinkf:v": None,  # pictures before the first that is marked as a key, if any ever is
        "c:t": "copy",
        "max_muxing_queue_size": 9999,
        "max_error_rate": 1,  # what does not decode of a sound costs that part of it
        **_container_options(plan),
        **_sound_options(plan, sound, pictures=len(pictures)),
        **_own_options(plan, pictures=len(pictures)),
        **_subtitle_options(plan),
    }
    return ffmpeg.output(*streams, input_path(hidden), **options, **extra)


def _placed(foley: Any, plan: Plan, sound: Path, lead: Fraction) -> Any:
    """Silence before the sound, exact to a sample: unlike an edit list, every reader obeys it."""
    sample_rate = soundfile.info(str(sound)).samplerate
    samples = round(lead * sample_rate)
    if samples > 0:
        foley = foley.filter("adelay", delays=f"{samples}S", all=1)
    if plan.container.muxer == "mxf" and plan.clip.duration:  # ends with its shortest stream
        foley = foley.filter("apad", whole_len=round(plan.clip.duration * sample_rate))
    return foley


def _container_options(plan: Plan) -> dict[str, Any]:
    muxer, clip = plan.container.muxer, plan.clip
    options: dict[str, Any] = {}
    # ffmpeg 9 takes DV for 60,000 frames a second, for which there is no timecode
    if clip.frame_rate and (muxer == "mxf" or clip.codec == "dvvideo"):
        options["r:v"] = f"{clip.frame_rate.numerator}/{clip.frame_rate.denominator}"
    if muxer not in ("mov", "mp4"):
        return options
    # "strict": ffmpeg 5 calls FLAC in MP4 experimental
    options |= {"movie_timescale": MOVIE_TIMESCALE, "strict": "-2"}
    if any(name.startswith("com.") for name in clip.tags):
        options["movflags"] = "+use_metadata_tags"  # phones' own keys are lost without it
    if clip.codec == "hevc" and clip.codec_tag not in ("hvc1", "hev1", "dvh1", "dvhe"):
        options[f"tag:v:{clip.picture_number}"] = "hvc1"  # Apple's players open no other
    return options


def _sound_options(plan: Plan, sound: Path, pictures: int) -> dict[str, Any]:
    place, title = plan.track.number - 1, plan.track.title
    channels = soundfile.info(str(sound)).channels
    encoder = plan.encoder_of(channels)
    main = plan.clip.main_sound
    options: dict[str, Any] = {
        f"c:a:{place}": encoder,
        f"metadata:s:a:{place}": f"title={title}",
        f"disposition:a:{place}": "default" if plan.first or not plan.sounds else 0,
        **_few_enough(encoder, channels, place),
    }
    if plan.mixes and main and main.language:
        # ffmpeg-python passes an option of one name once; with a zero before it is another name
        options[f"metadata:s:a:0{place}"] = f"language={main.language}"
    if plan.container.muxer in ("mov", "mp4"):  # their track name; a key goes in once only
        options[f"metadata:s:{pictures + place}"] = f"handler_name={title}"
    if encoder in LOSSY:
        bits = AAC_BITS if encoder == "aac" else LOSSY_BITS
        options[f"b:a:{place}"] = min(bits * channels, MOST_LOSSY_BITS)
    if encoder == "aac":
        options[f"aac_coder:a:{place}"] = AAC_CODER
    if encoder == "flac":  # all 24 bits
        options[f"sample_fmt:a:{place}"] = "s32"
    return options


def _few_enough(encoder: str, channels: int, place: int) -> dict[str, Any]:
    """Fold the channels down where an encoder takes less."""
    most = CHANNELS.get(encoder, channels)
    return {f"ac:a:{place}": most} if channels > most else {}


def _own_options(plan: Plan, pictures: int) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for number, track in enumerate(plan.sounds, start=1 if plan.first else 0):
        if plan.first:  # what else a track is, such as a commentary, it stays
            options[f"disposition:a:{number}"] = "-default"
        if plan.copies(track):
            options[f"c:a:{number}"] = "copy"
        else:
            encoder = plan.encoder_of(track.channels)
            options[f"c:a:{number}"] = encoder
            options |= _few_enough(encoder, track.channels, number)
            if plan.container.sample_rate:
                options[f"ar:a:{number}"] = plan.container.sample_rate
        if track.title and not plan.same_kind:  # Matroska's title is MOV's handler_name
            options[f"metadata:s:a:{number}"] = f"title={track.title}"
            options[f"metadata:s:{pictures + number}"] = f"handler_name={track.title}"
    return options


def _subtitle_options(plan: Plan) -> dict[str, Any]:
    return {
        f"c:s:{number}": "copy" if plan.copies(stream) else plan.container.text
        for number, stream in enumerate(plan.subtitles)
    }


def _write_mix(
    clip: Clip, sound: Path, mixed: Path, origin: Fraction, lead: Fraction, *, duck: bool
) -> None:
    """Sum a clip's main track and the sound, both counted from the output's zero."""
    own, sample_rate = clip.main_sound, OUTPUT.sample_rate
    assert own is not None  # or there is nothing to mix with
    existing = read_soundtrack(clip.path, own.index, sample_rate, origin)
    with soundfile.SoundFile(str(sound)) as file:
        if file.samplerate != sample_rate:
            raise ValueError(f"{sound} has {file.samplerate} Hz, not {sample_rate}")
        channels = max(own.channels, file.channels)
        foley = _after_silence(file, round(lead * sample_rate))
        if file.channels > 2 and own.channels not in (1, 2, file.channels):
            channels, foley = own.channels, map(to_stereo, foley)  # its own speakers stay
        named = speakers(own.layout) if channels == own.channels else ()
        centre = CENTRE if not named else named.index("FC") if "FC" in named else None
        if duck:
            blocks = duck_sounds(existing, foley, channels, sample_rate, centre)
        else:
            blocks = mix_sounds(existing, foley, channels, centre)
        limited = limit_peaks(blocks, OUTPUT.true_peak_db, sample_rate)
        write_waveform(mixed, limited, sample_rate, channels, speakers=named)


def _after_silence(file: soundfile.SoundFile, lead: int) -> Iterator[np.ndarray]:
    block = 1 << 16
    for start in range(0, lead, block):
        yield np.zeros((min(block, lead - start), file.channels), np.float32)
    yield from file.blocks(blocksize=block, dtype="float32", always_2d=True)
