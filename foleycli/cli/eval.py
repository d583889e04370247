"""``foley eval``: models compared on a set of clips that have their own sound."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foleycli.cli import options
from foleycli.cli.progress import count_progress, listen_for_warnings
from foleycli.cli.say import say, visible
from foleycli.config import EVALUATE, GenerateConfig
from foleycli.errors import UsageError

if TYPE_CHECKING:
    from foleycli.evaluate.contestants import Contestant
    from foleycli.evaluate.results import Results
    from foleycli.evaluate.table import Table

app = typer.Typer(help="Compare models on clips that have their own sound: run, table, report.")
study = typer.Typer(help="Ask people which sound fits: a page to send, and its answers.")
figure = typer.Typer(help="Pictures of a run, or of what an encoder looks at.")
app.add_typer(study, name="study")
app.add_typer(figure, name="figure")

Run = Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The folder of a run.")]
Png = Annotated[Path, typer.Option("-o", "--output", help="PNG to write.")]
Variant = Annotated[str, typer.Option(help="What was seen: full, cu or cm.")]
FILE_WIDTH = 250  # characters of a table that goes to no terminal
FORMS = {".md": "markdown", ".csv": "csv", ".tex": "latex"}  # by a file's suffix


@app.command()
@options.asks("eval run", panel=None)
def run(
    clips: Annotated[
        Path, typer.Argument(metavar="SET", exists=True, file_okay=False, help="Folder of clips.")
    ],
    models: Annotated[
        str,
        typer.Option(
            help="Commas between: library, small, small+teacher, small+prompt, NAME=BUNDLE, or "
            "NAME=FOLDER with any system's sounds, named after the clips (<id>.wav, <id>_s00.wav)."
        ),
    ],
    config: GenerateConfig,
    listing: Annotated[
        Path | None,
        typer.Option(
            "--list",
            exists=True,
            dir_okay=False,
            help="CSV of the set: file, label, prompt; or VGGSound's own. By default SET's own.",
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Only this split of the CSV, such as test.")
    ] = None,
    samples: Annotated[
        int, typer.Option(min=1, help="Sounds of each clip and model, a seed each.")
    ] = EVALUATE.takes,
    variants: Annotated[
        str,
        typer.Option(
            help="What models see: full, cu (close-up), cm (camera move), zoom, transition, grade."
        ),
    ] = "full",
    measures: Annotated[
        str,
        typer.Option(
            help="Commas between. 'default' among them stands for the most telling that can be "
            "taken, 'all' for every one."
        ),
    ] = "",
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Tell every model in the CSV's words what sounds.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the run; by default SET_eval.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes at work.")] = 1,
    again: Annotated[
        bool, typer.Option("--again", help="Measure anew what is measured; sounds are kept.")
    ] = False,
    quiet: options.Quiet = False,
) -> None:
    """Let models sound a set of clips and measure every sound; a stopped run goes on.

    Of a folder that foley data pairs wrote, each model is asked for the words of one half, of the
    other and of neither, and every stem is held against both halves; the table is printed.
    """
    from foleycli.evaluate.clipset import read_set
    from foleycli.evaluate.contestants import parse_contestant, parse_variants
    from foleycli.evaluate.plan import Plan
    from foleycli.evaluate.run import run as run_plan
    from foleycli.evaluate.run import usable_measures

    listen_for_warnings(quiet=quiet, verbose=False)
    contestants = [parse_contestant(part, config, prompt=prompts) for part in _parts(models)]
    from foleycli.evaluate.pairs import is_pairs

    if is_pairs(clips):
        _run_pairs(clips, contestants, out, quiet)
        return
    usable, missing = usable_measures(_parts(measures))
    plan = Plan(
        folder=(out or clips.with_name(f"{clips.resolve().name}_eval")).resolve(),
        examples=tuple(read_set(clips.resolve(), listing, split)),
        contestants=tuple(contestants),
        variants=parse_variants(variants),
        takes=samples,
        measures=usable,
    )
    if missing and not quiet:
        reasons = sorted({f"  {why}" for why in missing.values()})
        say(f"not taken: {', '.join(missing)}", *reasons, err=True)
    with _stages(quiet) as progress:
        run_plan(plan, jobs, again=again, progress=progress)
    say(f"{plan.folder}  {len(plan.examples)} clips, {', '.join(c.name for c in contestants)}")
    say(f"next: foley eval table {plan.folder}", err=True)


def _run_pairs(
    folder: Path, contestants: "list[Contestant]", out: Path | None, quiet: bool
) -> None:
    from foleycli.evaluate.contestants import check_names
    from foleycli.evaluate.pairs import run_pairs, table

    check_names(contestants)
    place = (out or folder.with_name(f"{folder.resolve().name}_eval")).resolve()
    with _stages(quiet) as progress:
        made = run_pairs(folder.resolve(), contestants, place, progress)
    say(*table(made).split("\n"))


@app.command()
def table(
    run: Run,
    paper: Annotated[
        str | None,
        typer.Argument(
            help="1, 3 or 4: that table of arXiv 2507.02271, this run's numbers beside its own.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="terminal, markdown, csv or latex; by default as the file's name ends.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; by default stdout.")
    ] = None,
    measures: Annotated[
        str,
        typer.Option(
            help="Commas between, default, or all; by default what the run was asked for."
        ),
    ] = "",
    pairs: Annotated[
        str, typer.Option(help="What to compare, as B:A,D:C: B less A, D less C.")
    ] = "",
    rows: Annotated[
        str,
        typer.Option("--as", help="Whom the paper's rows stand for: 'ours=small,Diff-Foley=base'."),
    ] = "",
    category: Annotated[
        str | None,
        typer.Option("--by-category", help="This measure's differences in every category."),
    ] = None,
    variant: Variant = "full",
    overwrite: options.Overwrite = False,
) -> None:
    """Print what a run found: means, 95 % intervals, controls, paired differences."""
    from foleycli.evaluate import table as tables
    from foleycli.evaluate.measures import find_measure
    from foleycli.evaluate.paper import match_rows, paper_tables
    from foleycli.evaluate.results import Results

    form = form or FORMS.get(output.suffix.lower() if output else "", "terminal")
    wanted = ["all"] if paper or category else _parts(measures)
    results = Results(run, wanted)
    asked = tables.parse_pairs(pairs, results.models)
    if paper:
        made = paper_tables(results, paper, match_rows(results, paper, rows))
    elif category:
        measure = find_measure(category)
        compared = asked or tables.default_pairs(results.models)
        made = [tables.category_table(results, variant, a, b, measure) for a, b in compared]
    else:
        made = [*tables.result_tables(results), *tables.difference_tables(results, asked)]
    _write(_formed(made, form, results if not (paper or category) else None), output, overwrite)


@app.command()
def report(
    run: Run,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="report.html: one file with everything in it; or a folder."
        ),
    ],
    variants: Annotated[str, typer.Option(help="Of those of the run; all when empty.")] = "",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Players for so many clips only.")
    ] = None,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a page with a run's tables and pictures, and players of every clip and model."""
    from foleycli.evaluate.results import Results
    from foleycli.pages.report import write_report

    listen_for_warnings(quiet=quiet, verbose=False)
    results = Results(run)
    with count_progress("clips", limit or len(results.plan.examples), quiet) as progress:
        page = write_report(
            results,
            output,
            variants=_parts(variants),
            limit=limit,
            overwrite=overwrite,
            progress=progress,
        )
    say(page)


