"""Whether an option's value is one we know is asked in one place, for every way of asking."""

from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import get_args

import pytest

import foleycli
from foleycli.config import GENERATE, GenerateConfig
from foleycli.errors import UsageError
from foleycli.timeline.manifest import find_jobs

WRONG = {
    "mode": ("loud", "Give track, mix, duck or replace."),
    "loudness": ("r128", "Give ebu, atsc or netflix."),
    "sampler": ("euler", "Give dpm or ddim."),
    "speed": ("hasty", "Give auto, reference, balanced or fast."),
    "takes": ("0", "Give 1 or more."),
    "steps": ("-3", "Give 1 or more."),
    "guidance": ("-1", "Give 0 or more."),
    "double_guidance": ("nan", "Give a number."),
}


def value_of(name: str, text: str):
    kind = next(field.type for field in fields(GenerateConfig) if field.name == name)
    numbers = [one for one in (int, float) if one in (kind, *get_args(kind))]
    return numbers[0](text) if numbers else text


@pytest.mark.parametrize("name", WRONG)
def test_a_value_we_do_not_know_is_refused_alike_everywhere(name, foley, tmp_path):
    text, remedy = WRONG[name]
    value = value_of(name, text)
    with pytest.raises(UsageError) as said:
        GenerateConfig(**{name: value})
    assert said.value.remedy == remedy and said.value.problem.startswith(f"{name} {value} is ")
    with pytest.raises(UsageError, match=name):
        foleycli.generate(tmp_path / "none.mp4", **{name: value})
    sheet = tmp_path / "all.csv"
    sheet.write_text(f"clip,{name}\nnone.mp4,{text}\n")
    with pytest.raises(UsageError, match=f"all.csv, row 1: {name}"):
        find_jobs([str(sheet)], None, GENERATE)
    assert foley("gen", tmp_path / "none.mp4", f"--{name.replace('_', '-')}={text}")[0] == 2


def test_paths_and_numbers_are_kept_as_recipes_write_them() -> None:
    config = GenerateConfig(library=Path("mine"), guidance=Fraction(9, 2), takes=3.0, wav=1)
    assert (config.library, config.guidance, config.takes, config.wav) == ("mine", 4.5, 3, True)
    assert [type(v) for v in (config.guidance, config.takes, config.wav)] == [float, int, bool]
    for wrong in ({"takes": "3"}, {"seed": 1.5}, {"prompt": 7}, {"wav": "yes"}, {"seed": None}):
        with pytest.raises(UsageError):
            GenerateConfig(**wrong)


def test_modes_exclude_each_other(foley, tmp_path) -> None:
    for words in (("--mix", "--replace"), ("--duck", "--mode", "mix")):
        code, _, errors = foley("gen", tmp_path / "none.mp4", *words)
        assert code == 2 and "exclude each other" in errors
    assert foley("gen", tmp_path / "none.mp4", "--mix", "--mode", "mix")[0] == 3
