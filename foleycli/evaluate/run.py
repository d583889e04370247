"""A run: models sound the clips of a set, and every sound is measured against the clip's own.

The folder of a run holds ``run.json`` (what is compared), ``sounds/<model>/<variant>/`` (what was
made, with the options it was made with) and ``clips/<id>.json`` (every number, one file a clip).
All are written whole or not at all, so that a run that was stopped goes on where it was, and a
model or measure that is added later costs its own time only.

A variant changes what the models see. Sounds are always measured against the full clip: its own
sound and its whole picture, for that is what happens, whatever part of it is shown.
"""

from collections.abc import Callable, Sequence

from foleycli.errors import BatchError, ModelError
from foleycli.evaluate.contestants import check_folder, check_names
from foleycli.evaluate.measures import MEASURES, check_needs, find_measure
from foleycli.evaluate.plan import ALL, CORE, DEFAULT, Plan, join_plan
from foleycli.evaluate.scoring import Scoring, score_clip
from foleycli.evaluate.sets import compare_sets, set_rows
from foleycli.evaluate.sounding import make_sounds, plan_soundings
from foleycli.processes import do_all

# told what is being done, how many are done, and of how many
Progress = Callable[[str, int, int], None]


def run(
    plan: Plan, jobs: int = 1, *, again: bool = False, progress: Progress = lambda *told: None
) -> None:
    """Make what is missing and measure what is not measured yet.

    Args:
        jobs: processes at work.
        again: measure everything anew; sounds are kept.

    Raises:
        BatchError: some clips failed; the others are done.
        UsageError: the folder holds a run on another set, or a model's has none of its sounds.
        ModelError: a model is not installed, or what a measure of the run needs.
    """
    check_names(plan.contestants)
    for contestant in plan.contestants:
        check_folder(contestant, plan.examples, plan.variants)
    plan_soundings(plan)  # refuses a model that is not here before it stands in the run
    plan = join_plan(plan)
    for name in plan.measures:  # an earlier call's, too
        check_needs(find_measure(name))
    failures = _do(make_sounds, plan_soundings(plan), jobs, "sounding", progress)
    tasks = [Scoring(plan.folder, example.id, again=again) for example in plan.examples]
    failures += _do(score_clip, tasks, jobs, "measuring", progress)
    failures += _do(compare_sets, set_rows(plan), jobs, "comparing sets", progress)
    if failures:
        raise BatchError(
            f"{len(failures)} failed, all else is done:",
            "Mend those named and run again: what is done is kept.",
            map(str, failures),
        )


def usable_measures(names: Sequence[str] = ()) -> tuple[tuple[str, ...], dict[str, str]]:
    """The measures that can be taken here, and why the others cannot.

    Args:
        names: those that are wanted; "default" among them stands for `CORE`, and "all" for all
            there are; `CORE` when empty.

    Raises:
        UsageError: a name is unknown.
        ModelError: one that is named needs something that is not here.
    """
    groups = {ALL: [measure.name for measure in MEASURES], DEFAULT: list(CORE)}
    named = [name for name in names if name not in groups]
    wanted = [part for name in names or [DEFAULT] for part in groups.get(name, [name])]
    usable, missing = [], {}
    for measure in [find_measure(name) for name in dict.fromkeys(wanted)]:
        try:
            check_needs(measure)
        except ModelError as error:
            if measure.name in named:
                raise
            missing[measure.name] = str(error)
        else:
            usable.append(measure.name)
    return tuple(usable), missing


def _do(work: Callable, tasks: list, jobs: int, what: str, progress: Progress) -> list[str]:
    failures = []
    progress(what, 0, len(tasks))
    for done, (task, problem) in enumerate(do_all(work, tasks, jobs), 1):
        progress(what, done, len(tasks))
        if problem:
            failures.append(f"{task}: {problem}")
    return failures
