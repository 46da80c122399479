"""The programs of the pages about frameworks run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.frameworks.conftest import AUDIO, need

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("page", "framework"), [("livekit", "livekit.agents"), ("pipecat", "pipecat.pipeline.worker")]
)
@pytest.mark.transcribe(script=["Two tickets, please."])
def test_the_first_program_of_a_page(page: str, framework: str) -> None:
    need(framework)
    text = (ROOT / f"docs/how-to/{page}.md").read_text("utf-8")
    program, *fragments = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program, AUDIO / "goforward.wav"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Two tickets, please.\n"
    for fragment in fragments:
        exec(fragment, {})
