"""A budget buys the best model, then the slowest speed, then takes, by this machine's costs."""

from fractions import Fraction

import pytest

from foleycli.config import SPEEDS, GenerateConfig
from foleycli.errors import UsageError
from foleycli.sources.budget import (
    MOST_TAKES,
    Cost,
    costs_path,
    fit_budget,
    keep_costs,
    parse_budget,
    read_costs,
)

COSTS = {
    "library": Cost(start=1.0, look=0.2, sound=0.1),
    "small": Cost(
        start=3.0, look=0.2, sound=0.0, windows={"reference": 2.0, "balanced": 0.5, "fast": 0.3}
    ),
}


def chosen(budget, seconds=10, **options):
    return fit_budget(GenerateConfig(budget=budget, **options), Fraction(seconds), COSTS)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("90", 90), ("1.5m", 90), (".5 s", 0.5), ("1h", 3600)]
)
def test_budgets_are_times(text, seconds):
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "soon", "-3", "10 apples", "1e9"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError):
        parse_budget(text)


@pytest.mark.parametrize(("budget", "takes"), [("4s", 1), ("5.5s", 2), ("60s", MOST_TAKES)])
def test_what_is_left_goes_into_takes(budget, takes):
    choice = chosen(budget)
    assert (choice.config.model, choice.config.takes, choice.fits) == ("library", takes, True)
    assert choice.seconds == pytest.approx(3 + takes)


def test_what_is_asked_for_is_kept():
    assert chosen("60s", takes=2).config.takes == 2
    choice = chosen("6.5s", model="small")  # 3 + 2 + two windows of .5 s and no second take
    assert (choice.config.speed, choice.config.takes) == ("balanced", 1)
    assert choice.config.steps == SPEEDS["balanced"].steps
    assert chosen("11s", model="small").config.speed == "reference"
    assert chosen("60s", model="small", speed="fast").config.speed == "fast"
    slow = chosen("60s", model="small", speed="balanced", steps=20)
    assert slow.seconds == pytest.approx(3 + 2 + MOST_TAKES * 2 * 2 * 0.5)


def test_where_nothing_fits_the_least_is_taken_and_said():
    choice = chosen("1s", model="small")
    assert (choice.config.speed, choice.config.takes, choice.fits) == ("fast", 1, False)
    assert "more than the budget" in str(choice)
    assert chosen("1s").config.model == "library"


def test_a_choice_has_no_budget_left_to_ask_for():
    assert chosen("60s").config.budget is None


def test_costs_are_kept_and_what_is_not_measured_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("FOLEY_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="doctor --measure"):
        fit_budget(GenerateConfig(budget="10s"), Fraction(10))
    keep_costs(COSTS)
    assert read_costs() == COSTS
    costs_path().write_text('{"library": 3}')
    with pytest.raises(UsageError, match="doctor --measure"):
        read_costs()
    with pytest.raises(UsageError, match="library"):
        fit_budget(
            GenerateConfig(budget="9s", model="small"), Fraction(1), {"library": COSTS["library"]}
        )


def test_a_clip_without_a_length_has_no_budget():
    with pytest.raises(UsageError, match="length"):
        fit_budget(GenerateConfig(budget="9s"), None, COSTS)