@app.command()
def retrieval(
    clips: Annotated[
        Path, typer.Argument(metavar="SET", exists=True, file_okay=False, help="Folder of clips.")
    ],
    listing: Annotated[
        Path | None,
        typer.Option(
            "--list", exists=True, dir_okay=False, help="CSV of the set; by default its own."
        ),
    ] = None,
    index: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Where what is seen is kept; by default in the cache."),
    ] = None,
    listener: Annotated[
        str, typer.Option(metavar="ear|yamnet", help="Who hears: the one that ships, or YAMNet.")
    ] = "ear",
    radio: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A sound that belongs to no picture, under every query.",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Mute clips and let each one's own sound look for it: how foley visualize --rushes chooses."""
    from foleycli.evaluate.retrieval import retrieve

    listen_for_warnings(quiet=quiet, verbose=False)
    with count_progress("clips", 1000, quiet) as progress:
        found = retrieve(
            clips, listing, index, listener, radio, lambda done: progress(round(1000 * done))
        )
    if as_json:
        print(json.dumps(found.told()))
        return
    under = f", {radio.name} under every sound" if radio else ""
    _show([found.table(f"{clips.name}, heard by {listener}{under}")])


@app.command()
def film(
    films: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="Films of foley visualize.")
    ],
    other: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Another sound, which should fit worse."),
    ] = None,
    measures: Annotated[
        str,
        typer.Option(help="Of sync, fvd_i3d, is_c3d, clipsim; commas between. All but sync judge "
                     "the films together, by networks that are pulled."),
    ] = "sync",
    true: Annotated[
        Path | None,
        typer.Option("--true", exists=True, file_okay=False, help="True films, for fvd_i3d."),
    ] = None,
    words: Annotated[str, typer.Option(help="What sounds in the films, for clipsim.")] = "",
    as_json: options.Json = False,
) -> None:  # fmt: skip
    """Does a film hit where its sound hits? Beside shifted sound, a metronome, another sound.

    As published systems are judged, too: Frechet video distance, inception score, CLIP similarity.
    """
    from dataclasses import asdict

    from foleycli.evaluate.filmed import judge_films
    from foleycli.evaluate.retrieval import judge_film, other_sound

    asked = _parts(measures)
    if "sync" in asked:
        for path in films:
            fit = asdict(judge_film(path))
            if other:
                fit["other_sound"] = other_sound(path, other)
            _tell_fit(str(path), fit, as_json)
    together = [name for name in asked if name != "sync"]
    if together:
        _tell_fit(f"{len(films)} films", judge_films(films, together, true, words), as_json)


