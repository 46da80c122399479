"""Fixtures for all tests."""

from __future__ import annotations

import importlib
import importlib.util
import os
import random
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# The environment of the tests is their own: the caller's keys, endpoints, authorities and
# proxies would change what they see.
FOREIGN = re.compile(r"AWS_.*|SSL_CERT_(FILE|DIR)|OTEL_.*|(all|https?|no)_proxy", re.IGNORECASE)
for variable in [name for name in os.environ if FOREIGN.fullmatch(name)]:
    del os.environ[variable]

# No test asks a metadata service, whose address is not of this machine, or reads profiles.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull

# A machine may be busy, the sources may be for reading only, the directory may be another.
os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(__file__).parents[1] / ".hypothesis")
settings.register_profile("suite", settings.default, deadline=None, database=None)
settings.load_profile("suite")

# What the codec's twin makes no difference to, and takes long: speech that is recognised, the
# shell, other people's clients, the checks of parameters, and what reads the sources.
ANY_CODEC = re.compile(
    r"tests/(frameworks|interop|typing|unit/(audio|benchmarks|local/(engines|recognition))"
    r"|unit/test_(captions|docstrings|imports)|unit/protocol/test_(normalised|service_model)"
    r"|integration/test_(cli|examples|local_alternatives|local_audio))\b"
)

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
    parser.addoption(
        "--shuffle",
        metavar="SEED",
        help="run the modules, and the tests in each, in a random order that the seed decides",
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    if ANY_CODEC.search(item.path.as_posix()):
        item.add_marker("any_codec")


@pytest.hookimpl(trylast=True)  # pytest orders them by the parameters of fixtures before
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    seed = config.getoption("--shuffle")
    if seed is not None:
        dice = random.Random(seed)
        modules = [list(group) for _, group in groupby(items, lambda item: item.path)]
        dice.shuffle(modules)
        for module in modules:
            dice.shuffle(module)
        items[:] = [item for module in modules for item in module]


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
