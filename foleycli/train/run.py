"""A training run that can be relied on: what every recipe would otherwise repeat.

A recipe reads, top to bottom::

    with Run(out, "align", config, options) as run:
        model = Alignment(...).to(run.device)
        average = run.average_of(model)
        optimizer = torch.optim.AdamW(model.parameters(), config.rate)
        random = run.generator()
        run.begin({"model": model, "average": average}, {"optimizer": optimizer}, {"r": random})
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                with run.autocast():
                    loss = ...  # of run.share examples
                run.backward(loss)
            run.step(optimizer)
            run.follow(average, model)
            run.end_update()

It stops at Ctrl-C, SIGTERM and SIGKILL, and the same command goes on with the same numbers as if it
had not. Under ``torchrun`` every process learns from its share of a batch, gradients are averaged,
and the first process writes.
"""

import json
import math
import os
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
import torch.distributed as dist
import torch.distributed.nn.functional as dist_nn
from torch import Tensor, nn

from foleycli.config import TrainingConfig
from foleycli.errors import FoleyError, ModelError, UsageError
from foleycli.output import atomic_output, check_output, make_folder
from foleycli.train.checkpoint import logger, read_latest, write_checkpoint
from foleycli.train.curves import Curve, draw_curves, open_tensorboard, tensorboard_writer

Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config", bound=TrainingConfig)
Random = torch.Generator | np.random.Generator
MAY_CHANGE = {field.name for field in fields(TrainingConfig)}  # when a run goes on
RUN = "run.json"
DRAWN_EVERY = 60  # seconds between two pictures of the curve, at least
ONE_SIGNAL = 1.0  # seconds within which signals to stop are one


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What does not belong to the recipe but to the one who runs it."""

    preset: str = "small"
    device: str = "auto"
    seed: int = 0
    save: float = 180.0  # seconds between checkpoints
    keep: int = 3  # checkpoints that stay
    tensorboard: bool = False
    progress: Callable[[int, int, float], None] = lambda done, updates, loss: None


class Run(Generic[Config]):
    """One stage being trained in a folder."""

    def __init__(self, out: Path, stage: str, config: Config, options: RunOptions) -> None:
        self.out, self.stage, self.config, self.options = out, stage, config, options
        self.done, self.hours = 0, 0.0
        self.world, self.rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
        self.device = self._choose_device(options.device)
        parts = self.world * config.accumulate
        if config.batch % parts:
            raise UsageError(
                f"A batch of {config.batch} cannot be shared out to {parts} parts.",
                "Choose a batch that the processes times --accumulate divide.",
            )
        self.share = config.batch // parts  # examples this process draws at a time
        torch.manual_seed(options.seed)
        self._loss = 0.0  # of this update so far
        self._begun = False  # `begin` was called, so that there is something to save
        self._asked = math.inf  # when this process was first asked to stop
        self._due = self._stopping = self._unsaved = False  # as all processes agree
        self._learned = self._held_out = None  # curves, of the first process
        self._board: Any = None  # TensorBoard's writer, which is not installed everywhere

    def _choose_device(self, name: str) -> torch.device:
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cuda" and not torch.cuda.is_available():
            raise UsageError("There is no CUDA device.", "Train with --device cpu.")
        if name == "cpu":
            torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
            return torch.device("cpu")
        torch.backends.cudnn.deterministic = True  # so that a run that stopped ends as one that not
        if name == "cuda" and self.world > 1:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        return torch.device(name)

    def __enter__(self) -> "Run[Config]":
        check_folder(self.out, self._settings(), MAY_CHANGE)  # before what takes long
        if self.options.tensorboard:
            tensorboard_writer()
        if self.world > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        self._handlers = {}
        with suppress(ValueError):  # not the main thread: whoever started it will stop it
            for sign in (signal.SIGINT, signal.SIGTERM):
                self._handlers[sign] = signal.signal(sign, self._ask_to_stop)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for sign, handler in self._handlers.items():
            signal.signal(sign, handler)
        for log in (self._learned, self._held_out, self._board):
            if log:
                log.close()
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()

    def _ask_to_stop(self, number: int, _frame: object) -> None:
        """The first signal lets the update end and be saved; a second one does not wait, nor does
        one that comes while data are made ready. ``torchrun`` hands on a Ctrl-C that its processes
        have heard already, so what follows at once is the same signal."""
        if not self._begun or time.monotonic() > self._asked + ONE_SIGNAL:
            raise KeyboardInterrupt
        self._asked = min(self._asked, time.monotonic())

    # ------------------------------------------------------------------ before the first update

    def generator(self) -> torch.Generator:
        """A source of chance of its own to each process."""
        return torch.Generator().manual_seed(self.options.seed * 1000 + self.rank)

    @property
    def seed(self) -> int:
        """The seed of this process: for what draws examples."""
        return self.options.seed * 1000 + self.rank

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """What is inside is done by the first process, then by the others: caches are made once."""
        if self.rank:
            dist.barrier()
        yield
        if self.world > 1 and self.rank == 0:
            dist.barrier()

    def average_of(self, model: Network) -> Network:
        """A copy of a model that will `follow` it."""
        return deepcopy(model).requires_grad_(False)

    def begin(
        self,
        modules: Mapping[str, nn.Module],
        optimizers: Mapping[str, torch.optim.Optimizer],
        randoms: Mapping[str, Random],
    ) -> None:
        """Say what a checkpoint holds, and go on from the last one if there is one.

        Raises:
            UsageError: the folder holds a run of another stage, preset or configuration.
            ModelError: its checkpoints are damaged or do not fit.
        """
        self.modules, self.optimizers, self.randoms = modules, optimizers, randoms
        self._keep_settings()
        checkpoint = read_latest(self.out / "checkpoints")
        if checkpoint:
            self._restore(checkpoint.module, checkpoint.state)
        elif self.world > 1:
            for module in modules.values():
                for tensor in [*module.parameters(), *module.buffers()]:
                    dist.broadcast(tensor.data, 0)
            torch.manual_seed(self.seed)
        if self.rank == 0:
            self._learned = Curve(self.out / "loss.csv", self.done)
            self._held_out = Curve(self.out / "validation.csv", self.done)
            if self.options.tensorboard:
                self._board = open_tensorboard(self.out / "tensorboard")
        self._began = self._saved = self._ticked = time.monotonic()
        self._drawn = -math.inf
        self._begun = True

    def _settings(self) -> dict[str, Any]:
        """What is trained, and how."""
        about = {"stage": self.stage, "preset": self.options.preset, "seed": self.options.seed}
        return about | asdict(self.config)

    def _keep_settings(self) -> None:
        for key, held, asked in check_folder(self.out, self._settings(), MAY_CHANGE):
            logger.warning("goes on with %s %s in place of %s", key, asked, held)
        if self.rank == 0:
            keep_folder(self.out, self._settings())

    def _restore(self, weights: Callable[[str], dict[str, Tensor]], state: dict[str, Any]) -> None:
        try:
            for name, module in self.modules.items():
                module.load_state_dict(weights(name))
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])
            self.done, self.hours = state["done"], state["hours"]
            chances = state["chances"]
        except (KeyError, RuntimeError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ModelError(
                f"The checkpoint in {self.out} is of another network ({reason}).",
                "Give another --out, or the version of foleycli that made it.",
            ) from error
        if len(chances) == self.world:
            self._set_chance(chances[self.rank])
            return
        logger.warning(
            "%d processes in place of %d: chance is drawn anew", self.world, len(chances)
        )
        for random in self.randoms.values():
            _reseed(random, self.seed + 7919 * self.done)
        torch.manual_seed(self.seed + 7919 * self.done)

    # ------------------------------------------------------------------------------- an update

    def goes_on(self) -> bool:
        """Whether there is an update to make; saves when that is due, and at the end.

        Raises:
            KeyboardInterrupt: it was asked to stop; the checkpoint is written.
        """
        ended = self.done >= self.config.updates
        if self._due or (ended and self._unsaved):
            self.save()
        if self._stopping and not ended:
            raise KeyboardInterrupt
        return not ended

    @property
    def rate(self) -> float:
        """The learning rate of this update: up over the first, level, down over the last."""
        config = self.config
        left = (config.updates - self.done) / max(1.0, config.cool_down * config.updates)
        return config.rate * min(1.0, (self.done + 1) / max(1, config.warm_up), left)

    def set_rate(self, *optimizers: torch.optim.Optimizer) -> None:
        """Give optimizers the rate of this update, a group with ``times`` so many times that."""
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.rate * group.get("times", 1)

    def autocast(self) -> torch.autocast:
        """bfloat16 inside, where the configuration asks for it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16)

    def backward(self, loss: Tensor) -> None:
        """Take the gradient of one part of a batch, and count its loss in the update's."""
        part = loss / self.config.accumulate
        part.backward()
        self._loss += float(part.detach())

    def step(self, *optimizers: torch.optim.Optimizer) -> float:
        """Average gradients over processes, clip them, learn, and clear them; their norm.

        Raises:
            FoleyError: a gradient is no number; nothing was learned from it.
        """
        held = [p for o in optimizers for group in o.param_groups for p in group["params"]]
        parameters = [parameter for parameter in held if parameter.grad is not None]
        average_gradients(parameters, self.world)
        norm = float(nn.utils.clip_grad_norm_(parameters, self.config.clip))
        if not math.isfinite(norm):
            raise self._no_number("gradient", norm)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return norm

    def follow(self, average: nn.Module, model: nn.Module) -> None:
        """Move the average a little towards the model, more in the first updates."""
        keep = min(self.config.average, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)
            for slow, fast in zip(average.buffers(), model.buffers(), strict=True):
                slow.copy_(fast)

    def end_update(self, **losses: Tensor | float) -> None:
        """Count the update and log its losses: that of `backward` unless ``loss`` is given.

        Raises:
            FoleyError: a loss is no number; the last checkpoint is as it was.
        """
        losses, self._loss = {"loss": self._loss, **losses}, 0.0
        now = time.monotonic()
        due = now - self._saved >= self.options.save
        numbers = [as_number(loss) for loss in losses.values()]
        *numbers, due, stop = self._agree([*numbers, float(due), float(self._asked < math.inf)])
        self._due, self._stopping, self._unsaved = bool(due or stop), bool(stop), True
        if not all(math.isfinite(number) for number in numbers):
            raise self._no_number("loss", numbers[0])
        rate = self.rate
        self.done += 1
        if self._learned:
            values = dict(zip(losses, numbers, strict=True))
            self._learned.add(self.done, **values, rate=rate, seconds=now - self._ticked)
            self._show("training", values)
        self._ticked = now
        if self.rank == 0:
            self.options.progress(self.done, self.config.updates, numbers[0])

    def _agree(self, numbers: list[float]) -> list[float]:
        """Mean of losses over processes; of the two flags at the end, whether any says so."""
        if self.world == 1:
            return numbers
        together = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(together)
        *losses, due, stop = (together / self.world).tolist()
        return [*losses, math.ceil(due), math.ceil(stop)]

    def _no_number(self, what: str, value: float) -> FoleyError:
        return FoleyError(
            f"The {what} is {value} at update {self.done + 1}; the last checkpoint is intact.",
            "Go on from it with a lower --rate, or without bf16.",
        )

    def is_due(self) -> bool:
        """Whether held-out examples are looked at after this update."""
        return self.done % self.config.validate == 0 or self.done == self.config.updates

    def validated(self, **losses: Tensor | float) -> None:
        """Log what held-out examples gave."""
        if not self._held_out:
            return
        values = {name: as_number(loss) for name, loss in losses.items()}
        self._held_out.add(self.done, **values)
        self._show("held out", values)

    def _show(self, where: str, values: Mapping[str, float]) -> None:
        for name, value in values.items() if self._board else ():
            self._board.add_scalar(f"{where}/{name}", value, self.done)

    # ---------------------------------------------------------------------------------- saving

    def save(self) -> None:
        """Write a checkpoint now."""
        chances = self._gather_chances()
        now = time.monotonic()
        if self.rank == 0:
            weights = {
                f"{name}.{key}": tensor
                for name, module in self.modules.items()
                for key, tensor in module.state_dict().items()
            }
            state = {
                "done": self.done,
                "hours": self.hours + (now - self._began) / 3600,
                "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
                "chances": chances,
            }
            write_checkpoint(self.out / "checkpoints", self.done, weights, state, self.options.keep)
            if now - self._drawn > DRAWN_EVERY or self.done == self.config.updates:
                draw_curves(self.out)
                self._drawn = now
        self._saved, self._due, self._unsaved = time.monotonic(), False, False

    def _gather_chances(self) -> list[dict[str, Any]]:
        """The state of every source of chance, a dict a process."""
        mine: dict[str, Any] = {
            name: random.get_state()
            if isinstance(random, torch.Generator)
            else json.dumps(random.bit_generator.state)
            for name, random in self.randoms.items()
        }
        mine["torch"] = torch.get_rng_state()
        if self.device.type == "cuda":
            mine["cuda"] = torch.cuda.get_rng_state(self.device)
        if self.world == 1:
            return [mine]
        gathered: list[Any] = [None] * self.world
        dist.all_gather_object(gathered, mine)
        return gathered

    def _set_chance(self, state: dict[str, Any]) -> None:
        for name, random in self.randoms.items():
            if isinstance(random, torch.Generator):
                random.set_state(state[name])
            else:
                random.bit_generator.state = json.loads(state[name])
        torch.set_rng_state(state["torch"])
        if self.device.type == "cuda" and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self.device)


