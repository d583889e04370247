"""Teach a diffusion model its own guided way in few steps: 4 looks of the network in place of 50.

    foley train fewsteps --sounds SOUNDS --out runs/fewsteps
    foley train fewsteps --model diff-foley --data data --out runs/fewsteps

The teacher walks from noise to a latent, guided, in several corrected steps to one of the student;
where it passes at the student's own times is kept: a lesson. The student begins as a copy of its
denoiser and learns, from each of those places, the v whose one turn leads to the next one (Salimans
and Ho, arXiv 2202.00512), guidance included, at one scale (Meng et al., arXiv 2210.03142). Errors
of v count alike in all steps. ``runs/fewsteps/bundle`` is the model with its student, which sounds
at ``--speed fast`` (small), or always (diff-foley).
"""

import hashlib
import json
import logging
import shutil
from copy import deepcopy
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
import torch.distributed as dist
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from foleycli.config import DIFF_FOLEY_MEL, SPEEDS, TRAINING, FewStepsTraining, UNetTraining
from foleycli.errors import MediaError, UsageError
from foleycli.latents.denoiser import Denoiser, predict_turns
from foleycli.latents.diff_foley import DiffFoley
from foleycli.latents.sampler import guide, sample_corrected, sample_turns
from foleycli.latents.schedule import NoiseSchedule
from foleycli.models.bundle import CARD, CONFIG, Bundle, read_config, seal
from foleycli.output import atomic_output, make_folder
from foleycli.sources.diff_foley import DiffFoleyModel, draw_noise
from foleycli.sources.identity import DIFF_FOLEY, find_family, find_folder
from foleycli.sources.open import find_device
from foleycli.sources.small import STUDENT, SmallModel, find_changes, write_tensors
from foleycli.sources.speed import FEW_STEPS
from foleycli.train.data import Scenes, SoundSet, held_out_examples
from foleycli.train.denoiser import make_optimizers
from foleycli.train.denoiser_unet import draw
from foleycli.train.films import Films, window_rows
from foleycli.train.listing import keep_settings
from foleycli.train.run import Run, RunOptions
from foleycli.train.select import write_learned

logger = logging.getLogger("foleycli")

SHARD = 50  # lessons in a file
# How the teacher walks, but for the number of its steps. 8 bits cost it nothing: docs/speed.md.
AS = replace(SPEEDS["balanced"], bits=8)
NONE = torch.zeros(0, 32, 512)  # no windows
NOTE = (
    "## Few steps\n\nThe denoiser is a student of the one of sha256 {base}: {updates} updates of "
    "{batch} windows. It takes a few steps, with guidance inside, whatever is asked for. "
    "Command: `foley train fewsteps`.\n"
)
SMALL_NOTE = (
    "## Few steps\n\n`fewsteps.safetensors` is a student of the denoiser, what it differs by in "
    "small whole numbers: {steps} looks of the network, guidance {guidance} inside. "
    "`--speed fast` sounds it, unless other steps, another guidance or negative words are asked "
    "for. It learned from {lessons} windows that the denoiser sounded in {walk} corrected steps "
    "to one of its own: {done} updates of {batch}, Muon and AdamW at {rate}. "
    "Command: `foley train fewsteps`.\n"
)


class Teacher(Protocol):
    """A model whose way is learned."""

    config: FewStepsTraining
    schedule: NoiseSchedule
    facts: dict[str, object]  # what its lessons depend on

    def ask(self, count: int, chance: np.random.Generator) -> Tensor:
        """Features (count, 32, 512) of windows as training knows them."""
        ...

    def ask_held_out(self, count: int) -> Tensor:
        """The same of windows that are held out, fewer where there are fewer."""
        ...

    def walk(self, features: Tensor, seed: int) -> list[Tensor]:
        """The places (steps * walk + 1) that it passes for one window's features (32, 512)."""
        ...

    def student(self) -> nn.Module:
        """A copy of what predicts, to be trained."""
        ...

    def predict(self, student: Any, latents: Tensor, numbers: Tensor, features: Tensor) -> Tensor:
        """The student's v of its steps ``numbers`` (batch,)."""
        ...

    def optimizers(self, student: Any) -> dict[str, torch.optim.Optimizer]:
        """What trains it, by name."""
        ...

    def write(self, student: Any, folder: Path, run: Run[FewStepsTraining]) -> None:
        """The model with its student."""
        ...


