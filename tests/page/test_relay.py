"""The browser's half of `examples/fastapi_relay.py` in a real Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from amazon_transcribe.local import LocalTranscribe
from tests.page.conftest import OpenPage, check_accessibility
from tests.support.programs import serving
from tests.support.sounds import said_in, share_heard

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.any_codec]


@pytest.fixture
def relay(browser: Any, local_transcribe: LocalTranscribe) -> Iterator[str]:
    """The address of the relay, whose service is `local_transcribe`."""
    for package in ("fastapi", "multipart", "uvicorn", "websockets"):
        pytest.importorskip(package, reason=f"{package} comes with the extra examples")
    command = ("-m", "uvicorn", "--app-dir", "examples", "--port", "0", "fastapi_relay:app")
    with serving(*command) as (_, port):
        yield f"http://127.0.0.1:{port}/"


@pytest.mark.transcribe(engine="moonshine")
async def test_the_microphone_is_heard(
    open_page: OpenPage, expect: Any, relay: str, local_transcribe: LocalTranscribe
) -> None:
    page = await open_page(relay)
    await check_accessibility(page)
    await page.get_by_role("button", name="Speak").click()
    await expect(page.locator("#current")).not_to_have_text("")
    await expect(page.locator("#final p").nth(1)).to_be_visible()
    await page.get_by_role("button", name="Stop").click()
    (stream,) = await asyncio.to_thread(local_transcribe.wait_for_streams, 1, timeout=240)
    assert stream.ended == "complete"
    await expect(page.locator("#current")).to_have_text("")
    heard = " ".join(await page.locator("#final p").all_text_contents())
    assert share_heard(heard, said_in("sense_and_sensibility_all")[:20]) > 0.6
    await expect(page.get_by_role("status")).to_have_text("")


async def test_why_nothing_is_heard_is_told(open_page: OpenPage, expect: Any, relay: str) -> None:
    page = await open_page(relay)
    await page.evaluate(
        """() => {
            const error = new DOMException("Permission denied", "NotAllowedError");
            navigator.mediaDevices.getUserMedia = () => Promise.reject(error);
        }"""
    )
    await page.get_by_role("button", name="Speak").click()
    await expect(page.get_by_role("status")).to_have_text("No microphone: Permission denied")
