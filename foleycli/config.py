"""Every default of foleycli, once. Frozen, unit beside each value; imports no torch."""

import math
import os
from collections.abc import Iterable
from dataclasses import Field, dataclass, field, fields, replace
from fractions import Fraction
from math import log10
from typing import Any

from foleycli.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameConfig:
    """How a picture is sampled for the encoders (arXiv 2306.17203: 4 a second, 224 x 224)."""

    frame_rate: int = 4  # sampled frames per second
    size: int = 224  # pixels; aspect squashed, as the public model was trained
    longest: int = 384  # pixels of the longer side of the picture in which detectors look
    luma_height: int = 90  # pixels of the small gray picture that motion and cuts are read from
    luma_width: int = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureConfig:
    """Layout of one feature row: what is seen (words as a vector), then when it moves (curves).

    A row covers 1 / frame_rate = 250 ms. Columns: ``what_size`` of text embedding scaled by
    confidence, then ``bins`` of hit strength, ``bins`` of activity, and ``timbre_size`` of an
    example to sound like, zero where there is none.
    """

    frame_rate: int = 4  # rows per second
    size: int = 512  # columns
    what_size: int = 384  # MiniLM text embedding
    bins: int = 16  # points of each "when" curve within a row
    timbre_size: int = 96  # see waveform/timbre.py

    @property
    def when_rate(self) -> int:
        """Points per second of the hit and activity curves: 64 at the defaults (15.6 ms)."""
        return self.frame_rate * self.bins


@dataclass(frozen=True, slots=True, kw_only=True)
class CueConfig:
    """How features become cues. Scores are those of `foleycli.spot.scene`."""

    sure_scene: float = 2.4  # score from which a scene is believed
    second_scene: float = 0.8  # and another beside it: this much of the best one's score
    scenes: int = 2  # at once, at most
    second_db: float = -4.0  # of the second
    sure_material: float = (
        1.2  # score from which what is struck is believed to be made of something
    )
    struck_confidence: float = 0.4
    # places in which nothing is struck that one would hear
    never_struck: tuple[str, ...] = ("sea", "underwater", "sky", "snow", "road", "track")
    one_hit: float = 0.08  # seconds in which two scenes do not both sound at a hit
    sure_hit: float = 0.4  # strength from which a hit is heard; a bounce has about .5
    steady_rows: int = 8  # feature rows, 2 s, for which something is seen at least
    usual_force: float = 48.0  # of `sight.stops`: a hit that comes harder is louder
    force_db: float = 3.0  # and by so much at most, either way
    hit_length: float = 4.0  # seconds a hit may ring
    bed_step: float = 0.5  # seconds in which a bed keeps one level
    bed_range_db: float = 12.0  # a source that hardly moves is this much softer than one that does
    hold_range_db: float = 6.0  # and one of its own, such as an engine, this much
    air_db: float = -12.0  # of a place under other sounds
    alone_db: float = -6.0  # of a place in which nothing else is heard
    steps_of: int = 6  # sightings of a person, at least, whose steps are heard
    fewest_steps: int = 4  # of somebody who walks, in a stretch
    still: float = 0.02  # activity under which nothing goes on, and no bed is heard


@dataclass(frozen=True, slots=True, kw_only=True)
class EyesConfig:
    """How a vision-language model elsewhere is asked (``--eyes``); docs/eyes.md."""

    timeout: float = 180.0  # seconds for one answer; a model on a CPU takes its time
    longest: int = 1_000_000  # bytes of an answer that are read
    tokens: int = 800  # of an answer
    stills: int = 9  # of a shot, at most
    every: float = 1.0  # seconds between them in a short shot
    longest_shot: float = 20.0  # seconds; a longer one is asked about in parts
    quality: int = 85  # of the JPEG
    sounds: int = 6  # of a shot that are believed, at most
    failures: int = 3  # in a row, after which the server is not asked any more
    score: float = 3.9  # of what is told, among the scores of scenes


@dataclass(frozen=True, slots=True, kw_only=True)
class MelConfig:
    """How a waveform becomes a log-mel spectrogram; stored in the checkpoint it trained.

    The defaults are those of ``small``: one mel frame per point of the feature curves.
    """

    sample_rate: int = 32_000  # Hz
    n_fft: int = 1024  # samples in an analysis window
    hop_length: int = 500  # samples from one mel frame to the next
    n_mels: int = 128
    f_min: float = 30.0  # Hz
    f_max: float = 16_000.0  # Hz

    @property
    def frame_rate(self) -> Fraction:
        """Mel frames per second, exactly: 64 at the defaults."""
        return Fraction(self.sample_rate, self.hop_length)


@dataclass(frozen=True, slots=True, kw_only=True)
class CavpConfig:
    """Sizes of the public video and audio encoders of ``diff-foley`` (arXiv 2306.17203)."""

    base_channels: int = 64  # of the ResNet-50
    audio_channels: int = 64  # of the Cnn14
    size: int = 512  # of a feature row
    n_mels: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class SynchformerConfig:
    """Sizes of the public network that finds how far sound and picture are apart
    (arXiv 2401.16423): pictures 25 a second, sound at 16 kHz."""

    size: int = 768  # of a token
    heads: int = 12  # of the encoders of pictures and of sound
    blocks: int = 12  # of either
    picture_size: int = 224  # pixels, each side
    sync_heads: int = 8  # of the transformer over both
    sync_blocks: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectConfig:
    """How it is decided where in a picture is what words name; docs/sources.md."""

    every: float = 0.9  # seconds between looks at the picture's parts
    steady: float = 2.0  # seconds to either side over which evidence is averaged
    unlike: float = 0.15  # likeness of words and class up to which the class says nothing
    power: float = 4.0  # of the likeness above it: the nearest classes count most
    named: float = 0.5  # likeness from which a class is what words name, and may be missed
    by_itself: tuple[str, ...] = ("voices", "hard", "air")  # layers of what can be missed
    seen: float = 0.005  # evidence under which what is named is not there
    there: float = 0.5  # how sure trained eyes must once be that it is there
    least: float = 1e-4  # of evidence, before its logarithm
    contrast: float = 0.7  # of that logarithm between places, under which the whole is followed
    steep: float = 12.0  # how sharply a part is told from the rest, over the whole contrast
    thing: float = 0.6  # likeness from which one of COCO's things is what words name
    joint: float = 0.2  # score from which a foot or a hand is there


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSelectConfig:
    """Sizes of what looks in a map for what words name; docs/training.md."""

    channels: int  # of the map
    size: int = 256  # of a place that asks
    heads: int = 4
    text_size: int = 384  # MiniLM text embedding
    extra_words: int = 5  # [SUP]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelvaEncoderConfig:
    """Sizes of the public encoder that sees what words name (arXiv 2512.02650)."""

    seen: SynchformerConfig = SynchformerConfig()
    text_size: int = 768  # of a token of FLAN-T5
    extra_words: int = 5  # [SUP] rows set before the words


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowTransformerConfig:
    """Sizes of the transformer that moves noise to latents (arXiv 2412.15322, small at 16 kHz)."""

    channels: int = 20  # of a latent row
    size: int = 448  # of a row
    heads: int = 7
    joint_blocks: int = 4  # sound, picture and words
    fused_blocks: int = 8  # sound alone
    sync_size: int = 768  # of a row of motion
    picture_size: int = 1024
    text_size: int = 1024
    words: int = 77  # rows of words
    time_waves: int = 256  # numbers that a time is told in
    second_version: bool = False  # of MMAudio's largest network


