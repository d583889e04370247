"""Train what looks for words in a map: of two clips side by side, the rows of the one named.

    foley train select --photos PHOTOS --out runs/select            # for --encoder
    foley data prepare VIDEOS data --table CSV --parts frames
    foley train select --preset paper --data data --model diff-foley --out runs/select

The network that sees is frozen. Two clips are squeezed side by side into one picture; asked for the
words of either, what is learned (`sight.words.TextSelect`) shall give the rows that the network
gives for that clip alone: (1 - cos) + MSE. Some clips are seen alone, and some words name nothing
that is there, which shall be told. ``runs/select/encoder`` is for ``foley gen --encoder``, or
``runs/select/bundle`` for ``--model``: with them ``--source`` and what it names. ``--no-sup`` and
``--stage 2 --one-stage`` are the paper's ablations.

Source: SelVA, arXiv 2512.02650, section 3.2. Not published there, and decided here: the rates; the
side of the target is drawn, as its code has it always left; both clips of a picture are asked for,
which costs nothing.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from foleycli.config import FRAMES, SelectSoundTraining, SelectTraining, TextSelectConfig
from foleycli.errors import UsageError
from foleycli.models.bundle import CARD, CONFIG, Bundle, write_bundle
from foleycli.output import make_folder
from foleycli.sight.cavp import Cavp
from foleycli.sight.efficientnet import open_networks
from foleycli.sight.words import LiteEyes, TextSelect, save_select
from foleycli.sources.identity import find_folder
from foleycli.sources.public import load_part
from foleycli.spot.encode import FACTS, SELECT, WHAT, WHEN, encoder_folder, what_sees
from foleycli.spot.scene import CLASSES, witness_names
from foleycli.spot.text import embed_text
from foleycli.train.distill import check_variation, distillation_loss, draw_lesson
from foleycli.train.distill_what import is_held_out
from foleycli.train.films import Films
from foleycli.train.pairs import side_by_side
from foleycli.train.prepare import PreparedClip
from foleycli.train.run import Run, RunOptions

SMALL = "small"  # the model whose encoder is taught; others are bundles
PART = "select"  # of a bundle
NOTE = """## Selects
Beside its video encoder stands what looks for words in its map ({updates} updates of {batch}, on
the model with sha256 {base}): see arXiv 2512.02650 and `foley train select`.
"""
HELD_OUT = 32  # clips it is looked at with, in pairs
TRIES = 8  # draws of words that name nothing that is shown
SURE = 0.3  # probability from which a photograph is what its network says
Pixels = NDArray[np.uint8]
Eyes = Cavp | LiteEyes


class Clips(Protocol):
    """What is learned from: short films, each with words for what is seen."""

    words: list[str]  # of every clip
    heard: list[int]  # numbers of those to learn from
    held_out: list[int]

    def lesson(
        self, number: int, config: SelectTraining, chance: np.random.Generator
    ) -> tuple[Pixels, Pixels]:
        """(frames, 224, 224, 3) of a clip: the whole, and what is shown of it."""
        ...


def train(
    data: Path | None,
    photos: Path | None,
    model: str,
    encoder: str,
    out: Path,
    config: SelectTraining,
    options: RunOptions,
) -> Path:
    """Train, or go on; the folder of the encoder, or of the bundle.

    Args:
        data: what ``foley data prepare`` wrote, with frames and labels; or
        photos: a folder of .jpg, whose words are what the network sees in them.
        model: ``small``, or a bundle of the family of Diff-Foley.
        encoder: of ``small``: whose network's map is asked.

    Raises:
        UsageError: there is nothing to learn from.
        ModelError: the network is not there.
    """
    check_variation(config)
    with Run(out, "select", config, options) as run:
        # who sees; frozen, it teaches what it sees of a clip alone
        eyes = open_eyes(model, encoder).to(run.device)

        # what is learned from
        clips = open_clips(data, photos, config, options, eyes)
        vectors = torch.from_numpy(embed_text(clips.words)).to(run.device)

        # what learns
        select = TextSelect(sizes_of(config, channels_of(eyes))).to(run.device)
        average = run.average_of(select)
        optimizer = torch.optim.AdamW(
            select.parameters(), config.rate, weight_decay=config.weight_decay
        )
        chance = np.random.default_rng(run.seed)
        modules = {"select": select, "average": average}
        run.begin(modules, {"optimizer": optimizer}, {"chance": chance})

        # learn
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                numbers = draw(clips.heard, run.share, chance)
                lessons = [clips.lesson(number, config, chance) for number in numbers]
                words = [clips.words[number] for number in numbers]
                batch = make_batch(lessons, words, clips, numbers, config, chance)
                with run.autocast():
                    loss = lesson_loss(select, eyes, batch, vectors, config)
                run.backward(loss)
            run.step(optimizer)
            run.follow(average, select)
            run.end_update()
            if run.is_due() and len(clips.held_out) > 1:
                run.validated(**look(average, eyes, clips, vectors, config, run.device))

        if run.rank == 0:
            write(model, encoder, average, out, run)
        return out / ("encoder" if model == SMALL else "bundle")


# ------------------------------------------------------------------------------- what is learned


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures, and what is asked of which of them.

    Attributes:
        films: (n, frames, 3, 224, 224) uint8, mixed or not.
        alone: (clips, frames, 3, 224, 224) uint8, whole, as the teacher sees them.
        film, asked: of every clip: the film in which it is shown, and whose words are asked.
        there: whether those words name something that is shown.
    """

    films: Tensor
    alone: Tensor
    film: Tensor
    asked: Tensor
    there: Tensor


