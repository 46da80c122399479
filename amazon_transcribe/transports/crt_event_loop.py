"""The class through which programs of the original SDK reach awscrt's client bootstrap."""

from __future__ import annotations

from awscrt.io import ClientBootstrap


class AWSCRTEventLoop:
    """A holder of the process's own `awscrt.io.ClientBootstrap`."""

    def __init__(self) -> None:
        self.bootstrap: ClientBootstrap = ClientBootstrap.get_or_create_static_default()
