"""Streaming speech to text on Amazon Transcribe's protocol.

The public modules are `client`, `handlers`, `model`, `exceptions`, `auth`, `endpoints`,
`audio`, `captions`, `utils`, `limiter`, `observe`, `otel`, `resume`, `transports`, `local`
and `eventstream`. The names that most programs use can be imported from here; a module is
loaded when it is first used.
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
        # Kept, so that every import gets the same class.
        return globals().setdefault(name, _crt_event_loop())
    if name in _EXPORTS:
        return getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _crt_event_loop() -> type:
    """Make the class through which programs of the original SDK reach awscrt's bootstrap."""
    from awscrt.io import ClientBootstrap

    class AWSCRTEventLoop:
        """A holder of the process's own `awscrt.io.ClientBootstrap`."""

        def __init__(self) -> None:
            self.bootstrap = ClientBootstrap.get_or_create_static_default()

    return AWSCRTEventLoop
