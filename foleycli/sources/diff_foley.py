"""``diff-foley``: the public full-size model, from pictures to a waveform."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foleycli.clip.shots import ShotDetector
from foleycli.config import (
    DIFF_FOLEY_MEL,
    FEATURES,
    OUTPUT,
    OWN_SPEEDS,
    SELECT,
    SPEEDS,
    WINDOW,
    GenerateConfig,
    SpeedConfig,
)
from foleycli.errors import MediaError, UsageError
from foleycli.frames.decode import Picture
from foleycli.latents.align import Alignment
from foleycli.latents.captured import Captured
from foleycli.latents.diff_foley import DiffFoley
from foleycli.latents.packed import can_pack, pack, trim_heap
from foleycli.latents.sampler import (
    Progress,
    TurnPredictor,
    guide,
    sample_corrected,
    sample_ddim,
    sample_latents,
    sample_turns,
    steer,
)
from foleycli.latents.schedule import NoiseSchedule
from foleycli.models.bundle import Bundle
from foleycli.sight.cavp import Cavp, encode_long, unit_rows
from foleycli.sight.words import TextSelect
from foleycli.sources.public import load_part
from foleycli.sources.speed import FewSteps, find_speed
from foleycli.spot.cues import Cue
from foleycli.spot.features import Features, row_count
from foleycli.spot.text import embed_text
from foleycli.waveform.join import (
    Share,
    Stretch,
    nobody,
    plan_windows,
    sound_stretches,
    watch_windows,
    window_seed,
)
from foleycli.waveform.vocoder import ITERATIONS, mel_to_waveform

logger = logging.getLogger("foleycli")

ROWS = round(WINDOW.duration * FEATURES.frame_rate)  # of one window: 32
LATENT = (4, 16, 64)  # of one window: 128 bands, 512 frames, 8.192 s
SAMPLERS = {"dpm": sample_latents, "ddim": sample_ddim}
Rows = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SeenFeatures(Features):
    """Features with the rows of CAVP beside those that cues are found in."""

    says_what: ClassVar[bool] = False
    seen: Rows = field(default_factory=lambda: np.zeros((0, 512), np.float32))  # (T, 512)
    by_words: dict[str, Rows | None] = field(default_factory=dict)  # None: that is nowhere seen


class DiffFoleyModel:
    """The parts of a bundle, each read when it is first needed.

    Only what turns pictures into sound is read. Weights of bf16 are not copied to 32 bits where
    the machine computes in bf16.

    Args:
        bundle: of this family.
        device: where it runs.
        dtype: of the arithmetic; None is the quickest there.
        packed: lay weights out as a CPU's kernels want them.
    """

    def __init__(
        self,
        bundle: Bundle,
        device: str = "cpu",
        dtype: torch.dtype | None = None,
        packed: bool = True,
    ) -> None:
        self.bundle = bundle
        self.device = torch.device(device)
        self.dtype = dtype or quickest_dtype(self.device)
        self.packed = packed and self.device.type == "cpu" and can_pack()
        self.few_steps = FewSteps.of(bundle.config)  # the denoiser is a student that takes them
        self.schedule = NoiseSchedule.scaled_linear()

    def _load(self, part: str, unneeded: str) -> torch.nn.Module:
        return load_part(self.bundle, part, self.dtype, (unneeded,)).to(self.device)

    @cached_property
    def cavp(self) -> Cavp:
        """What sees: 65 MB in bf16."""
        return cast(Cavp, self._load("cavp", "spec_encoder"))

    @property
    def selects(self) -> bool:
        """Whether it looks for words: what `foley train select` writes does."""
        return "select" in self.bundle.config.get("parts", {})

    @cached_property
    def select(self) -> TextSelect:
        """What looks for words in the map of what sees."""
        return cast(TextSelect, load_part(self.bundle, "select", torch.float32).to(self.device))

    @cached_property
    def diffusion(self) -> DiffFoley:
        """What sounds: 1.8 GB in bf16."""
        trim_heap()
        diffusion = cast(DiffFoley, self._load("diffusion", "autoencoder.encoder"))
        if self.packed:
            pack(diffusion.denoiser)
            pack(diffusion.autoencoder.decoder)
        return diffusion

    @cached_property
    def predict_noise(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """`DiffFoley.predict_noise`; on an NVIDIA card a graph of it."""
        if self.device.type != "cuda":
            return self.diffusion.predict_noise
        captured = Captured(self.diffusion.predict_noise)
        return lambda latent, time, context: captured(latent, time.to(latent.device), context)

    @cached_property
    def guide(self) -> Alignment:
        """The classifier of double guidance, in 32 bits: its slope is what counts."""
        guide = cast(Alignment, load_part(self.bundle, "guide", torch.float32))
        return guide.to(self.device)

    def see(self, frames: Iterable[Pixels]) -> Iterator[Rows]:
        """(224, 224, 3) uint8 pictures, four a second -> unit rows (n, 512), a chunk at a time."""
        tensors = (torch.tensor(frame, device=self.device).permute(2, 0, 1) for frame in frames)
        for rows in encode_long(self.cavp, tensors):
            yield rows.cpu().numpy()

    def see_words(
        self, frames: Iterable[Pixels], words: Sequence[str]
    ) -> Iterator[tuple[Rows, Rows]]:
        """The same for each of some words: rows (n, words, 512), and how surely what they name is
        there, (n, words) from 0 to 1; a chunk at a time."""
        vectors = torch.from_numpy(embed_text(list(words))).to(self.device)

        def read(pictures: Tensor) -> Tensor:
            maps = self.cavp.maps(pictures[None])
            found = []
            for vector in vectors:  # each alone: maps are large
                pooled, _, presence = self.select(maps, vector[None])
                rows = unit_rows(self.cavp.rows(pooled))[0]
                found.append(torch.cat([rows, presence[0, :, None].sigmoid()], 1))
            return torch.stack(found, 1)

        tensors = (torch.tensor(frame, device=self.device).permute(2, 0, 1) for frame in frames)
        for chunk in encode_long(self.cavp, tensors, read=read):
            rows = chunk.cpu().numpy()
            yield rows[..., :-1], rows[..., -1]

    @torch.no_grad()  # not inference mode: double guidance asks for a slope inside
    def sample(
        self,
        rows: Rows,
        seeds: list[int],
        steps: int = 25,
        guidance: float = 4.5,
        double_guidance: float = 0.0,
        sampler: str = "dpm",
        raw_guide: bool = False,
        progress: Progress | None = None,
        speed: SpeedConfig = SPEEDS["reference"],
    ) -> Tensor:
        """Latents of one window, a take a seed, all in one batch.

        Args:
            rows: (T, 512) unit rows, T at most 32; fewer are repeated, as training did.
            seeds: noise is drawn on the CPU, a generator a take.
            double_guidance: scale of the classifier's slope; the reference's demo uses 50.
            sampler: ``dpm`` or ``ddim``.
            raw_guide: show the classifier the rows as they are, as the published demo does,
                in place of what its trained conditioner makes of them.
            progress: told (steps done, steps).
            speed: what of the work is done; its steps do not count here.

        Returns:
            (takes, 4, 16, 64)
        """
        features = torch.from_numpy(tile(rows, ROWS)).to(self.device)
        features = features.expand(len(seeds), -1, -1)
        context = self.diffusion.embed(features)
        nothing = self.diffusion.nothing(context)
        late, deep = (
            below * self.schedule.timesteps - 1 for below in (speed.hold_below, speed.deep_below)
        )
        asked_of = self.predict_noise
        if speed.deep_below and self.device.type == "cpu":  # elsewhere a graph is quicker
            asked_of = self.diffusion.keeping_depth(deep)
        predict = guide(asked_of, context, nothing, guidance, late)
        if double_guidance:
            shown = features if raw_guide else self.guide.conditioner(features)
            log_probability = self.guide.log_probability(shown)
            predict = steer(predict, log_probability, self.schedule, double_guidance)
        noise = torch.stack([draw_noise(seed) for seed in seeds]).to(self.device)
        if self.few_steps:
            turn = self.turning(context, self.few_steps.steps)
            return sample_turns(turn, noise, self.schedule, self.few_steps.steps, progress)
        if speed.corrected and sampler == "dpm":
            return sample_corrected(predict, noise, self.schedule, steps, progress)
        return SAMPLERS[sampler](predict, noise, self.schedule, steps, progress)

    def turning(self, context: Tensor, steps: int) -> TurnPredictor:
        """v of whole steps by a denoiser that is a student of few steps."""

        def predict(latents: Tensor, number: int) -> Tensor:
            numbers = torch.full((len(latents),), number, device=self.device)
            return self.diffusion.predict_turns(latents, numbers, context, self.schedule, steps)

        return predict

    @torch.inference_mode()
    def sound(
        self, latent: Tensor, seed: int, samples: int, iterations: int = ITERATIONS
    ) -> NDArray[np.float32]:
        """One take's latent (4, 16, 64) -> its first ``samples`` samples at 16 kHz.

        The reference inverts with the filters of 22.05 kHz and so plays 5.5 semitones low; here
        the filters are those of the forward transform. ``seed`` draws the phases.
        """
        mel = self.diffusion.decode(latent[None])[0].clamp(0, 1).cpu()
        return mel_to_waveform(mel, DIFF_FOLEY_MEL, seed, iterations).numpy()[:samples]


class DiffFoleySource:
    """The public model as a source of sound. It follows the picture alone.

    A window may hold cuts (half of the training examples were two clips in a row), but windows
    are joined at cuts where there are any: a cross-fade never lies over a cut.
    """

    looking = 0.04  # measured on two cores, 25 steps
    own_speed = OWN_SPEEDS["diff-foley"]  # what fewer steps cost its weights is not known

    def __init__(self, bundle: Bundle, name: str, device: str = "cpu") -> None:
        self.name = name
        self.fingerprint = bundle.fingerprint
        self.model = DiffFoleyModel(bundle, device)
        self.few_steps = self.model.few_steps
        self.reads_words = self.model.selects
        # (words, window's seed) -> latent, of takes still to be heard
        self._drawn: dict[tuple[str | None, int], Tensor] = {}

    def encode(self, pictures: Iterable[Picture], words: Sequence[str] = ()) -> Features:
        """What the picture says about its sound: rows of CAVP, and where the cuts are.

        Raises:
            UsageError: words are given, and it was not trained to look for any.
        """
        if words and not self.reads_words:
            raise UsageError(
                f"{self.name} follows the whole picture and knows no words.",
                "Give --source to --model library, small or selva, or to what foley train select "
                "made of it.",
            )
        shots = ShotDetector()
        end = Fraction(0)

        def frames() -> Iterator[Pixels]:
            nonlocal end
            for picture in pictures:
                shots.add(picture.time, picture.luma)
                end = picture.end
                if picture.rgb is not None:
                    yield from [picture.rgb] * picture.repeats

        looked = self.model.see_words(frames(), words) if words else None
        seen = list(looked if looked is not None else self.model.see(frames()))
        if not seen:
            raise MediaError("The clip has no picture in that span.", "Check --in and --out.")
        count, cuts = row_count(end), tuple(shots.finish())
        blank = np.zeros((count, FEATURES.size), np.float32)
        if looked is None:
            rows = tile(np.concatenate(seen), count, repeat_last=True)
            return SeenFeatures(blank, end, cuts, seen=rows)
        rows, sure = (np.concatenate(parts) for parts in zip(*seen, strict=True))
        rows = tile(rows, count, repeat_last=True)
        by_words: dict[str, Rows | None] = {}
        for i, text in enumerate(words):
            there = float(sure[:, i].max()) >= SELECT.there
            by_words[text] = rows[:, i] if there else None
            if not there:
                logger.warning("Nothing of %r is seen: it is silent.", text)
        return SeenFeatures(blank, end, cuts, seen=rows[:, 0], by_words=by_words)

    def render(
        self,
        features: Features,
        cues: list[Cue],
        config: GenerateConfig,
        told: Share = nobody,
    ) -> Iterator[np.ndarray]:
        """Blocks (samples,) float32 at 48 kHz.

        On a GPU the takes of a window are drawn in one batch when the first of them is asked for.
        On a CPU each is drawn alone: a batch of four costs 3 % less a take there, and alone a take
        is the same to the bit in any company and heard four times as soon.
        """
        assert isinstance(features, SeenFeatures)
        if config.stems:
            raise UsageError(f"{self.name} has no stems: it makes one sound.", "Omit --stems.")
        if features.by_words:
            rows = features.by_words.get(config.prompt or "")
            if rows is None:
                return _silence(round(features.duration * OUTPUT.sample_rate))
            features = replace(features, seen=rows)
        elif config.prompt or config.negative_prompt or config.cues:
            logger.warning(
                "%s follows the picture alone: prompts and cues change nothing", self.name
            )
        few = self.few_steps
        if few and (config.steps or few.steps, config.guidance) != (few.steps, few.guidance):
            logger.warning(
                "%s takes %d steps at guidance %g, whatever is asked for",
                self.name, few.steps, few.guidance,
            )  # fmt: skip
        if few and config.double_guidance:
            raise UsageError(f"{self.name} has its guidance inside.", "Omit --double-guidance.")
        stretches = group_shots(features)
        together = {} if self.model.device.type == "cpu" else _takes_together(stretches, config)
        rate, asked = DIFF_FOLEY_MEL.sample_rate, config.prompt
        speed = find_speed(config, self.own_speed, self.few_steps)

        def sound_window(rows: Rows, seed: int, progress: Progress) -> NDArray[np.float32]:
            if (asked, seed) not in self._drawn:
                seeds = together.get(seed, [seed])
                latents = self.model.sample(
                    rows,
                    seeds,
                    speed.steps,
                    config.guidance,
                    config.double_guidance,
                    config.sampler,
                    progress=progress,
                    speed=speed,
                )
                keys = [(asked, drawn) for drawn in seeds]
                self._drawn.update(zip(keys, latents, strict=True))
            samples = len(rows) * rate // FEATURES.frame_rate
            latent = self._drawn.pop((asked, seed))
            return self.model.sound(latent, seed, samples, speed.iterations)

        windows = sum(len(plan_windows(len(stretch.rows))) for stretch in stretches)
        watched = watch_windows(sound_window, windows, told)
        return sound_stretches(stretches, watched, rate, config.seed)


def _silence(samples: int) -> Iterator[np.ndarray]:
    """Blocks of nothing, in memory that stays flat."""
    for first in range(0, samples, OUTPUT.sample_rate):
        yield np.zeros(min(OUTPUT.sample_rate, samples - first), np.float32)


def _takes_together(stretches: list[Stretch], config: GenerateConfig) -> dict[int, list[int]]:
    """Seed of a window in the first take -> its seeds in all takes."""
    takes = range(config.seed, config.seed + config.takes)
    seeds = (
        [window_seed(take, stretch.start, part.start) for take in takes]
        for stretch in stretches
        for part in plan_windows(len(stretch.rows))
    )
    return {first[0]: first for first in seeds}


def group_shots(features: SeenFeatures) -> list[Stretch]:
    """Neighbouring shots together as long as one window holds them, so that short shots do not
    cost a window each; a longer shot alone."""
    groups: list[tuple[Fraction, Fraction]] = []
    for begin, end in features.shots():
        if groups and end - groups[-1][0] <= WINDOW.duration - Fraction(1, FEATURES.frame_rate):
            groups[-1] = (groups[-1][0], end)
        else:
            groups.append((begin, end))
    return [_stretch(features.seen, begin, end) for begin, end in groups]


def _stretch(seen: Rows, begin: Fraction, end: Fraction) -> Stretch:
    first = int(begin * FEATURES.frame_rate)
    last = min(len(seen), math.ceil(end * FEATURES.frame_rate))
    return Stretch(seen[first:last], Fraction(first, FEATURES.frame_rate), begin, end)


def tile(rows: Rows, count: int, repeat_last: bool = False) -> Rows:
    """Cut or repeat rows (T, columns) to (count, columns)."""
    index = np.arange(count)
    index = np.minimum(index, len(rows) - 1) if repeat_last else index % len(rows)
    return rows[index]


def draw_noise(seed: int) -> Tensor:
    """The noise of one window of one take, (4, 16, 64), the same on every device."""
    return torch.randn(LATENT, generator=torch.Generator().manual_seed(seed))


def quickest_dtype(device: torch.device) -> torch.dtype:
    """bf16 where the device computes in it, else f32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.bfloat16
    return torch.float32
