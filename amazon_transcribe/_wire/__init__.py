"""Pick the codec: the compiled twin where it was built, else the pure one.

`AMAZON_TRANSCRIBE_NO_EXTENSIONS=1` forces the pure twin and
`AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS=1` forbids it; empty or `0` means unset. This is
the only module that imports either.
"""

import os
from typing import TYPE_CHECKING, Final

from .values import Buffer

__all__ = [
    "IMPLEMENTATION",
    "Buffer",
    "EventStreamDecoder",
    "EventStreamMessage",
    "HmacSha256",
    "MessagePrelude",
    "crc32",
    "decode_message",
    "encode_headers",
    "encode_message",
    "encode_signed_event",
]


def _switch(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


if TYPE_CHECKING or _switch("AMAZON_TRANSCRIBE_NO_EXTENSIONS"):
    from . import _codec_py as codec
else:
    try:
        from . import _codec as codec
    except ImportError:
        if _switch("AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS"):
            raise
        from . import _codec_py as codec

IMPLEMENTATION: str = codec.IMPLEMENTATION
EventStreamDecoder = codec.EventStreamDecoder
EventStreamMessage = codec.EventStreamMessage
HmacSha256 = codec.HmacSha256
MessagePrelude = codec.MessagePrelude
crc32: Final = codec.crc32
decode_message: Final = codec.decode_message
encode_headers: Final = codec.encode_headers
encode_message: Final = codec.encode_message
encode_signed_event: Final = codec.encode_signed_event
