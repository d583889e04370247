"""What is opened on the page: a clip, a sheet, a recipe, or a timeline whose shots stand in a list;
looked at in the background, heard while it is edited, rendered as ``foley gen --cues`` does it."""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np
import soxr
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from foleycli.clip.find import VIDEO_SUFFIXES, name_output
from foleycli.clip.probe import Clip, probe
from foleycli.config import EDIT, GenerateConfig
from foleycli.errors import FoleyError, MediaError, UsageError
from foleycli.evaluate.rank import TakeScore, score_take
from foleycli.evaluate.sync import motion_curve
from foleycli.folders import cache_folder
from foleycli.frames.decode import Picture, decode_pictures
from foleycli.generate import find_span, find_wanted, generate
from foleycli.output import atomic_output, make_folder
from foleycli.pages.edit.film import Film
from foleycli.pages.edit.hearing import RATE, Hearing, Span, open_hearing
from foleycli.pages.edit.session import Numbered, Session, Step, journal_path
from foleycli.recipe import find_clip, read_recipe
from foleycli.sources.open import Source, open_source
from foleycli.spot.cues import LIKE, find_likes, write_cues
from foleycli.spot.features import Features
from foleycli.spot.told import open_eyes, tell
from foleycli.timeline.files import SUFFIXES
from foleycli.timeline.plan import ReelPlan
from foleycli.timeline.reel import plan_reel, sound_reel
from foleycli.timeline.shots import Shot
from foleycli.timeline.sound import shot_clock, shot_features
from foleycli.version import VERSION
from foleycli.waveform.sound import SAMPLE_RATE

LOG = logging.getLogger("foleycli")
Tell = Callable[[dict[str, Any]], None]
MOST_TAKES = 9
LONGEST_STOP = 20.0  # seconds until what is being rendered has to be gone
LONGEST_SCORED = 120.0  # seconds of film whose takes are told apart while one waits


class _EndedError(Exception):
    """The page was closed while it looked or rendered."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known of a film's pictures once they were looked at."""

    features: Features
    frames: NDArray[np.float64]  # seconds at which each picture appears, and the end


