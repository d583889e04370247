"""``foley data``: what models are trained and measured on."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import count_progress, listen_for_warnings
from foleycli.cli.say import say
from foleycli.config import MuddyConfig, PrepareConfig, RenderConfig, SceneConfig, VariantConfig
from foleycli.errors import BatchError

app = typer.Typer(help="Make what models are trained and measured on.", no_args_is_help=True)
MUDDY = MuddyConfig()
VARIANT, PREPARE, SCENE, RENDER = VariantConfig(), PrepareConfig(), SceneConfig(), RenderConfig()
PAIR_SECONDS = 8.0  # of VGG-MonoAudio
Films = Annotated[
    Path,
    typer.Argument(exists=True, file_okay=False, help="A folder of films.", show_default=False),
]
Out = Annotated[Path, typer.Argument(help="Folder to write to.", show_default=False)]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes at a time.")]
Seed = Annotated[int, typer.Option(help="Same seed, same data.")]


@app.command()
def variants(
    films: Films,
    out: Out,
    kind: Annotated[
        str,
        typer.Option(
            help="cu, a close-up; cm, a camera move; zoom, a slow one in or out; transition, a "
            "dissolve between two close-ups; grade, other colours and light."
        ),
    ],
    seed: Seed = VARIANT.seed,
    a1: Annotated[float, typer.Option(help="Least share of the picture's sides.")] = (
        VARIANT.smallest
    ),
    a2: Annotated[float, typer.Option(help="Greatest share.")] = VARIANT.largest,
    aspect: Annotated[
        str, typer.Option(help="free: width and height are drawn apart; kept: one draw for both.")
    ] = VARIANT.aspect,
    position: Annotated[
        str, typer.Option(help="random or centre: where a close-up is, or a move's line.")
    ] = VARIANT.position,
    start: Annotated[
        str, typer.Option(help="A move goes from edge to edge (edge) or part of the way (random).")
    ] = VARIANT.start,
    easing: Annotated[str, typer.Option(help="linear, or smooth: slow at both ends.")] = (
        VARIANT.easing
    ),
    move_seconds: Annotated[
        float | None, typer.Option(help="A move's length, then it rests; else the whole clip.")
    ] = VARIANT.move_seconds,
    fit: Annotated[
        str,
        typer.Option(help="squeeze: the whole window, as encoders squash it; crop: its square."),
    ] = VARIANT.fit,
    enlarge: Annotated[
        bool, typer.Option("--enlarge", help="Write pictures as large as the film's.")
    ] = VARIANT.enlarge,
    crf: Annotated[int, typer.Option(min=0, max=51, help="H.264 quality; less is better.")] = (
        VARIANT.crf
    ),
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Write nothing; derive windows again as OUT's settings say, check hashes.",
        ),
    ] = False,
    jobs: Jobs = 1,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make films seen otherwise, such as close up; their sound is copied untouched.

    Windows are drawn from the seed and each film's name. Run the same command again after any
    interruption and it goes on. Films that cannot be used are listed in bad.csv, with exit code 5.
    """
    from foleycli.clip.find import find_clips
    from foleycli.train.variants import make_variants, verify_variants

    listen_for_warnings(quiet=quiet, verbose=False)
    config = VariantConfig(
        smallest=a1, largest=a2, aspect=aspect, position=position, start=start, easing=easing,
        move_seconds=move_seconds, fit=fit, seed=seed, crf=crf, enlarge=enlarge,
    )  # fmt: skip
    if verify:
        done = verify_variants(films, out, kind)
    else:
        done = make_variants(films, out, kind, config, jobs)
    name = "verify" if verify else "variants"
    _follow(done, name, len(find_clips([films])), as_json, quiet)


