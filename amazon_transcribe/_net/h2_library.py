"""The `h2` library, as connections here need it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import h2.connection
import hpack
from h2.config import H2Configuration
from h2.connection import ConnectionInputs, ConnectionState, H2ConnectionStateMachine
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from h2.stream import StreamClosedBy
from hpack.hpack import encode_integer
from hpack.table import HeaderTable


class _StateMachine(H2ConnectionStateMachine):
    """Lets running streams finish after the peer's GOAWAY, as RFC 9113, 6.8 demands.

    `h2` closes the connection on any GOAWAY (its issue 1181).
    """

    _transitions = {  # noqa: RUF012  # the library's own class attribute
        **H2ConnectionStateMachine._transitions,
        (ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY): (
            None,
            ConnectionState.CLIENT_OPEN,
        ),
        (ConnectionState.SERVER_OPEN, ConnectionInputs.RECV_GOAWAY): (
            None,
            ConnectionState.SERVER_OPEN,
        ),
    }


_KNOWN_SETTINGS = frozenset(SettingCodes)

# Bytes of our headers that are kept to name them again (RFC 7541, 4.2). A peer that offers
# more room would have us keep every answer's.
_MAX_HEADER_TABLE = 4096


class _ShortDeque(list[Any]):
    """What the libraries have a deque for, which takes 760 bytes even if it is empty.

    A connection has sixteen: they would be a seventh of all that a TLS stream takes.
    """

    __slots__ = ()

    def popleft(self) -> Any:
        return self.pop(0)

    def appendleft(self, value: Any) -> None:
        self.insert(0, value)


class _Settings(Settings):
    """Keeps those settings only that it knows: `h2` keeps all, which may be 65,000."""

    def __init__(self, client: bool, initial_values: dict[SettingCodes, int] | None = None) -> None:
        super().__init__(client, initial_values)
        for code, values in self._settings.items():
            self._settings[code] = _ShortDeque(values)  # type: ignore[assignment]

    def __setitem__(self, key: SettingCodes | int, value: int) -> None:
        if key in _KNOWN_SETTINGS:
            if key == SettingCodes.HEADER_TABLE_SIZE:
                value = min(value, _MAX_HEADER_TABLE)
            self._settings.setdefault(key, _ShortDeque([None]))  # type: ignore[arg-type]
            super().__setitem__(key, value)


class _LiteralEncoder(hpack.Encoder):
    """Writes each header field as it is, checked, for no table to keep.

    Most of a request is its signature's, and a connection mostly carries one: a table would be
    memory at both ends for nothing. Secrets are marked, so that nobody on the way keeps them
    either. `hpack` takes three times as long, and a quarter more for Huffman's code; the
    library's own checks, which look at each byte in Python, as long again.
    """

    def encode(self, headers: Any, huffman: bool = False) -> bytes:
        block: list[bytes | bytearray] = [self._encode_table_size_change()]
        for name, value in headers:
            if isinstance(name, str):  # `h2` makes bytes of it since 4.2
                name, value = name.encode(), value.encode()
            if (field := _STATIC_FIELDS.get((name, value))) is not None:
                block.append(field)
            elif _NOT_IN_VALUES.search(value):  # which may be a secret: the error has the name
                raise ProtocolError(f"the value of {name.decode()} has a line's end or a zero byte")
            else:
                value = value.strip()
                block += (_literal_name(name), encode_integer(len(value), 7), value)
        return b"".join(block)


# The first bits of a field (RFC 7541, 6).
_INDEXED, _WITHOUT_INDEXING, _NEVER_INDEXED = 0x80, 0x00, 0x10

_STATIC_FIELDS = {
    field: bytes([_INDEXED | index]) for index, field in enumerate(HeaderTable.STATIC_TABLE, 1)
}
_STATIC_NAMES = {name: index for index, (name, _) in enumerate(HeaderTable.STATIC_TABLE, 1)}

_SECRETS = frozenset([b"authorization", b"proxy-authorization", b"x-amz-security-token"])

# RFC 9113, 8.2.1
_NAME = re.compile(b":?[!-9;-@[-~]+")
_NOT_IN_VALUES = re.compile(b"[\0\r\n]")


@lru_cache(maxsize=128)
def _literal_name(name: bytes) -> bytes:
    """Write what stands before a field's value (RFC 7541, 6.2.2, and 6.2.3 for secrets)."""
    name = name.lower()
    if not _NAME.fullmatch(name):
        raise ProtocolError(f"{name.decode()!r} is no header's name")
    index = encode_integer(_STATIC_NAMES.get(name, 0), 4)
    index[0] |= _NEVER_INDEXED if name in _SECRETS else _WITHOUT_INDEXING
    return bytes(index) if index[0] & 0x0F else bytes(index + encode_integer(len(name), 7)) + name


class H2Connection(h2.connection.H2Connection):
    # Ended streams that are remembered, for frames that come late. The library's 65,536
    # would take 9 MB of each connection that lives long.
    MAX_CLOSED_STREAMS = 64

    def __init__(self, config: H2Configuration, settings: dict[SettingCodes, int]) -> None:
        # The encoder does what is needed of both.
        config.validate_outbound_headers = config.normalize_outbound_headers = False
        super().__init__(config)
        self.encoder = _LiteralEncoder()
        for coder in (self.encoder, self.decoder):
            coder.header_table.dynamic_entries = _ShortDeque()  # type: ignore[assignment]
        self.state_machine = _StateMachine()
        self.local_settings = _Settings(config.client_side, settings)
        self.remote_settings = _Settings(not config.client_side)
        self._count_from = 0  # streams from which on they are counted

    def _open_streams(self, remainder: int) -> int:
        """Return how many streams are open, or a few more where that is far from the limit.

        The library looks at each of them with every new stream, and forgets those that have
        ended. Here it does so when there is an eighth more of them.
        """
        is_client = self.config.client_side
        limit = (self.remote_settings if is_client else self.local_settings).max_concurrent_streams
        if len(self.streams) < min(self._count_from, limit):
            return len(self.streams)
        count = super()._open_streams(remainder)
        self._count_from = len(self.streams) * 9 // 8 + 1
        return count

    def _stream_closed_by(self, stream_id: int) -> StreamClosedBy | None:
        """Return how a stream ended; a forgotten one may still get frames, as after a reset."""
        return super()._stream_closed_by(stream_id) or StreamClosedBy.SEND_RST_STREAM

    def clear_outbound_data_buffer(self) -> None:
        """Keep what was to be sent: `h2` calls this on GOAWAY, and acknowledgements count."""

    def take_data(self, stream_id: int, size: int) -> bool:
        """Account for a plain DATA frame as `receive_data` would; False for one it must judge.

        DATA frames are most of what comes, and the library's own way costs ten times as much.
        """
        state = self.streams.get(stream_id)
        if (
            state is None
            or not state.state_machine.headers_received
            or state._expected_content_length is not None
            or self.incoming_buffer._headers_buffer
        ):
            return False
        of_all, of_stream = self._inbound_flow_control_window_manager, state._inbound_window_manager
        if size > of_all.current_window_size or size > of_stream.current_window_size:
            return False
        of_all.current_window_size -= size
        of_stream.current_window_size -= size
        return True
