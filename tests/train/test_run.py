"""Runs that stop, break and go on."""

import logging
import os
import resource
import runpy
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from foleycli.errors import FoleyError, ModelError, UsageError
from foleycli.train import checkpoint, run
from foleycli.train.curves import read_curve
from foleycli.train.run import RunOptions
from tests.train.toy import TOY, train

EVERY = RunOptions(device="cpu", save=0)


def same(first, second) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


class StopAt:
    """A progress callback that raises after so many updates."""

    def __init__(self, update: int, error: BaseException) -> None:
        self.update, self.error = update, error

    def __call__(self, done: int, updates: int, loss: float) -> None:
        if done == self.update:
            raise self.error


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole") / "run", options=EVERY)


def test_a_run_that_stopped_ends_with_the_same_numbers(whole, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(RuntimeError):
        train(out, options=replace(EVERY, progress=StopAt(7, RuntimeError())))
    assert same(whole, train(out, options=EVERY))
    updates = read_curve(out / "loss.csv")["update"]
    assert updates.tolist() == list(range(1, 13))
    assert read_curve(out / "validation.csv")["update"].tolist() == [5, 10, 12]


@pytest.mark.parametrize("signals", [1, 2])  # torchrun hands on a Ctrl-C that was heard already
def test_a_signal_lets_the_update_end_and_be_saved(whole, tmp_path, signals):
    out = tmp_path / "run"

    def terminate(done, updates, loss):
        if done == 5:
            for _ in range(signals):
                os.kill(os.getpid(), signal.SIGTERM)

    rarely = RunOptions(device="cpu", save=3600, progress=terminate)
    with pytest.raises(KeyboardInterrupt):
        train(out, options=rarely)
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["00000006"]
    assert same(whole, train(out, options=EVERY))


def test_a_later_second_signal_does_not_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "ONE_SIGNAL", 0.0)
    seen = []

    def terminate_twice(done, updates, loss):
        seen.append(done)
        if done == 5:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            pytest.fail("it waited for the update")

    rarely = RunOptions(device="cpu", save=3600, progress=terminate_twice)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", options=rarely)
    assert seen[-1] == 5
    assert not (tmp_path / "run" / "checkpoints").exists()


KILLED_IN_A_SAVE = """
import os, signal, sys
from pathlib import Path
from safetensors.torch import save_file
from foleycli.train import checkpoint
from tests.train.toy import train
from foleycli.train.run import RunOptions
saves = []
def die(tensors, path):
    save_file(tensors, path)
    saves.append(path)
    if len(saves) == 4:
        path.write_bytes(path.read_bytes()[:100])
        os.kill(os.getpid(), signal.SIGKILL)
checkpoint.save_file = die
train(Path(sys.argv[1]), options=RunOptions(device="cpu", save=0))
"""


def test_a_kill_in_the_middle_of_a_save_loses_one_interval(whole, tmp_path):
    out = tmp_path / "run"
    died = subprocess.run([sys.executable, "-c", KILLED_IN_A_SAVE, str(out)], check=False)
    assert died.returncode == -signal.SIGKILL
    kept = checkpoint.list_checkpoints(out / "checkpoints")
    assert [path.name for path in kept] == ["00000001", "00000002", "00000003"]
    assert list((out / "checkpoints").glob(".*"))
    assert same(whole, train(out, options=EVERY))
    assert not list((out / "checkpoints").glob(".*"))


def test_a_kill_at_any_time_is_survived(whole, tmp_path):
    """Killed where it happens to be, several times, a run ends as if it never was."""
    out = tmp_path / "run"
    toy = [sys.executable, "-m", "tests.train.toy", str(out)]
    process = subprocess.Popen(toy)
    deadline = time.monotonic() + 60
    while not checkpoint.list_checkpoints(out / "checkpoints") and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert same(whole, train(out, options=EVERY))


def test_a_damaged_checkpoint_is_passed_over(whole, tmp_path, caplog):
    out = tmp_path / "run"
    with pytest.raises(RuntimeError):
        train(out, options=replace(EVERY, progress=StopAt(7, RuntimeError())))
    newest = checkpoint.list_checkpoints(out / "checkpoints")[-1]
    (newest / checkpoint.WEIGHTS).write_bytes(b"nothing")
    with caplog.at_level(logging.WARNING, "foleycli"):
        assert same(whole, train(out, options=EVERY))
    assert "is damaged" in caplog.text