@app.command()
def prepare(
    folder: Films,
    out: Out,
    table: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="VGGSound's list (id, start, label, split) or a CSV with a column file and any of "
            "id, label, prompt, split; else all films of the folder.",
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Rows of this split: train or test.")] = (
        PREPARE.split
    ),
    model: Annotated[
        str, typer.Option(help="Whose spectrograms and features: small, diff-foley, a bundle.")
    ] = PREPARE.model,
    encoder: Annotated[
        str, typer.Option(help="Whose features for small: teacher, student, or a folder.")
    ] = PREPARE.encoder,
    parts: Annotated[str, typer.Option(help="Any of frames, mels, features.")] = ",".join(
        PREPARE.parts
    ),
    seconds: Annotated[
        float, typer.Option(min=0, help="Of a film at most, from its beginning; 0: all of it.")
    ] = PREPARE.duration,
    shard: Annotated[int, typer.Option(min=1, help="Films in a shard.")] = PREPARE.shard,
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG quality of frames.")] = (
        PREPARE.quality
    ),
    device: options.Device = PREPARE.device,
    jobs: Jobs = 1,
    on: Annotated[
        str | None,
        typer.Option(
            help="In place of --jobs: 'ray' for a cluster here, or the address of one whose nodes "
            "see the same folders: auto, ray://host."
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make films and their sound into shards that `foley train` reads.

    Run the same command again after any interruption and it goes on. Films that cannot be used
    are listed in bad.csv, with exit code 5.
    """
    from foleycli.evaluate.clipset import read_set
    from foleycli.train.prepare import prepare

    listen_for_warnings(quiet=quiet, verbose=False)
    named = tuple(part.strip() for part in parts.split(","))
    config = PrepareConfig(
        model=model, encoder=encoder, parts=named, split=split,
        duration=seconds, shard=shard, quality=quality, device=device,
    )  # fmt: skip
    examples = read_set(folder, table, split)
    _follow(prepare(examples, out, config, jobs, on), "prepare", len(examples), as_json, quiet)


@app.command()
def mix(
    sounds: Annotated[
        Path,
        typer.Argument(
            exists=True, file_okay=False, help="A folder of one-shots.", show_default=False
        ),
    ],
    out: Out,
    count: Annotated[int, typer.Option(min=1, help="Scenes; a larger count later adds some.")],
    table: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="CSV with the columns file, class, label; by default the folder's sounds.csv.",
        ),
    ] = None,
    seed: Seed = SCENE.seed,
    seconds: Annotated[float, typer.Option(min=1, help="Of a scene.")] = SCENE.duration,
    fewest: Annotated[int, typer.Option(min=1, help="Sources in a scene, at least.")] = (
        SCENE.fewest
    ),
    most: Annotated[int, typer.Option(min=1, help="Sources in a scene, at most.")] = SCENE.most,
    events: Annotated[int, typer.Option(min=1, help="How often a source is heard, at most.")] = (
        SCENE.events
    ),
    gap: Annotated[
        float, typer.Option(min=0, help="Seconds between onsets, at least.")
    ] = SCENE.gap,
    spread: Annotated[float, typer.Option(min=0, help="Levels are up to so many dB apart.")] = (
        SCENE.spread_db
    ),
    held_out: Annotated[
        str,
        typer.Option(help="without, only or with the tenth of sounds that no training hears."),
    ] = SCENE.held_out,
    jobs: Jobs = 1,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compose one-shots to sound scenes whose every onset is known to the sample.

    Writes scenes (.wav, and .json of what is heard in them) and events.csv.
    """
    from foleycli.train.mix import mix_scenes

    listen_for_warnings(quiet=quiet, verbose=False)
    config = SceneConfig(
        duration=seconds, fewest=fewest, most=max(fewest, most), events=events, gap=gap,
        spread_db=spread, held_out=held_out, seed=seed,
    )  # fmt: skip
    done = mix_scenes(sounds, table or sounds / "sounds.csv", out, count, config, jobs)
    _follow(done, "mix", count, as_json, quiet)


@app.command()
def render(
    out: Out,
    kind: Annotated[
        str,
        typer.Option(
            help="things fall, bounce, roll, slide and are struck; walkers (needs --mocap); quiet: "
            "motion without a hit; pairs: two films that differ in one factor.",
        ),
    ] = RENDER.kind,
    count: Annotated[
        int, typer.Option(min=1, help="Films, or pairs; a larger count later adds some.")
    ] = 50,
    photos: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Photographs (.jpg) for surfaces."),
    ] = None,
    mocap: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="Joint positions (.npz) and contacts.csv, as docs/data.md describes them.",
        ),
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Walkers of motions that no training reads.")
    ] = RENDER.held_out,
    seconds: Annotated[float, typer.Option(min=2, help="Of a film.")] = RENDER.seconds,
    width: Annotated[int, typer.Option(min=64, help="Of a picture.")] = RENDER.width,
    height: Annotated[int, typer.Option(min=36, help="Of a picture.")] = RENDER.height,
    seed: Seed = RENDER.seed,
    jobs: Jobs = 1,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Render films with MuJoCo whose contacts are known to the millisecond.

    Writes films (.mp4), what is known of each (.json), events.csv and, for pairs, pairs.csv.
    Needs the extra `train`.
    """
    from foleycli.train.render import render_films

    listen_for_warnings(quiet=quiet, verbose=False)
    config = RenderConfig(
        kind=kind, photos=str(photos or ""), mocap=str(mocap or ""), held_out=held_out,
        seconds=seconds, width=width, height=height, seed=seed,
    )  # fmt: skip
    _follow(render_films(out, config, count, jobs), "render", count, as_json, quiet)


@app.command()
def pairs(
    table: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="CSV with the columns file, label (or description) and category (or class).",
            show_default=False,
        ),
    ],
    out: Out,
    films: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Where the clips are, if not beside it."),
    ] = None,
    most: Annotated[
        int | None, typer.Option(min=1, help="Films of a group at most; all pairs by default.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, help="Of a film at most.")] = PAIR_SECONDS,
    seed: Seed = 0,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Set two clips side by side, with the sound of one: to test what selects by words.

    Writes VGG-MonoAudio's layout: inter_class and intra_class, mixed films and metadata.csv.
    """
    from foleycli.train.pair_films import make_pairs, plan_pairs, read_labels

    listen_for_warnings(quiet=quiet, verbose=False)
    clips = read_labels(table, films)
    done = ((row.file_name, "") for _, row in make_pairs(clips, out, most, seconds, seed))
    _follow(done, "pairs", len(plan_pairs(clips, most, seed)), as_json, quiet)


