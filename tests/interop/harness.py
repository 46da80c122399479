"""Official SDKs, each in an environment of its own, and a real `serve` for them.

`make test` builds the original SDK's environment, `make interop` all of them. They stand
beside the environment that runs the tests. A client whose environment is missing is
skipped, or fails with AMAZON_TRANSCRIBE_REQUIRE_CLIENTS=1.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).parents[2]
DRIVERS = Path(__file__).parent / "clients"
RECORDING = ROOT / "examples" / "audio" / "sense_and_sensibility_all.wav"
COMMAND = ROOT / "examples" / "audio" / "goforward.wav"

KEY = "AKIDINTEROP"
SECRET = "interop/secret+key"

# The JavaScript SDK dials this one for WebSocket, whatever port the endpoint names.
WEBSOCKET_PORT = 8443

# A client has this long for its whole case.
CASE_TIMEOUT = 60


def _environment(name: str) -> Path:
    return Path(f"{sys.prefix}-{name}")


@dataclass(frozen=True)
class Client:
    """An SDK: the program that drives it, where it is installed, and what it can do.

    :param can: Of what not every SDK can; the rest they all can.
    """

    name: str
    driver: str
    needs: Path
    can: frozenset[str] = frozenset()
    websocket: bool = False

    @property
    def interpreter(self) -> str | None:
        if self.driver.endswith(".cjs"):
            return shutil.which(str(self.needs / "bin" / "node")) or shutil.which("node")
        return str(self.needs / "bin" / "python")

    @property
    def label(self) -> str:
        """What is driven, with its version, as its environment is built from it."""
        if self.driver.endswith(".cjs"):
            dependencies = json.loads((DRIVERS / "package.json").read_text("utf-8"))["dependencies"]
            package, version = next(iter(dependencies.items()))
            return f"{package}@{version} over {'WebSocket' if self.websocket else 'HTTP/2'}"
        return (DRIVERS / self.driver).with_suffix(".txt").read_text("utf-8").strip()


CLIENTS = [
    # The Python SDKs speak HTTP/2 over TLS only; the original has one operation.
    Client("original", "original.py", _environment("original")),
    Client(
        "aws-sdk",
        "aws_sdk.py",
        _environment("aws-sdk"),
        can=frozenset({"call analytics", "medical", "scribe"}),
    ),
    Client(
        "javascript",
        "javascript.cjs",
        _environment("javascript"),
        can=frozenset({"plaintext", "call analytics", "medical", "scribe"}),
    ),
    # It always dials wss:, and the service has no WebSocket entry for its scribe.
    Client(
        "websocket",
        "javascript_websocket.cjs",
        _environment("javascript"),
        can=frozenset({"call analytics", "medical"}),
        websocket=True,
    ),
]
OURS = Client("ours", "original.py", Path(sys.prefix))


@dataclass(frozen=True)
class Server:
    """A running `amazon-transcribe serve`."""

    plaintext: str
    tls: str
    ca_file: Path

    def environment(self) -> dict[str, str]:
        """The developer's own, without AWS's settings and with the server's authority."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **ours,
            "SSL_CERT_FILE": str(self.ca_file),
            "NODE_EXTRA_CA_CERTS": str(self.ca_file),
            "NODE_PATH": str(_environment("javascript") / "node_modules"),
        }


AUDIO = {"LanguageCode": "en-US", "MediaSampleRateHertz": 16_000, "MediaEncoding": "pcm"}


@dataclass(frozen=True)
class Task:
    """What a driver is to do, in the service's words; what is not given is right.

    :param parameters: The request's members.
    :param before: Events to send before the audio.
    :param after: And after it.
    """

    operation: str = "StartStreamTranscription"
    parameters: dict[str, Any] = field(default_factory=lambda: AUDIO)
    before: list[dict[str, Any]] = field(default_factory=list)
    after: list[dict[str, Any]] = field(default_factory=list)
    audio: str = str(COMMAND)
    chunk: int = 3200
    key: str = KEY
    secret: str = SECRET


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    :param events: The events that came, or the one answer, in the service's words.
    :param error: Its class, code and message.
    """

    events: list[dict[str, Any]]
    error: dict[str, Any] | None

    def told(self, member: str) -> list[dict[str, Any]]:
        """The events of a kind."""
        return [event[member] for event in self.events if member in event]

    @property
    def finals(self) -> list[str]:
        """The final texts, those of channels after the channel's name."""
        results = [
            r for event in self.told("TranscriptEvent") for r in event["Transcript"]["Results"]
        ]
        return [
            ": ".join(filter(None, [r.get("ChannelId"), r["Alternatives"][0]["Transcript"]]))
            for r in results
            if not r["IsPartial"]
        ]


def drive(client: Client, server: Server, task: Task, *, plaintext: bool = False) -> Outcome:
    """Run a client's driver."""
    if client.interpreter is None or not client.needs.exists():
        missing(f"no environment for {client.label}: `make interop` builds it")
    if client.websocket and not server.tls.endswith(f":{WEBSOCKET_PORT}"):
        missing(f"port {WEBSOCKET_PORT} is taken, and the SDK dials no other for WebSocket")
    endpoint = server.plaintext if plaintext else server.tls
    if client.websocket:
        endpoint = endpoint.removesuffix(f":{WEBSOCKET_PORT}")
    environment = server.environment()
    if client is not OURS:
        environment.pop("PYTHONPATH", None)  # the original's name is also this package's
    done = subprocess.run(
        [
            client.interpreter,
            DRIVERS / client.driver,
            json.dumps({**asdict(task), "endpoint": endpoint}),
        ],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=CASE_TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    return Outcome(**json.loads(done.stdout))


def missing(message: str) -> NoReturn:
    if os.environ.get("AMAZON_TRANSCRIBE_REQUIRE_CLIENTS", "") not in ("", "0"):
        pytest.fail(message)
    pytest.skip(message)
