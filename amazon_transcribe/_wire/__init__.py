"""Pick the codec: the compiled twin where it was built, else the pure one.

`AMAZON_TRANSCRIBE_NO_EXTENSIONS=1` forces the pure twin and
`AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS=1` forbids it. This is the only module that imports
either.
"""

from typing import TYPE_CHECKING, Final

from .switches import is_on
from .values import Buffer

__all__ = [
    "IMPLEMENTATION",
    "SHA256_IMPLEMENTATION",
    "Buffer",
    "EventStreamDecoder",
    "EventStreamMessage",
    "MessagePrelude",
    "SignatureChain",
    "crc32",
    "decode_message",
    "encode_headers",
    "encode_message",
]


if TYPE_CHECKING or is_on("AMAZON_TRANSCRIBE_NO_EXTENSIONS"):
    from . import _codec_py as codec
else:
    try:
        from . import _codec as codec
    except ImportError:
        if is_on("AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS"):
            raise
        from . import _codec_py as codec

IMPLEMENTATION: str = codec.IMPLEMENTATION
SHA256_IMPLEMENTATION: str = codec.SHA256_IMPLEMENTATION
EventStreamDecoder = codec.EventStreamDecoder
EventStreamMessage = codec.EventStreamMessage
MessagePrelude = codec.MessagePrelude
SignatureChain = codec.SignatureChain
crc32: Final = codec.crc32
decode_message: Final = codec.decode_message
encode_headers: Final = codec.encode_headers
encode_message: Final = codec.encode_message
