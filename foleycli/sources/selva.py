"""``selva``: the public model that sounds what words name, from pictures to a waveform.

Segments of the film (16 frames at 25 a second, one every 8) are seen once; what is seen is asked
for every source's words at once, and only those rows are kept. Then each source is sounded by
itself, in windows of 8 s, the length that the model was trained on.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foleycli.clip.shots import ShotDetector
from foleycli.config import (
    FEATURES,
    FLOW_MEL,
    FLOW_MEL_44K,
    OWN_SPEEDS,
    SPEEDS,
    GenerateConfig,
    MelConfig,
    SpeedConfig,
)
from foleycli.errors import MediaError, UsageError
from foleycli.frames.decode import Picture
from foleycli.latents.flow import Progress, Velocity, sample_flow, sample_flow_corrected
from foleycli.latents.flow_transformer import Conditions, FlowTransformer
from foleycli.latents.mel_vae import MelVae
from foleycli.models.bundle import Bundle
from foleycli.sight.motionformer import FRAME_RATE, MOMENTS, SEGMENT, STEP
from foleycli.sight.selva import SelvaEncoder
from foleycli.sources.asked import others_of
from foleycli.sources.diff_foley import quickest_dtype
from foleycli.sources.selva_public import TOKENIZER, load_selva
from foleycli.sources.speed import find_speed
from foleycli.spot.clip_text import ClipText, clip_tokens
from foleycli.spot.cues import Cue
from foleycli.spot.features import Features, row_count
from foleycli.spot.t5 import LONGEST, T5Encoder
from foleycli.waveform.bigvgan import BigVgan
from foleycli.waveform.join import (
    Plan,
    Share,
    Stretch,
    nobody,
    plan_windows,
    sound_stretches,
    watch_windows,
)

logger = logging.getLogger("foleycli")

PICTURE_RATE = 8  # empty picture rows a second
SECONDS = 8  # of a window: what the model was trained on
# Windows in steps of a segment, 0.32 s: 25 of them are 8 s, 3 are shared with the next.
PLAN = Plan(rate=Fraction(FRAME_RATE, STEP), size=25, shared=3)
TOGETHER = 24  # segments seen at once on a card
Frames = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Lengths:
    """How many of everything a window of so many seconds has."""

    frames: int  # of film, 25 a second
    segments: int
    latent: int  # rows of sound
    pictures: int  # empty rows that stand for pictures
    samples: int

    @classmethod
    def of(cls, seconds: Fraction, mel: MelConfig, *, in_floats: bool = False) -> "Lengths":
        """Counted in whole numbers.

        Args:
            in_floats: as the published code counts, which loses a frame at 1.16, 8.04 and 9.28 s.
        """
        frames = int(FRAME_RATE * (float(seconds) if in_floats else seconds))
        mels = seconds * mel.sample_rate / mel.hop_length
        latent = math.ceil(mels / 2)
        return cls(
            frames=frames,
            segments=max(0, (frames - SEGMENT) // STEP + 1),
            latent=latent,
            pictures=int(seconds * PICTURE_RATE),
            samples=latent * 2 * mel.hop_length,
        )

    @property
    def sync(self) -> int:
        """Rows of motion."""
        return self.segments * MOMENTS


def guided_velocity(
    net: Callable[[Tensor, Tensor, Conditions], Tensor] | FlowTransformer,
    led: Conditions,
    empty: Conditions,
    guidance: float,
    held_from: float = 1.0,
) -> Velocity:
    """w v(led) + (1 - w) v(empty), both in one batch (Ho & Salimans, arXiv 2207.12598); below 1
    ``led`` alone, as the public model does. From the time ``held_from`` on v(led) - v(empty) is no
    longer asked for, but stays what it was."""
    held: list[Tensor] = []
    if guidance < 1:
        return lambda latent, time: net(latent, time, led)
    both = join(led, empty)

    def velocity(latent: Tensor, time: Tensor) -> Tensor:
        if held and float(time[0]) > held_from:
            return net(latent, time, led) + (guidance - 1) * held[0]
        pair = net(torch.cat([latent, latent]), torch.cat([time, time]), both)
        with_, without = pair.chunk(2)
        held[:] = [with_ - without]
        return guidance * with_ + (1 - guidance) * without

    return velocity


def join(one: Conditions, other: Conditions) -> Conditions:
    """Two batches of conditions of the same lengths as one."""
    return Conditions(
        torch.cat([one.sync, other.sync]),
        torch.cat([one.picture, other.picture]),
        torch.cat([one.words, other.words]),
        torch.cat([one.whole, other.whole]),
        one.sound_turns,
        one.picture_turns,
    )


@dataclass(frozen=True, slots=True)
class WordFeatures(Features):
    """Features with what was seen of each source's words beside them."""

    says_what: ClassVar[bool] = False
    seen: dict[str, NDArray[np.float16]] = field(default_factory=dict)  # (segments, 8, size)


