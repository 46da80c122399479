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
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DRIVERS = Path(__file__).parent / "clients"
RECORDING = ROOT / "examples" / "audio" / "sense_and_sensibility_all.wav"
COMMAND = ROOT / "examples" / "audio" / "goforward.wav"

KEY = "AKIDINTEROP"
SECRET = "interop/secret+key"

# A client has this long for its whole case.
CASE_TIMEOUT = 60


def _environment(name: str) -> Path:
    return Path(f"{sys.prefix}-{name}")


@dataclass(frozen=True)
class Client:
    """An SDK: the program that drives it and where it is installed."""

    name: str
    driver: str
    needs: Path
    plaintext: bool = False

    @property
    def interpreter(self) -> str | None:
        if self.driver.endswith(".cjs"):
            return shutil.which("node")
        return str(self.needs / "bin" / "python")

    @property
    def label(self) -> str:
        """What is driven, with its version, as its environment is built from it."""
        if self.driver.endswith(".cjs"):
            package, version = next(iter(_package_json()["dependencies"].items()))
            return f"{package}@{version}"
        return (DRIVERS / self.driver).with_suffix(".txt").read_text().strip()


def _package_json() -> dict[str, dict[str, str]]:
    content: dict[str, dict[str, str]] = json.loads((DRIVERS / "package.json").read_text())
    return content


CLIENTS = [
    Client("original", "original.py", _environment("original")),
    Client("aws-sdk", "aws_sdk.py", _environment("aws-sdk")),
    Client("javascript", "javascript.cjs", _environment("javascript"), plaintext=True),
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


@dataclass(frozen=True)
class Task:
    """What a driver is to do; what is not given is right.

    `parameters` are more of the request's members; the JavaScript driver alone takes them.
    """

    endpoint: str
    audio: str = str(COMMAND)
    key: str = KEY
    secret: str = SECRET
    language: str = "en-US"
    sample_rate: int = 16_000
    chunk: int = 3200
    parameters: dict[str, Any] = field(default_factory=dict)


def drive(client: Client, server: Server, task: Task) -> dict[str, Any]:
    """Run a client's driver; the final texts it got and the error it met."""
    if client.interpreter is None or not client.needs.exists():
        message = f"no environment for {client.label}: `make interop` builds it"
        if os.environ.get("AMAZON_TRANSCRIBE_REQUIRE_CLIENTS", "") not in ("", "0"):
            pytest.fail(message)
        pytest.skip(message)
    done = subprocess.run(
        [client.interpreter, DRIVERS / client.driver, json.dumps(asdict(task))],
        env=server.environment(),
        capture_output=True,
        text=True,
        timeout=CASE_TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome
