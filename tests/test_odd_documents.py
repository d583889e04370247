"""Whatever a document holds, its reader answers with a result or a FoleyError, and soon."""

import logging
import time

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foleycli.errors import FoleyError
from tests.odd_documents import KINDS

LONGEST = 2.0  # seconds of the processor


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("odd")


@pytest.fixture(autouse=True)
def silent():
    logging.getLogger("foleycli").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("foleycli").setLevel(logging.NOTSET)


@pytest.mark.parametrize("name", list(KINDS))
def test_every_document_costs_a_line_at_most(folder, name) -> None:
    kind = KINDS[name]
    if name == "otio":
        pytest.importorskip("opentimelineio")
    path = folder / f"{name}{kind.suffix}"

    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,  # the same documents each time; benchmarks/fuzz.py draws others
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def use(data) -> None:
        path.write_bytes(data.draw(kind.documents))
        began = time.process_time()
        try:
            kind.use(path)
        except FoleyError as error:
            assert "\n" not in error.problem.partition(":\n  ")[0] and error.remedy
        assert time.process_time() - began < LONGEST

    use()