class SelvaModel:
    """The parts of a bundle, each read when it is first needed.

    Args:
        bundle: of this family.
        device: where it runs.
        dtype: of products; None is the quickest there. Everything else is in 32 bits.
    """

    def __init__(
        self, bundle: Bundle, device: str = "cpu", dtype: torch.dtype | None = None
    ) -> None:
        self.bundle = bundle
        self.device = torch.device(device)
        self.dtype = dtype or quickest_dtype(self.device)
        self._words: dict[str, Tensor] = {}
        self._unit_words: dict[str, Tensor] = {}

    @property
    def mel(self) -> MelConfig:
        """Of its vocoder: at 16 or at 44.1 kHz."""
        bands = self.bundle.config["parts"]["vae"]["n_mels"]
        return FLOW_MEL if bands == FLOW_MEL.n_mels else FLOW_MEL_44K

    def _load(self, part: str) -> nn.Module:
        return load_selva(self.bundle, part, self.dtype).to(self.device)

    def _fewer_bits(self) -> AbstractContextManager:
        """Products of f32 rows and matrices of fewer bits are made in fewer bits."""
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32)

    @cached_property
    def encoder(self) -> SelvaEncoder:
        """What sees: 270 MB in bf16."""
        return cast(SelvaEncoder, self._load("encoder"))

    @cached_property
    def generator(self) -> FlowTransformer:
        """What sounds: 315 MB in bf16, in the small size."""
        return cast(FlowTransformer, self._load("generator"))

    @cached_property
    def vae(self) -> MelVae:
        """Latents to a mel: 200 MB in bf16."""
        return cast(MelVae, self._load("vae"))

    @cached_property
    def vocoder(self) -> BigVgan:
        """A mel to a waveform: 225 MB in bf16."""
        return cast(BigVgan, self._load("vocoder"))

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> None:
        """Read texts by both towers; these, 930 MB in bf16, are let go of afterwards."""
        asked = [text for text in dict.fromkeys(texts) if text not in self._words]
        if not asked:
            return
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.bundle.folder / TOKENIZER))
        tokenizer.no_padding()
        tokenizer.enable_truncation(LONGEST)
        tower = cast(T5Encoder, self._load("t5"))
        with self._fewer_bits():
            for text in asked:  # each alone: a text's rows would know its company's length
                ids = torch.tensor([tokenizer.encode(text).ids], device=self.device)
                self._words[text] = tower(ids)[0].float()
        del tower
        clip = cast(ClipText, self._load("clip"))
        with self._fewer_bits():
            for text in asked:
                self._unit_words[text] = clip(clip_tokens([text]).to(self.device))[0]

    @torch.inference_mode()
    def see(self, frames: Tensor, words: Sequence[str]) -> dict[str, Tensor]:
        """Segments (n, 16, 3, height, width) uint8 -> for each words (n, 8, size)."""
        self.read(words)
        with self._fewer_bits():
            seen = self.encoder.look(frames.to(self.device))
            return {
                text: self.encoder(seen, *self.encoder.read(self._words[text][None])).float()
                for text in words
            }

    @torch.inference_mode()
    def sample(
        self,
        rows: Tensor,
        text: str,
        unwanted: str | None,
        seed: int,
        steps: int = 25,
        guidance: float = 4.5,
        progress: Progress | None = None,
        speed: SpeedConfig = SPEEDS["reference"],
    ) -> Tensor:
        """The latent of one window.

        Args:
            rows: (8 segments, size) as `see` gives them.
            text: words for what sounds.
            unwanted: words for what must not; None: what was learned for no words.
            seed: noise is drawn on the CPU.
            progress: told (steps done, steps).
            speed: what of the work is done; its steps do not count here.

        Returns:
            (1, channels, rows of sound), as the autoencoder takes it.
        """
        self.read([text, unwanted] if unwanted else [text])
        net, lengths = self.generator, Lengths.of(Fraction(SECONDS), self.mel)
        shape = (1, lengths.latent, net.config.channels)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        with self._fewer_bits():
            none = net.empty_text(1) if unwanted is None else self._unit_words[unwanted][None]
            led, empty = (
                net.prepare(motion, words, lengths.latent, lengths.pictures)
                for motion, words in (
                    (rows[None].to(self.device), self._unit_words[text][None]),
                    (net.empty_sync(1, len(rows)), none),
                )
            )
            velocity = guided_velocity(net, led, empty, guidance, 1 - speed.hold_below)
            sample = sample_flow_corrected if speed.corrected else sample_flow
            latent = sample(velocity, noise.to(self.device), steps, progress)
        return net.to_mel_latent(latent)

    @torch.inference_mode()
    def sound(self, latent: Tensor, samples: int) -> NDArray[np.float32]:
        """A window's latent -> its first ``samples`` samples."""
        with self._fewer_bits():
            wave = self.vocoder(self.vae.decode(latent))
        return wave[0, 0, :samples].cpu().numpy()