@app.command()
def calibrate(
    pictures: Annotated[
        Path,
        typer.Argument(
            exists=True,
            file_okay=False,
            help="A folder of folders of pictures, each called by what sounds in them: "
            "'dog barking'.",
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Set how sure --eyes siglip2 must be of a sound, on labelled pictures.

    Half of the pictures choose, the other half judges.
    """
    from dataclasses import asdict

    from foleycli.evaluate.calibrate import calibrate as choose
    from foleycli.spot.scored import open_pulled, write_limits

    eyes = open_pulled()
    found = choose(pictures, eyes)
    path = write_limits(found.limits, eyes.net.fingerprint)
    if as_json:
        print(json.dumps(asdict(found) | {"file": str(path)}))
        return
    say(
        f"{path}  {found.pictures} pictures, {found.labels} sounds, limit {found.limits.all:.3f}, "
        f"{len(found.limits.own)} of their own; F1 of the other half {found.before:.2f} before, "
        f"{found.after:.2f} now"
    )


def _tell_fit(what: str, numbers: dict[str, float], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"film": what, **numbers}))
        return
    values = ", ".join(f"{name} {value:.2f}" for name, value in numbers.items())
    say(f"{what}  {values}")


@app.command()
def tokens(
    films: Annotated[
        list[Path], typer.Argument(exists=True, help="Films with their sound, or folders of them.")
    ],
    t2v: Annotated[Path, typer.Option(exists=True, file_okay=False, help="As foley visualize.")],
    mapper: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="What is judged.")],
    beats: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="As foley visualize.")],
    looks: Annotated[
        int, typer.Option(min=1, help="Times of the noise; each costs two steps a film.")
    ] = 8,
    device: options.Device = "auto",
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Do TempoTokens' tokens say anything? Another film's sound must tell the noise worse."""
    from dataclasses import asdict

    from foleycli.clip.find import find_clips
    from foleycli.evaluate.tokens import judge_tokens

    listen_for_warnings(quiet=quiet, verbose=False)
    paths = find_clips(films)
    model = {"t2v": t2v, "mapper": mapper, "beats": beats, "device": device}
    with count_progress("films", len(paths), quiet) as progress:
        found = judge_tokens(paths, model, looks, progress)
    if as_json:
        print(json.dumps({**asdict(found), "says": found.says}))
        return
    say(
        f"{found.films} films: loss {found.own:.4f} by own tokens, {found.other:.4f} by another "
        f"sound's; {found.gap:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
    )
    say(found.says)


@study.command("export")
def export_study(
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML page to write.")],
    a: Annotated[str, typer.Option("--a", help="A folder of videos or sounds, or a RUN's model.")],
    b: Annotated[str, typer.Option("--b", help="What it is compared with, likewise.")],
    run: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Where a and b are models.")
    ] = None,
    clips: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="The pictures, where a and b are sounds."),
    ] = None,
    variant: Variant = "full",
    question: Annotated[
        str, typer.Option(help="What people are asked.")
    ] = "Which sound fits the picture better?",
    words: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="CSV of file and label: show each clip's words, to ask which sound fits them.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many clips at most.")] = None,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Leave levels alone; else both are equally loud.")
    ] = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a page that asks which of two sounds fits; it works from disk, without a network.

    Send it to people; each sends back the JSON that it saves. What A and B are stands in
    <name>.key.json beside it, which stays with you.
    """
    from foleycli.pages.study import pairs_in_folders, pairs_of_run, with_words, write_study

    listen_for_warnings(quiet=quiet, verbose=False)
    found = pairs_of_run(run, a, b, variant) if run else pairs_in_folders(Path(a), Path(b), clips)
    pairs = (with_words(found, words) if words else found)[:limit]
    with count_progress("clips", len(pairs), quiet) as progress:
        key = write_study(
            output,
            pairs,
            (a, b),
            question=question,
            level=not as_is,
            overwrite=overwrite,
            progress=progress,
        )
    say(f"{output}  {len(pairs)} clips; keep {key} to yourself")


@study.command("rank")
def rank_study(
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML page to write.")],
    of: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=FOLDER",
            help="A system and its sounds, named as the clips; three to six times.",
        ),
    ],
    clips: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="The pictures, a folder.")
    ],
    question: Annotated[
        str, typer.Option(help="What people are asked.")
    ] = "Put these in order: whose balance of speech, music and effects fits the picture best?",
    limit: Annotated[int | None, typer.Option(min=1, help="So many clips at most.")] = None,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="Leave levels alone; else all are equally loud.")
    ] = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a page on which people put several systems' sounds in order, such as input, base, rule
    and original; it works from disk, without a network.

    foley eval highlight --sounds makes such folders. Who is who stands in <name>.key.json.
    """
    from foleycli.pages.ranking import find_choices, write_ranking

    listen_for_warnings(quiet=quiet, verbose=False)
    folders: dict[str, Path] = {}
    for one in of:
        name, equals, folder = one.partition("=")
        if not (name and equals and folder):
            raise UsageError(f"--of {one} names no folder.", "Give --of NAME=FOLDER.")
        folders[name] = Path(folder)
    choices = find_choices(folders, clips)[:limit]
    with count_progress("clips", len(choices), quiet) as progress:
        key = write_ranking(
            output,
            choices,
            list(folders),
            question=question,
            level=not as_is,
            overwrite=overwrite,
            progress=progress,
        )
    say(f"{output}  {len(choices)} clips; keep {key} to yourself")