class Desk:
    """One film and its sheet, being edited.

    Attributes:
        title: what it is called.
        film: its pictures and own sound.
        session: the sheet; None until there is one.
        hearing: what it sounds like; None until it was looked at.
        stage, done: what goes on before that, and how much of it is done.
        trouble: what went wrong.
    """

    def __init__(
        self,
        title: str,
        clip: Clip,
        sheet: Path,
        config: GenerateConfig,
        source: Callable[[], Source],
        tell: Tell,
        shot: Shot | None = None,
    ) -> None:
        self.title, self.clip, self.sheet, self.config = title, clip, sheet, config
        self._source, self._tell, self.shot = source, tell, shot
        start, self._end = find_span(clip, config) if shot is None else shot.span
        self.film = Film(clip, max(start, Fraction(0)))
        self.session: Session | None = None
        self.hearing: Hearing | None = None
        self._takes: dict[int, tuple[int, Hearing]] = {}  # by seed, and the revision it has
        self._motion: NDArray[np.float32] | None = None
        self.looked: Looked | None = None
        self.stage, self.done, self.trouble = "waiting", 0.0, ""
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._claimed: IO[bytes] | None = None
        self._thread = threading.Thread(target=self._work, daemon=True, name="foley-edit-look")

    @property
    def speed(self) -> Fraction:
        """Seconds of film in one of the desk's; 0 holds a picture."""
        return max(Fraction(0), self.shot.speed) if self.shot else Fraction(1)

    @property
    def duration(self) -> float:
        """Seconds, by the header until it was looked at."""
        if self.looked:
            return float(self.looked.features.duration)
        if self.shot:
            return float(self.shot.duration)
        ends = [time for time in (self._end, self.clip.duration) if time is not None]
        return float(min(ends) - self.film.start) if ends else 0.0

    @property
    def seed(self) -> int:
        """Of the take that the sheet is heard in."""
        kept = self.session.seed if self.session else None
        return self.config.seed if kept is None else kept

    def open(self) -> None:
        """Take the sheet where there is one, and begin to look at the film.

        Raises:
            MediaError: the sheet cannot be read.
            UsageError: another `foley edit` has it open.
        """
        with self._lock:
            if self._thread.ident is not None:
                return
            make_folder(self.sheet.parent)
            self._claim()
            if self.sheet.is_file() or journal_path(self.sheet).is_file():
                self.session = Session.open(self.sheet, self._about())
            self._thread.start()

    def close(self) -> None:
        """Stop looking, and let go of the sheet."""
        self._ended.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(LONGEST_STOP)
        if self._claimed is not None:
            with suppress(OSError):
                Path(self._claimed.name).unlink()
            self._claimed.close()
            self._claimed = None

    def change(
        self,
        label: str,
        rows: dict[int, dict[str, Any] | None],
        added: list[dict[str, Any]],
        base: int | None,
    ) -> list[Span]:
        """Change fields of rows (None deletes one), or add rows; what sounds otherwise.

        Raises:
            FoleyError: as `Session.change`.
        """
        session = self._ready()
        with session.lock:
            whole = {
                number: {**session.rows.get(number, {}), **fields} if fields is not None else None
                for number, fields in rows.items()
            }
            asked = {n for n, fields in rows.items() if fields and "recording" in fields}

            def follow(before: Numbered, after: Numbered, touched: set[int]) -> dict[int, str]:
                if self.hearing is None:
                    return {}
                kept = self.hearing.keep_others(self._named(before), self._named(after), touched)
                return {number: text for number, text in kept.items() if number not in asked}

            step = session.change(label, whole, added, base, follow)
            return self._changed(step)

    def undo(self) -> list[Span]:
        """Take the last step back."""
        session = self._ready()
        with session.lock:
            return self._changed(session.undo())

    def redo(self) -> list[Span]:
        """Do it again."""
        session = self._ready()
        with session.lock:
            return self._changed(session.redo())

    def take(self, seed: int) -> Hearing:
        """The same sheet in another take; that of a model begins to be rendered.

        Raises:
            UsageError: it is not heard yet, or there are no takes of it.
        """
        session, hearing = self._ready(), self.hearing
        if hearing is None or self.looked is None:
            raise UsageError("The film is still being looked at.", "Wait for it.")
        if seed == self.seed:
            return hearing
        if not self.config.seed <= seed < self.config.seed + MOST_TAKES:
            raise UsageError("There is no such take.", f"There are {MOST_TAKES}.")
        with session.lock:
            revision, found = self._takes.get(seed, (-1, None))
            if found is None:
                found = self._hearing_of(seed, hearing.source)
            if revision != session.revision:
                found.set_cues(self._named(session.cues()))
                self._takes[seed] = session.revision, found
            return found

    def score(self, seed: int) -> TakeScore | None:
        """How well a take follows the picture, and whether it speaks or makes music; None of what
        is not rendered yet, or longer than can be told at once."""
        hearing = self.take(seed)
        if not hearing.instant or self.duration > LONGEST_SCORED or self.shot is not None:
            return None
        with self._lock:
            if self._motion is None:
                self._motion = motion_curve(self.clip.path, self.film.start)
        mixed = hearing.mix(0, hearing.samples).mean(axis=1)
        return score_take(self.sheet, soxr.resample(mixed, RATE, SAMPLE_RATE), self._motion)

    def keep_take(self, seed: int) -> list[Span]:
        """Hear and render the sheet in another take from now on; what sounds otherwise."""
        session = self._ready()
        if self.shot is not None:
            raise UsageError("A shot of a timeline has no takes of its own.", "Choose recordings.")
        with session.lock:
            self.take(seed)
            return self._changed(session.keep_take(seed))

    def look_for_changes(self) -> None:
        """Take over what another program wrote into the sheet."""
        if self.session is None:
            return
        try:
            with self.session.lock:
                step = self.session.look_for_changes()
                if step:
                    self._changed(step)
                    self._tell({"notice": "The sheet was changed by another program: taken over."})
        except FoleyError as error:
            self._tell({"notice": f"The sheet on disk cannot be read: {error.problem}"})
        except OSError as error:
            self._tell({"notice": f"The sheet on disk cannot be read: {error}."})

    def _changed(self, step: Step | None) -> list[Span]:
        if step is None or self.session is None:
            return []
        spans = []
        if self.hearing is not None:
            spans = self._switched() if step.seed != step.seed_was else []
            spans = spans or self.hearing.set_cues(self._named(self.session.cues()))
        self._tell({"revision": self.session.revision, "spans": spans})
        return spans

    def _switched(self) -> list[Span]:
        """Go on with the take that is kept now."""
        assert self.session is not None and self.hearing is not None
        old, now = self.hearing, self.seed
        _, found = self._takes.pop(now, (0, None))
        found = found or self._hearing_of(now, old.source)
        self._takes[old.config.seed] = -1, old
        found.set_cues(self._named(self.session.cues()))
        self.hearing = found
        return found.spans_from(old)

    def _named(self, cues: Numbered) -> Numbered:
        """Rows whose files are looked for beside the sheet, as ``foley gen --cues`` does."""
        if not any(LIKE in cue.what for _, cue in cues):
            return cues
        found = find_likes((cue for _, cue in cues), self.sheet.parent)
        return [(number, cue) for (number, _), cue in zip(cues, found, strict=True)]

    def _ready(self) -> Session:
        if self.session is None:
            raise UsageError("There is no sheet yet: the film is being looked at.", "Wait for it.")
        return self.session

    def _about(self) -> dict[str, Any]:
        return {"clip": str(self.clip.path)}

    def _claim(self) -> None:
        """Keep a second `foley edit` from the same sheet."""
        try:
            import fcntl
        except ImportError:  # Windows: files changed meanwhile are noticed all the same
            return
        file = self.sheet.with_name(f".{self.sheet.name}.open").open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise UsageError(
                f"{self.sheet.name} is open in another `foley edit`.", "Go on there, or end it."
            ) from error
        except OSError:  # a file system without locks
            pass
        self._claimed = file

    def _work(self) -> None:
        """In the background: look, find cues where no sheet was given, and begin to hear."""
        try:
            self._progress("opening", 0.0)
            source = self._source()
            self._progress("looking", 0.0)
            recalled = self._recalled(source)
            looked = recalled or self._look(source)
            with self._lock:
                self.looked = looked
            if self.session is None:
                cues = find_wanted(self._told(looked.features), self.config)
                write_cues(self.sheet, cues, overwrite=True)
                self.session = Session.open(self.sheet, self._about())
            if recalled is None:
                with suppress(FoleyError, OSError):  # it is looked at again next time
                    self._remember(source, looked)
            hearing = self._hearing_of(self.seed, source)
            with self.session.lock:
                hearing.set_cues(self._named(self.session.cues()))
                self.hearing = hearing
            self._progress("ready", 1.0)
        except FoleyError as error:
            self.trouble = f"{error.problem} {error.remedy}"
            self._progress("failed", 0.0)
        except _EndedError:
            pass
        except Exception as error:  # a bug is said on the page and in the terminal
            LOG.exception("%s: a bug", self.title)
            self.trouble = f"{type(error).__name__}: {error}"
            self._progress("failed", 0.0)

    def _hearing_of(self, seed: int, source: Source) -> Hearing:
        assert self.looked is not None
        config = replace(self.config, seed=seed)
        return open_hearing(source, self.looked.features, config, self._rendered, self.hearing)

    def _rendered(self, spans: list[Span]) -> None:
        self._tell({"spans": spans})

    def _progress(self, stage: str, done: float) -> None:
        if stage != self.stage or done - self.done >= 0.01 or done == 1:
            self.stage, self.done = stage, done
            self._tell({"stage": stage, "done": round(done, 3), "trouble": self.trouble})

    def _look(self, source: Source) -> Looked:
        times: list[float] = []
        length = self.duration or 1.0

        def watched(pictures: Iterator[Picture]) -> Iterator[Picture]:
            end = Fraction(0)
            for picture in pictures:
                if self._ended.is_set():
                    raise _EndedError
                times.append(float(picture.time))
                end = picture.end
                self._progress("looking", min(0.99, float(picture.time) / length))
                yield picture
            times.append(float(end))

        if self.shot is None:
            pictures = decode_pictures(self.clip, self.film.start, self._end)
            features = source.encode(watched(pictures))
        else:
            features = shot_features(self.shot, source)
            end = self.film.start + max(self.shot.duration * self.speed, Fraction(1, 25))
            times += [float(p.time) for p in decode_pictures(self.clip, self.film.start, end)]
            times.append(float(end - self.film.start))
        return Looked(features, np.array(times))

    def _told(self, features: Features) -> Features:
        """With what the user's own model says (``--eyes``), where a sheet is to be made."""
        start = self.film.start
        clock = shot_clock(self.shot) if self.shot else lambda time: start + time
        if self.shot and not self.shot.speed:
            return features
        return tell(features, self.clip, open_eyes(self.config), clock)

    def _key(self, source: Source) -> Path:
        span = [str(self.film.start), str(self._end), str(self.speed)]
        span += [str(self.shot.duration)] if self.shot else []
        said = [VERSION, source.name, source.fingerprint, self.config.encoder, *span]
        name = hashlib.blake2b(json.dumps(said).encode(), digest_size=8).hexdigest()
        return cache_folder("edit") / self.film.hash / f"{name}.looked"

    def _remember(self, source: Source, looked: Looked) -> None:
        features = looked.features
        if not features.says_what:
            return  # a model that follows the picture itself needs all that was seen
        path = self._key(source)
        make_folder(path.parent)
        cuts = [[cut.numerator, cut.denominator] for cut in (features.duration, *features.cuts)]
        with atomic_output(path, overwrite=True) as beside:
            curves = {"hits": features.hits, "activity": features.activity}
            kept = {name: np.ascontiguousarray(curve) for name, curve in curves.items()}
            save_file(
                {**kept, "frames": looked.frames, "cuts": np.array(cuts, np.int64)}, str(beside)
            )

    def _recalled(self, source: Source) -> Looked | None:
        """What was seen the last time, where a sheet says what sounds."""
        path = self._key(source)
        if self.session is None or not path.is_file():
            return None
        try:
            kept = load_file(str(path))
            duration, *cuts = (Fraction(int(a), int(b)) for a, b in kept["cuts"])
            nothing = np.zeros((1, 384), np.float32)
            seen = Features.assemble(nothing, kept["hits"], kept["activity"], duration, tuple(cuts))
            return Looked(seen, kept["frames"])
        except Exception:  # a file cut short: it is looked at again
            return None


