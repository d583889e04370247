"""The table of options: what a user can ask of a sound, each written once and keyed by the field
of `GenerateConfig` that it fills. A new option is one field there and one row here.

A command takes those whose row names it: ``@asks("gen")`` puts them in place of its parameter
``config``. What several commands share beside them (``--json``, ``--quiet``) follows the table.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.models import OptionInfo

from foleycli.config import GENERATE, GenerateConfig
from foleycli.errors import UsageError

SOUND, SPACE, TIME = "Sound", "Space", "Time"
MODEL, OUTPUT, BEHAVIOUR = "Model", "Output", "Behaviour"
PANELS = (SOUND, SPACE, TIME, MODEL, OUTPUT, BEHAVIOUR)
FILES = ("gen", "batch")  # commands that sound whole files
MAKING = (*FILES, "timeline", "reconform", "preview", "edit")  # and those that make any sound
MANY = 100  # a limit under which it is said in help
SIGNING = (*FILES, "timeline")
LOOKING = (*MAKING, "cues", "fill")  # and those that look at the picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one field of `GenerateConfig` is asked for on a command line."""

    panel: str
    help: str
    commands: tuple[str, ...] = MAKING
    flag: str | None = None  # where it is not the field's name with dashes
    environment: bool = False  # also read from FOLEY_<NAME>
    path: Literal["file", "folder"] | None = None  # one that must be there
    folders: bool = False  # text that may name a folder, which a recipe is to find again
    shorthands: tuple[tuple[str, str], ...] = ()  # flags that stand for one of its values; help


