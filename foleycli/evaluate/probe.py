"""A linear probe: can a listener trained on real sounds name the class of these?"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Probe:
    """Softmax regression over standardised embeddings."""

    classes: list[str]
    mean: NDArray[np.float32]  # (size,)
    scale: NDArray[np.float32]  # (size,)
    weight: NDArray[np.float32]  # (size, classes)
    bias: NDArray[np.float32]  # (classes,)

    def logits(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, size) -> (n, classes)"""
        rows = (embeddings - self.mean) / self.scale
        return np.asarray(rows @ self.weight + self.bias, np.float32)

    def top(self, embeddings: NDArray[np.float32], labels: list[str], k: int = 1) -> float:
        """Share of the rows whose label is among the k likeliest classes."""
        best = np.argsort(-self.logits(embeddings), axis=1)[:, :k]
        hits = [
            label in {self.classes[i] for i in row} for row, label in zip(best, labels, strict=True)
        ]
        return float(np.mean(hits))


def fit_probe(
    embeddings: NDArray[np.float32], labels: list[str], decay: float = 1e-3, seed: int = 0
) -> Probe:
    """Fit on (n, size) mean embeddings of the training sounds; the same seed, the same probe.

    Args:
        decay: weight of the squared weights in the loss.
    """
    classes = sorted(set(labels))
    target = torch.tensor([classes.index(label) for label in labels])
    mean, scale = embeddings.mean(axis=0), embeddings.std(axis=0) + 0.1
    rows = torch.from_numpy(((embeddings - mean) / scale).astype(np.float32))
    torch.manual_seed(seed)
    linear = torch.nn.Linear(rows.shape[1], len(classes))
    torch.nn.init.zeros_(linear.weight)
    optimizer = torch.optim.LBFGS(linear.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        fit = torch.nn.functional.cross_entropy(linear(rows), target)
        total = fit + decay * linear.weight.square().sum()
        total.backward()
        return total

    optimizer.step(loss)  # type: ignore[arg-type]  # torch asks for a float, takes a tensor
    weight, bias = linear.weight.detach().numpy().T.copy(), linear.bias.detach().numpy().copy()
    return Probe(classes, mean, scale, weight, bias)
