"""A recipe as small as can be, trained in another process so that it can be killed."""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from foleycli.config import TrainingConfig
from foleycli.train.run import Run, RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyConfig(TrainingConfig):
    """One size of its own."""

    width: int = 8


TOY = ToyConfig(updates=12, batch=4, rate=1e-2, warm_up=2, validate=5, bf16=False)


def train(
    out: Path, config: ToyConfig = TOY, options: RunOptions | None = None, scale: float = 1.0
) -> dict[str, Tensor]:
    """Learn a line with dropout; the weights of its moving average."""
    with Run(out, "toy", config, options or RunOptions(device="cpu")) as run:
        model = nn.Sequential(
            nn.Linear(3, config.width), nn.Dropout(0.5), nn.Linear(config.width, 1)
        )
        average = run.average_of(model)
        optimizer = torch.optim.AdamW(model.parameters(), config.rate)
        random = run.generator()
        run.begin({"model": model, "average": average}, {"optimizer": optimizer}, {"r": random})
        while run.goes_on():
            run.set_rate(optimizer)
            for _ in range(config.accumulate):
                inputs = torch.randn(run.share, 3, generator=random)
                loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean() * scale
                run.backward(loss)
            run.step(optimizer)
            run.follow(average, model)
            run.end_update()
            if run.is_due():
                run.validated(loss=0.5)
        return average.state_dict()


if __name__ == "__main__":
    train(Path(sys.argv[1]), options=RunOptions(device="cpu", save=0))