def test_where_all_checkpoints_are_damaged_nothing_is_begun_again(tmp_path):
    out = tmp_path / "run"
    train(out, options=EVERY)
    for path in checkpoint.list_checkpoints(out / "checkpoints"):
        (path / checkpoint.STATE).write_bytes(b"nothing")
    with pytest.raises(ModelError, match="No checkpoint"):
        train(out, options=EVERY)


def test_checkpoints_hold_no_code(tmp_path):
    train(tmp_path / "run", options=EVERY)
    newest = checkpoint.list_checkpoints(tmp_path / "run" / "checkpoints")[-1]
    state = torch.load(newest / checkpoint.STATE, weights_only=True)
    assert (state["done"], set(state)) == (12, {"done", "hours", "optimizers", "chances"})


def test_the_last_checkpoints_stay(tmp_path):
    train(tmp_path / "run", options=replace(EVERY, keep=2))
    kept = checkpoint.list_checkpoints(tmp_path / "run" / "checkpoints")
    assert [path.name for path in kept] == ["00000011", "00000012"]


def test_a_batch_learned_in_parts_gives_the_gradient_of_the_whole():
    torch.manual_seed(0)
    model, inputs = torch.nn.Linear(3, 1), torch.randn(8, 3)
    model(inputs).square().mean().backward()
    once = model.weight.grad.clone()
    model.zero_grad()
    for part in inputs.split(2):
        (model(part).square().mean() / 4).backward()
    assert torch.allclose(model.weight.grad, once)


def test_a_run_in_parts_and_one_at_once_draw_the_same_number_of_examples(tmp_path):
    with pytest.raises(UsageError, match="batch of 4"):
        train(tmp_path / "run", replace(TOY, accumulate=3))
    train(tmp_path / "run", replace(TOY, accumulate=2))


