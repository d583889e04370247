"""Options that several commands share, each written once."""

from pathlib import Path
from typing import Annotated, Any

import typer

from foleycli.config import GENERATE, LOUDNESS, SOUND_MODES, GenerateConfig
from foleycli.errors import UsageError

# a clip that is not there or may not be read fails as any other that cannot be used
Clips = Annotated[
    list[Path],
    typer.Argument(readable=False, help="Video clips, or folders of them.", show_default=False),
]
Clip = Annotated[Path, typer.Argument(readable=False, help="A video clip.", show_default=False)]
Start = Annotated[
    str | None,
    typer.Option("--in", help="Sound from here on: timecode, seconds, or frames such as 300f."),
]
End = Annotated[str | None, typer.Option("--out", help="Sound up to here.")]
Prompt = Annotated[
    str | None,
    typer.Option(
        help="Words for what sounds, in place of what is seen: 'boots on gravel'.",
        envvar="FOLEY_PROMPT",
    ),
]
NegativePrompt = Annotated[str | None, typer.Option(help="Words for what must not sound.")]
Seed = Annotated[int, typer.Option(help="Same seed, same sound.")]
Takes = Annotated[int, typer.Option(min=1, help="Several versions, each with the next seed.")]
Wav = Annotated[
    bool, typer.Option("--wav", help="Also write the sound alone: 24-bit 48 kHz broadcast wave.")
]
Stems = Annotated[
    bool, typer.Option("--stems", help="Also waves of the hits and of the beds; they add up.")
]
Loudness = Annotated[
    str | None,
    typer.Option(
        help=f"Bring the new sound, or the mix, to {', '.join(LOUDNESS)} by one gain, as far as "
        "peaks allow.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a clip on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Neither progress nor warnings.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
Model = Annotated[
    str,
    typer.Option(
        help="auto, library, small, or a bundle's folder; see `foley models list`.",
        envvar="FOLEY_MODEL",
    ),
]
Library = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        help="A folder of your own recordings to use instead of the shipped ones.",
        envvar="FOLEY_LIBRARY",
    ),
]
Encoder = Annotated[
    str,
    typer.Option(
        help="What looks, for library and small: student, teacher, or a folder that foley train "
        "distill or when wrote.",
        envvar="FOLEY_ENCODER",
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", envvar="FOLEY_DEVICE")]
DEFAULTS = GENERATE


def sound_options(library: Path | None, **asked: Any) -> GenerateConfig:
    """The options that commands share as `GenerateConfig` has them, checked.

    Raises:
        UsageError: a preset or a mode that is not known.
    """
    known = {"mode": SOUND_MODES, "loudness": tuple(LOUDNESS)}
    for name, choices in known.items():
        value = asked.get(name)
        if value is not None and value not in choices:
            raise UsageError(f"--{name} {value} is not known.", f"Give {', '.join(choices)}.")
    encoder = asked.get("encoder")
    if encoder and Path(encoder).is_dir():  # a recipe is read in other folders too
        asked["encoder"] = str(Path(encoder).absolute())
    return GenerateConfig(library=str(library) if library else None, **asked)