@dataclass
class Project:
    """All that one `foley edit` has open.

    Args:
        config: the options it was asked with.
        out: the video, or the timeline, that is rendered.
        plan: of a timeline; None for one film.
    """

    config: GenerateConfig
    out: Path
    plan: ReelPlan | None = None
    desks: list[Desk] = field(default_factory=list)
    listeners: list[Tell] = field(default_factory=list)
    rendering: bool = False
    gains: Path | None = None  # a table of `foley highlight`, whose curves are seen
    most_takes: int = EDIT.takes
    show_takes: bool = False
    _source: Source | None = None
    _out: threading.Thread | None = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: Any = field(default_factory=threading.RLock)

    def source(self) -> Source:
        """The source of sound, opened once."""
        with self._lock:
            if self._source is None:
                self._source = open_source(self.config)
            return self._source

    @property
    def takes(self) -> list[int]:
        """The seeds of the takes that can be looked at; of a timeline there are none."""
        first = self.config.seed
        return [] if self.plan else list(range(first, first + self.most_takes))

    def tell(self, number: int, said: dict[str, Any]) -> None:
        """Let every window know what happened to a desk."""
        for listener in list(self.listeners):
            listener({"desk": number, **said})

    def add(self, title: str, clip: Clip, sheet: Path, shot: Shot | None = None) -> Desk:
        """Put a film on a desk of its own."""
        number, config = len(self.desks), self.config
        if shot is not None:
            config = replace(config, seed=config.seed * 1_000_003 + shot.seed)
        desk = Desk(
            title, clip, sheet, config, self.source, lambda said: self.tell(number, said), shot
        )
        self.desks.append(desk)
        return desk

    def close(self) -> None:
        """Stop what is being rendered, which leaves nothing behind, and let go of all sheets."""
        self._ended.set()
        if self._out is not None:
            self._out.join(LONGEST_STOP)
        for desk in self.desks:
            desk.close()

    def render(self, *, overwrite: bool) -> None:
        """Begin to make what ``foley gen --cues`` (or ``foley timeline --cues``) makes of the
        sheets; told as it goes.

        Raises:
            UsageError: it is being made already.
        """
        with self._lock:
            if self.rendering:
                raise UsageError("It is being rendered already.", "Wait for it.")
            self.rendering = True
        self._out = threading.Thread(
            target=self._render, args=(overwrite,), daemon=True, name="foley-edit-out"
        )
        self._out.start()

    def _render(self, overwrite: bool) -> None:
        try:
            said = self._rendered_reel(overwrite) if self.plan else self._rendered_clip(overwrite)
            self.tell(-1, {"rendered": said})
        except FoleyError as error:
            self.tell(-1, {"failed": error.problem, "remedy": error.remedy,
                           "exists": error.exit_code == 6})  # fmt: skip
        except _EndedError:
            pass
        except Exception as error:
            LOG.exception("a bug")
            self.tell(-1, {"failed": f"{type(error).__name__}: {error}", "remedy": ""})
        finally:
            self.rendering = False

    def _check_end(self) -> None:
        if self._ended.is_set():
            raise _EndedError

    def _rendered_clip(self, overwrite: bool) -> dict[str, Any]:
        desk = self.desks[0]
        config = replace(self.config, cues=str(desk.sheet), seed=desk.seed, overwrite=overwrite)
        shown = [-1.0]

        def progress(stage: str, done: float) -> None:
            self._check_end()
            if abs(done - shown[0]) >= 0.01:
                shown[0] = done
                self.tell(-1, {"rendering": stage, "done": round(done, 3)})

        take = generate(desk.clip.path, self.out, config, self.source(), progress).takes[0]
        track = f'audio track {take.track.number}, "{take.track.title}"'
        return {"out": str(take.out), "said": track, "hash": take.waveform_hash}

    def _rendered_reel(self, overwrite: bool) -> dict[str, Any]:
        assert self.plan is not None
        config = replace(self.config, overwrite=overwrite)

        def progress(done: int) -> None:
            self._check_end()
            self.tell(-1, {"rendering": "shots", "done": round(done / len(self.desks), 3)})

        folder = self.plan.folder
        edited = any((folder / f"{name}.csv").is_file() for name in self.plan.names)
        result = sound_reel(self.plan, config, self.source(), folder if edited else None, progress)
        said = f"{len(result.sounds)} sounds, stem {self.plan.stem}"
        if result.failures:
            said += f"; {len(result.failures)} shots stay silent"
        return {"out": str(self.out), "said": said, "hash": result.stem_hash}


