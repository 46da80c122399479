"""The original SDK's usage example runs as it stands, told by environment variables alone."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys

import pytest

from tests.interop.harness import COMMAND, KEY, ROOT, SECRET
from tests.support.programs import complaints

EXAMPLE = ROOT / "examples" / "original_usage.py"

# SHA-256 of the printed example's lines, without their indentation and the empty ones.
PRINTED = "114f145f0d791eae6b0502306ccfab95fb67717fdc22cdeb505787a15f6ffbaf"

# The example asks for the event loop outside of one, which Python 3.12 deprecates.
WARNINGS = ["-W", "error", "-W", "ignore:There is no current event loop:DeprecationWarning"]


@pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="asyncio.get_event_loop() makes no loop any more"
)
@pytest.mark.parametrize("port", ["plaintext", "tls"])
def test_usage_example_prints_what_was_said(port, server, tmp_path):
    recording = tmp_path / "tests" / "integration" / "assets" / "test.wav"
    recording.parent.mkdir(parents=True)
    shutil.copy(COMMAND, recording)
    environment = server.environment()
    if port == "plaintext":
        del environment["SSL_CERT_FILE"]
    done = subprocess.run(
        [sys.executable, "-X", "dev", *WARNINGS, EXAMPLE],
        cwd=tmp_path,
        env={
            **environment,
            "AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING": getattr(server, port),
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        },
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert complaints(done.stderr) == ""
    assert done.returncode == 0
    # The example sends the file's header as sound too, and releases of onnxruntime differ then.
    assert re.fullmatch(r"Go forward ten met(er|re)s\.", done.stdout.splitlines()[-1])


def test_usage_example_is_the_originals():
    """Only its indentation was restored."""
    lines = EXAMPLE.read_text("utf-8").splitlines()
    text = "\n".join(line.strip() for line in lines if line.strip())
    assert hashlib.sha256(text.encode()).hexdigest() == PRINTED