def check_folder(
    out: Path, settings: Mapping[str, Any], may_change: Collection[str] = ()
) -> list[tuple[str, Any, Any]]:
    """A folder holds one run: refuse what would mix two. It is made if it is not there.

    Returns:
        What may change and does: name, what the run had, what is asked for.

    Raises:
        UsageError: it holds a run with other settings.
        ModelError: its ``run.json`` is damaged.
        FoleyError: it cannot be written to.
    """
    path, asked = out / RUN, json.loads(json.dumps(settings))
    make_folder(out)
    check_output(path, overwrite=True)
    if not path.exists():
        return []
    try:
        held = dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        remedy = "Remove it, or give another --out."
        raise ModelError(f"{path} is damaged ({error}).", remedy) from error
    differs = [(key, held.get(key), asked[key]) for key in asked if held.get(key) != asked[key]]
    if wrong := [change for change in differs if change[0] not in may_change]:
        was = ", ".join(f"{key} {had} (asked: {wanted})" for key, had, wanted in wrong)
        raise UsageError(f"{out} holds a run with {was}.", "Give its options, or another --out.")
    return differs


def keep_folder(out: Path, settings: Mapping[str, Any]) -> None:
    """Note what a folder holds, for `check_folder`."""
    with atomic_output(out / RUN, overwrite=True) as beside:
        beside.write_text(json.dumps(settings, indent=1) + "\n")


def _reseed(random: Random, seed: int) -> None:
    if isinstance(random, torch.Generator):
        random.manual_seed(seed)
    else:
        random.bit_generator.state = type(random.bit_generator)(seed).state


def as_number(value: Tensor | float) -> float:
    """A Python number, whatever the loss is kept as."""
    return float(value.detach()) if isinstance(value, Tensor) else float(value)


def average_gradients(parameters: list[nn.Parameter], world: int) -> None:
    """Mean of the gradients over all processes, in one message.

    Every process must have gradients for the same parameters.
    """
    if world == 1 or not parameters:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def gather(rows: Tensor, world: int) -> Tensor:
    """Rows of all processes, one below another, through which gradients flow back.

    For losses over a whole batch: with it every process computes the loss that one process would,
    and `average_gradients` gives that one's gradient.
    """
    return torch.cat(tuple(dist_nn.all_gather(rows))) if world > 1 else rows
