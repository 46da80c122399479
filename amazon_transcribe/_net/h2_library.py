"""The `h2` library, as connections here need it."""

from __future__ import annotations

from typing import Any

import h2.connection
import hpack
from h2.config import H2Configuration
from h2.connection import ConnectionInputs, ConnectionState, H2ConnectionStateMachine
from h2.settings import SettingCodes, Settings
from h2.stream import StreamClosedBy


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


class _PlainEncoder(hpack.Encoder):
    """Writes header fields as they are.

    Huffman's code takes a quarter off their bytes, and `hpack` a fifth of a start's time for it.
    """

    def encode(self, headers: Any, huffman: bool = False) -> bytes:
        return super().encode(headers, huffman)


class H2Connection(h2.connection.H2Connection):
    # Ended streams that are remembered, for frames that come late. The library's 65,536
    # would take 9 MB of each connection that lives long.
    MAX_CLOSED_STREAMS = 64

    def __init__(self, config: H2Configuration, settings: dict[SettingCodes, int]) -> None:
        super().__init__(config)
        self.encoder = _PlainEncoder()
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
