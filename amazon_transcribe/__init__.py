"""Streaming speech to text on Amazon Transcribe's protocol.

The public modules are `client`, `handlers`, `model`, `exceptions`, `auth`, `endpoints`,
`audio`, `captions`, `utils`, `limiter`, `observe`, `otel`, `resume`, `transports`, `local`
and `eventstream`. What most programs use of them can be imported from here; nothing is
loaded before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .client import TranscribeStreamingClient as TranscribeStreamingClient
    from .handlers import TranscriptResultStreamHandler as TranscriptResultStreamHandler
    from .model import TranscriptEvent as TranscriptEvent

_EXPORTS = {
    "TranscribeStreamingClient": "client",
    "TranscriptResultStreamHandler": "handlers",
    "TranscriptEvent": "model",
}

__all__ = ["AWSCRTEventLoop", "__version__", *_EXPORTS]


def __getattr__(name: str) -> Any:
    if name == "AWSCRTEventLoop":
        # Kept, so that everyone who asks gets the same class.
        return globals().setdefault(name, _crt_event_loop())
    if name in _EXPORTS:
        return getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _crt_event_loop() -> type:
    """The class under which programs get at awscrt's client bootstrap."""
    from awscrt.io import ClientBootstrap

    class AWSCRTEventLoop:
        """Holds the process's own `awscrt.io.ClientBootstrap`."""

        def __init__(self) -> None:
            self.bootstrap = ClientBootstrap.get_or_create_static_default()

    return AWSCRTEventLoop
