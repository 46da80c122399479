"""Streaming speech to text on Amazon Transcribe's protocol.

The public modules are `files`, `sync`, `client`, `handlers`, `model`, `exceptions`, `auth`,
`endpoints`, `audio`, `transcribe`, `results`, `captions`, `live_captions`, `utils`, `limiter`,
`observe`, `otel`, `resume`, `transports`, `local` and `eventstream`. The names that most
programs use can be imported from here; a module is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

__all__ = [
    "AWSCRTEventLoop",
    "TranscribeStreamingClient",
    "TranscriptEvent",
    "TranscriptResultStreamHandler",
    "Transcription",
    "__version__",
    "transcribe_file",
]

_MODULES = {
    "AWSCRTEventLoop": "transports.crt_event_loop",
    "TranscribeStreamingClient": "client",
    "TranscriptEvent": "model",
    "TranscriptResultStreamHandler": "handlers",
    "Transcription": "transcribe",
    "transcribe_file": "files",
}

if TYPE_CHECKING:
    from .client import TranscribeStreamingClient
    from .files import transcribe_file
    from .handlers import TranscriptResultStreamHandler
    from .model import TranscriptEvent
    from .transcribe import Transcription
    from .transports.crt_event_loop import AWSCRTEventLoop
else:  # hidden from type checkers, for which any name would exist

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return getattr(import_module(f".{_MODULES[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