class SelvaSource:
    """The public model as a source of sound: it sounds what words name, where that is seen."""

    looking = 0.4  # measured on two cores, one source, 25 steps
    own_speed = OWN_SPEEDS["selva"]  # what fewer steps cost its weights is not known
    reads_words = True

    def __init__(self, bundle: Bundle, name: str, device: str = "cpu") -> None:
        self.name = name
        self.fingerprint = bundle.fingerprint
        self.model = SelvaModel(bundle, device)
        self.licence = str(bundle.config.get("licence", "see its card"))
        logger.warning("%s: %s.", name, self.licence)

    def encode(self, pictures: Iterable[Picture], words: Sequence[str] = ()) -> WordFeatures:
        """What is seen of each of some words, and where the cuts are.

        Raises:
            UsageError: there are no words.
        """
        if not words:
            raise UsageError(
                f"{self.name} sounds what words name.", "Give --source or --prompt, in words."
            )
        self.model.read([*words, *filter(None, (others_of(words, one) for one in words))])
        shots, end = ShotDetector(), Fraction(0)

        def watched() -> Iterator[Picture]:
            nonlocal end
            for picture in pictures:
                shots.add(picture.time, picture.luma)
                end = picture.end
                yield picture

        batch = 1 if self.model.device.type == "cpu" else TOGETHER
        seen: dict[str, list[NDArray[np.float16]]] = {text: [] for text in words}
        for segments in segment_film(tick_frames(watched()), batch):
            for text, rows in self.model.see(segments, words).items():
                seen[text].append(rows.to(torch.float16).cpu().numpy())
        blank = np.zeros((row_count(end), FEATURES.size), np.float32)
        rows = {text: np.concatenate(parts) for text, parts in seen.items()}
        return WordFeatures(blank, end, tuple(shots.finish()), seen=rows)

    def render(
        self,
        features: Features,
        cues: list[Cue],
        config: GenerateConfig,
        told: Share = nobody,
    ) -> Iterator[np.ndarray]:
        """Blocks (samples,) float32 at 48 kHz, of the words that ``config.prompt`` holds."""
        assert isinstance(features, WordFeatures)
        if config.cues:
            logger.warning("%s follows words and the picture: cues change nothing", self.name)
        text, rate = config.prompt or "", self.model.mel.sample_rate
        if text not in features.seen:
            raise UsageError(
                f"{self.name} did not look for {text!r}.", "Give its words with --source."
            )
        speed = find_speed(config, self.own_speed)
        shots = group_shots(features)
        stretches = [word_stretch(features.seen[text], *shot) for shot in shots]

        def sound_window(
            rows: NDArray[np.float32], seed: int, progress: Progress
        ) -> NDArray[np.float32]:
            latent = self.model.sample(
                window_rows(rows),
                text,
                config.negative_prompt or None,
                seed,
                speed.steps,
                config.guidance,
                progress,
                speed,
            )
            return self.model.sound(latent, round(len(rows) / PLAN.rate * rate))

        windows = sum(len(plan_windows(len(stretch.rows), PLAN)) for stretch in stretches)
        watched = watch_windows(sound_window, windows, told)
        return sound_stretches(stretches, watched, rate, config.seed, PLAN)


