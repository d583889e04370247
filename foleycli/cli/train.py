"""``foley train``: one command a stage; see docs/training.md."""

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial, wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foleycli.cli.options import Quiet, Verbose
from foleycli.cli.progress import count_progress, listen_for_warnings
from foleycli.cli.say import say
from foleycli.config import GENERATE, PATCHES, TRAINING
from foleycli.errors import UsageError

if TYPE_CHECKING:
    from foleycli.train.run import RunOptions

app = typer.Typer(
    help="Train a model of your own, stage by stage. The same command goes on where a run "
    "stopped. On many GPUs: torchrun --no-python --nproc-per-node 4 -- foley train STAGE ...",
    no_args_is_help=True,
)

DIFF_FOLEY = "diff-foley"
SELVA = "selva"
SAID_EVERY = 30  # seconds between two lines of progress where there is no terminal

Sounds = Annotated[
    Path, typer.Option(exists=True, file_okay=False, help="Folder of sounds with its table.")
]
SomeSounds = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="Folder of sounds with its table."),
]
SomeData = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="What foley data prepare made."),
]
Base = Annotated[str, typer.Option(help="Paper: the bundle it begins from.")]
Table = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="CSV of file, class, label; SOUNDS/sounds.csv if left out.",
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(file_okay=False, help="Where sounds that were read are kept; beside OUT."),
]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What every stage can be asked for on the command line."""

    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="Folder of the run.")]
    preset: Annotated[
        str, typer.Option(help="small, paper (as published) or tiny, where a stage has it.")
    ] = "small"
    updates: Annotated[int | None, typer.Option(min=1, help="In place of the preset's.")] = None
    batch: Annotated[int | None, typer.Option(min=1, help="Examples an update, in all.")] = None
    accumulate: Annotated[
        int | None, typer.Option(min=1, help="Parts a batch is learned in, if memory is short.")
    ] = None
    rate: Annotated[float | None, typer.Option(min=0, help="Learning rate.")] = None
    bf16: Annotated[bool | None, typer.Option("--bf16/--f32", help="How to multiply.")] = None
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto"
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same weights.")] = 0
    save: Annotated[float, typer.Option(min=0, help="Seconds between checkpoints.")] = 180.0
    keep: Annotated[int, typer.Option(min=1, help="Checkpoints that stay.")] = 3
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write for TensorBoard too.")
    ] = False
    quiet: Quiet = False
    verbose: Verbose = False

    def config(self, stage: str) -> Any:
        """The configuration of a stage: the preset's, with what was asked for.

        Raises:
            UsageError: the stage has no such preset.
        """
        presets = TRAINING[stage]
        if self.preset not in presets:
            known = " or ".join(presets)
            raise UsageError(f"{stage} has no preset {self.preset}.", f"Choose {known}.")
        return replace(presets[self.preset], **self.changes)

    @property
    def changes(self) -> dict[str, Any]:
        """What was asked for in place of the preset's."""
        names = ("updates", "batch", "accumulate", "rate", "bf16")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}

    @contextmanager
    def options(self, stage: str, updates: int) -> "Iterator[RunOptions]":
        """What a run is given beside its configuration, with progress on stderr."""
        listen_for_warnings(quiet=self.quiet, verbose=self.verbose)
        # torch's word that a norm under bfloat16 takes two steps in place of one
        warnings.filterwarnings("ignore", "Mismatch dtype between input and weight")
        from foleycli.train.run import RunOptions

        with count_progress(stage, updates, self.quiet) as bar:
            tell = (lambda done, *_: bar(done)) if sys.stderr.isatty() else say_at_times(stage)
            names = ("preset", "device", "seed", "save", "keep", "tensorboard")
            yield RunOptions(
                progress=(lambda *_: None) if self.quiet else tell,
                **{name: getattr(self, name) for name in names},
            )


