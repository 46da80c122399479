"""WebSocket peers in either role that do as they are told: for what no honest one does."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.support.peers import listening

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode: int, payload: bytes = b"", *, mask: bool = False, fin: bool = True) -> bytes:
    """One frame, right or wrong."""
    size, bit = len(payload), 0x80 if mask else 0
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += struct.pack("!BH", bit | 126, size)
    else:
        head += struct.pack("!BQ", bit | 127, size)
    if not mask:
        return head + payload
    key = b"\x01\x02\x03\x04"
    return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


def close_frame(code: int | None, *, mask: bool = False) -> bytes:
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big"), mask=mask)


def upgrade(target: str, host: str) -> bytes:
    """A client's opening handshake."""
    return (
        f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


class Socket:
    """One connection, in either role, under a test's control."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> bytes:
        """The HTTP/1.1 request or answer, up to the empty line."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def accept(self, *, headers: str = "", token: bytes | None = None) -> str:
        """Take a client's upgrade; its target."""
        lines = (await self.head()).split(b"\r\n")
        key = next(
            v for n, _, v in (x.partition(b": ") for x in lines) if n.lower().endswith(b"key")
        )
        right = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        self.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + (token or right) + b"\r\n" + headers.encode() + b"\r\n"
        )
        return lines[0].split(b" ")[1].decode()

    async def frame(self) -> tuple[int, bytes]:
        """The next frame's opcode and payload."""
        first, second = await self.reader.readexactly(2)
        size = second & 127
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        key = await self.reader.readexactly(4) if second & 128 else bytes(4)
        payload = await self.reader.readexactly(size)
        mixed = int.from_bytes(payload, "big") ^ int.from_bytes(
            (key * (size // 4 + 1))[:size], "big"
        )
        return first & 15, mixed.to_bytes(size, "big")

    async def frames_until_close(self) -> tuple[list[bytes], int]:
        """The payloads up to the close frame, and its code."""
        payloads = []
        while True:
            opcode, payload = await self.frame()
            if opcode == CLOSE:
                return payloads, int.from_bytes(payload[:2], "big")
            payloads.append(payload)

    def drop(self) -> None:
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Wait until the peer has closed the connection."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass


@asynccontextmanager
async def websocket_server(script: Callable[[Socket], Awaitable[None]]) -> AsyncIterator[str]:
    """A server whose every connection is handled by `script`; gives its URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        socket = Socket(reader, writer)
        await script(socket)
        await socket.gone()

    async with listening(handle) as port:
        yield f"ws://127.0.0.1:{port}"