@study.command("tally")
def tally_study(
    answers: Annotated[
        list[Path], typer.Argument(exists=True, help="What people sent: JSON files, or folders.")
    ],
    key: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="<name>.key.json, which says who is who."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Count the answers: numbers, percentages, and whether it may be chance (binomial test).

    Of a ranking: how often each system took each place, mean places, and Friedman's test.
    """
    from foleycli.evaluate.ranks import count_ranks, describe_ranks, is_ranking
    from foleycli.evaluate.tally import describe, tally

    if is_ranking(answers):
        ranks = count_ranks(answers, key)
        print(json.dumps(ranks.told(), indent=1) if as_json else describe_ranks(ranks))
        return
    counted = tally(answers, key)
    if as_json:
        print(json.dumps(counted.told(), indent=1))
    else:
        say(*describe(counted).split("\n"))


@figure.command("compare")
def figure_compare(
    run: Run,
    clip: Annotated[str, typer.Option(help="A clip's id in the run.")],
    output: Png,
    models: Annotated[str, typer.Option(help="Commas between; all when empty.")] = "",
    variant: Variant = "full",
    overwrite: options.Overwrite = False,
) -> None:
    """Draw what is seen above the own sound and each model's: waveform and spectrogram.

    The onsets of the own sound are marked through all rows (Figure 4 of arXiv 2507.02271).
    """
    from foleycli.evaluate.drawings import draw_comparison
    from foleycli.evaluate.plan import read_plan

    plan = read_plan(run)
    named = _parts(models) or None
    draw_comparison(plan, plan.example(clip), variant, named, output, overwrite=overwrite)
    say(output)


@figure.command("categories")
def figure_categories(
    run: Run,
    output: Png,
    measure: Annotated[str, typer.Option(help="A clip measure of the run.")] = "kl",
    pair: Annotated[
        str, typer.Option(help="B:A, what B gains over A; by default the second over the first.")
    ] = "",
    top: Annotated[int, typer.Option(min=1, help="So many, the largest gains first.")] = 25,
    variant: Variant = "full",
    overwrite: options.Overwrite = False,
) -> None:
    """Draw what one model gains over another in each category (Figure 5 of arXiv 2507.02271)."""
    from foleycli.evaluate.drawings import draw_categories
    from foleycli.evaluate.results import Results
    from foleycli.evaluate.table import default_pairs, parse_pairs

    results = Results(run, [measure])
    pairs = parse_pairs(pair, results.models) or default_pairs(results.models)
    if not pairs:
        raise UsageError("The run has one model.", "Run another: foley eval run --models A,B.")
    draw_categories(results, variant, pairs[0], measure, top, output, overwrite=overwrite)
    say(output)


@figure.command("gradcam")
def figure_gradcam(
    clip: options.Clip,
    output: Png,
    encoders: Annotated[
        str,
        typer.Option(help="A row each, commas between: teacher, student, a folder, diff-foley."),
    ] = "teacher",
    target: Annotated[
        str,
        typer.Option(
            help="What the heat explains: top (the likeliest class), norm (of the feature), self "
            "(cosine to the clip's mean feature), or full (to the uncropped frame's feature)."
        ),
    ] = "top",
    variant: Variant = "full",
    frames: Annotated[int, typer.Option(min=1, help="Moments that are drawn.")] = 8,
    overwrite: options.Overwrite = False,
) -> None:
    """Draw where an encoder looks: Grad-CAM over moments (Figure 6 of arXiv 2507.02271)."""
    from foleycli.evaluate.gradcam import draw_gradcam

    draw_gradcam(
        clip, _parts(encoders), target, output, variant=variant, moments=frames, overwrite=overwrite
    )
    say(output)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _stages(quiet: bool):
    """A bar a stage of the run, on a terminal."""
    from contextlib import contextmanager

    @contextmanager
    def bars():
        if quiet or not sys.stderr.isatty():
            yield lambda what, done, total: None
            return
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True)) as shown:
            tasks: dict = {}

            def update(what: str, done: int, total: int) -> None:
                if what not in tasks:
                    tasks[what] = shown.add_task(what, total=total)
                shown.update(tasks[what], completed=done)

            yield update

    return bars()


def _formed(made: list["Table"], form: str, results: "Results | None") -> str | list["Table"]:
    from foleycli.evaluate import table as tables

    if form == "terminal":
        return made
    if form == "markdown":
        return tables.to_markdown(made)
    if form == "latex":
        return tables.to_latex(made)
    if form == "csv":
        if results:
            return tables.to_csv(tables.tidy_rows(results))
        rows = [row for each in made for row in ([each.title], each.head, *each.rows)]
        return tables.to_csv(rows)
    raise UsageError(f"--format {form} is not known.", "Give terminal, markdown, csv or latex.")


def _write(content: "str | list[Table]", output: Path | None, overwrite: bool) -> None:
    from foleycli.evaluate.table import to_markdown
    from foleycli.output import atomic_output

    if output:
        text = content if isinstance(content, str) else to_markdown(content)
        with atomic_output(output, overwrite=overwrite) as beside:
            beside.write_text(text, encoding="utf-8")
        say(output)
    elif isinstance(content, str):
        if sys.stdout.isatty():
            say(*content.rstrip("\n").split("\n"))
        else:
            print(content, end="")
    else:
        _show(content)


def _show(made: list["Table"]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Shown

    from foleycli.evaluate.table import split_table

    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    for each in (part for table in made for part in split_table(table, console.width)):
        escaped = [[escape(visible(text)) for text in row] for row in each.rows]
        shown = Shown(
            title=escape(visible(each.title)), title_justify="left", title_style="bold", box=None
        )
        for number, head in enumerate(each.head):
            shown.add_column(
                escape(visible(head)), justify="right" if number else "left", no_wrap=True
            )
        for number, row in enumerate(escaped):
            shown.add_row(*row, end_section=number in each.ruled)
        console.print(shown)
        for note in each.notes:
            console.print(f"  {visible(note)}", highlight=False, markup=False)
        console.print()


@app.command("highlight")
def eval_highlight(
    muddy: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="What foley data muddy made.")
    ],
    methods: Annotated[
        str,
        typer.Option(
            help="Of input, loudness, base, rule, picture, picture-other, picture-reversed, words, "
            "words-other, learned, mix, mix:rnnoise, mix:deepfilter, mix:bandit-v2, voice-known; "
            "commas between."
        ),
    ] = "input,loudness,base,rule,picture,picture-other,picture-reversed",
    learned: Annotated[
        Path | None, typer.Option(exists=True, help="What foley train highlight wrote.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Scores of every piece, as JSON lines.")
    ] = None,
    sounds: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            help="Folder for what each method made, the true mixes and the pictures: to be ranked "
            "by ear with foley eval study rank.",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """How much of a spoiled balance is mended: MAG, ENV, W-dis and gains, beside controls.

    Every output is brought to the true mix's loudness first, so plain normalisation is a control.
    """
    import json

    from foleycli.cli.progress import count_progress, listen_for_warnings
    from foleycli.evaluate.balance import (
        LEVELS,
        against_controls,
        judge,
        read_cases,
        summarise,
        write_scores,
    )

    listen_for_warnings(quiet=quiet, verbose=False)
    cases = read_cases(muddy)
    with count_progress("pieces", len(cases), quiet) as told:
        scores = judge(cases, _parts(methods), learned=learned, told=told, sounds=sounds)
    if output:
        write_scores(output, scores)
    rows = summarise(scores)
    if as_json:
        print("\n".join(json.dumps(row) for row in rows))
        return
    names = ["cases", "mag", "env", "w_dis", "mag_removed", "gain_error", "worse", "seconds"]
    names += [name for name in ("kld", "ib") if any(name in row for row in rows)]
    _print_columns(rows, names)
    levels = [level for _, level in LEVELS if any(f"gain_error_{level}" in row for row in rows)]
    say("", "by how far the loudest was turned down: MAG removed, gain error in dB")
    _print_columns(
        rows, [f"{what}_{at}" for at in levels for what in ("mag_removed", "gain_error")]
    )
    for row in against_controls(scores):
        say(
            f"{row['better']} less {row['than']}: gain error smaller by {row['by_db']:.2f} dB "
            f"[{row['low']:.2f}, {row['high']:.2f}]"
        )


def _print_columns(rows: "list[dict[str, object]]", names: list[str]) -> None:
    """Methods down, numbers across; what is not known is a dash."""
    wide = [max(9, len(name)) for name in names]
    say("  ".join([f"{'method':>16}", *(f"{n:>{w}}" for n, w in zip(names, wide, strict=True))]))
    for row in rows:
        cells = [f"{row['method']!s:>16}"]
        for name, width in zip(names, wide, strict=True):
            value = row.get(name)
            known = isinstance(value, int) or (isinstance(value, float) and value == value)
            said = f"{value:.4f}" if known and isinstance(value, float) else str(value)
            cells.append(f"{said if known else '-':>{width}}")
        say("  ".join(cells))
