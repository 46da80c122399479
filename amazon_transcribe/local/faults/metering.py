"""How much audio a stream has brought, while it is read."""

from __future__ import annotations

from urllib.parse import parse_qs

from ...eventstream import decode_message
from ...exceptions import ParserError
from ..exchange import Exchange

_MAX_FRAME = 1024 * 1024  # what is longer is no frame of an honest client
_DEFAULT_RATE = 16_000


class AudioMeter:
    """Reads an exchange and knows how many seconds of audio it gave out.

    Bytes that are no event stream are given out unmeasured: they are the service's to
    refuse.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.seconds = 0.0
        self._exchange = exchange
        channels = _number(exchange, "number-of-channels", 1)
        self._bytes_per_second = 2 * channels * _number(exchange, "sample-rate", _DEFAULT_RATE)
        self._held = b""
        self._measurable = True

    async def read(self, limit: float | None, timeout: float | None) -> bytes:
        """Bytes as they come; with a limit in seconds, whole frames and none after it."""
        while True:
            if self._held and (data := self._measured(limit)):
                return data
            more = await self._exchange.read(timeout)
            if not more:
                data, self._held = self._held, b""
                return data
            self._held += more

    def _measured(self, limit: float | None) -> bytes:
        at = 0
        held = self._held
        # At least up to the first audio: no limit is met before.
        while self._measurable and (limit is None or self.seconds < limit or not self.seconds):
            if len(held) - at < 4:
                break
            length = int.from_bytes(held[at : at + 4], "big")
            if len(held) - at < length <= _MAX_FRAME:
                break
            try:
                self.seconds += _audio_bytes(held[at : at + length]) / self._bytes_per_second
            except ParserError:
                self._measurable = False
            else:
                at += length
        if not self._measurable:
            at = len(held)
        self._held = held[at:]
        return held[:at]


def parameter(exchange: Exchange, name: str) -> str:
    """A parameter of the request, from its headers or, over WebSocket, its query."""
    header = dict(exchange.headers).get(f"x-amzn-transcribe-{name}")
    return header or parse_qs(exchange.target.partition("?")[2]).get(name, [""])[0]


def _audio_bytes(frame: bytes) -> int:
    message = decode_message(frame)
    if ":chunk-signature" in message.headers and message.payload:
        message = decode_message(message.payload)
    return len(message.payload)


def _number(exchange: Exchange, name: str, default: int) -> int:
    given = parameter(exchange, name)
    return int(given) if given.isdigit() and int(given) else default