TABLE: dict[str, Row] = {
    "prompt": Row(
        panel=SOUND,
        help="Words for what sounds, in place of what is seen: 'boots on gravel'.",
        commands=LOOKING,
        environment=True,
    ),
    "negative_prompt": Row(panel=SOUND, help="Words for what must not sound.", commands=LOOKING),
    "air": Row(
        panel=SOUND,
        help="The sound of the place that is seen, under everything; --no-air leaves it out.",
        commands=LOOKING,
        flag="--air/--no-air",
    ),
    "source": Row(
        panel=SOUND,
        help="Words for one thing that sounds, such as 'dog barking', and nothing else does; "
        "repeat it for each. With --stems, a stem each.",
        commands=(*FILES, "cues"),
    ),
    "others_as_negative": Row(
        panel=SOUND,
        help="Of several sources, the others must not sound in one; on unless turned off.",
        commands=FILES,
        flag="--others-as-negative/--no-others-as-negative",
    ),
    "like": Row(
        panel=SOUND,
        help="A sound file: recordings that sound like it, in place of what is seen; with --prompt "
        "both count. A sheet says it as 'door like:slam.wav'.",
        commands=("gen", "batch", "preview", "cues", "edit"),
        path="file",
    ),
    "cues": Row(
        panel=SOUND,
        help="An edited cue sheet from `foley cues`.",
        commands=("gen", "edit"),
        path="file",
    ),
    "layers": Row(
        panel=SOUND,
        help="Sound these layers alone, such as feet,air: of feet, moves, props, hard, voices and "
        "air.",
        commands=(*FILES, "timeline", "edit"),
    ),
    "channels": Row(
        panel=SPACE,
        help="mono, stereo or 5.1 (L R C LFE Ls Rs, LFE empty).",
        commands=MAKING,
    ),
    "width": Row(
        panel=SPACE,
        help="How far from the middle things stand, 0 to 1; at 1 as far as in the picture.",
        commands=MAKING,
    ),
    "perspective": Row(
        panel=SPACE,
        help="How much distance is heard, 0 to 1; at 1, 6 dB less for twice as far.",
        commands=MAKING,
    ),
    "room": Row(
        panel=SPACE,
        help="The room that answers: none (off), of the place that is seen (auto), or a kind. It "
        "is a return of its own: with --stems the layers are dry and it is one more stem.",
        commands=MAKING,
    ),
    "impulse": Row(
        panel=SPACE,
        help="A wave of your own room's impulse response, in place of a kind of room.",
        commands=MAKING,
        path="file",
    ),
    "seed": Row(panel=SOUND, help="Same seed, same sound.", commands=(*LOOKING, "eval run")),
    "takes": Row(panel=SOUND, help="Several versions, each with the next seed.", commands=FILES),
    "start": Row(
        panel=TIME,
        help="Sound from here on: timecode, seconds, or frames such as 300f.",
        commands=("gen", "preview", "cues", "edit"),
        flag="--in",
    ),
    "end": Row(
        panel=TIME,
        help="Sound up to here.",
        commands=("gen", "preview", "cues", "edit"),
        flag="--out",
    ),
    "cut_fade": Row(
        panel=TIME,
        help="Frames before and after each hard cut over which sounds with handles fade into one "
        "another; 0 ends them hard at the cut. By default 1 in a session (.aaf, .rpp), else 0.",
        commands=("timeline", "reconform"),
    ),
    "model": Row(
        panel=MODEL,
        help="auto, library, small, or a bundle's folder; see `foley models list`.",
        commands=LOOKING,
        environment=True,
    ),
    "library": Row(
        panel=MODEL,
        help="A folder of your own recordings to use instead of the shipped ones.",
        commands=LOOKING,
        environment=True,
        path="folder",
    ),
    "encoder": Row(
        panel=MODEL,
        help="What looks, for library and small: student, teacher, or a folder that foley train "
        "distill, when or select wrote.",
        commands=LOOKING,
        environment=True,
        folders=True,
    ),
    "eyes": Row(
        panel=MODEL,
        help="Address of a vision-language model of yours, such as http://localhost:11434/v1: it "
        "is shown stills of every shot and says what sounds there; or siglip2; docs/eyes.md.",
        commands=LOOKING,
        environment=True,
    ),
    "eyes_model": Row(
        panel=MODEL,
        help="Its name there; by default the first that seems to see.",
        commands=LOOKING,
        environment=True,
    ),
    "device": Row(
        panel=MODEL,
        help="auto, cpu, cuda or mps.",
        commands=(*LOOKING, "eval run"),
        environment=True,
    ),
    "speed": Row(
        panel=MODEL,
        help="How much work a diffusion model does: reference, as published; balanced; fast; auto, "
        "the model's own. docs/speed.md says what it costs.",
        commands=(*MAKING, "eval run"),
        environment=True,
    ),
    "budget": Row(
        panel=MODEL,
        help="What a clip may take, such as 10s: chooses model, speed and takes by what `foley "
        "doctor --measure` found here, and says what it chose.",
        commands=("gen",),
    ),
    "steps": Row(
        panel=MODEL,
        help="Denoising steps of a diffusion model, in place of its speed's; more is slower.",
        commands=(*MAKING, "eval run"),
    ),
    "guidance": Row(
        panel=MODEL,
        help="How closely a diffusion model keeps to what is seen.",
        commands=(*MAKING, "eval run"),
    ),
    "double_guidance": Row(
        panel=MODEL, help="diff-foley only: how hard its classifier pulls, such as 50."
    ),
    "sampler": Row(panel=MODEL, help="diff-foley only: ddim to compare with."),
    "mode": Row(
        panel=OUTPUT,
        help="How the sound joins the clip's own: as an extra track, mixed with it, mixed and "
        "dipped under it, or in its place.",
        commands=(*FILES, "edit"),
        shorthands=(
            ("mix", "Mix with the clip's own sound."),
            ("duck", "Mix, and dip under the clip's own sound."),
            ("replace", "Write the new sound only."),
        ),
    ),
    "wav": Row(
        panel=OUTPUT,
        help="Also write the sound alone: 24-bit 48 kHz broadcast wave.",
        commands=(*FILES, "edit"),
    ),
    "split": Row(
        panel=OUTPUT,
        help="Also a mono wave of each channel, of the sound and of each stem: a.L.wav.",
        commands=FILES,
    ),
    "stems": Row(
        panel=OUTPUT,
        help="Also a wave of each layer that sounds, and of the room; they add up.",
        commands=(*FILES, "timeline", "reconform", "edit"),
    ),
    "adm": Row(
        panel=OUTPUT,
        help="Also an ADM BWF: the air as a bed, all else as objects that stand where the picture "
        "has them.",
        commands=SIGNING,
    ),
    "loudness": Row(
        panel=OUTPUT,
        help="Bring the new sound, or the mix, to a delivery's loudness by one gain, as far as "
        "peaks allow.",
        commands=(*FILES, "edit"),
    ),
    "overwrite": Row(panel=OUTPUT, help="Replace outputs that exist."),
    "verify": Row(
        panel=OUTPUT, help="Prove that the picture's packets are the same.", commands=FILES
    ),
    "sign": Row(
        panel=OUTPUT,
        help="Write content credentials (C2PA) into what is made: the clip, the recordings with "
        "their licences, and what was generated. Needs --certificate.",
        commands=SIGNING,
    ),
    "certificate": Row(
        panel=OUTPUT,
        help="The certificate to sign with: PEM, with its chain.",
        commands=SIGNING,
        path="file",
    ),
    "key": Row(
        panel=OUTPUT,
        help="Its key: PEM, PKCS#8; by default in the certificate's file.",
        commands=SIGNING,
        path="file",
    ),
    "timestamp": Row(
        panel=OUTPUT,
        help="Address of a time-stamp server; none is asked by default.",
        commands=SIGNING,
    ),
    "offline": Row(
        panel=BEHAVIOUR, help="Never use the network.", commands=LOOKING, environment=True
    ),
}


