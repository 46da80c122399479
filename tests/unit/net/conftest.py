"""Fixtures for tests of TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe.local.listeners.certificates import make_certificates
from tests.support.tls import LIMIT, Contexts, Ends

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine in an event loop of each kind."""
    loops = asyncio if request.param == "asyncio" else pytest.importorskip("uvloop")

    def run(main: Coroutine[Any, Any, None]) -> None:
        loops.run(asyncio.wait_for(main, LIMIT))

    return run


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    """A server's context, a client's that trusts it, and the server's certificate with its key."""
    made = make_certificates(["localhost"])
    file = Path(tmp_path_factory.mktemp("tls"), "server.pem")
    file.write_bytes(made.certificate + made.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cadata=made.authority.decode()), file


@pytest.fixture
def ends(contexts: Contexts) -> Iterator[Ends]:
    with closing(Ends(contexts)) as made:
        yield made
