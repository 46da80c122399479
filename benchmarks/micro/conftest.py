"""Each twin of the codec in turn."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest


@pytest.fixture(scope="session", params=["_codec", "_codec_py"], ids=["compiled", "python"])
def codec(request: pytest.FixtureRequest) -> ModuleType:
    return pytest.importorskip(f"amazon_transcribe._wire.{request.param}")


@pytest.fixture(scope="session")
def crc_paths() -> ModuleType:
    return importlib.import_module("amazon_transcribe._wire._codec")
