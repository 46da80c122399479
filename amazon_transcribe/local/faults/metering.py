"""How much audio a stream has brought, while it is read."""

from __future__ import annotations

from collections import deque
from urllib.parse import parse_qs

from ..._protocol.constants import PREFIX
from ..._protocol.server_session import MAX_FRAME
from ..._wire import EventStreamDecoder, EventStreamMessage, decode_message
from ...exceptions import ParserError
from ..exchange import Exchange

_DEFAULT_RATE = 16_000


class AudioMeter:
    """Reads an exchange and knows how many seconds of audio it has given out.

    Bytes that are no event stream are given out unmeasured: the service refuses them.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.seconds: float = 0.0
        self._exchange = exchange
        channels = _number(exchange, "number-of-channels", 1)
        self._bytes_per_second = 2 * channels * _number(exchange, "sample-rate", _DEFAULT_RATE)
        self._decoder = EventStreamDecoder(max_payload_length=MAX_FRAME)
        self._held = b""
        self._frames: deque[tuple[int, float]] = deque()  # held: bytes and seconds of each

    async def read(self, limit: float | None, timeout: float | None) -> bytes:
        """Read bytes as they come.

        :param limit: Seconds of audio: whole frames are given out, and none after it.
        """
        while True:
            if data := self._take(limit):
                return data
            more = await self._exchange.read(timeout)
            if not more:
                data, self._held = self._held, b""
                self._frames.clear()
                return data
            self._held += more
            self._measure(more)

    def _measure(self, data: bytes) -> None:
        if self._decoder.error is not None:
            return
        try:
            for message in self._decoder.feed(data):
                seconds = _audio_bytes(message) / self._bytes_per_second
                self._frames.append((message.prelude.total_length, seconds))
        except ParserError:
            pass  # the decoder keeps the error

    def _take(self, limit: float | None) -> bytes:
        size = 0
        # At least up to the first audio: no limit is reached before it.
        while self._frames and (limit is None or self.seconds < limit or not self.seconds):
            length, seconds = self._frames.popleft()
            size += length
            self.seconds += seconds
        if self._decoder.error is not None and not self._frames:
            size = len(self._held)
        data, self._held = self._held[:size], self._held[size:]
        return data


def parameter(exchange: Exchange, name: str) -> str:
    """Return a parameter of the request, from its headers or, over WebSocket, its query."""
    header = dict(exchange.headers).get(PREFIX + name)
    return header or parse_qs(exchange.target.partition("?")[2]).get(name, [""])[0]


def _audio_bytes(message: EventStreamMessage) -> int:
    if ":chunk-signature" in message.headers and message.payload:
        try:
            message = decode_message(message.payload)
        except ParserError:
            return 0  # for the service to refuse
    return len(message.payload)


def _number(exchange: Exchange, name: str, default: int) -> int:
    given = parameter(exchange, name)
    return int(given) if given.isdigit() and int(given) else default