def asks(command: str, *, panel: str | None = OUTPUT) -> Callable[..., Any]:
    """Give a command the options of the table that name it, as one `GenerateConfig`.

    Args:
        command: its name in the table.
        panel: of help, where its own options stand that name none.
    """
    rows = {name: row for name, row in TABLE.items() if command in row.commands}

    def of_table(function: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(function).parameters.values() if p.name != "config"]
        for about in filter(None, map(_option_of, own)):
            about.rich_help_panel = about.rich_help_panel or panel
        asked = [parameter for name, row in rows.items() for parameter in _parameters(name, row)]

        @wraps(function)
        def wrapped(**given: Any) -> None:
            taken = {name: _value(name, row, given) for name, row in rows.items()}
            function(config=GenerateConfig(**taken), **given)

        aims = [p for p in own if _panel(p) == OUTPUT]  # -o before what else is written
        rest = [p for p in own if p not in aims]
        parameters = sorted([*aims, *asked, *rest], key=_place)
        signature = inspect.Signature(
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        )
        wrapped.__signature__ = signature  # type: ignore[attr-defined]  # what Typer reads
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return of_table


def _parameters(name: str, row: Row) -> Iterator[inspect.Parameter]:
    """The parameter of a row, and those of its shorthands, as Typer wants them."""
    field = next(field for field in fields(GenerateConfig) if field.name == name)
    flag = row.flag or f"--{name.replace('_', '-')}"
    known = field.metadata.get("known")
    extra: dict[str, Any] = {"min": field.metadata.get("least")}
    if (most := field.metadata.get("most")) and most < MANY:
        extra["max"] = most
    if row.path:
        extra |= {"exists": True, "dir_okay": row.path == "folder", "file_okay": row.path == "file"}
    option = typer.Option(
        flag,
        help=row.help,
        envvar=f"FOLEY_{name.upper()}" if row.environment else None,
        metavar="|".join(known) if known else None,
        rich_help_panel=row.panel,
        **extra,
    )
    kind = Path | None if row.path else field.type
    kind = list[str] if str(kind).startswith("tuple") else kind
    default = getattr(GENERATE, name)
    yield _parameter(name, kind, option, list(default) if kind == list[str] else default)
    for value, help in row.shorthands:
        switch = typer.Option(f"--{value}", help=help, rich_help_panel=row.panel)
        yield _parameter(value, bool, switch, False)


def _parameter(name: str, kind: Any, option: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


def _option_of(parameter: inspect.Parameter) -> OptionInfo | None:
    notes = getattr(parameter.annotation, "__metadata__", ())
    return next((note for note in notes if isinstance(note, OptionInfo)), None)


def _panel(parameter: inspect.Parameter) -> str | None:
    option = _option_of(parameter)
    return option.rich_help_panel if option else None


def _place(parameter: inspect.Parameter) -> int:
    """Arguments first, then the panels in their order."""
    panel = _panel(parameter)
    return PANELS.index(panel) + 1 if panel in PANELS else 0


def _value(name: str, row: Row, given: dict[str, Any]) -> Any:
    """What was given for a row, taken out of the command's other options."""
    value = given.pop(name)
    chosen = [short for short, _ in row.shorthands if given.pop(short)]
    if value != getattr(GENERATE, name) and value not in chosen:
        chosen += [value] if row.shorthands else []
    if len(chosen) > 1:
        raise UsageError(f"--{' and --'.join(chosen)} exclude each other.", "Give one of them.")
    value = chosen[0] if chosen else value
    if row.folders and Path(value).is_dir():
        return str(Path(value).absolute())  # a recipe is read in other folders too
    if name in ("like", "impulse") and value:
        return str(Path(value).absolute())
    return str(value) if isinstance(value, Path) else value


# A clip that is not there or may not be read fails as any other that cannot be used.
Clips = Annotated[
    list[Path],
    typer.Argument(readable=False, help="Video clips, or folders of them.", show_default=False),
]
Clip = Annotated[Path, typer.Argument(readable=False, help="A video clip.", show_default=False)]
Keep = Annotated[
    Literal["all", "best"],
    typer.Option(
        metavar="all|best",
        help="Of several takes keep all, or the best by sync without speech or music.",
        rich_help_panel=SOUND,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Say what would be done; write nothing.", rich_help_panel=BEHAVIOUR
    ),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help=TABLE["overwrite"].help, rich_help_panel=OUTPUT)
]
Embed = Annotated[
    bool | None,
    typer.Option(
        "--embed/--link",
        help="An AAF holds the sounds' samples, or names their waves; by default it holds them, "
        "and an AAF that was read gets links.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
TemplateFile = Annotated[
    Path | None,
    typer.Option(
        "--template",
        exists=True,
        help="A session (.aaf, .rpp, .otio, .fcpxml, .xml) or a list of track names, one a line: "
        "the sounds are laid on its tracks, and none is added. docs/reels.md.",
        rich_help_panel=OUTPUT,
    ),
]
AddTracks = Annotated[
    bool,
    typer.Option(
        "--add-tracks",
        help="With --template, add tracks for what it has none for.",
        rich_help_panel=OUTPUT,
    ),
]
Device = Annotated[str, typer.Option(help=TABLE["device"].help, envvar="FOLEY_DEVICE")]
Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON object a clip on stdout.", rich_help_panel=BEHAVIOUR),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Neither progress nor warnings.", rich_help_panel=BEHAVIOUR),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more.", rich_help_panel=BEHAVIOUR)
]