def draw(numbers: Sequence[int], count: int, chance: np.random.Generator) -> list[int]:
    """So many clips, none twice where there are enough."""
    return [int(n) for n in chance.choice(numbers, count, replace=count > len(numbers))]


def make_batch(
    lessons: Sequence[tuple[Pixels, Pixels]],
    words: Sequence[str],
    clips: Clips,
    numbers: Sequence[int],
    config: SelectTraining,
    chance: np.random.Generator,
) -> Batch:
    """Mix neighbours, as many as the configuration says; clips of the same words are not mixed."""
    alone, shown = (
        torch.from_numpy(np.stack(frames)).permute(0, 1, 4, 2, 3)
        for frames in zip(*lessons, strict=True)
    )
    films, film = mix_batch(shown, words, config, chance)
    seen_with = [
        {words[j] for j in range(len(words)) if film[j] == film[i]} for i in range(len(words))
    ]
    asked, there = list(numbers), [True] * len(lessons)
    for i in range(len(lessons)):
        if chance.random() < config.absent:
            others = chance.choice(clips.heard, TRIES)
            for other in (int(n) for n in others if clips.words[n] not in seen_with[i]):
                asked[i], there[i] = other, False
    facts = (torch.tensor(values) for values in (film, asked, there))
    return Batch(torch.stack(films), alone, *facts)


