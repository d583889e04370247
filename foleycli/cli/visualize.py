"""``foley visualize``: a rough picture for a sound."""

import json
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foleycli.cli import options
from foleycli.cli.progress import count_progress, listen_for_warnings
from foleycli.cli.say import say
from foleycli.config import VISUALIZE
from foleycli.errors import UsageError

if TYPE_CHECKING:
    from foleycli.visualize.make import Result
    from foleycli.visualize.request import Request

MATERIAL, TEMPOTOKENS = "Material", "TempoTokens"


def visualize(
    sound: Annotated[
        Path, typer.Argument(readable=False, help="A file with sound.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Film to write: .mov or .mkv keep the sound's own samples, .mp4 has AAC.",
            rich_help_panel=options.OUTPUT,
        ),
    ],
    sheet: Annotated[
        bool,
        typer.Option(
            "--sheet",
            help="Waveform, spectrogram, onsets and what is heard run past; the default.",
            rich_help_panel=MATERIAL,
        ),
    ] = False,
    rushes: Annotated[
        Path | None,
        typer.Option(
            help="A folder of your own shots: the stretches that fit are cut to the sound.",
            rich_help_panel=MATERIAL,
        ),
    ] = None,
    stills: Annotated[
        Path | None,
        typer.Option(
            help="A folder of photographs or storyboards: camera moves cut on the onsets.",
            rich_help_panel=MATERIAL,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="tempotokens",
            help="Generate pictures with weights of yours (non-commercial licence).",
            rich_help_panel=MATERIAL,
        ),
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Where what was seen in rushes is kept; by default in the cache.",
            rich_help_panel=MATERIAL,
        ),
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            help="Words for what should be seen, beside what is heard.", rich_help_panel=MATERIAL
        ),
    ] = None,
    takes: Annotated[
        int, typer.Option(min=1, help="Several choices, best first.", rich_help_panel=MATERIAL)
    ] = VISUALIZE.takes,
    seed: Annotated[
        int, typer.Option(help="Same seed, same film.", rich_help_panel=MATERIAL)
    ] = VISUALIZE.seed,
    start: Annotated[
        str | None,
        typer.Option(
            "--in",
            help="Of the sound, from here on: timecode, seconds, or frames such as 300f.",
            rich_help_panel=options.TIME,
        ),
    ] = None,
    end: Annotated[
        str | None, typer.Option("--out", help="Up to here.", rich_help_panel=options.TIME)
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(
            help="Frames a second, such as 25 or 23.976; by default the broadcast wave's own, "
            f"else {VISUALIZE.frame_rate}.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(help="Pixels, both even.", rich_help_panel=options.OUTPUT)
    ] = f"{VISUALIZE.width}x{VISUALIZE.height}",
    clean: Annotated[
        bool,
        typer.Option(
            "--clean",
            help="No time, source and words along the lower edge of rushes and stills.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    t2v: Annotated[
        Path | None,
        typer.Option(
            help="Folder of ModelScope's or zeroscope's weights (3.7 GB).",
            rich_help_panel=TEMPOTOKENS,
        ),
    ] = None,
    mapper: Annotated[
        Path | None,
        typer.Option(help="learned_embeds.pth, or a run's mapper.", rich_help_panel=TEMPOTOKENS),
    ] = None,
    beats: Annotated[
        Path | None,
        typer.Option(
            help="BEATs_iter3_plus_AS2M_finetuned_on_AS2M_cpt2.pt.", rich_help_panel=TEMPOTOKENS
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Denoising steps.", rich_help_panel=TEMPOTOKENS)
    ] = VISUALIZE.steps,
    guidance: Annotated[
        float, typer.Option(min=0, help="Guidance.", rich_help_panel=TEMPOTOKENS)
    ] = VISUALIZE.guidance,
    condition: Annotated[
        str,
        typer.Option(
            metavar="audio|text|both",
            help="What leads the pictures: the sound's tokens, the words of --prompt, or both.",
            rich_help_panel=TEMPOTOKENS,
        ),
    ] = "both",
    device: Annotated[
        str,
        typer.Option(help="auto, cpu or cuda.", envvar="FOLEY_DEVICE", rich_help_panel=TEMPOTOKENS),
    ] = "auto",
    overwrite: options.Overwrite = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Make a rough picture that hits where a sound hits, of the sound's exact length."""
    warnings = listen_for_warnings(quiet=quiet, verbose=verbose)
    from foleycli.visualize.make import visualize as make
    from foleycli.visualize.request import Request

    way = _one_way(sheet=sheet, rushes=rushes, stills=stills, model=model)
    request = Request(
        way=way,
        material=rushes or stills,
        index=index,
        frame_rate=_rate(fps),
        width=_size(size)[0],
        height=_size(size)[1],
        start=start,
        end=end,
        prompt=prompt,
        takes=takes,
        seed=seed,
        burn=not clean,
        overwrite=overwrite,
        model={
            "t2v": t2v,
            "mapper": mapper,
            "beats": beats,
            "steps": steps,
            "guidance": guidance,
            "device": device,
            "condition": condition,
        },
    )
    if dry_run:
        _say_plan(sound, output, request, as_json)
        return
    with _bars(sound.name, quiet) as progress:
        result = make(sound, output, request, progress)
    _say(result, as_json, warnings)


def _one_way(*, sheet: bool, rushes: Path | None, stills: Path | None, model: str | None) -> str:
    if model not in (None, "tempotokens"):
        raise UsageError(f"--model {model} is not known.", "Give tempotokens.")
    asked = {"sheet": sheet, "rushes": rushes, "stills": stills, "tempotokens": model}
    chosen = [name for name, given in asked.items() if given]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other.", "Ask for one of them.")
    return chosen[0] if chosen else "sheet"


def _rate(text: str | None) -> Fraction | None:
    from foleycli.timeline.model import exact_rate

    if text is None:
        return None
    try:
        return exact_rate(text)
    except UsageError:
        try:
            return Fraction(text)
        except (ValueError, ZeroDivisionError):
            raise UsageError(
                f'--fps "{text}" is not a frame rate.', "Write 25 or 23.976."
            ) from None


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise UsageError(f'--size "{text}" is no size.', "Write it as 1280x720.")
    return int(width), int(height)


def _bars(name: str, quiet: bool):
    from contextlib import contextmanager

    @contextmanager
    def bars():
        with count_progress(name, 1000, quiet) as show:
            shares = {"listening": (0, 50), "looking": (50, 300), "drawing": (350, 650)}

            def update(stage: str, done: float) -> None:
                first, share = shares.get(stage, (0, 1000))
                show(round(first + share * done))

            yield update

    return bars()


def _say_plan(sound: Path, output: Path, request: "Request", as_json: bool) -> None:
    from foleycli.config import VISUALIZE
    from foleycli.visualize.film import keeps_samples
    from foleycli.visualize.make import check_request, parse_place, plan_outputs
    from foleycli.visualize.sound import cut_sound, open_sound

    check_request(request)
    outs = plan_outputs(sound, output, request)
    if request.way == "tempotokens":
        from foleycli.visualize.tempotokens.make import check_weights

        check_weights(request.model)
    opened = open_sound(sound)
    rate = request.frame_rate or opened.own_rate or Fraction(VISUALIZE.frame_rate)
    places = (parse_place(text, opened, rate) for text in (request.start, request.end))
    part = cut_sound(opened, *places)
    plan: dict[str, Any] = {
        "sound": str(sound),
        "outputs": [str(path) for path in outs],
        "way": request.way,
        "frames": part.frames(rate),
        "fps": float(rate),
        "timecode": str(part.timecode(rate)),
        "own_samples": keeps_samples(part, output),
    }
    if as_json:
        print(json.dumps(plan))
        return
    say(
        f"{sound} -> {', '.join(plan['outputs'])} ({request.way}, {plan['frames']} frames at "
        f"{plan['fps']:g}, from {plan['timecode']})"
    )


def _say(result: "Result", as_json: bool, warnings: list[str]) -> None:
    if as_json:
        heard = result.heard
        told = {
            "sound": str(result.sound),
            "way": result.way,
            "frames": result.frames,
            "fps": float(result.frame_rate),
            "timecode": str(result.timecode),
            "own_samples": result.untouched,
            "onsets": [round(float(time), 3) for time in heard.onsets],
            "heard": [asdict(span) for span in heard.spans],
            "takes": [
                {"out": str(t.out), "lists": [str(path) for path in t.lists], **t.facts}
                for t in result.takes
            ],
            "warnings": list(warnings),
        }
        print(json.dumps(told, default=str), flush=True)
        return
    for take in result.takes:
        also = f", {', '.join(path.name for path in take.lists)}" if take.lists else ""
        say(
            f"{take.out}  {result.frames} frames at {float(result.frame_rate):g}, "
            f"from {result.timecode}, {result.way}{also}"
        )
        if note := take.facts.get("note"):
            say(f"  {note}", err=True)