def open_project(
    path: Path,
    config: GenerateConfig,
    out: Path | None = None,
    *,
    clip: Path | None = None,
    roots: tuple[Path, ...] = (),
    rate: Fraction | None = None,
) -> Project:
    """Open what a name means: a clip, a cue sheet, a recipe or a timeline.

    A clip's sheet is ``<name>_cues.csv`` beside it, or ``config.cues``; found in the picture where
    there is none yet.

    Args:
        path: the file.
        config: options, as for ``foley gen``.
        out: what is rendered; named as ``foley gen`` and ``foley timeline`` name it when None.
        clip: the film of a sheet.
        roots: folders in which a timeline's films are looked for.
        rate: frames a second of an EDL.

    Raises:
        FoleyError: it cannot be opened.
    """
    if path.name.endswith(".foley.json"):
        return _of_recipe(path, config, out)
    if path.suffix.lower() in SUFFIXES:
        return _of_timeline(path, config, out, roots, rate)
    if path.suffix.lower() == ".csv":
        clip = clip or _clip_of(path)
        config = replace(config, cues=str(path))
        path = clip
    film = probe(path)
    sheet = Path(config.cues) if config.cues else film.path.with_name(f"{film.path.stem}_cues.csv")
    if config.cues and not sheet.is_file():
        raise MediaError(f"{sheet} does not exist.", "Check the name.")
    project = Project(config, out or name_output(film.path))
    project.add(film.path.name, film, sheet.absolute())
    project.desks[0].open()
    return project