def tick_frames(pictures: Iterable[Picture]) -> Iterator[Frames]:
    """Frames (224, 224, 3) at 25 a second.

    Tick n takes the first frame that begins at n / 25 s or later, as the public model's reader
    does, but in fractions; the last frame is held to the end.
    """
    ticks, last, end = 0, None, Fraction(0)
    for picture in pictures:
        end, due = picture.end, int(picture.time * FRAME_RATE) + 1
        if due > ticks or last is None:
            assert picture.squashed
            last = picture.squashed()
            yield from [last] * (due - ticks)
            ticks = due
    if last is not None:
        yield from [last] * (int(end * FRAME_RATE) - ticks)


def segment_film(frames: Iterable[Frames], batch: int) -> Iterator[Tensor]:
    """Overlapping segments of a film, some at a time: (n, 16, 3, height, width) uint8.

    The last frame is held, so that every frame is in a segment that begins at it or less than
    0.32 s before it.

    Raises:
        MediaError: there is no frame.
    """
    held: list[Tensor] = []
    ready: list[Tensor] = []
    count = segments = 0
    for frame in frames:
        held.append(torch.from_numpy(frame).permute(2, 0, 1))
        count += 1
        if len(held) == SEGMENT:
            ready.append(torch.stack(held))
            segments += 1
            del held[:STEP]
        if len(ready) == batch:
            yield torch.stack(ready)
            ready.clear()
    if not count:
        raise MediaError("The clip has no picture in that span.", "Check --in and --out.")
    while segments * STEP < count:
        held += [held[-1]] * (SEGMENT - len(held))
        ready.append(torch.stack(held))
        segments += 1
        del held[:STEP]
    while ready:
        yield torch.stack(ready[:batch])
        del ready[:batch]


def group_shots(features: Features) -> list[tuple[Fraction, Fraction]]:
    """Neighbouring shots together as long as one window holds them; a longer shot alone."""
    groups: list[tuple[Fraction, Fraction]] = []
    for begin, end in features.shots():
        if groups and end - groups[-1][0] <= SECONDS - 1 / PLAN.rate:
            groups[-1] = (groups[-1][0], end)
        else:
            groups.append((begin, end))
    return groups


def word_stretch(seen: NDArray[np.float16], begin: Fraction, end: Fraction) -> Stretch:
    """The segments of a stretch of film, from that in which it begins."""
    first = int(begin * PLAN.rate)
    last = max(first + 1, min(len(seen), math.ceil(end * PLAN.rate)))
    rows = seen[first:last] if first < len(seen) else seen[-1:]
    flat = rows.reshape(len(rows), -1).astype(np.float32)
    return Stretch(flat, Fraction(first) / PLAN.rate, begin, end)


def window_rows(rows: NDArray[np.float32]) -> Tensor:
    """Steps (at most 25, 8 * size) of a window -> the rows (192, size) of its 24 segments; where
    the film ends sooner, its last segment is held."""
    index = np.minimum(np.arange(PLAN.size - 1), len(rows) - 1)
    steps = torch.from_numpy(rows[index].astype(np.float32))
    return steps.unflatten(1, (MOMENTS, -1)).flatten(0, 1)
