"""Speeds: what is asked for, what a recipe says, and the flow's corrected steps."""

import json

import pytest
import torch

from foleycli.config import SPEEDS, GenerateConfig
from foleycli.errors import UsageError
from foleycli.latents.flow import sample_flow, sample_flow_corrected
from foleycli.recipe import read_recipe
from foleycli.sources.speed import find_speed, settle


def test_steps_that_are_asked_for_replace_those_of_the_speed():
    assert find_speed(GenerateConfig(), "balanced") == SPEEDS["balanced"]
    assert find_speed(GenerateConfig(speed="fast"), "balanced") == SPEEDS["fast"]
    asked = find_speed(GenerateConfig(speed="fast", steps=9), "balanced")
    assert (asked.steps, asked.corrected) == (9, True)


def test_what_is_settled_does_not_change_with_the_defaults():
    settled = settle(GenerateConfig(), "balanced")
    assert (settled.speed, settled.steps) == ("balanced", SPEEDS["balanced"].steps)
    assert settle(GenerateConfig(), None) == GenerateConfig()


def test_an_unknown_speed_is_refused():
    with pytest.raises(UsageError, match="hasty"):
        GenerateConfig(speed="hasty")


def test_recipes_from_before_speeds_are_made_as_they_were(tmp_path):
    path = tmp_path / "a.foley.json"
    stated = {
        "foleycli": "0", "clip": "a.mp4", "clip_hash": "1", "out": "b.mp4", "source": "small",
        "source_fingerprint": "1", "config": {"steps": 25}, "cues": [], "waveform_hash": "1",
    }  # fmt: skip
    path.write_text(json.dumps(stated))
    config = read_recipe(path).config
    assert (config.speed, config.steps) == ("reference", 25)


def test_corrected_steps_of_a_flow_are_of_second_order():
    """x' = -2 x (1 + t) from 1: exp(-3) at the end."""

    def velocity(latent, time):
        return -2 * latent * (1 + time[:, None])

    noise = torch.ones(1, 1)

    def error(sample, steps):
        return abs(float(sample(velocity, noise, steps)) - float(torch.exp(torch.tensor(-3.0))))

    assert error(sample_flow_corrected, 10) < error(sample_flow, 25)
    assert error(sample_flow_corrected, 40) < error(sample_flow_corrected, 20) / 3
