"""Fixtures for all tests."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
from collections.abc import Iterator
from types import ModuleType

import pytest

# The environment of the tests is their own: the caller's keys, endpoints, authorities and
# proxies would change what they see.
FOREIGN = re.compile(r"AWS_.*|SSL_CERT_(FILE|DIR)|OTEL_.*|(all|https?|no)_proxy", re.IGNORECASE)
for variable in [name for name in os.environ if FOREIGN.fullmatch(name)]:
    del os.environ[variable]

# No test asks a metadata service, whose address is not of this machine, or reads profiles.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull

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


def twin(config: pytest.Config, name: str) -> ModuleType:
    if name == "compiled":
        if config.getoption("--no-compiled"):
            pytest.skip("--no-compiled")
        if importlib.util.find_spec(TWINS["compiled"]) is None:
            pytest.skip("the compiled codec was not built")
    return importlib.import_module(TWINS[name])


@pytest.fixture(scope="session", params=TWINS)
def codec(request: pytest.FixtureRequest) -> ModuleType:
    """Each twin of the codec in turn."""
    return twin(request.config, request.param)


@pytest.fixture(scope="module", params=[*TWINS, "compiled, hashlib"])
def signing_codec(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """Each twin of the codec in turn, the compiled one also as where hashlib is forced."""
    name, _, hashlib = request.param.partition(", ")
    codec = twin(request.config, name)
    if hashlib:
        codec._choose_sha256(True)
    yield codec
    if hashlib:
        codec._choose_sha256(codec.SHA256_IMPLEMENTATION == "hashlib")