def mix_batch(
    shown: Tensor,
    words: Sequence[str],
    config: SelectTraining | SelectSoundTraining,
    chance: np.random.Generator,
) -> tuple[list[Tensor], list[int]]:
    """Clips (n, frames, 3, height, width) side by side with their neighbours, or alone.

    Returns:
        films, and the number of the film that each clip is in.
    """
    films: list[Tensor] = []
    film = [-1] * len(shown)
    for i in range(0, round(config.mixed * len(shown)) // 2 * 2, 2):
        if words[i] == words[i + 1]:
            continue
        share = float(chance.beta(config.spread, config.spread))
        share = min(max(share, config.least), 1 - config.least)
        film[i] = film[i + 1] = len(films)
        films.append(mix(shown[i], shown[i + 1], share, first_left=chance.random() < 0.5))
    for i in range(len(shown)):
        if film[i] < 0:
            film[i] = len(films)
            films.append(shown[i])
    return films, film


def mix(one: Tensor, other: Tensor, share: float, *, first_left: bool) -> Tensor:
    """Two films (frames, 3, height, width) uint8 side by side in one."""
    both = side_by_side(one.float(), other.float(), share, first_left=first_left)
    return both.round().clamp(0, 255).to(torch.uint8)


def lesson_loss(
    select: TextSelect, eyes: Eyes, batch: Batch, vectors: Tensor, config: SelectTraining
) -> Tensor:
    """How far the rows that are found are from those of the clip alone; and what is there."""
    device = vectors.device
    film, asked, there = (part.to(device) for part in (batch.film, batch.asked, batch.there))
    with torch.no_grad():
        maps = eyes.maps(batch.films.to(device))[film]
        taught = eyes.rows(eyes.maps(batch.alone.to(device)).mean((3, 4)))
    pooled, _, presence = select(maps, vectors[asked])
    found = eyes.rows(pooled)
    right = distillation_loss(found[there], taught[there]) if there.any() else found.sum() * 0
    return right + config.presence * presence_loss(presence, there)


def presence_loss(presence: Tensor, there: Tensor) -> Tensor:
    """Cross entropy of logits (batch, time) to what is there, (batch,); what is there and what is
    not count alike, however rare."""
    wanted = there.float()[:, None].expand_as(presence)
    wrong = F.binary_cross_entropy_with_logits(presence, wanted, reduction="none").mean(1)
    kinds = [wrong[kind].mean() for kind in (there, ~there) if kind.any()]
    return torch.stack(kinds).mean()


@torch.no_grad()
def look(
    average: TextSelect,
    eyes: Eyes,
    clips: Clips,
    vectors: Tensor,
    config: SelectTraining,
    device: torch.device,
) -> dict[str, float]:
    """Held-out clips, two and two side by side, half and half.

    ``cosine`` to the rows of the clip alone, and ``cosine_mean`` without selection; ``own_side``:
    the share of the weight on the half that was named; ``there`` and ``absent``: how often each is
    told rightly.
    """
    chance = np.random.default_rng(0)
    numbers = [int(n) for n in clips.held_out[:HELD_OUT]]
    found: dict[str, list[float]] = {
        name: [] for name in ("loss", "cosine", "cosine_mean", "own_side", "there", "absent")
    }
    for one, other in zip(numbers[::2], numbers[1::2], strict=False):
        if clips.words[one] == clips.words[other]:
            continue
        alone, shown = (
            torch.from_numpy(np.stack(frames)).permute(0, 1, 4, 2, 3)
            for frames in zip(*(clips.lesson(n, config, chance) for n in (one, other)), strict=True)
        )
        maps = eyes.maps(mix(shown[0], shown[1], 0.5, first_left=True)[None].to(device))
        taught = eyes.rows(eyes.maps(alone.to(device)).mean((3, 4)))
        neither = [
            n for n in numbers if clips.words[n] not in (clips.words[one], clips.words[other])
        ]
        asked = [one, other, *neither[:1]]
        pooled, weights, presence = average(maps.expand(len(asked), -1, -1, -1, -1), vectors[asked])
        rows, mean = eyes.rows(pooled[:2]), eyes.rows(maps.mean((3, 4))).expand_as(taught)
        middle = weights.shape[-1] / 2
        # the place in the middle of an odd number of columns is either half's
        columns = torch.arange(weights.shape[-1], device=device) + 0.5
        left = (weights.sum(2) * (middle - columns + 0.5).clamp(0, 1)).sum(-1).mean(1)
        found["loss"].append(float(distillation_loss(rows, taught)))
        found["cosine"].append(float(F.cosine_similarity(rows, taught, dim=-1).mean()))
        found["cosine_mean"].append(float(F.cosine_similarity(mean, taught, dim=-1).mean()))
        found["own_side"].append(float((left[0] + 1 - left[1]) / 2))
        found["there"].append(float((presence[:2] > 0).float().mean()))
        if neither:
            found["absent"].append(float((presence[2] < 0).float().mean()))
    return {name: float(np.mean(values)) for name, values in found.items() if values}


# ------------------------------------------------------------------------------ what is written


def write(
    model: str, encoder: str, select: TextSelect, out: Path, run: Run[SelectTraining]
) -> None:
    """An encoder's folder that selects, or a bundle that does; the rest of it is as it was."""
    facts = {"updates": run.done, "seed": run.options.seed, **asdict(run.config)}
    if model == SMALL:
        folder = out / "encoder"
        make_folder(folder)
        for path in sorted(encoder_folder(encoder).glob("*.*")) if encoder != "teacher" else []:
            if path.name in (WHAT, WHEN, FACTS):
                shutil.copyfile(path, folder / path.name)
        save_select(folder / SELECT, select, facts)
        return
    base = Bundle.open(find_folder(model))
    write_learned(base, {PART: select}, out / "bundle", "selects", facts, NOTE)


def write_learned(
    base: Bundle,
    parts: Mapping[str, nn.Module],
    folder: Path,
    named: str,
    facts: dict[str, object],
    note: str,
    sizes: Mapping[str, Mapping[str, object]] | None = None,
) -> Bundle:
    """A bundle with some parts in place of its own, or more than it had; tensors of those that it
    had are kept as they were stored.

    Args:
        named: under which the facts stand in its config.
        note: for its card; may say {updates}, {batch} and {base}.
        sizes: of parts that it had, where they changed.
    """
    about = {key: value for key, value in base.config.items() if key != "format"}
    tensors = {
        f"{name}.{key}": t for name in about["parts"] for key, t in base.tensors(name).items()
    }
    for part, module in parts.items():
        held = {f"{part}.{key}": value.detach().cpu() for key, value in module.state_dict().items()}
        for name, value in held.items():
            kind = tensors[name].dtype if name in tensors else value.dtype
            tensors[name] = value.to(kind).contiguous()
        if part not in about["parts"]:
            about["parts"] = {**about["parts"], part: asdict(cast(Any, module.config))}
    for part, changed in (sizes or {}).items():
        about["parts"] = {**about["parts"], part: {**about["parts"][part], **changed}}
    about[named] = {"base": base.fingerprint, **facts}
    card = base.folder / CARD
    text = card.read_text("utf-8") if card.exists() else ""
    note = note.format(updates=facts["updates"], batch=facts["batch"], base=base.fingerprint)
    attached = [path for path in base.folder.glob("*.json") if path.name != CONFIG]
    return write_bundle(folder, about, tensors, f"{text}\n{note}", attached, overwrite=True)


# ------------------------------------------------------------------------------------- who sees


def open_eyes(model: str, encoder: str) -> Eyes:
    """The network whose map is asked, frozen: of ``small``'s encoder the first one, or CAVP.

    Raises:
        ModelError: it is not there.
    """
    if model == SMALL:
        return LiteEyes(open_networks(*what_sees(encoder))[0])
    bundle = Bundle.open(find_folder(model))
    return cast(Cavp, load_part(bundle, "cavp", torch.float32, ("spec_encoder",)))


def channels_of(eyes: Eyes) -> int:
    """Of the map."""
    return eyes.video_encoder.channels if isinstance(eyes, Cavp) else LiteEyes.channels


def sizes_of(config: SelectTraining, channels: int) -> TextSelectConfig:
    """Of what learns."""
    return TextSelectConfig(
        channels=channels, size=config.size, heads=config.heads, extra_words=config.extra_words
    )


# --------------------------------------------------------------------------- what is learned from


def open_clips(
    data: Path | None,
    photos: Path | None,
    config: SelectTraining,
    options: RunOptions,
    eyes: Eyes,
) -> Clips:
    """Films with their labels, or photographs named by the network itself.

    Raises:
        UsageError: there are none, or none that have words.
    """
    if data:
        return LabelledFilms(data, options.seed)
    if not photos:
        raise UsageError("There is nothing to learn from.", "Give --data or --photos.")
    if not isinstance(eyes, LiteEyes):
        raise UsageError("This network sees films.", "Give --data: what foley data prepare made.")
    return NamedPhotos(photos, eyes, options.seed)


class LabelledFilms:
    """Prepared films that have a label, or a prompt."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._films = Films(folder, ("frames",), seed=seed)
        self._seed = seed
        rows = self._films.prepared.rows
        self.words = [row["label"] or row["prompt"] for row in rows]
        self.heard, self.held_out = (
            [number for number in numbers if self.words[number]]
            for numbers in (self._films.heard, self._films.held_out)
        )
        if len({self.words[number] for number in self.heard}) < 2:
            raise UsageError(
                f"{folder} has no two films of different labels.", "Prepare it with --table."
            )

    def lesson(
        self, number: int, config: SelectTraining, chance: np.random.Generator
    ) -> tuple[Pixels, Pixels]:
        """See `Clips`."""
        epoch = int(chance.integers(1 << 30))  # of the window; a clip is seen in many
        return draw_lesson(self._films.prepared[number], epoch, config, self._seed, chance)


class NamedPhotos:
    """Photographs of which a network is sure what they show, as films of one picture."""

    def __init__(self, folder: Path, eyes: LiteEyes, seed: int) -> None:
        names = list(witness_names()[:CLASSES])
        self._seed = seed
        self._clips: list[PreparedClip] = []
        self.words: list[str] = []
        self.heard: list[int] = []
        self.held_out: list[int] = []
        for path in sorted(folder.glob("*.jpg")):
            with Image.open(path) as file:
                side = (FRAMES.size, FRAMES.size)
                picture = np.asarray(file.convert("RGB").resize(side, Image.Resampling.BILINEAR))
            shares = eyes.network(torch.tensor(picture)[None].to(_device(eyes)))[1].softmax(1)[0]
            if float(shares.max()) < SURE:
                continue
            kept = self.held_out if is_held_out(path.name) else self.heard
            kept.append(len(self.words))
            self.words.append(names[int(shares.argmax())])
            frames = picture[None]
            self._clips.append(PreparedClip(path.name, "", "", 0.25, frames, None, None))
        if len({self.words[number] for number in self.heard}) < 2:
            raise UsageError(f"{folder} has too few photographs (.jpg).", "Name another folder.")

    def lesson(
        self, number: int, config: SelectTraining, chance: np.random.Generator
    ) -> tuple[Pixels, Pixels]:
        """See `Clips`."""
        epoch = int(chance.integers(1 << 30))
        return draw_lesson(self._clips[number], epoch, config, self._seed, chance)


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device
