"""The known models and where their files are."""

from dataclasses import replace

import pytest

from foleycli.errors import ModelError
from foleycli.models.registry import MODELS, ModelFile, find_model


def test_names_are_unique_and_found() -> None:
    assert [find_model(model.name) for model in MODELS] == list(MODELS)
    assert len({model.name for model in MODELS}) == len(MODELS)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match="'big'") as caught:
        find_model("big")
    assert all(model.name in caught.value.remedy for model in MODELS)
    assert caught.value.exit_code == 4


def test_shipped_models_are_installed() -> None:
    for model in MODELS:
        if model.shipped:
            assert model.installed, f"{model.name} lacks files in {model.folder}"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_model_has_a_card_that_names_its_licence(model) -> None:
    assert model.card.startswith("# ")
    assert "licence" in model.card.lower()


def test_fetched_model_is_pinned_and_installed_once_its_files_are_there(tmp_path) -> None:
    model = find_model("diff-foley")
    assert model.source == "hub:SimianLuo/Diff-Foley@b17ddbe76e6d42f4b4135eeb443b1c1644267e3e"
    assert model.weights_licence == "MIT"
    model = replace(model, folder=tmp_path)
    assert not model.installed
    assert model.size is None  # the sizes of two downloads are not known
    for file in model.files:
        (tmp_path / file.name).write_bytes(b"12")
    assert model.installed
    assert model.size == 2 * len(model.files)


def test_size_of_a_download_is_the_sum_of_its_files(tmp_path) -> None:
    files = (ModelFile("a", 3), ModelFile("b", 4))
    assert replace(find_model("diff-foley"), folder=tmp_path, downloads=files).size == 7
