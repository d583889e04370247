"""A network on an NVIDIA card, launched as one graph in place of hundreds of kernels a step.

At a batch of two the card finishes a kernel before Python has launched the next; a captured graph
takes Python out of the way. Nothing is compiled, so that the first step is as quick as the others.
"""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

logger = logging.getLogger("foleycli")

WARM_UP = 3  # calls before the capture, in which libraries choose their kernels
Function = Callable[..., Tensor]
# A graph, the tensors it reads and the one it writes.
Graph = tuple[torch.cuda.CUDAGraph, list[Tensor], Tensor]


class Captured:
    """A function of tensors on the card, captured once for each set of their shapes.

    What cannot be captured is called as it is.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self._graphs: dict[tuple, Graph | None] = {}

    def __call__(self, *inputs: Tensor) -> Tensor:
        """As the function itself."""
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in inputs)
        if shapes not in self._graphs:
            self._graphs[shapes] = self._capture(inputs)
        captured = self._graphs[shapes]
        if captured is None:
            return self.function(*inputs)
        graph, held, output = captured
        for place, tensor in zip(held, inputs, strict=True):
            place.copy_(tensor)
        graph.replay()
        return output.clone()

    def _capture(self, inputs: tuple[Tensor, ...]) -> Graph | None:
        held = [tensor.clone() for tensor in inputs]
        try:
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(WARM_UP):
                    self.function(*held)
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                output = self.function(*held)
        except RuntimeError as error:
            logger.debug("no graph, step by step instead: %s", error)
            return None
        return graph, held, output
