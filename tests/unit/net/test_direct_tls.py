"""TLS on the socket itself, against Python's blocking TLS at the other end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest

from amazon_transcribe._net.direct_tls import can_be_direct
from tests.support.tls import LIMIT, Ends, Records
from tests.unit.net.conftest import Run


def read_to_the_end(peer: ssl.SSLSocket) -> bytes:
    return b"".join(iter(lambda: peer.recv(65536), b""))


def test_all_that_was_written_comes_before_a_close(run: Run, ends: Ends) -> None:
    pieces = [bytes([n]) * 50_000 for n in range(100)]

    async def main() -> None:
        go_on = asyncio.Event()
        loop = asyncio.get_running_loop()

        def read_late(peer: ssl.SSLSocket) -> bytes:
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(LIMIT)
            return read_to_the_end(peer)

        reading = ends.have_peer(read_late)
        transport, connection = await ends.open()
        for number, piece in enumerate(pieces):
            if connection.is_paused and not go_on.is_set():
                assert number < 20, "more than a megabyte is taken for a peer that reads nothing"
                go_on.set()
            await connection.until(lambda: not connection.is_paused)
            transport.write(bytearray(piece) if number % 2 else piece)
        assert go_on.is_set()
        transport.close()
        transport.write(b"too late")
        assert await reading == b"".join(pieces)
        assert await connection.lost is None

    run(main())


def test_nothing_comes_while_reading_is_paused_and_nothing_is_lost(run: Run, ends: Ends) -> None:
    said = bytes(range(256)) * 4096

    async def main() -> None:
        speaking = ends.have_peer(lambda peer: (peer.sendall(said), peer.unwrap().close()))
        transport, connection = await ends.open()
        await connection.until(lambda: bool(connection.received))
        transport.pause_reading()
        came = len(connection.received)
        one, other = socket.socketpair()
        with one, other:  # the loop looks at its sockets
            one.setblocking(False)
            other.send(b"x")
            await asyncio.get_running_loop().sock_recv(one, 1)
        assert len(connection.received) == came
        transport.resume_reading()
        assert await connection.lost is None  # after the peer's end, as nothing keeps it open
        assert connection.received == said
        transport.resume_reading()  # is harmless, as are
        transport.pause_reading()
        transport.close()
        transport.abort()
        await speaking

    run(main())


def test_a_close_waits_for_a_silent_peer_no_longer_than_told(run: Run, ends: Ends) -> None:
    async def main() -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        silence = ends.have_peer(
            lambda peer: asyncio.run_coroutine_threadsafe(over.wait(), loop).result(LIMIT)
        )
        transport, connection = await ends.open(close_timeout=0.01)
        transport.close()
        assert transport.is_closing()
        assert await connection.lost is None
        over.set()
        await silence

    run(main())


def test_what_the_peer_says_after_our_end_is_thrown_away(run: Run, ends: Ends) -> None:
    async def main() -> None:
        def answer_the_end(peer: ssl.SSLSocket) -> None:
            assert peer.recv(100) == b"last words"
            assert peer.recv(100) == b""
            peer.sendall(bytes(100_000))
            peer.unwrap().close()

        answering = ends.have_peer(answer_the_end)
        transport, connection = await ends.open()
        transport.write(b"last words")
        transport.close()
        assert await connection.lost is None
        assert connection.received == b""
        await answering

    run(main())


def test_a_protocol_that_fails_loses_its_connection(run: Run, ends: Ends) -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        speaking = ends.have_peer(lambda peer: peer.sendall(b"x"))
        _, connection = await ends.open()

        def fail(data: bytes) -> None:
            raise ZeroDivisionError

        connection.data_received = fail  # type: ignore[method-assign]
        assert isinstance(await connection.lost, ZeroDivisionError)
        assert isinstance(told[0]["exception"], ZeroDivisionError)
        await speaking

    run(main())


def test_a_peer_that_misses_our_certificate_is_heard(run: Run, ends: Ends) -> None:
    demanding = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    demanding.load_cert_chain(ends.certificate)
    demanding.verify_mode = ssl.CERT_REQUIRED

    async def main() -> None:
        ends.server = demanding
        listening = ends.have_peer(lambda peer: None)
        _, connection = await ends.open()
        assert isinstance(await connection.lost, OSError)  # or, as Linux keeps the alert, SSLError
        with pytest.raises(ssl.SSLError):
            await listening

    run(main())


def test_a_silent_peer_ends_the_handshake_in_time(run: Run, ends: Ends) -> None:
    async def main() -> None:
        with pytest.raises(ConnectionAbortedError, match=r"handshake within 0\.01 s"):
            await ends.open(handshake_timeout=0.01)

    run(main())


def test_a_peer_that_leaves_ends_the_handshake(run: Run, ends: Ends) -> None:
    async def main() -> None:
        opening = asyncio.ensure_future(ends.open())
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, ends.peer.recv, 65536)
        ends.peer.close()
        with pytest.raises(ConnectionResetError):
            await opening

    run(main())


@pytest.mark.parametrize("answers", [0, 1])
def test_a_handshake_cancelled_in_any_wait_leaves_no_socket(
    run: Run, ends: Ends, answers: int
) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old.load_cert_chain(ends.certificate)
    old.maximum_version = ssl.TLSVersion.TLSv1_2  # has two waits

    async def main() -> None:
        loop = asyncio.get_running_loop()
        peer = Records(old, ends.peer)
        opening = asyncio.ensure_future(ends.open())
        for _ in range(answers):
            await loop.run_in_executor(None, peer.answer)
        assert await loop.run_in_executor(None, ends.peer.recv, 65536)
        opening.cancel()
        await asyncio.wait({opening})
        assert await loop.run_in_executor(None, ends.peer.recv, 65536) == b""

    run(main())


def test_other_contexts_than_pythons_own_are_left_to_the_loop(run: Run) -> None:
    class Own(ssl.SSLContext):
        pass

    async def main() -> None:
        assert can_be_direct(ssl.create_default_context())
        assert not can_be_direct(Own(ssl.PROTOCOL_TLS_CLIENT))

    run(main())
