from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.valkey import ValkeyServer, valkey_server


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with valkey_server() as running:
        yield running


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A quota of the test's own."""
    return str(request.node.name).translate({ord(c): "-" for c in "[]{}:"})
