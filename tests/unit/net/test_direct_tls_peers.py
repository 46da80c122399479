"""TLS on the socket itself, against peers that break off or break the rules."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import closing

import pytest

from tests.support.tls import Contexts, Ends, Records
from tests.unit.net.conftest import Run


@pytest.mark.parametrize("resets", [False, True])
def test_of_a_record_that_is_cut_nothing_comes(run: Run, contexts: Contexts, resets: bool) -> None:
    words = b"last words"

    async def cut_at(size: int) -> int:
        """Have the peer leave after so many bytes of a record; return the record's size."""

        def leave(peer: Records) -> int:
            peer.sock.sendall(peer.record(b""))  # the tickets
            record = peer.record(words)
            peer.sock.sendall(record[:size])
            if resets:
                peer.reset()
            return len(record)

        with closing(Ends(contexts)) as ends:
            leaving = ends.have_records(leave)
            _, connection = await ends.open()
            await connection.lost
            length = await leaving
        assert connection.received == (words if size == length else b"")
        return length

    async def main() -> None:
        for size in range(await cut_at(0) + 1):
            await cut_at(size)

    run(main())


def test_records_that_come_in_single_bytes(run: Run, ends: Ends) -> None:
    said = bytes(range(256))

    async def main() -> None:
        def speak(peer: Records) -> None:
            assert peer.read() == b"a question"  # before the tickets come
            for byte in peer.record(said):
                peer.sock.sendall(bytes([byte]))
            assert peer.read() == b"another"
            for byte in peer.goodbye():
                peer.sock.sendall(bytes([byte]))
            assert peer.read() == b""  # our goodbye

        speaking = ends.have_records(speak)
        transport, connection = await ends.open()
        transport.write(b"a question")
        await connection.until(lambda: len(connection.received) == len(said))
        assert transport.get_extra_info("ssl_object").session.has_ticket
        transport.write(b"another")
        assert await connection.lost is None
        assert connection.received == said
        await speaking

    run(main())


@pytest.mark.parametrize("plain", [True, False])
def test_what_breaks_the_rules_ends_the_connection_behind_what_came(
    run: Run, ends: Ends, plain: bool
) -> None:
    async def main() -> None:
        def break_off(peer: Records) -> None:
            record = peer.record(b"words")
            peer.sock.sendall(record + (b"HTTP/1.1 502\r\n\r\n" if plain else peer.alert()))
            peer.sock.recv(65536)  # until we have left

        breaking = ends.have_records(break_off)
        _, connection = await ends.open()
        lost = await connection.lost
        assert isinstance(lost, ssl.SSLError)
        assert lost.reason == ("WRONG_VERSION_NUMBER" if plain else "SSLV3_ALERT_BAD_RECORD_MAC")
        assert connection.received == b"words"
        await breaking

    run(main())


def test_a_goodbye_is_answered_before_the_peer_closes(run: Run, ends: Ends) -> None:
    async def main() -> None:
        def say_goodbye(peer: Records) -> None:
            peer.sock.sendall(peer.record(b"words") + peer.goodbye())
            assert peer.read() == b""

        saying = ends.have_records(say_goodbye)
        _, connection = await ends.open()
        assert await connection.lost is None
        assert connection.received == b"words"
        await saying

    run(main())


def test_a_reset_ends_a_connection_with_unsent_data(run: Run, ends: Ends) -> None:
    async def main() -> None:
        is_full = asyncio.Event()
        loop = asyncio.get_running_loop()

        def reset(peer: Records) -> None:
            asyncio.run_coroutine_threadsafe(is_full.wait(), loop).result()
            peer.reset()

        resetting = ends.have_records(reset)
        transport, connection = await ends.open()
        while not connection.is_paused:
            transport.write(bytes(10_000))
        is_full.set()
        await connection.lost
        transport.write(b"too late")
        await resetting

    run(main())


def test_what_came_is_heard_though_nothing_can_be_sent(run: Run, ends: Ends) -> None:
    """A service says why it ends a stream and closes, while audio is on its way."""

    async def main() -> None:
        def leave(peer: Records) -> None:
            peer.sock.sendall(peer.record(bytes(10_000)) + peer.record(bytes(10_000)))
            peer.reset()

        leaving = ends.have_records(leave)
        transport, connection = await ends.open()
        transport.pause_reading()
        await leaving
        while not connection.lost.done():
            transport.write(b"audio")
            await asyncio.sleep(0)
        assert len(connection.received) == 20_000

    run(main())


def test_a_reset_before_the_handshake_ends_it(run: Run, ends: Ends) -> None:
    async def main() -> None:
        Records(ends.server, ends.peer).reset()
        with pytest.raises(OSError):
            await ends.open()

    run(main())
