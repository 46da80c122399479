"""The programs from which the migration page starts, run with the SDKs they are written for."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.interop.harness import CASE_TIMEOUT, CLIENTS, COMMAND, KEY, ROOT, SECRET, missing

PAGE = (ROOT / "docs" / "how-to" / "migrate.md").read_text("utf-8")

# The first block of each kind, and how its SDK is told of another endpoint.
PROGRAMS = {
    "original": (
        "python",
        "endpoint_resolver=__import__('amazon_transcribe.endpoints').endpoints"
        ".StaticEndpointResolver({endpoint!r})",
    ),
    "aws-sdk": (
        "py",
        f"endpoint_uri={{endpoint!r}}, aws_access_key_id={KEY!r}, aws_secret_access_key={SECRET!r}",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_before_migration_runs(name, server, tmp_path):
    client = next(client for client in CLIENTS if client.name == name)
    if not client.needs.exists():
        missing(f"no environment for {client.label}: `make interop` builds it")
    kind, endpoint = PROGRAMS[name]
    program = re.search(f"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1]
    region = 'region="us-west-2"'
    assert program.count(region) == 1
    environment = {
        **server.environment(),
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    environment.pop("PYTHONPATH", None)  # the original's name is also this package's
    done = subprocess.run(
        [
            *(client.interpreter, "-c"),
            program.replace(region, f"{region}, {endpoint.format(endpoint=server.tls)}"),
            COMMAND,
        ],
        cwd=tmp_path,  # nor may it be imported from here
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=CASE_TIMEOUT,
    )
    assert (done.returncode, done.stdout) == (0, "Go forward ten meters.\n"), done.stderr