@dataclass(frozen=True, slots=True, kw_only=True)
class MelVaeConfig:
    """Sizes of the magnitude-preserving autoencoder of mels (arXiv 2412.15322)."""

    n_mels: int = 80
    size: int = 384  # channels of the finest level
    channels: int = 20  # of a latent


@dataclass(frozen=True, slots=True, kw_only=True)
class BigvganConfig:
    """Sizes of BigVGAN (arXiv 2206.04658): mel to waveform."""

    n_mels: int = 80
    size: int = 1536  # channels of the first stage; each stage halves them
    rates: tuple[int, ...] = (4, 4, 2, 2, 2, 2)  # samples from one, a stage
    kernels: tuple[int, ...] = (8, 8, 4, 4, 4, 4)
    second_version: bool = False  # clamps where the first one bends, and has no last bias


@dataclass(frozen=True, slots=True, kw_only=True)
class T5Config:
    """Sizes of FLAN-T5's encoder, base (arXiv 2210.11416)."""

    vocabulary: int = 32128
    size: int = 768
    heads: int = 12
    head_size: int = 64
    inner: int = 2048
    blocks: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipTextConfig:
    """Sizes of the text tower of CLIP ViT-H/14 (DFN5B, arXiv 2309.17425)."""

    vocabulary: int = 49408
    size: int = 1024
    heads: int = 16
    blocks: int = 24
    words: int = 77


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentDiffusionConfig:
    """Sizes of ``diff-foley``'s denoiser and autoencoder: Stable Diffusion 1 over mel pictures."""

    feature_size: int = 512  # columns of a feature row
    feature_rows: int = 40  # rows a window can have: 10 s
    context_size: int = 768  # columns the denoiser attends to
    base_channels: int = 320  # of the denoiser
    multipliers: tuple[int, ...] = (1, 2, 4, 4)  # channels of each level / base channels
    heads: int = 8
    autoencoder_channels: int = 128
    latent_channels: int = 4
    latent_scale: float = 0.18215  # latents are kept near unit variance


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentConfig:
    """Sizes of the classifiers that tell whether a latent belongs to a picture."""

    feature_size: int = 512
    feature_rows: int = 40
    context_size: int = 512
    base_channels: int = 128
    multipliers: tuple[int, ...] = (1, 2, 2)
    heads: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowConfig:
    """How a long clip is cut into windows the models can see."""

    duration: float = 8.0  # seconds
    overlap: float = 0.5  # seconds that neighbours share, joined at equal power


def _one_of(default: str | None, known: Iterable[str]) -> Any:
    """A field whose value is one of those known."""
    return field(default=default, metadata={"known": tuple(known)})


def _some_of(known: Iterable[str]) -> Any:
    """A field that holds some words of those known, none by default."""
    return field(default=(), metadata={"each": tuple(known)})


MOST = 10**15  # that any number may be asked for


def _at_least(default: float | None, least: float, most: int = MOST) -> Any:
    """A field whose number does not go below ``least``."""
    return field(default=default, metadata={"least": least, "most": most})


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerConfig:
    """Classifier-free guidance (arXiv 2507.02271: w = 4.5), steps and chance."""

    steps: int | None = _at_least(None, 1, 10_000)  # None: those of the speed
    guidance: float = _at_least(4.5, 0)
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputConfig:
    """What is written: 48 kHz, 24 bits, peaks low enough for a lossy codec (EBU R128)."""

    sample_rate: int = 48_000  # Hz
    true_peak_db: float = -2.0  # dBTP ceiling


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceConfig:
    """How sounds are set in the space of a shot; see docs/space.md."""

    width: float = 0.5  # of the picture's width, from the middle outwards: mono sums lose .7 dB
    perspective: float = 0.5  # 1: 6 dB for each doubling of the distance
    # Metres at which a sound of a layer has its usual level: that of the usual shot of it.
    usual: tuple[tuple[str, float], ...] = (
        *(("feet", 3.0), ("moves", 2.0), ("props", 2.0), ("hard", 6.0), ("voices", 4.0)),
    )
    nameless: float = 3.0  # times nearer or farther than usual that a thing without a name may be
    farthest_db: float = -40.0  # what distance does to a level, at most, at full perspective
    nearest_db: float = 18.0
    air_heard: float = 6.0  # times that air dulls more than it does: 20 m of it are not heard
    dullest_db: float = 14.0  # that air takes from the treble, at most
    side: float = 0.42  # of what is wide to what is in the middle: mono sums lose .7 dB
    surround: float = 0.2  # share of the power of what is wide that surrounds have
    glide: float = 0.5  # seconds in which a sound goes from one place to the next
    cut_glide: float = 1.0  # seconds after a cut in which what goes on in a scene changes its side
    sure_place: float = 0.6  # score from which a place that is seen has its room
    room_fade: float = 0.4  # seconds in which a room's tail makes way for another room