def _of_recipe(path: Path, config: GenerateConfig, out: Path | None) -> Project:
    made = read_recipe(path)
    film = probe(find_clip(made, path))
    sheet = path.with_name(f"{path.name.removesuffix('.foley.json')}_cues.csv")
    if not sheet.is_file():
        write_cues(sheet, made.cues)
    config = replace(made.config, model=made.source, device=config.device, offline=config.offline)
    project = Project(config, out or path.with_name(made.out))
    project.add(film.path.name, film, sheet.absolute())
    project.desks[0].open()
    return project


def _of_timeline(
    path: Path,
    config: GenerateConfig,
    out: Path | None,
    roots: tuple[Path, ...],
    rate: Fraction | None,
) -> Project:
    out = out or path.with_name(f"{path.stem}_sfx{path.suffix}")
    plan = plan_reel(
        path,
        out,
        roots=roots,
        rate=rate,
        stems=config.stems,
        room=not config.is_dry,
        overwrite=True,
    )
    project = Project(replace(config, stems=False), out, plan)
    for shot, name in zip(plan.shots, plan.names, strict=True):
        title = f"{shot.number}  {plan.timeline.timecode(shot.event.start)}  {shot.event.name}"
        project.add(title, shot.film, (plan.folder / f"{name}.csv").absolute(), shot)
    project.desks[0].open()
    return project


def _clip_of(sheet: Path) -> Path:
    """The film of a sheet: what its journal says, or the one beside it that it is named after.

    Raises:
        UsageError: none, or several.
    """
    journal = journal_path(sheet)
    if journal.is_file():
        with suppress(OSError, ValueError, KeyError, TypeError):
            with journal.open(encoding="utf-8") as lines:
                said = Path(json.loads(lines.readline())["about"]["clip"])
            if said.is_file():
                return said
    if not sheet.is_file():
        raise MediaError(f"{sheet} does not exist.", "Check the name.")
    beside = [p for p in sheet.parent.iterdir() if p.suffix.lower() in VIDEO_SUFFIXES]
    named = [p for p in beside if sheet.stem in (p.stem, f"{p.stem}_cues")]
    if len(named) != 1:
        raise UsageError(f"Which film is {sheet.name} of?", "Say it: foley edit FILM --cues SHEET.")
    return named[0]