def _follow(
    outcomes: Iterable[tuple[str, str]], name: str, total: int, as_json: bool, quiet: bool
) -> None:
    """Say what goes wrong as it comes, and how many went well at the end.

    Raises:
        BatchError: something did go wrong.
    """
    bad = done = 0
    with count_progress(name, total, quiet=quiet) as progress:
        for done, (item, problem) in enumerate(outcomes, 1):
            bad += bool(problem)
            if as_json:
                print(json.dumps({"id": item, "problem": problem}), flush=True)
            elif problem:
                say(f"failed  {item}: {problem}")
            progress(done)
    if not as_json:
        say(f"{done - bad} of {done} done")
    if bad:
        raise BatchError(f"{bad} of {done} failed, the others are done.",
                         "Mend those named, or go on without them.")  # fmt: skip


@app.command()
def muddy(
    stems: Annotated[
        Path,
        typer.Argument(
            exists=True,
            file_okay=False,
            help="A folder of stems, or of folders of stems, one a film.",
            show_default=False,
        ),
    ],
    out: Out,
    level: Annotated[
        str, typer.Option(help="How far stems are turned: low 6, moderate 9, high 12 dB, or mix.")
    ] = MUDDY.level,
    third: Annotated[
        str,
        typer.Option(help="The stem neither loudest nor raised: suppress, raise or keep it."),
    ] = MUDDY.third,
    continuous: Annotated[
        bool, typer.Option("--continuous", help="Any dB between, in place of steps.")
    ] = MUDDY.continuous,
    vary_every: Annotated[
        float | None, typer.Option(min=0.5, help="Seconds after which other gains are drawn.")
    ] = MUDDY.vary_every,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Bring stems to the rule's balance first.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=1, help="Length of a piece.")] = 10.0,
    seed: Seed = MUDDY.seed,
    quiet: options.Quiet = False,
) -> None:
    """Spoil the balance of delivered stems, so that what mends it is known.

    The loudest stem goes down, another up, as in the published muddy mix. `foley eval highlight`
    measures with them, `foley train highlight` learns from them.
    """
    from foleycli.train.muddy import make_muddy

    listen_for_warnings(quiet=quiet, verbose=False)
    config = MuddyConfig(
        level=level, third=third, continuous=continuous, vary_every=vary_every, seed=seed
    )
    with count_progress("pieces", 0, quiet) as told:
        count = make_muddy(stems, out, config, balanced=balanced, seconds=seconds, told=told)
    say(f"{out}  {count} pieces")
