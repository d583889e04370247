"""A prompt for each frame in diffusers' stock U-Net, and the sampler around it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def per_frame(unet: nn.Module, prompts: Tensor) -> Iterator[None]:
    """Let every spatial transformer of a ``UNet3DConditionModel`` read (n * frames, 77, size):
    a prompt a frame, a video's frames one after another.

    The network repeats one prompt over the frames; a hook before each transformer puts ours in its
    place, which gives what a fork without that line gives, to the last bit.
    """
    from diffusers.models.transformers.transformer_2d import Transformer2DModel

    def put(_module: nn.Module, inputs: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return inputs, {**named, "encoder_hidden_states": prompts}

    hooks = [
        module.register_forward_pre_hook(put, with_kwargs=True)
        for module in unet.modules()
        if isinstance(module, Transformer2DModel)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def predict(unet: Any, latents: Tensor, time: Tensor | int, prompts: Tensor) -> Tensor:
    """The noise in latents (n, 4, frames, h, w), each frame by its own prompt."""
    with per_frame(unet, prompts):
        held = prompts[: len(latents)]  # what the call itself is given is not looked at
        return unet(latents, time, encoder_hidden_states=held).sample


def make_scheduler(config: dict[str, Any] | None = None) -> Any:
    """DPM-Solver++ 2M over the model's own noise schedule."""
    from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler

    schedule = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "prediction_type": "epsilon",
        "steps_offset": 1,
        "clip_sample": False,
        "set_alpha_to_one": False,
    }
    kept = {k: v for k, v in (config or schedule).items() if not k.startswith("_")}
    return DPMSolverMultistepScheduler.from_config(kept)


def sample(
    unet: Any,
    latents: Tensor,
    prompts: Tensor,
    unconditional: Tensor,
    scheduler: Any,
    steps: int,
    guidance: float,
    progress: Callable[[float], None] = lambda _: None,
) -> Tensor:
    """Noise (1, 4, frames, h, w) to latents, by windows where there are more frames than prompts'.

    Args:
        prompts: (windows, 24, 77, size); windows follow one another every 12 frames where there is
            more than one, and their predictions are averaged (arXiv 2302.08113).
        unconditional: (1, 77, size) of the negative prompt.
    """
    scheduler.set_timesteps(steps, device=latents.device)
    latents = latents * scheduler.init_noise_sigma
    frames = prompts.shape[1]
    starts = window_starts(latents.shape[2], frames)
    nothing = unconditional.expand(frames, -1, -1)
    for number, time in enumerate(scheduler.timesteps):
        total = torch.zeros_like(latents)
        count = torch.zeros(latents.shape[2], device=latents.device, dtype=latents.dtype)
        for start, prompt in zip(starts, prompts, strict=True):
            part = latents[:, :, start : start + frames]
            both = torch.cat([nothing, prompt])
            free, led = predict(unet, torch.cat([part, part]), time, both).chunk(2)
            total[:, :, start : start + frames] += free + guidance * (led - free)
            count[start : start + frames] += 1
        noise = total / count[:, None, None]
        latents = _step(scheduler, noise, time, latents)
        progress((number + 1) / steps)
    return latents


def _step(scheduler: Any, noise: Tensor, time: Tensor, latents: Tensor) -> Tensor:
    return scheduler.step(noise, time, latents).prev_sample


def window_starts(total: int, frames: int) -> list[int]:
    """First frames of windows that overlap by half and cover all; the last one ends with it."""
    if total <= frames:
        return [0]
    starts = list(range(0, total - frames, frames // 2))
    return [*starts, total - frames]
