"""The microphone at the pace of a device, which PulseAudio plays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# A room with a hum in it, whose microphone PortAudio finds by way of ALSA.
SERVER = """\
load-module module-native-protocol-unix
load-module module-null-sink sink_name=room rate=16000 channels=1
load-module module-sine sink=room frequency=440
"""

PROGRAM = """
import asyncio
from array import array
from amazon_transcribe.audio import AudioFileException, open_audio

async def record():
    async with open_audio("mic") as audio:
        async for chunk in audio.chunks:
            print(len(chunk), max(array("h", chunk)) > 1000, flush=True)

try:
    asyncio.run(record())
except AudioFileException as error:
    print(error)
"""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[int]:
    """Run a sound server, and return the id of its process."""
    pytest.importorskip("sounddevice", reason="needs PortAudio", exc_type=OSError)
    server = shutil.which("pulseaudio")
    if server is None or not any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        pytest.skip("needs PulseAudio, and ALSA's plugin for it")
    (tmp_path / "server.pa").write_text(SERVER, "utf-8")
    (tmp_path / ".asoundrc").write_text("pcm.!default { type pulse }\n", "utf-8")
    started = subprocess.run(
        [server, "-n", "--daemonize", "--exit-idle-time=-1", "-F", tmp_path / "server.pa"],
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    if started.returncode:
        pytest.skip("PulseAudio does not start here")
    process = int((tmp_path / "pid").read_text("ascii"))
    yield process
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass


def environment(home: Path) -> dict[str, str]:
    own = ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "PULSE_RUNTIME_PATH")
    return os.environ | {name: str(home) for name in own}


def test_it_is_heard_until_it_goes_away(room: int, tmp_path: Path) -> None:
    recorder = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    with recorder:
        assert recorder.stdout is not None
        assert "3200 True\n" in iter(recorder.stdout.readline, "")  # read up to the hum
        os.kill(room, signal.SIGKILL)
        *_, last = recorder.stdout
    assert last == "the microphone has gone, or gives no audio any more\n"
    assert recorder.returncode == 0