def asks(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `Asked` to a command, which gets them as ``asked``."""

    @wraps(command)
    def whole(**values: Any) -> None:
        shared = {field.name: values.pop(field.name) for field in fields(Asked)}
        command(asked=Asked(**shared), **values)

    own = [p for p in signature(command).parameters.values() if p.name != "asked"]
    both = [*signature(Asked).parameters.values(), *own]
    keywords = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in both]
    whole.__signature__ = signature(command).replace(parameters=keywords)  # type: ignore[attr-defined]
    whole.__annotations__ = {parameter.name: parameter.annotation for parameter in keywords}
    return whole


def say_at_times(stage: str) -> Callable[[int, int, float], None]:
    """A line of progress now and then, for logs."""
    said = began = 0.0  # of the first update: what is made ready before it says nothing of the rest
    first = 0

    def tell(done: int, updates: int, loss: float) -> None:
        nonlocal began, first, said
        now = time.monotonic()
        if not first:
            began = said = now
            first = done
        if now - said < SAID_EVERY and done < updates:
            return
        said = now
        left = (updates - done) * (now - began) / max(1, done - first) / 60
        say(f"{stage} {done}/{updates}, loss {loss:.4g}, {left:.0f} min left", err=True)

    return tell


def needed(value: Path | None, option: str, stage: str) -> Path:
    """An option that this preset cannot do without.

    Raises:
        UsageError: it was not given.
    """
    if value is None:
        raise UsageError(f"foley train {stage} needs {option}.", "See foley train STAGE --help.")
    return value


def sound_files(
    sounds: Path, table: Path | None, cache: Path | None, out: Path
) -> tuple[Path, Path, Path]:
    """Folder, table and cache, as recipes take them.

    Raises:
        UsageError: there is no table.
    """
    table = table or sounds / "sounds.csv"
    if not table.is_file():
        raise UsageError(
            f"{sounds} has no sounds.csv.", "Give --table: a CSV with file, class and label."
        )
    return sounds, table, cache or out.parent / "cache"


@app.command()
@asks
def autoencoder(asked: Asked, sounds: Sounds, table: Table = None, cache: Cache = None) -> None:
    """Mel spectrograms to latents and back: components (small) or a network (paper)."""
    files = sound_files(sounds, table, cache, asked.out)
    if patches := PATCHES.get(asked.preset):
        if asked.changes:
            raise UsageError(
                f"autoencoder --preset {asked.preset} has no {', '.join(asked.changes)}: its "
                "components are computed at once.",
                "Leave that out.",
            )
        with asked.options("autoencoder", patches.scenes) as options:
            from foleycli.train.autoencoder import fit

            say(fit(*files, asked.out, patches, options))
        return
    config = asked.config("autoencoder")
    with asked.options("autoencoder", config.updates) as options:
        from foleycli.train.autoencoder_kl import train

        say(train(*files, asked.out, config, options))


@app.command()
@asks
def denoiser(
    asked: Asked,
    sounds: SomeSounds = None,
    autoencoder: Annotated[
        Path | None,
        typer.Option(exists=True, help="Small: the run of foley train autoencoder, or its file."),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Small: go on from a bundle's weights, with the --autoencoder of that bundle.",
        ),
    ] = None,
    data: SomeData = None,
    model: Base = DIFF_FOLEY,
    table: Table = None,
    cache: Cache = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="A tenth faster; needs a C++ compiler.")
    ] = False,
) -> None:
    """Noise to latents, following features: what sounds, and when.

    Small learns from --sounds, with the --autoencoder; paper from films (--data).
    """
    config = asked.config("denoiser")
    if asked.preset == "paper":
        films = needed(data, "--data", "denoiser --preset paper")
        with asked.options("denoiser", config.updates) as options:
            from foleycli.train.denoiser_unet import train as train_unet

            say(train_unet(films, model, asked.out, config, options))
        return
    files = sound_files(needed(sounds, "--sounds", "denoiser"), table, cache, asked.out)
    fitted = needed(autoencoder, "--autoencoder", "denoiser")
    fitted = fitted / "autoencoder.safetensors" if fitted.is_dir() else fitted
    with asked.options("denoiser", config.updates) as options:
        from foleycli.train.denoiser import train

        say(train(*files, fitted, asked.out, config, options, start=start, compiled=compiled))


@app.command()
@asks
def cavp(
    asked: Asked,
    data: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="What foley data prepare made.")
    ],
) -> None:
    """Encoders of pictures and of sound that agree on what belongs together."""
    config = asked.config("cavp")
    with asked.options("cavp", config.updates) as options:
        from foleycli.train.cavp import train

        say(train(data, asked.out, config, options))


@app.command()
@asks
def align(
    asked: Asked,
    sounds: SomeSounds = None,
    data: SomeData = None,
    model: Base = DIFF_FOLEY,
    table: Table = None,
    cache: Cache = None,
    noisy: Annotated[
        bool, typer.Option("--noisy", help="At any time of the diffusion: to guide, not to score.")
    ] = False,
) -> None:
    """A classifier: does this sound belong to this picture?

    Learns from --sounds and the features that ask for them, or from films (--data).
    """
    config = replace(asked.config("align"), noisy=noisy)
    with asked.options("align", config.updates) as options:
        from foleycli.train.align import from_films, from_sounds, train

        if data:
            examples = partial(from_films, data, model)
        else:
            given = needed(sounds, "--sounds or --data", "align")
            examples = partial(from_sounds, *sound_files(given, table, cache, asked.out))
        say(train(examples, asked.out, config, options))


@app.command()
@asks
def distill(
    asked: Asked,
    part: Annotated[
        str,
        typer.Option(
            help="Of small: what (from photographs), when (from rendered scenes), or seen (a head "
            "over the networks that ship, from films and photographs)."
        ),
    ] = "what",
    photos: Annotated[
        list[Path] | None,
        typer.Option(exists=True, file_okay=False, help="Small: folder of .jpg files; seen: any."),
    ] = None,
    films: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of films.")
    ] = None,
    kept: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Small: keeps what was drawn, for other students."),
    ] = None,
    data: SomeData = None,
    model: Annotated[
        str | None, typer.Option(help="Paper: the bundle it begins from: diff-foley, or selva.")
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="Paper: cavp (--data), or synchformer, the eyes of selva (--films).")
    ] = "cavp",
    variation: Annotated[
        str | None,
        typer.Option(help="cu, cm or both; paper also zoom, transition, grade or all."),
    ] = None,
    proportion: Annotated[
        float | None, typer.Option("--k", min=0, max=1, help="How often the picture is varied.")
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Seen: of what is there to learn from, for curves."),
    ] = None,
) -> None:
    """A video encoder that sees in a close-up or a moving window what its teacher sees in all.

    Paper: a full-size model's, from films (--data, --films). Small: a part of its own (--photos).
    """
    if asked.preset == "small" and part not in ("what", "when", "seen"):
        raise UsageError(f"There is no part {part!r}.", "Choose what, when or seen.")
    if encoder not in ("cavp", "synchformer"):
        raise UsageError(f"There is no encoder {encoder!r}.", "Choose cavp or synchformer.")
    stage = f"distill-{part}" if asked.preset == "small" else "distill"
    if encoder == "synchformer":
        stage = "distill-synchformer"
    given: dict[str, str | float | None] = {"variation": variation, "proportion": proportion}
    if share is not None and part != "seen":
        raise UsageError("--share belongs to --part seen.", "Leave it out.")
    given["share"] = share
    changes = {name: value for name, value in given.items() if value is not None}
    config = replace(asked.config(stage), **changes)
    with asked.options(stage, config.updates) as options:
        from foleycli.train import distill, distill_what, distill_when

        if encoder == "synchformer":
            from foleycli.train import distill_synchformer

            folder = needed(films, "--films", "distill")
            say(distill_synchformer.train(folder, model or SELVA, asked.out, config, options))
            return
        if asked.preset != "small":
            prepared = needed(data, "--data", "distill")
            say(distill.train(prepared, model or DIFF_FOLEY, asked.out, config, options))
            return
        kept = kept or asked.out.parent / f"kept-{part}"
        if part == "seen":
            from foleycli.train import distill_seen

            say(distill_seen.train(films, photos or [], kept, asked.out, config, options))
            return
        recipe = distill_what if part == "what" else distill_when
        stills = needed(photos[0] if photos else None, "--photos", "distill")
        say(recipe.train(stills, kept, asked.out, config, options))


@app.command()
@asks
def fewsteps(
    asked: Asked,
    model: Annotated[str, typer.Option(help="small, diff-foley, or a bundle of either.")] = "small",
    sounds: SomeSounds = None,
    data: SomeData = None,
    lessons: Annotated[
        int | None, typer.Option(min=1, help="Windows that the teacher sounds for it.")
    ] = None,
    kept: Annotated[
        Path | None, typer.Option(file_okay=False, help="Keeps the lessons, for other students.")
    ] = None,
    table: Table = None,
    cache: Cache = None,
) -> None:
    """A model's guided way in four steps: for --speed fast.

    small learns from --sounds, diff-foley from films (--data).
    """
    from foleycli.sources.identity import find_family, find_folder

    if asked.preset == "small" and find_family(find_folder(model)) == DIFF_FOLEY:
        asked = replace(asked, preset="paper")
    changes = {} if lessons is None else {"lessons": lessons}
    config = replace(asked.config("fewsteps"), **changes)
    files = sound_files(sounds, table, cache, asked.out) if sounds else None
    with asked.options("fewsteps", config.updates) as options:
        from foleycli.train.fewsteps import open_teacher, train

        teacher = open_teacher(model, config, files, data, options)
        say(train(teacher, kept or asked.out.parent / "kept-fewsteps", asked.out, options))


@app.command()
@asks
def select(
    asked: Asked,
    data: SomeData = None,
    photos: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="In place of films: folder of .jpg files."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Whose eyes: small, or a bundle of diff-foley's family (paper)."),
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="Of small: student, teacher, or an encoder's folder.")
    ] = GENERATE.encoder,
    sup: Annotated[
        bool, typer.Option("--sup/--no-sup", help="[SUP] rows, or none, for an ablation.")
    ] = True,
    variation: Annotated[str | None, typer.Option(help="cu, cm or both.")] = None,
    proportion: Annotated[
        float | None,
        typer.Option("--k", min=0, max=1, help="How often a clip is varied before it is mixed."),
    ] = None,
    stage: Annotated[
        int, typer.Option(min=1, max=2, help="1: what selects; 2: what sounds learns to follow.")
    ] = 1,
    one_stage: Annotated[
        bool,
        typer.Option("--one-stage", help="Stage 2: what selects learns too, for an ablation."),
    ] = False,
    clips: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Stage 2 of selva: CSV of file and label."),
    ] = None,
    films: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Where its films are, if not beside it."),
    ] = None,
    vae: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Stage 2 of selva: the public v1-16.pth or v1-44.pth."
        ),
    ] = None,
) -> None:
    """What looks for words, for --source: of two clips side by side, what is seen of the one named.

    Stage 1 gives a folder for foley gen --encoder, or a bundle for --model; stage 2 a bundle of
    diff-foley's family (--data) or of selva's (--clips, --vae).
    """
    if stage == 2:
        if not sup and not one_stage:
            raise UsageError("--no-sup belongs to stage 1, or to --one-stage.", "Leave it out.")
        _select_sound(asked, data, model or DIFF_FOLEY, one_stage, sup, clips, films, vae)
        return
    given = {"variation": variation, "proportion": proportion, "extra_words": None if sup else 0}
    changes = {name: value for name, value in given.items() if value is not None}
    config = replace(asked.config("select"), **changes)
    model = model or (DIFF_FOLEY if asked.preset == "paper" else "small")
    with asked.options("select", config.updates) as options:
        from foleycli.train.select import train

        say(train(data, photos, model, encoder, asked.out, config, options))


def _select_sound(
    asked: Asked,
    data: Path | None,
    model: str,
    one_stage: bool,
    sup: bool,
    clips: Path | None,
    films: Path | None,
    vae: Path | None,
) -> None:
    """Stage 2 of `select`, by the family of the model."""
    from foleycli.sources.identity import SELVA, find_family, find_folder

    is_selva = find_family(find_folder(model)) == SELVA
    name = "select-flow" if is_selva else "select-denoiser"
    asked = replace(asked, preset="paper") if asked.preset == "small" else asked
    changes = {"one_stage": one_stage} | ({} if sup else {"extra_words": 0})
    config = replace(asked.config(name), **changes)
    if is_selva:
        table, file = needed(clips, "--clips", name), needed(vae, "--vae", name)
        with asked.options(name, config.updates) as options:
            from foleycli.train.select_flow import train as train_flow

            say(train_flow(table, films, model, file, asked.out, config, options))
        return
    prepared = needed(data, "--data", name)
    with asked.options(name, config.updates) as options:
        from foleycli.train.select_denoiser import train as train_denoiser

        say(train_denoiser(prepared, model, asked.out, config, options))


@app.command()
@asks
def when(
    asked: Asked,
    photos: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Folder of .jpg files: scenery.")
    ],
    kept: Annotated[
        Path | None, typer.Option(file_okay=False, help="Keeps the scenes, for other runs.")
    ] = None,
    varied: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="How often a scene is a close-up or a camera move."),
    ] = None,
    shards: Annotated[
        int | None, typer.Option(min=2, help="Files of 50 scenes; the first is held out.")
    ] = None,
    films: Annotated[
        list[Path] | None,
        typer.Option(exists=True, file_okay=False, help="Films of foley data render; repeat it."),
    ] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(exists=True, file_okay=False, help="Films only the validation sees."),
    ] = None,
    start: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Weights to begin from.")
    ] = None,
) -> None:
    """The reader of hits from motion, on rendered scenes and films whose hits are known."""
    given = {"varied": varied, "shards": shards}
    changes = {name: value for name, value in given.items() if value is not None}
    config = replace(asked.config("when"), **changes)
    with asked.options("when", config.updates) as options:
        from foleycli.train.when import train

        kept = kept or asked.out.parent / "kept-when"
        given_films = {"films": films or (), "held_films": held_out or (), "start": start}
        say(train(photos, kept, asked.out, config, options, **given_films))  # pyright: ignore


@app.command()
@asks
def steps(
    asked: Asked,
    mocap: Annotated[
        Path,
        typer.Option(exists=True, file_okay=False, help="Joint positions (.npz) and contacts.csv."),
    ],
) -> None:
    """The reader of footsteps from joints, on motion capture."""
    config = asked.config("steps")
    with asked.options("steps", config.updates) as options:
        from foleycli.train.steps import train

        say(train(mocap, asked.out, config, options))


@app.command()
@asks
def listener(
    asked: Asked,
    sounds: Annotated[
        list[Path],
        typer.Option(
            exists=True, file_okay=False, help="Folder of sounds with its table; may be repeated."
        ),
    ],
    cache: Cache = None,
) -> None:
    """What kind of sound is heard, for foley visualize; needs the package onnx to write it."""
    config = asked.config("listener")
    with asked.options("listener", config.updates) as options:
        from foleycli.train.listener import train

        say(train(sounds, cache or asked.out.parent / "cache", asked.out, config, options))


@app.command()
@asks
def visualize(
    asked: Asked,
    films: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Folder of films with their sound.")
    ],
    t2v: Annotated[
        Path,
        typer.Option(
            exists=True, file_okay=False, help="Folder of ModelScope's or zeroscope's weights."
        ),
    ],
    beats: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The published BEATs file.")
    ],
    windows: Annotated[
        str | None,
        typer.Option(help="Sizes of windows, such as 1,2,4,8; fewer for the paper's ablation."),
    ] = None,
    l1: Annotated[
        float | None, typer.Option(min=0, help="Weight of the size of the frames' tokens.")
    ] = None,
) -> None:
    """TempoTokens' mapper and pooling, by what a frozen text-to-video model makes of them."""
    sizes = None if windows is None else tuple(int(k) for k in windows.split(",") if k.strip())
    given = {"windows": sizes, "l1": l1}
    changes = {name: value for name, value in given.items() if value is not None}
    config = replace(asked.config("visualize"), **changes)
    with asked.options("visualize", config.updates) as options:
        from foleycli.train.visualize import train

        say(train(films, t2v, beats, asked.out, config, options))


@app.command()
@asks
def vocoder(asked: Asked, sounds: Sounds, table: Table = None, cache: Cache = None) -> None:
    """Mel spectrograms to waveforms."""
    files = sound_files(sounds, table, cache, asked.out)
    config = asked.config("vocoder")
    with asked.options("vocoder", config.updates) as options:
        from foleycli.train.vocoder import train

        say(train(*files, asked.out, config, options))


@app.command()
def pack(
    sounds: Sounds,
    run: Annotated[Path, typer.Option(exists=True, file_okay=False, help="A denoiser's run.")],
    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="The bundle.")],
    table: Table = None,
    vocoder: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A trained vocoder; else Griffin-Lim."),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="JSON of benchmarks/small.py, for the card."
        ),
    ] = None,
    notes: Annotated[str, typer.Option(help="What else the model card should tell.")] = "",
    licence: Annotated[str, typer.Option(help="Of the weights, for the card.")] = "not stated",
) -> None:
    """Make a bundle of a run, for foley gen --model OUT."""
    import json

    from foleycli.train.pack import pack as pack_run

    listen_for_warnings(quiet=False, verbose=False)
    sounds, table, _ = sound_files(sounds, table, None, out)
    try:
        measured = json.loads(scores.read_text()) if scores else None
    except ValueError as error:
        remedy = "Give what benchmarks/small.py --json wrote."
        raise UsageError(f"{scores} is no JSON ({error}).", remedy) from error
    trained = pack_run(sounds, table, run, out, measured, notes, vocoder, licence)
    say(f"{out}: {trained.updates} updates")


@app.command()
@asks
def highlight(
    asked: Asked,
    muddy: Annotated[
        list[Path],
        typer.Option(exists=True, file_okay=False, help="Of foley data muddy; repeat it."),
    ],
    network: Annotated[
        str,
        typer.Option(help="gains: a balance of known stems; visah: the network that hears a mix."),
    ] = "gains",
    context: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="visah: rows of what is seen, NAME.npy a piece."
        ),
    ] = None,
) -> None:
    """The balance of dialogue, music and effects, from a house's own delivered stems."""
    if network not in ("gains", "visah"):
        raise UsageError(f"--network {network} is not known.", "Give gains or visah.")
    if network == "gains":
        config = asked.config("highlight")
        with asked.options("highlight", config.updates) as options:
            from foleycli.train.highlight import train_balance

            say(train_balance(muddy, asked.out, config, options))
        return
    if asked.preset == "small":
        asked = replace(asked, preset="paper")
    config = asked.config("highlight-visah")
    with asked.options("highlight-visah", config.updates) as options:
        from foleycli.train.highlight import train_visah

        say(train_visah(muddy, asked.out, config, options, context))