CHANNELS = {"mono": 1, "stereo": 2, "5.1": 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmConfig:
    """How a sound becomes a bed and objects."""

    most: int = 12  # objects of a layer; what finds none stands in the bed
    step: float = 0.02  # seconds of a block while an object is on its way


ADM = AdmConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckConfig:
    """How far the new sound steps back while the clip's own sound is heard."""

    threshold_db: float = -45.0  # dBFS (RMS of 10 ms) above which the own sound counts as heard
    ratio: float = 3.0
    depth_db: float = 12.0  # the most it is turned down
    attack: float = 0.03  # seconds
    release: float = 0.4  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class VisahConfig:
    """Sizes of the network that balances a mix by what is seen (arXiv 2505.12154)."""

    channels: int = 24  # of the first layer; each further one has twice as many
    heads: int = 16  # of the transformer between encoders and decoders
    head_size: int = 32
    depth: int = 6  # its blocks
    context_size: int = 768  # columns of a row of what is seen: CLIP ViT-L/14; T5-XXL has 4096
    context_heads: int = 16
    context_depth: int = 3  # layers over the rows; 6 for captions
    over_frames: bool = (
        False  # rows attend to each other and know their time; published ones do not
    )

    @property
    def width(self) -> int:
        """Columns of the transformer."""
        return self.heads * self.head_size

    @property
    def latent_channels(self) -> int:
        """Channels of the innermost layer."""
        return self.channels * 2**5


@dataclass(frozen=True, slots=True, kw_only=True)
class MuddyConfig:
    """How a balance is spoiled; the defaults are the published ones."""

    level: str = "mix"  # how far, low, moderate, high or mix
    third: str = "suppress"  # what becomes of the stem that is neither loudest nor raised
    continuous: bool = False  # any dB from 6 to 12 (to the level's own), not steps of 3
    vary_every: float | None = None  # seconds after which the gains are drawn anew; None: never
    silent_too: bool = False  # a silent stem may be the one that is raised, as published
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HighlightConfig:
    """How dialogue, music and effects are balanced by ``foley highlight``.

    The offsets are medians of 60 published clips of six action films (the muddy mix of
    arXiv 2505.12154, BS.1770 of separated stems): few films, so a default and not a law.
    """

    strength: float = 1.0  # 0 leaves all as it is, bit for bit
    max_gain_db: float = 12.0  # a curve goes no further up or down, times the strength
    per: str = "second"  # or shot: the spans that have one value each
    speech_over_music: float = 8.0  # LU, integrated; quartiles 5.3 and 10.9
    effects_over_music: float = 6.3  # LU, where nobody speaks; quartiles 1.5 and 8.4
    speech_over_effects: float = 4.4  # LU, at least, in each second of speech; -1.3 and 11.1
    clear_of_music: float = 5.3  # LU that each second of speech is over the music, at least
    dip_db: float = 9.0  # the most that a second of speech turns the others down
    seen_db: float = 0.0  # effects that follow the picture go up by so much, others down
    close_db: float = 0.0  # effects that follow the picture in a close-up go up by so much more
    words_db: float = 0.0  # effects whose words are seen go up by so much, others down
    named: str = ""  # the words of the effects; "" listens for them
    named_db: float = 3.0  # words_db where the effects are named and nothing else is asked
    speed_db: float = 12.0  # dB a second that no curve passes
    parted_gain_db: float = 8.0  # as max_gain_db, of a voice that RNNoise took out of a mix
    apart_gain_db: float = 12.0  # the same, where something better took it apart
    parted_alike: float = 0.10  # correlation of voice and rest over which RNNoise parted nothing
    apart_alike: float = 0.15  # the same of something better
    parted_least_db: float = 3.0  # a mix whose voice is nearer than this to its offset is left
    smoothing: float = 0.5  # seconds in which one value becomes the next
    peak_db: float = -0.5  # dBFS that one gain keeps peaks under, above strength 0

    @property
    def speech_over_rest(self) -> float:
        """LU of speech over music and effects together: 2.8 at the defaults."""
        others = 10 ** (-self.speech_over_music / 10) + 10 ** (-self.speech_over_effects / 10)
        return -10 * log10(others)


@dataclass(frozen=True, slots=True, kw_only=True)
class CinematicConfig:
    """The window of a close-up or a camera move: f_cu and f_cm of arXiv 2507.02271.

    The paper gives the range of sizes, one window a close-up, and a slide along the longer axis in
    a random direction. What it leaves open is below ``largest``; docs/data.md gives the reasons.
    """

    smallest: float = 0.4  # a1: least share of the picture's width, and of its height
    largest: float = 0.6  # a2: greatest
    aspect: str = "free"  # width and height drawn apart; or "kept": one draw for both
    position: str = "random"  # of a close-up, and across a move's way; or "centre"
    start: str = "edge"  # a move goes from edge to edge; or "random": part of the way
    easing: str = "linear"  # or "smooth": slow at both ends
    move_seconds: float | None = None  # how long a move takes, then it rests; None: the whole clip
    fit: str = "squeeze"  # encoders squash the whole window; or "crop": its middle square is kept
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantConfig(CinematicConfig):
    """How close-ups and camera moves are written as films."""

    crf: int = 18  # H.264; visually lossless (trac.ffmpeg.org/wiki/Encode/H.264)
    speed: str = "veryfast"  # x264 preset
    enlarge: bool = False  # to the film's own size; else the window's pixels, none invented


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareConfig:
    """How films become a training set."""

    model: str = "small"  # whose spectrograms and features
    encoder: str = "teacher"  # whose features; see GenerateConfig
    parts: tuple[str, ...] = ("frames", "mels", "features")
    split: str | None = None  # of the table; None: every row
    duration: float = 10.0  # seconds of a film at most: VGGSound's clips (arXiv 2004.14368)
    shard: int = 64  # films in a shard, the unit that an interrupted run makes again
    quality: int = 95  # JPEG, of frames; 4:4:4
    device: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneConfig:
    """How one-shots are composed to sound scenes; docs/data.md gives the reasons."""

    duration: float = 10.0  # seconds
    fewest: int = 1  # sources in a scene
    most: int = 3
    events: int = 4  # of a source at most
    gap: float = 0.25  # seconds between two onsets of a scene, at least
    level_db: float = -23.0  # of a hit's loudest 100 ms, K-weighted, before its own gain
    spread_db: float = 12.0  # gains are drawn this far down
    held_out: str = "without"  # sounds kept for tests: without, only or with them
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderConfig:
    """Films that MuJoCo renders, with contacts known exactly; docs/data.md says what is in them."""

    kind: str = "things"  # things, walkers, quiet or pairs
    photos: str = ""  # folder of photographs for surfaces and backdrops; else colours
    mocap: str = ""  # folder of joint positions, for walkers
    held_out: bool = False  # walkers of the fifth of motions that no training reads
    seconds: float = 6.0
    width: int = 320
    height: int = 180
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LoudnessTarget:
    """What a delivery sheet asks of a whole programme; the peak ceiling is ours where stricter."""

    integrated: float  # LUFS
    tolerance: float  # LU either way
    true_peak_db: float  # dBTP
    source: str


LOUDNESS = {
    "ebu": LoudnessTarget(-23.0, 0.5, -2.0, "EBU R 128 (2020), ceiling of its s1 for lossy coding"),
    "atsc": LoudnessTarget(-24.0, 2.0, -2.0, "ATSC A/85:2013"),
    "netflix": LoudnessTarget(-27.0, 2.0, -2.0, "Netflix sound mix specifications, of dialogue"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedConfig:
    """What of a diffusion model's work is done; benchmarks/speed.py prints what it costs in error.

    Below: times of the diffusion, which goes from 1, noise, to 0.
    """

    steps: int
    corrected: bool = False  # each step is mended by what the next one finds
    hold_below: float = 0.0  # under it guidance keeps the difference that it found last
    deep_below: float = 0.0  # under it every other step keeps what the U-Net found in its depth
    bits: int = 32  # of the products of ``small``, where the CPU is faster with fewer
    distilled: bool = False  # by a student of few steps, where the model has one
    iterations: int  # of Griffin-Lim


# 25 steps as published (arXiv 2507.02271); the others were chosen on ``small`` (docs/figures.md).
SPEEDS = {
    "reference": SpeedConfig(steps=25, iterations=32),
    "balanced": SpeedConfig(
        steps=10, corrected=True, hold_below=0.5, bits=16, deep_below=0.5, iterations=16
    ),
    "fast": SpeedConfig(
        steps=6,
        corrected=True,
        hold_below=0.5,
        bits=8,
        deep_below=0.5,
        distilled=True,
        iterations=16,
    ),
}
OWN_SPEED = "auto"  # a model's own, by its family: the quickest that loses nothing by its figures
OWN_SPEEDS = {"small": "balanced", "diff-foley": "reference", "selva": "reference"}
SAMPLERS = ("dpm", "ddim")
BUNDLE_DTYPES = ("bf16", "f32")  # in which a bundle's matrices are stored
# How the new sound joins the clip: an extra track, mixed, mixed and dipped, or alone.
SOUND_MODES = ("track", "mix", "duck", "replace")
LAYERS = ("feet", "moves", "props", "hard", "voices", "air")  # see `foleycli.spot.cues`
# The room that is heard: that of the place that is seen, none, or one of `foleycli.waveform.rooms`.
ROOMS = ("auto", "off", "small", "large", "hall", "street", "forest", "field", "vehicle")


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateConfig(SamplerConfig):
    """What a user can ask of ``foley gen``, a row of a manifest, a page or `foleycli.generate`.

    Whether a value is one we know is asked here, for all of them. A new option is one field here
    and one row in ``cli/options.py``.

    Raises:
        UsageError: naming the option and what may be given for it.
    """

    model: str = "auto"  # library, small, diff-foley, a bundle's folder, or auto
    prompt: str | None = None  # words for what sounds, in place of what is seen
    negative_prompt: str | None = None  # words for what must not sound
    source: tuple[str, ...] = ()  # words for each thing that sounds, and nothing else does
    others_as_negative: bool = True  # of several sources, the others must not sound in one
    air: bool = True  # the sound of the place that is seen, under everything
    speed: str = _one_of(OWN_SPEED, (OWN_SPEED, *SPEEDS))
    budget: str | None = None  # time that a clip may take: chooses model, speed and takes
    takes: int = _at_least(1, 1, 1000)
    start: str | None = None  # timecode, seconds or frames ("300f") from which sound is wanted
    end: str | None = None
    device: str = "auto"
    mode: str = _one_of(SOUND_MODES[0], SOUND_MODES)
    cues: str | None = None  # an edited cue sheet
    encoder: str = "student"  # sees for library and small: student, teacher, or a trained folder
    library: str | None = None  # a folder of one's own recordings
    like: str | None = None  # a sound file; recordings that sound like it
    layers: tuple[str, ...] = _some_of(LAYERS)  # that sound alone; none: all of them
    channels: str = _one_of("stereo", CHANNELS)
    width: float = _at_least(SpaceConfig().width, 0, 1)  # 0: all in the middle; 1: as wide as seen
    perspective: float = _at_least(SpaceConfig().perspective, 0, 1)  # how much distance is heard
    room: str = _one_of("off", ROOMS)  # auto costs kl: benchmarks/space.py
    impulse: str | None = None  # a sound file of one's own room, in place of what is seen
    eyes: str | None = None  # address of a vision-language model that is asked what is seen
    eyes_model: str | None = None  # its name there
    wav: bool = False
    split: bool = False  # also a mono wave of each channel
    stems: bool = False  # also a wave of each layer, which add up
    adm: bool = False  # also a wave of a bed and objects (ADM BWF)
    loudness: str | None = _one_of(None, LOUDNESS)  # that the sound, or the mix, is brought to
    cut_fade: int | None = _at_least(None, 0, 1000)  # frames before and after a cut; SessionConfig
    overwrite: bool = False
    verify: bool = False
    offline: bool = False
    sign: bool = False  # content credentials (C2PA) go into what is written
    certificate: str | None = None  # PEM: a chain, the own certificate first
    key: str | None = None  # PEM, PKCS#8; None: it stands in the certificate's file
    timestamp: str | None = None  # address of a time-stamp server; None asks nobody
    double_guidance: float = _at_least(0.0, 0)  # of diff-foley's classifier, 50 in its demo
    sampler: str = _one_of(SAMPLERS[0], SAMPLERS)  # of diff-foley: dpm, or ddim to compare with

    def __post_init__(self) -> None:
        for option in fields(self):
            object.__setattr__(self, option.name, _checked(option, getattr(self, option.name)))

    @property
    def unsigned(self) -> "GenerateConfig":
        """As it is written down: who signs, and where their key lies, is nobody else's business."""
        return replace(self, sign=False, certificate=None, key=None, timestamp=None)

    @property
    def is_dry(self) -> bool:
        """Whether no room is heard, whatever is seen."""
        return self.room == "off" and not self.impulse

    @property
    def target(self) -> LoudnessTarget | None:
        """The loudness that is asked for."""
        return LOUDNESS[self.loudness] if self.loudness else None


def _checked(option: Field[Any], value: Any) -> Any:
    """A value as its option has it: paths are text, whole numbers and others are Python's own."""
    kind, name = str(option.type), option.name
    if value is None and "None" in kind:
        return None
    if kind.startswith("tuple"):
        return _checked_words(option, value)
    if "str" in kind:
        text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
        known = option.metadata.get("known", (text,))
        if text is None or text not in known:
            rest = ", ".join(known[:-1])
            remedy = f"Give {rest} or {known[-1]}." if rest else "Give it as text."
            raise UsageError(f"{name} {value} is not known.", remedy)
        return text
    if "bool" in kind:
        if value not in (True, False):
            raise UsageError(f"{name} {value} is neither on nor off.", "Give true or false.")
        return bool(value)
    return _checked_number(option, value)


def _checked_words(option: Field[Any], value: Any) -> tuple[str, ...]:
    """Texts, each said once; one text may be given alone. Where only some are known, commas part
    several."""
    name, known = option.name, option.metadata.get("each")
    texts = [value] if isinstance(value, str) else list(value or ())
    if not all(isinstance(text, str) for text in texts):
        raise UsageError(f"{name} {value} is not known.", "Give it as text.")
    if known:
        texts = [part for text in texts for part in text.split(",")]
    said = [" ".join(text.split()) for text in texts]
    if known and (unknown := [text for text in said if text not in known]):
        raise UsageError(f"{name} {unknown[0]} is not known.", f"Give some of {', '.join(known)}.")
    if "" in said:
        raise UsageError(f"One {name} is empty.", "Give words for what sounds.")
    if doubled := [text for text in said if said.count(text) > 1]:
        raise UsageError(f"{name} {doubled[0]!r} is given twice.", "Give each once.")
    return tuple(said)


def _checked_number(option: Field[Any], value: Any) -> float:
    whole = "int" in str(option.type)
    least = option.metadata.get("least", -math.inf)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, str | bool) or not math.isfinite(number) or (whole and number % 1):
        raise UsageError(
            f"{option.name} {value} is not a {'whole ' if whole else ''}number.", "Give a number."
        )
    if number < least:
        raise UsageError(f"{option.name} {value} is too little.", f"Give {least} or more.")
    most = option.metadata.get("most", MOST)
    if abs(number) > most:
        raise UsageError(f"{option.name} {value} is too much.", f"Give {most} or less.")
    return int(value) if whole else number


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchConfig:
    """What a batch is expected to take; benchmarks/batch.py measures it."""

    start: float = 4.0  # seconds until a process has loaded its source of sound
    work_ratio: float = 0.5  # seconds of work for a second of film


@dataclass(frozen=True, slots=True, kw_only=True)
class NamingConfig:
    """What is put into the names of delivered files."""

    template: str = "plain"  # plain, ucs, netflix, or a template
    reel: str = "r01"
    version: str = "v01"


@dataclass(frozen=True, slots=True, kw_only=True)
class FillConfig:
    """When an effects track lacks something, for ``foley fill``."""

    near: float = 0.2  # seconds between an action and the sound that is taken for its
    together: float = 0.08  # seconds in which two actions may share one sound
    least_rise_db: float = 6.0  # by which a track rises where something begins
    echo: float = 0.22  # seconds after something begins in which a weaker rise is part of it
    echo_db: float = 5.0  # by which it is weaker
    quiet: float = -70.0  # LUFS under which there is nothing (the absolute gate of BS.1770-4)
    loudest_air: float = -45.0  # LUFS; what is louder is more than the air of a place
    over_air_db: float = 3.0  # by which a sound is louder than the air
    most_missing: float = 0.34  # of a sound that lasts may be unheard, and it is there still
    drop_db: float = 8.0  # under the room tone from which its absence is heard
    shortest: float = 0.3  # seconds of a hole
    bridge: float = 0.5  # seconds of sound that part no hole: a word, a step
    around: float = 15.0  # seconds on either side in which the room tone is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """What is written for mixing (AAF, REAPER), where nobody asks otherwise; other timelines have
    neither handles nor fades by default."""

    handles: int = 6  # seconds of sound beyond each shot's ends
    cut_fade: int = 1  # frames before and after each hard cut


@dataclass(frozen=True, slots=True, kw_only=True)
class EditConfig:
    """The page of ``foley edit``."""

    proxy_height: int = 480  # pixels of the pictures that the browser plays, at most
    proxy_seconds: int = 4  # of film in one piece
    proxy_crf: int = 26  # H.264, every picture a key frame
    cache_bytes: int = 2 << 30  # of pieces that are kept, of all films together
    upload_bytes: int = 32 << 20  # of a sound that is dropped on the page
    takes: int = 3  # that are looked at side by side, here and in ``foley preview``


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateConfig:
    """How models are compared on a set."""

    takes: int = 10  # sounds of a clip, averaged (arXiv 2507.02271)
    others: int = 4  # clips whose sound a clip is given, and draws of noise, as controls
    groups: int = 10  # of clips that are left out in turn, for the interval of a set's measure
    resamples: int = 4000  # of the clips, for the interval of a mean


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualizeConfig:
    """What ``foley visualize`` can be asked for; its options read their defaults here."""

    frame_rate: int = 24  # pictures a second, where the sound's own file says nothing
    width: int = 1280  # pixels
    height: int = 720
    takes: int = 1
    seed: int = 0
    shot_seconds: float = 1.2  # no shot of rushes or stills is shorter
    longest_shot: float = 8.0  # seconds; a longer stretch of one sound is cut
    retime: float = 0.1  # largest change of a shot's speed
    preset: str = "veryfast"  # of x264
    sheet_preset: str = "ultrafast"  # of x264, for sheets: half of the time of an hour is coding
    crf: int = 20
    sheet_qp: int = 20  # of x264, for sheets: 50 dB from what was drawn
    threads: int = 2  # of the encoder
    key_seconds: float = 2.0  # between two pictures that editors can jump to
    steps: int = 25  # of tempotokens
    guidance: float = 25.0  # of tempotokens: its command line's default


@dataclass(frozen=True, slots=True, kw_only=True)
class VocoderConfig:
    """Sizes of the network that turns a mel spectrogram into a waveform; stored with its weights.

    A Vocos (arXiv 2306.00814): everything at the rate of frames, the waveform by an inverse STFT.
    """

    width: int = 256
    depth: int = 6  # blocks at the mel's own rate
    fine_depth: int = 2  # blocks at the rate of the inverse STFT
    finer: int = 2  # frames of the inverse STFT per mel frame, so that four windows overlap
    noise: int = 32  # channels of chance a frame, from which textures are drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How a stage is trained. These may change when a stopped run goes on; what a stage adds to
    them may not."""

    updates: int
    batch: int  # examples of an update, over all processes and parts
    accumulate: int = 1  # parts a batch is learned in, one after another, where memory is short
    rate: float  # learning rate of AdamW
    warm_up: int = 200  # updates over which the rate rises
    cool_down: float = 0.3  # share of the updates over which it falls to nothing
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of a gradient
    average: float = 0.999  # how much the moving average of the weights keeps at an update
    bf16: bool = True  # multiply in bfloat16
    validate: int = 500  # updates from one look at held-out examples to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchConfig:
    """The autoencoder of ``small``: principal components of short patches of a mel spectrogram."""

    patch: int = 8  # frames: 125 ms
    channels: int = 448  # 128 lose a third of what a listener tells apart, 448 nothing
    whitening: float = 0.5  # half way: coarse shape carries more of the loss than fine texture
    scenes: int = 1500  # 96,000 patches for a covariance of 1024 x 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoiserTraining(TrainingConfig):
    """The transformer of ``small``."""

    width: int = 384
    depth: int = 8
    drop_what: float = 0.15  # how often each half of the features is withheld
    drop_when: float = 0.15
    matrix_rate: float = 5.0  # of the rate, for the matrices of the blocks, which learn by Muon


@dataclass(frozen=True, slots=True, kw_only=True)
class FewStepsTraining(TrainingConfig):
    """A diffusion model's guided way in few steps."""

    steps: int = 4  # of the student, a look of the network each
    walk: int = 3  # steps of the teacher in one of the student's
    guidance: float = 4.5  # that is folded in
    lessons: int = 1500  # windows that the teacher walks
    held_out: int = 32  # windows that the student is looked at with
    matrix_rate: float = 5.0  # as of `DenoiserTraining`


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillTraining(TrainingConfig):
    """A student that sees in a close-up or a camera move what its teacher sees in the whole.

    Loss and proportion are those of arXiv 2507.02271; the teacher is frozen, the student begins as
    its copy.
    """

    variation: str = "cu"  # cu (f_cu), cm (f_cm) or both
    proportion: float = 0.75  # k: how often the student's picture is varied; table 4
    cinematic: CinematicConfig = CinematicConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatDistillTraining(DistillTraining):
    """The encoder of ``small`` that sees what is there, on photographs."""

    frozen: int = 15  # blocks that stay the teacher's: a thousand photographs cannot teach them
    views: int = 2  # close-ups of a photograph, and as many moves


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDistillTraining(DistillTraining):
    """A head over the networks that ship, on films and photographs."""

    variation: str = "both"
    windows: int = 3  # close-ups of each, and as many moves
    size: int = 64  # numbers that are read of a row
    drop: float = 0.6  # of what is read, in training: films and photographs are few
    filmed: float = 0.5  # share of the examples that are films
    share: float = 1.0  # of what there is to learn from, for curves
    held: tuple[str, ...] = ("gopro_gpmf", "mdn_learning_area", "tears_of_steel", "udacity")
    """Sources whose films are held out: people and machines, things on a table, views from a
    drone and from a car."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhenDistillTraining(DistillTraining):
    """The reader of motion of ``small``, on rendered scenes."""

    shards: int = 9  # files of 50 scenes; the first is held out


@dataclass(frozen=True, slots=True, kw_only=True)
class WhenTraining(TrainingConfig):
    """The reader of motion that ships, on rendered scenes whose hits are known."""

    shards: int = 29  # files of 50 scenes; the first is held out
    varied: float = 0.0  # share of the examples that are close-ups or camera moves
    filmed: float = 0.6  # share of the examples that are rendered films, where there are any


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsTraining(TrainingConfig):
    """The reader of steps from joints, on motion capture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CavpDistillTraining(DistillTraining):
    """The video encoder of the full-size model, on films."""

    epochs: int = 25  # in place of updates
    frames: int = 32  # of an example, four a second


@dataclass(frozen=True, slots=True, kw_only=True)
class SynchformerDistillTraining(DistillTraining):
    """The eyes of SelVA's family, on films; what arXiv 2507.02271 did with CAVP's."""

    epochs: int = 25  # in place of updates
    seconds: float = 2.56  # of an example: seven segments


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectTraining(DistillTraining):
    """What looks for words in a map, on two clips side by side (arXiv 2512.02650, stage 1).

    ``proportion`` is how often a clip is a close-up or a camera move before it is mixed.
    """

    proportion: float = 0.0
    frames: int = 32  # of an example, four a second
    mixed: float = 0.75  # share of a batch that is mixed; the rest is seen alone
    spread: float = 1.0  # of the share of the width: Beta(spread, spread)
    least: float = 0.2  # of the width, that each clip has
    absent: float = 0.1  # how often words are asked that name nothing there
    presence: float = 0.3  # weight of telling what is there from what is not
    size: int = 256  # of a place that asks
    heads: int = 4
    extra_words: int = 5  # [SUP]; 0 for an ablation


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectSoundTraining(TrainingConfig):
    """What sounds, led by eyes that select (arXiv 2512.02650, stage 2): few of its weights."""

    mixed: float = 0.75  # share of a batch that is mixed, as in stage 1
    spread: float = 1.0
    least: float = 0.2
    one_stage: bool = False  # what selects learns too, from nothing: an ablation
    extra_words: int = 5  # [SUP] rows, of a single stage; 0 for an ablation
    drop: float  # how often what is seen is withheld
    drop_words: float = 0.0  # how often the words are, by themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetTraining(TrainingConfig):
    """The denoiser of ``diff-foley``, on latents of prepared films."""

    sizes: LatentDiffusionConfig
    mel_frames: int = 512  # of a window
    rows: int = 32  # of a window
    drop: float = 0.2  # how often the features are withheld
    joined: float = 0.5  # share of examples that are two films, one after the other
    least: int = 8  # rows of each of the two


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoencoderTraining(TrainingConfig):
    """The autoencoder of ``diff-foley``: a network over mel pictures."""

    sizes: LatentDiffusionConfig
    mel: MelConfig
    mel_frames: int = 512
    kl: float = 1e-6  # weight of the latent's distance from a normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class CavpTraining(TrainingConfig):
    """Encoders of pictures and of sound that agree when the two belong together."""

    sizes: CavpConfig
    picture: int  # pixels; frames are squeezed to it
    segments: int = 3  # of a film
    rows: int = 16  # of a segment: 4 s
    apart: int = 8  # rows between the starts of two segments, at least
    temporal: float = 1.0  # weight of the loss between segments of one film


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentTraining(TrainingConfig):
    """The classifier of what belongs together."""

    sizes: AlignmentConfig
    shifted: float = 0.25  # share of pairs whose features come too early or late
    swapped: float = 0.25  # share of pairs whose features are another example's
    least_shift: int = 4  # rows: 1 s
    noisy: bool = False  # at any time of the diffusion, to guide; else finished sound, to score


@dataclass(frozen=True, slots=True, kw_only=True)
class EarTraining(TrainingConfig):
    """The listener of ``foley visualize``: what kind of sound is heard, in patches of 0.96 s."""

    width: int = 32  # channels of the first layer
    mixed: float = 0.5  # share of examples that are two sounds at once
    words: float = 2.0  # weight of the sounds' labels beside their classes


@dataclass(frozen=True, slots=True, kw_only=True)
class TempoTokensTraining(TrainingConfig):
    """The mapper of TempoTokens and its pooling; all else is frozen (arXiv 2309.16429)."""

    l1: float = 0.01  # weight of the mean size of the tokens of frames
    windows: tuple[int, ...] = (1, 2, 4, 8)  # frames to either side; fewer for the ablation
    frames_a_second: int = 24  # of the pictures: 24 of them are as long as the sound, 1 s
    width: int = 384  # pixels; pictures are squeezed to it
    height: int = 256
    hidden: int = 2304  # of the mapper


@dataclass(frozen=True, slots=True, kw_only=True)
class VocoderTraining(TrainingConfig):
    """Mel spectrogram to waveform."""

    mel: MelConfig
    sizes: VocoderConfig = VocoderConfig()
    frames: int  # of the mel, in an example
    windows: tuple[int, ...] = (64, 128, 256, 512, 1024, 2048)  # samples; arXiv 2008.01160


@dataclass(frozen=True, slots=True, kw_only=True)
class HighlightTraining(TrainingConfig):
    """The balance of a house, learned from its stems: features a second to gains."""

    width: int = 96
    depth: int = 2
    held_out: float = 0.1  # share of the pieces, the last ones
    loudness: float = 1.0  # weight of the mix's log level, a second, beside the gains' dB


@dataclass(frozen=True, slots=True, kw_only=True)
class VisahTraining(TrainingConfig):
    """The network of arXiv 2505.12154, on muddy mixes."""

    sizes: VisahConfig
    seconds: float = 10.0  # of an example
    held_out: float = 0.05
    loss: str = "log"  # as published; lin: as the paper writes it


FRAMES = FrameConfig()
FEATURES = FeatureConfig()
CUES = CueConfig()
EYES = EyesConfig()
MEL = MelConfig()
CAVP = CavpConfig()
SYNCHFORMER = SynchformerConfig()
SELECT = SelectConfig()
SELVA_ENCODER = SelvaEncoderConfig()
FLOW_TRANSFORMER = FlowTransformerConfig()
MEL_VAE = MelVaeConfig()
BIGVGAN = BigvganConfig()
T5 = T5Config()
CLIP_TEXT = ClipTextConfig()
# The mels of MMAudio's autoencoders, at 16 and at 44.1 kHz (arXiv 2412.15322).
FLOW_MEL = MelConfig(
    sample_rate=16_000, n_fft=1024, hop_length=256, n_mels=80, f_min=0.0, f_max=8000.0
)
FLOW_MEL_44K = MelConfig(
    sample_rate=44_100, n_fft=2048, hop_length=512, n_mels=128, f_min=0.0, f_max=22_050.0
)
LATENT_DIFFUSION = LatentDiffusionConfig()
ALIGNMENT = AlignmentConfig()
PATCHES = {"small": PatchConfig(), "tiny": PatchConfig(channels=256, scenes=300)}
# The spectrograms of diff-foley (luosiallen/Diff-Foley, wav2spec).
DIFF_FOLEY_MEL = MelConfig(
    sample_rate=16_000, n_fft=1024, hop_length=256, n_mels=128, f_min=125.0, f_max=7600.0
)
WINDOW = WindowConfig()
SAMPLER = SamplerConfig()
OUTPUT = OutputConfig()
# x264's tree of macroblocks reads memory that it never wrote where there are B-frames: the same
# pictures gave other bytes from run to run. Without it they do not.
SAME_BYTES = "mbtree=0"
DUCK = DuckConfig()
SPACE = SpaceConfig()
HIGHLIGHT = HighlightConfig()
VISAH = VisahConfig()
VISAH_TEXT = VisahConfig(context_size=4096, context_depth=6)
VISAH_TINY = VisahConfig(
    channels=8, heads=4, head_size=16, depth=2, context_size=32, context_heads=4, context_depth=2
)
CINEMATIC = CinematicConfig()
EDIT = EditConfig()
FILL = FillConfig()
GENERATE = GenerateConfig()
BATCH = BatchConfig()
EVALUATE = EvaluateConfig()
NAMING = NamingConfig()
SESSION = SessionConfig()
VISUALIZE = VisualizeConfig()

# How each stage is trained, by preset. ``small`` is ours, chosen on one CPU core; ``paper`` is
# what was published for models of the full size, where it was; ``tiny`` shows the way in minutes.
TRAINING: dict[str, dict[str, TrainingConfig]] = {
    "cavp": {
        "small": CavpTraining(
            updates=4000,
            batch=24,
            rate=8e-4,
            sizes=CavpConfig(base_channels=8, audio_channels=8),
            picture=112,
        ),
        # luosiallen/Diff-Foley, open_cavp_main/launch_script.sh: 30 films x 8 GPUs (three segments
        # each), 300 epochs of 567,980 films, 66 of them run; decay but for norms and biases. Theirs
        # falls along a cosine, from the start; both encoders began from published weights.
        "paper": CavpTraining(
            updates=156_000,
            batch=240,
            rate=8e-4,
            warm_up=200,
            cool_down=1.0,
            weight_decay=0.2,
            sizes=CAVP,
            picture=FRAMES.size,
        ),
    },
    "autoencoder": {
        # CompVis/latent-diffusion, autoencoder_kl_32x32x4: 4.5e-6 an example of 12, KL 1e-6. Their
        # perceptual and adversarial losses, for photographs, are left out. (Diff-Foley trained
        # none: it kept that of Stable Diffusion.)
        "paper": AutoencoderTraining(
            updates=400_000,
            batch=12,
            rate=5.4e-5,
            weight_decay=0.0,
            sizes=LATENT_DIFFUSION,
            mel=DIFF_FOLEY_MEL,
        ),
    },
    "align": {
        "small": AlignmentTraining(
            updates=3000,
            batch=32,
            rate=3e-4,
            sizes=AlignmentConfig(base_channels=32, context_size=128, heads=4),
        ),
        # Rate: Diff-Foley's configuration; the shares: its paper (arXiv 2306.17203, section 3.4).
        # Batch and updates were not published.
        "paper": AlignmentTraining(
            updates=30_000, batch=256, rate=5e-5, cool_down=0.0, sizes=ALIGNMENT
        ),
    },
    "denoiser": {
        # Diff-Foley (arXiv 2306.17203 and its Stage2 configuration): batch 220 x 8 GPUs, from
        # Stable Diffusion 1.4, rate 1e-4 after 1000 updates, no average, 250 epochs of VGGSound.
        "paper": UNetTraining(
            updates=24_400,
            batch=1760,
            rate=1e-4,
            warm_up=1000,
            cool_down=0.0,
            average=0.0,
            sizes=LATENT_DIFFUSION,
        ),
        "small": DenoiserTraining(updates=8200, batch=32, rate=4e-4),
        "tiny": DenoiserTraining(updates=1000, batch=16, rate=1e-3, width=192, depth=4),
    },
    "fewsteps": {
        "small": FewStepsTraining(
            updates=1500,
            batch=32,
            rate=1e-4,
            warm_up=50,
            cool_down=0.6,
            average=0.995,
            validate=100,
        ),
        # Of diff-foley. Not run here: a tenth of the rate of its own training.
        "paper": FewStepsTraining(updates=10_000, batch=64, rate=1e-5, lessons=20_000),
    },
    "when": {
        "small": WhenTraining(
            updates=1500, batch=16, rate=2e-3, warm_up=300, cool_down=0.5, average=0.995, bf16=False
        ),
    },
    "steps": {
        "small": StepsTraining(
            updates=1500, batch=32, rate=2e-3, warm_up=100, cool_down=0.6, average=0.99, bf16=False
        ),
    },
    "distill-what": {
        "small": WhatDistillTraining(
            updates=75, batch=32, rate=1e-4, warm_up=8, average=0.97, bf16=False, validate=25
        ),
    },
    "distill-seen": {
        "small": SeenDistillTraining(
            updates=300,
            batch=32,
            rate=1e-3,
            warm_up=20,
            cool_down=0.5,
            weight_decay=0.05,
            average=0.98,
            bf16=False,
            validate=50,
        ),
    },
    "distill-when": {
        "small": WhenDistillTraining(
            updates=50, batch=16, rate=1e-3, warm_up=5, average=0.96, bf16=False, validate=25
        ),
    },
    "distill": {
        # AdamW, rate, batch, epochs, k and f_cu: arXiv 2507.02271, section 4.1; a level rate.
        "paper": CavpDistillTraining(
            updates=0, batch=32, rate=5e-4, warm_up=0, cool_down=0.0, weight_decay=0.01
        ),
    },
    "distill-synchformer": {
        # what the paper gives for CAVP; no paper has distilled this one
        "paper": SynchformerDistillTraining(
            updates=0, batch=32, rate=5e-4, warm_up=0, cool_down=0.0, weight_decay=0.01
        ),
    },
    # SelVA (arXiv 2512.02650) mixes three quarters, clips at least a fifth wide, and has five [SUP]
    # rows; its rates and lengths are not published. On a map of CAVP or of EfficientNet-lite.
    "select": {
        "small": SelectTraining(
            updates=1500, batch=32, rate=1e-3, warm_up=50, bf16=False, frames=1, validate=250
        ),
        "paper": SelectTraining(updates=28_000, batch=32, rate=1e-3, warm_up=500),
        "tiny": SelectTraining(
            updates=60,
            batch=8,
            rate=2e-3,
            warm_up=5,
            average=0.9,
            bf16=False,
            frames=2,
            validate=30,
            size=64,
        ),
    },
    # Keys and values of diff-foley's denoiser; the share that is withheld as in its own training.
    "select-denoiser": {
        "paper": SelectSoundTraining(updates=5000, batch=32, rate=1e-4, drop=0.2, average=0.0),
        "tiny": SelectSoundTraining(
            updates=12, batch=2, rate=2e-3, warm_up=2, drop=0.2, bf16=False, average=0.5, validate=6
        ),
    },
    # SelVA: what is known of its second stage (MMAudio's decay, clipping and shares; half of the
    # words withheld); rate and batch are MMAudio's, its length is not published.
    "select-flow": {
        "paper": SelectSoundTraining(
            updates=20_000,
            batch=512,
            rate=1e-4,
            warm_up=1000,
            weight_decay=1e-6,
            drop=0.1,
            drop_words=0.5,
        ),
        "tiny": SelectSoundTraining(
            updates=12,
            batch=2,
            rate=2e-3,
            warm_up=2,
            weight_decay=1e-6,
            drop=0.1,
            drop_words=0.5,
            bf16=False,
            average=0.5,
            validate=6,
        ),
    },
    "listener": {
        "small": EarTraining(updates=6000, batch=64, rate=2e-3, average=0.998, bf16=False),
    },
    "visualize": {
        # arXiv 2309.16429, section 4: batch 8, 10,000 updates; rate, decay and the rest as its
        # published configuration: a level rate, no warm-up, no average.
        "paper": TempoTokensTraining(
            updates=10_000, batch=8, rate=1e-5, warm_up=0, cool_down=0.0, average=0.0
        ),
        "tiny": TempoTokensTraining(
            updates=40,
            batch=2,
            rate=1e-3,
            warm_up=0,
            average=0.0,
            bf16=False,
            validate=20,
            width=64,
            height=64,
            hidden=40,
        ),
    },
    "highlight": {
        "small": HighlightTraining(updates=3000, batch=16, rate=1e-3, bf16=False, validate=250),
        "tiny": HighlightTraining(
            updates=200, batch=8, rate=3e-3, width=32, depth=1, bf16=False, validate=100
        ),
    },
    "highlight-visah": {
        # VisAH (arXiv 2505.12154): Adam 1e-4 without decay or schedule, batch 12 x 2 GPUs, 200
        # epochs of 15,078 pieces, 32 bits, no clipping (which a large norm stands for).
        "paper": VisahTraining(
            updates=125_600,
            batch=24,
            rate=1e-4,
            warm_up=0,
            cool_down=0.0,
            weight_decay=0.0,
            clip=1e9,
            average=0.0,
            bf16=False,
            sizes=VisahConfig(over_frames=True),
        ),
        "tiny": VisahTraining(
            updates=300,
            batch=2,
            rate=3e-4,
            warm_up=10,
            average=0.0,
            bf16=False,
            seconds=2.0,
            sizes=VisahConfig(
                channels=8,
                heads=4,
                head_size=16,
                depth=2,
                context_heads=4,
                context_depth=2,
                over_frames=True,
            ),
        ),
    },
    "vocoder": {
        "small": VocoderTraining(
            updates=20_000,
            batch=8,
            rate=5e-4,
            mel=MEL,
            frames=32,
            windows=(128, 512, 1024, 2048),
        ),
        # Sizes, batch, rate and 16,384 samples an example: the published 24 kHz Vocos
        # (arXiv 2306.00814); its loss is adversarial, ours is an energy distance.
        "paper": VocoderTraining(
            updates=1_000_000,
            batch=16,
            rate=5e-4,
            mel=DIFF_FOLEY_MEL,
            frames=64,
            sizes=VocoderConfig(width=512, depth=8, fine_depth=0, finer=1),
        ),
    },
}
