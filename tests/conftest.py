"""Fixtures for all tests."""

from __future__ import annotations

import importlib
import importlib.util
import os
from types import ModuleType

import pytest

# No test asks a metadata service: its address is not of this machine.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

TWINS = {
    "compiled": "amazon_transcribe._wire._codec",
    "python": "amazon_transcribe._wire._codec_py",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-compiled",
        action="store_true",
        default=os.environ.get("AMAZON_TRANSCRIBE_NO_EXTENSIONS", "") not in ("", "0"),
        help="leave out the tests of the compiled codec",
    )


@pytest.fixture(scope="session", params=TWINS)
def codec(request: pytest.FixtureRequest) -> ModuleType:
    """Each twin of the codec in turn."""
    if request.param == "compiled":
        if request.config.getoption("--no-compiled"):
            pytest.skip("--no-compiled")
        if importlib.util.find_spec(TWINS["compiled"]) is None:
            pytest.skip("the compiled codec was not built")
    return importlib.import_module(TWINS[request.param])
