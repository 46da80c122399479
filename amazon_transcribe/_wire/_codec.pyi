from collections.abc import Callable, Mapping
from typing import Any, ClassVar, final

from typing_extensions import disjoint_base

from ..exceptions import ParserError
from .values import Buffer, HeaderValueInput, HeaderValueOutput

IMPLEMENTATION: str

def crc32(data: Buffer, value: int = 0) -> int: ...
def encode_headers(headers: Mapping[str, HeaderValueInput]) -> bytes: ...
def encode_message(headers: Mapping[str, HeaderValueInput], payload: Buffer) -> bytes: ...
@final
class HmacSha256:
    def __init__(self, key: bytes) -> None: ...
    def __call__(self, data: bytes) -> bytes: ...

def encode_signed_event(
    encoded_headers: Buffer | None,
    payload: Buffer,
    date_ms: int,
    string_to_sign_head: Buffer,
    prior_signature: Buffer,
    sign: Callable[[bytes], bytes],
) -> tuple[bytes, bytes]: ...
def decode_message(data: Buffer) -> EventStreamMessage: ...

@disjoint_base
class MessagePrelude:
    total_length: int
    headers_length: int
    crc: int
    def __init__(self, total_length: int, headers_length: int, crc: int) -> None: ...
    @property
    def payload_length(self) -> int: ...
    @property
    def headers_end(self) -> int: ...
    @property
    def payload_end(self) -> int: ...
    def __eq__(self, value: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@disjoint_base
class EventStreamMessage:
    prelude: MessagePrelude
    headers: dict[str, HeaderValueOutput]
    payload: bytes
    crc: int
    def __init__(
        self,
        prelude: MessagePrelude,
        headers: dict[str, HeaderValueOutput],
        payload: bytes,
        crc: int,
    ) -> None: ...
    def to_response_dict(self, status_code: int = 200) -> dict[str, Any]: ...
    def __eq__(self, value: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@disjoint_base
class EventStreamDecoder:
    def __init__(
        self, max_payload_length: int = ..., max_headers_length: int = ...
    ) -> None: ...
    @property
    def error(self) -> ParserError | None: ...
    def feed(self, data: Buffer) -> list[EventStreamMessage]: ...
    def close(self) -> None: ...

# For the tests of the CRC paths.
def _crc32_paths() -> list[str]: ...
def _crc32_by(
    path: str, data: Buffer, value: int = 0, copy: bytearray | None = None
) -> int: ...