def train(teacher: Teacher, kept: Path, out: Path, options: RunOptions) -> Path:
    """Train, or go on; the folder of the finished bundle.

    Args:
        kept: folder that keeps lessons, for other students too.
    """
    config = teacher.config
    with Run(out, "fewsteps", config, options) as run:
        # what is learned from
        keep_settings(kept, lesson_facts(teacher, options.seed))
        draw_lessons(teacher, kept, run)
        lessons = Lessons(kept, -(-config.lessons // SHARD))
        held_out = load_lessons(kept / "held_out.safetensors")

        # who learns
        student = teacher.student().to(run.device)
        average = run.average_of(student)
        optimizers = teacher.optimizers(student)
        chance = np.random.default_rng(run.seed)
        run.begin({"student": student, "average": average}, optimizers, {"chance": chance})

        # learn
        while run.goes_on():
            run.set_rate(*optimizers.values())
            for _ in range(config.accumulate):
                drawn = lessons.draw(run.share, config.steps, chance)
                features, here, there, numbers = (part.to(run.device) for part in drawn)
                with run.autocast():
                    v = teacher.predict(student, here, numbers, features)
                wanted = v_between(teacher, here, there, numbers)
                run.backward((v.float() - wanted).square().mean())
            run.step(*optimizers.values())
            run.follow(average, student)
            run.end_update()
            if run.is_due() and len(held_out[0]):
                run.validated(**look(teacher, average, held_out, run))

        if run.rank == 0:
            teacher.write(average, out / "bundle", run)
        return out / "bundle"


def v_between(teacher: Teacher, here: Tensor, there: Tensor, numbers: Tensor) -> Tensor:
    """The v whose turn leads from one place to the next: x' = cos x - sin v."""
    shape = (-1, *[1] * (here.ndim - 1))
    cosines, sines = (
        part.float().to(here.device)[numbers].view(shape)
        for part in teacher.schedule.turns(teacher.config.steps)
    )
    return (cosines * here - there) / sines


@torch.no_grad()
def look(
    teacher: Teacher, student: nn.Module, held_out: tuple[Tensor, Tensor], run: Run[Any]
) -> dict[str, float]:
    """Mean squared error of v on held-out lessons (``loss``, and of each step), and how far the
    student by itself ends from where the teacher does, as a share of that latent's size
    (``end``)."""
    features, places = (part.float().to(run.device) for part in held_out)
    steps, errors, ends = run.config.steps, [], []
    for asked, passed in zip(features[:, None], places[:, :, None], strict=True):

        def predict(latent: Tensor, number: int, asked: Tensor = asked) -> Tensor:
            with run.autocast():
                numbers = torch.tensor([number], device=run.device)
                return teacher.predict(student, latent, numbers, asked).float()

        for number in range(steps):
            here, there = passed[number], passed[number + 1]
            wanted = v_between(teacher, here, there, torch.tensor([number]))
            errors.append((predict(here, number) - wanted).square().mean())
        made = sample_turns(predict, passed[0], teacher.schedule, steps)
        ends.append((made - passed[-1]).norm() / passed[-1].norm())
    of_steps = torch.stack(errors).view(-1, steps).mean(0)
    named = {f"step{number + 1}": float(error) for number, error in enumerate(of_steps)}
    return {"loss": float(of_steps.mean()), **named, "end": float(torch.stack(ends).mean())}


# ------------------------------------------------------------------------------------- lessons


def lesson_facts(teacher: Teacher, seed: int) -> dict[str, object]:
    """What a folder of lessons is good for."""
    names = ("steps", "walk", "guidance", "held_out")
    return {
        **teacher.facts,
        "seed": seed,
        **{name: getattr(teacher.config, name) for name in names},
    }


def draw_lessons(teacher: Teacher, kept: Path, run: Run[FewStepsTraining]) -> None:
    """Walk what ``kept`` lacks; each process its share of the files."""
    config, seed = run.config, run.options.seed
    held_out = kept / "held_out.safetensors"
    if run.rank == 0 and not held_out.exists():
        save_lessons(teacher, teacher.ask_held_out(config.held_out), held_out, 2**31)
    shards = range(-(-config.lessons // SHARD))
    for shard in shards[run.rank :: run.world]:
        if not (path := shard_path(kept, shard)).exists():
            asked = teacher.ask(SHARD, np.random.default_rng((seed, shard)))
            save_lessons(teacher, asked, path, (seed * 10_000 + shard) * SHARD)
            logger.info("%d of %d lessons", (shard + 1) * SHARD, len(shards) * SHARD)
    if run.world > 1:
        dist.barrier()


def shard_path(kept: Path, shard: int) -> Path:
    """A file of lessons."""
    return kept / f"lessons{shard:05d}.safetensors"


@torch.no_grad()
def save_lessons(teacher: Teacher, features: Tensor, path: Path, first: int) -> None:
    """Walk windows, seeds from ``first`` on, and keep features and the student's places, half."""
    walks = (
        teacher.walk(rows, seed)[:: teacher.config.walk]
        for seed, rows in enumerate(features, first)
    )
    places = [torch.cat([place.cpu() for place in walk]) for walk in walks]
    known = torch.stack(places) if places else torch.zeros(0)
    with atomic_output(path, overwrite=True) as beside:
        save_file({"features": features.half(), "places": known.half()}, beside)


def load_lessons(path: Path) -> tuple[Tensor, Tensor]:
    """Features (n, 32, 512) and places (n, steps + 1, ...), in half precision.

    Raises:
        MediaError: the file is damaged.
    """
    try:
        held = load_file(path)
        return held["features"], held["places"]
    except (OSError, KeyError, SafetensorError) as error:
        raise MediaError(
            f"{path} is damaged ({error}).", "Remove it, so that it is walked again."
        ) from error


class Lessons:
    """Lessons of a folder, all in memory."""

    def __init__(self, kept: Path, shards: int) -> None:
        parts = [load_lessons(shard_path(kept, shard)) for shard in range(shards)]
        self.features, self.places = (torch.cat(part) for part in zip(*parts, strict=True))

    def draw(
        self, count: int, steps: int, chance: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features, where so many steps begin, where they end, and which ones of the ``steps`` they
        are: as many of each, as far as it goes."""
        which = torch.from_numpy(chance.integers(len(self.features), size=count))
        first = int(chance.integers(steps))
        numbers = (torch.arange(count) + first) % steps
        here, there = self.places[which, numbers], self.places[which, numbers + 1]
        return self.features[which].float(), here.float(), there.float(), numbers


# ------------------------------------------------------------------------------------- teachers


class SmallTeacher:
    """``small``, or a bundle of its family, on scenes of sounds."""

    def __init__(
        self,
        config: FewStepsTraining,
        folder: Path,
        files: tuple[Path, Path, Path],
        device: str = "cpu",
    ) -> None:
        """``files``: sounds, table and cache, as recipes take them."""
        self.config, self.folder, self.files = config, folder, files
        self.model = SmallModel.load(folder, device)
        self.schedule = self.model.schedule
        weights = (folder / "denoiser.safetensors").read_bytes()
        self.facts: dict[str, object] = {
            "model": hashlib.sha256(weights).hexdigest(),
            "sounds": hashlib.sha256(files[1].read_bytes()).hexdigest(),
        }

    @cached_property
    def known(self) -> SoundSet:
        """What is heard in scenes; not needed where all lessons are kept."""
        return SoundSet(*self.files)

    @cached_property
    def scenes(self) -> Scenes:
        """What scenes are drawn from."""
        return Scenes(self.known)

    def ask(self, count: int, chance: np.random.Generator) -> Tensor:
        """See `Teacher`."""
        self.scenes.random = chance
        return self.scenes.batch(count)[1]

    def ask_held_out(self, count: int) -> Tensor:
        """See `Teacher`."""
        rows = [rows for _, _, rows in held_out_examples(self.known)]
        return torch.from_numpy(np.stack(rows[:: -(-len(rows) // count)])) if rows else NONE

    def walk(self, features: Tensor, seed: int) -> list[Tensor]:
        """See `Teacher`."""
        passed: list[Tensor] = []
        predict = self.model.guided(features, self.config.guidance, None, AS)
        noise, steps = self.model.draw_noise(seed), self.config.steps * self.config.walk
        sample_corrected(predict, noise, self.schedule, steps, passed=passed)
        return passed

    def student(self) -> Denoiser:
        """See `Teacher`."""
        return deepcopy(self.model.denoiser).train().requires_grad_(True)

    def predict(
        self, student: Denoiser, latents: Tensor, numbers: Tensor, features: Tensor
    ) -> Tensor:
        """See `Teacher`."""
        variances, steps = self.model.autoencoder.variances, self.config.steps
        return predict_turns(student, latents, numbers, features, variances, self.schedule, steps)

    def optimizers(self, student: Denoiser) -> dict[str, torch.optim.Optimizer]:
        """See `Teacher`."""
        return dict(zip(("muon", "adamw"), make_optimizers(student, self.config), strict=True))

    def write(self, student: Denoiser, folder: Path, run: Run[FewStepsTraining]) -> None:
        """See `Teacher`: the bundle it began from, with the student beside the denoiser."""
        make_folder(folder)
        for path in self.folder.iterdir():
            if path.is_file():
                shutil.copyfile(path, folder / path.name)
        changes = find_changes(self.model.denoiser.state_dict(), student.state_dict())
        write_tensors(folder / STUDENT, changes, asdict(self.model.denoiser.config))
        about = {"steps": self.config.steps, "guidance": self.config.guidance}
        config = json.dumps(read_config(folder) | {FEW_STEPS: about}, indent=1)
        (folder / CONFIG).write_text(config + "\n", "utf-8")
        card = folder / CARD
        about = card.read_text("utf-8") if card.exists() else ""
        note = SMALL_NOTE.format(**asdict(self.config), done=run.done, hours=run.hours)
        card.write_text(f"{about}\n{note}", "utf-8")
        seal(folder)


class DiffFoleyTeacher:
    """A bundle of the family of ``diff-foley``, on the features of prepared films."""

    def __init__(
        self, config: FewStepsTraining, folder: Path, data: Path, seed: int, device: str = "cpu"
    ) -> None:
        self.config, self.base = config, Bundle.open(folder)
        if FEW_STEPS in self.base.config:
            raise UsageError(f"{folder} is such a student itself.", "Give the model it is of.")
        self.draws = cast(UNetTraining, TRAINING["denoiser"]["paper"])
        self.films = Films(data, ("mels", "features"), self.draws.least, seed, DIFF_FOLEY_MEL)
        self.model = DiffFoleyModel(self.base, device, torch.float32, packed=False)
        self.schedule = self.model.schedule
        index = "".join(row["id"] for row in self.films.prepared.rows)
        self.facts: dict[str, object] = {
            "model": self.base.fingerprint,
            "films": hashlib.sha256(index.encode()).hexdigest(),
        }

    def ask(self, count: int, chance: np.random.Generator) -> Tensor:
        """See `Teacher`."""
        self.films.random = chance
        found = [draw(self.films, 1, self.draws)[1] for _ in range(count)]
        return torch.cat(found)

    def ask_held_out(self, count: int) -> Tensor:
        """See `Teacher`."""
        clips = [self.films.prepared[number] for number in self.films.held_out[:count]]
        rows = [clip.features for clip in clips if clip.features is not None]
        windows = [torch.from_numpy(window_rows(part, 0, self.draws.rows)) for part in rows]
        return F.normalize(torch.stack(windows), dim=-1) if windows else NONE

    def walk(self, features: Tensor, seed: int) -> list[Tensor]:
        """See `Teacher`."""
        passed: list[Tensor] = []
        diffusion, timesteps = self.model.diffusion, self.schedule.timesteps
        context = diffusion.embed(features[None].to(self.model.device))
        nothing, late = diffusion.nothing(context), AS.hold_below * timesteps - 1
        predict = guide(self.model.predict_noise, context, nothing, self.config.guidance, late)
        noise, steps = (
            draw_noise(seed)[None].to(self.model.device),
            self.config.steps * self.config.walk,
        )
        sample_corrected(predict, noise, self.schedule, steps, passed=passed)
        return passed

    def student(self) -> nn.Module:
        """See `Teacher`: the diffusion model, of which the denoiser learns."""
        diffusion = deepcopy(self.model.diffusion).requires_grad_(False)
        diffusion.denoiser.train().requires_grad_(True)
        return diffusion

    def predict(
        self, student: DiffFoley, latents: Tensor, numbers: Tensor, features: Tensor
    ) -> Tensor:
        """See `Teacher`."""
        context, steps = student.embed(features), self.config.steps
        return student.predict_turns(latents, numbers, context, self.schedule, steps)

    def optimizers(self, student: DiffFoley) -> dict[str, torch.optim.Optimizer]:
        """See `Teacher`."""
        learned, decay = student.denoiser.parameters(), self.config.weight_decay
        return {"adamw": torch.optim.AdamW(learned, self.config.rate, weight_decay=decay)}

    def write(self, student: DiffFoley, folder: Path, run: Run[FewStepsTraining]) -> None:
        """See `Teacher`: the bundle with the student in the denoiser's place."""
        facts = {**asdict(self.config), "updates": run.done, "seed": run.options.seed, "only": True}
        write_learned(self.base, {"diffusion": student}, folder, FEW_STEPS, facts, NOTE)


def open_teacher(
    model: str,
    config: FewStepsTraining,
    files: tuple[Path, Path, Path] | None,
    data: Path | None,
    options: RunOptions,
) -> Teacher:
    """What ``model`` names, with what it learns from.

    Raises:
        UsageError: what it learns from is not given, or its family has no such training.
        ModelError: it is unknown, or not installed.
    """
    folder = find_folder(model)
    family, device = find_family(folder), find_device(options.device)
    if family == "small":
        if files is None:
            raise UsageError(f"{model} learns from sounds.", "Give --sounds.")
        return SmallTeacher(config, folder, files, device)
    if family == DIFF_FOLEY:
        if data is None:
            raise UsageError(f"{model} learns from films.", "Give --data.")
        return DiffFoleyTeacher(config, folder, data, options.seed, device)
    raise UsageError(f"{model} is of the family {family}.", "Give small or diff-foley.")