def test_gradients_are_clipped(tmp_path, monkeypatch):
    norms = []
    keep = run.nn.utils.clip_grad_norm_

    def clip(parameters, limit):
        norm = keep(parameters, limit)
        norms.append(float(torch.stack([p.grad.norm() for p in parameters]).norm()))
        return norm

    monkeypatch.setattr(run.nn.utils, "clip_grad_norm_", clip)
    train(tmp_path / "run", replace(TOY, clip=0.1), scale=1000.0)
    assert max(norms) == pytest.approx(0.1, rel=1e-3)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(RuntimeError):
        train(out, options=replace(EVERY, progress=StopAt(5, RuntimeError())))
    before = checkpoint.read_latest(out / "checkpoints")
    with pytest.raises(FoleyError, match="nan at update 5"):
        train(out, options=EVERY, scale=float("nan"))
    after = checkpoint.read_latest(out / "checkpoints")
    assert after.folder == before.folder
    assert same(before.weights, after.weights)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    weights = {"model.weight": torch.zeros(100)}
    checkpoint.write_checkpoint(tmp_path, 1, weights, {"done": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, limits[1]))  # as much as the disk still has
    try:
        with pytest.raises(FoleyError, match=r"not written|Could not write"):
            checkpoint.write_checkpoint(tmp_path, 2, {"w": torch.zeros(100_000)}, {"done": 2})
        with pytest.raises(FoleyError, match=r"not written|Could not write"):
            checkpoint.write_checkpoint(tmp_path, 2, weights, {"big": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [path.name for path in tmp_path.iterdir()] == ["00000001"]
    assert checkpoint.read_latest(tmp_path).state == {"done": 1}


def test_a_folder_holds_one_run(tmp_path, caplog):
    out = tmp_path / "run"
    train(out, replace(TOY, updates=2))
    with pytest.raises(UsageError, match=r"width 8 \(asked: 16\)"):
        train(out, replace(TOY, width=16))
    with pytest.raises(UsageError, match=r"preset small \(asked: paper\)"):
        train(out, options=RunOptions(device="cpu", preset="paper"))
    with caplog.at_level(logging.WARNING, "foleycli"):
        train(out, replace(TOY, updates=3))
    assert "updates 3 in place of 2" in caplog.text


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    train(tmp_path / "run")
    settings = tmp_path / "run" / "run.json"
    settings.write_text(settings.read_text().replace('"width": 8', '"width": 16'))
    with pytest.raises(ModelError, match="another network"):
        train(tmp_path / "run", replace(TOY, width=16, updates=20))


def test_the_rate_rises_stays_and_falls(tmp_path):
    train(tmp_path / "run", replace(TOY, updates=20, warm_up=4, cool_down=0.5, rate=1.0))
    rates = read_curve(tmp_path / "run" / "loss.csv")["rate"]
    assert rates[:5].tolist() == [0.25, 0.5, 0.75, 1, 1]
    assert rates[-3:].tolist() == pytest.approx([0.3, 0.2, 0.1])


def test_curves_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    train(tmp_path / "run")
    assert (tmp_path / "run" / "loss.png").read_bytes()[:4] == b"\x89PNG"


def test_tensorboard_is_written_or_said_to_be_missing(tmp_path):
    asked = RunOptions(device="cpu", tensorboard=True)
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(UsageError, match="pip install tensorboard"):
            train(tmp_path / "run", options=asked)
        return
    train(tmp_path / "run", options=asked)
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


GLOO = """
import os, sys, torch
import torch.distributed as dist
from torch import nn
from foleycli.config import TrainingConfig
from foleycli.train.run import Run, RunOptions, gather
from pathlib import Path
torch.manual_seed(0)
examples, model = torch.randn(8, 3), nn.Linear(3, 4)
config = TrainingConfig(updates=1, batch=8, rate=1.0, warm_up=1, cool_down=0, clip=1e9)
with Run(Path(sys.argv[1]), "toy", config, RunOptions(device="cpu")) as run:
    with run.first_alone():
        made = Path(sys.argv[1]).with_suffix(".cache")
        assert run.rank == 0 or made.exists()
        made.touch()
    sgd = torch.optim.SGD(model.parameters(), 1.0)
    run.begin({"model": model}, {"sgd": sgd}, {"r": run.generator()})
    while run.goes_on():
        mine = examples[run.rank * run.share : (run.rank + 1) * run.share]
        rows = gather(model(mine), run.world)
        contrast = (rows @ rows.T).logsumexp(1).mean()  # needs the whole batch
        alone = model(mine).square().mean()  # a mean over examples
        run.backward(contrast + alone)
        run.step(sgd)
        run.end_update()
"""


def test_two_processes_give_the_gradient_of_one(tmp_path, monkeypatch):
    """From the same weights, one step of plain descent ends at the same weights."""
    script = tmp_path / "recipe.py"
    script.write_text(GLOO)
    together = {
        **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd()), "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
    }  # fmt: skip
    command = [sys.executable, str(script), str(tmp_path / "two")]
    two = [subprocess.Popen(command, env=together | {"RANK": str(rank)}) for rank in (0, 1)]
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "one")])
    runpy.run_path(str(script))
    assert [process.wait(timeout=120) for process in two] == [0, 0]
    one, two = (checkpoint.read_latest(tmp_path / name / "checkpoints") for name in ("one", "two"))
    for name, tensor in one.weights.items():
        assert torch.allclose(tensor, two.weights[name], atol=1e-6), name
    losses = [read_curve(tmp_path / name / "loss.csv")["loss"][0] for name in ("one", "two")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert len(two.state["chances"]) == 2


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_another_configuration_is_refused_before_data_are_read(tmp_path):
    train(tmp_path)
    with (
        pytest.raises(UsageError, match="width 8"),
        run.Run(tmp_path, "toy", replace(TOY, width=9), RunOptions(device="cpu")),
    ):
        pytest.fail("data would be read here")


def test_a_damaged_note_of_the_settings_is_named(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ModelError, match=r"run.json is damaged"):
        train(tmp_path)


def test_a_signal_while_data_are_made_ready_does_not_wait(tmp_path):
    with (
        pytest.raises(KeyboardInterrupt),
        run.Run(tmp_path, "toy", TOY, RunOptions(device="cpu")),
    ):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)
        pytest.fail("it waited for an update")
