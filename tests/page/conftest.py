"""A real Chromium and a real server for the page; `make page` sets both up."""

from __future__ import annotations

import os
import re
import shutil
import sysconfig
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from amazon_transcribe.local import LocalTranscribe
from amazon_transcribe.local.engines import Engine, load_engine

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-page"
AUDIO = ROOT / "examples" / "audio"
SPOKEN = AUDIO / "sense_and_sensibility_all.wav"  # what the microphone hears
CHROMIUM = "/usr/bin/chromium"
SWITCHES = [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    f"--use-file-for-fake-audio-capture={SPOKEN}",  # again and again
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP evil.example 127.0.0.1",
]
PATIENCE = 240_000  # milliseconds: only what hangs takes so long

OpenPage = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Any]:
    """Chromium, driven by Playwright."""
    if os.environ.get("AMAZON_TRANSCRIBE_REQUIRE_PAGE", "") in ("", "0"):
        pytest.skip("make page runs the tests that need Chromium")
    purelib = sysconfig.get_path("purelib", vars={"base": str(ENVIRONMENT)})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(purelib)
        from playwright.async_api import async_playwright, expect  # type: ignore[import-not-found]

    expect.set_options(timeout=PATIENCE)
    assert shutil.which(CHROMIUM), "make page installs Debian's chromium"
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=SWITCHES, timeout=PATIENCE
        )
        yield started
        await started.close()


@pytest.fixture(scope="module")
def expect(browser: Any) -> Any:
    """Playwright's assertions, which wait."""
    from playwright.async_api import expect

    return expect


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load_engine("moonshine")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(engine: Engine) -> AsyncIterator[LocalTranscribe]:
    """A server that hears real speech."""
    async with LocalTranscribe(engine, tls=True) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser: Any, server: LocalTranscribe) -> AsyncIterator[OpenPage]:
    """Opens the page in a window of its own, and fails if the page had a fault."""
    faults: list[str] = []
    contexts: list[Any] = []

    def take(error: str, tolerate: str) -> None:
        if not re.search(tolerate, error):
            faults.append(error)

    async def open_it(url: str = "", tolerate: str = "(?!)", **options: Any) -> Any:
        context = await browser.new_context(**options)
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE)
        # Playwright asks for file choosers when somebody first listens, and does not wait for
        # the answer: a key that is pressed at once would open one that Chromium dismisses.
        page.on("filechooser", lambda _: None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: said.type == "error" and take(said.text, tolerate))
        await page.goto(url or server.endpoint_urls[0])
        return page

    yield open_it
    for context in contexts:
        await context.close()
    assert faults == []


async def check_accessibility(page: Any) -> None:
    await page.evaluate((ENVIRONMENT / "node_modules/axe-core/axe.min.js").read_text("utf-8"))
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = await page.evaluate("tags => axe.run({ runOnly: tags })", tags)
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    assert len(found["passes"]) > 10


@asynccontextmanager
async def serving(engine: Engine, **options: Any) -> AsyncIterator[LocalTranscribe]:
    """Another server, on the same recogniser."""
    async with LocalTranscribe(engine, keep_streams=100, **options) as made:
        yield made
