"""Engines, loaded once for all recognition tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from amazon_transcribe.local.engines import Engine, load_engine


@pytest.fixture(scope="session")
def moonshine() -> Iterator[Engine]:
    engine = load_engine("moonshine")
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def pocketsphinx() -> Iterator[Engine]:
    engine = load_engine("pocketsphinx")
    yield engine
    engine.close()
