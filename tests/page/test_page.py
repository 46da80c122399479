"""The page in a real Chromium: what a person sees, hears of and can press."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.engines import Engine, load_engine
from tests.page.conftest import AUDIO, ROOT, SPOKEN, OpenPage, check_accessibility, serving
from tests.support import voices
from tests.support.sounds import encoded, interleaved, recording, said_in, share_heard, words
from tests.support.wav import wav

PICTURES = ROOT / (os.environ.get("PICTURES") or "build/pictures")
SHORT = AUDIO / "goforward.wav"
CALL = ("0870", "0920", "0930")
WINDOW = {"width": 1180, "height": 820}

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.any_codec]


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """A recording with a speaker on each channel, who speak in turn."""
    sides = b"", b""
    for number, name in enumerate(CALL):
        pcm, rate = recording(f"sense_and_sensibility_{name}")
        turn = [bytes(len(pcm) + rate)] * 2  # a silent half second follows
        turn[number % 2] = pcm + bytes(rate)
        sides = sides[0] + turn[0], sides[1] + turn[1]
    path = tmp_path / "call.wav"
    path.write_bytes(wav(interleaved(*sides), channels=2, rate=rate))
    return path


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """A recording of two voices, the second of which is interrupted by the first."""
    narrator, pause = voices.narrator().tobytes(), bytes(24_000)
    times, wisdom = narrator[35_200:147_200], narrator[147_200:272_000]
    (first, rate), (second, _) = (recording(f"sense_and_sensibility_{name}") for name in CALL[::2])
    path = tmp_path / "talk.wav"
    path.write_bytes(wav(first + pause + times + second + pause + wisdom, rate=rate))
    return path


async def take_picture(page: Any, name: str) -> None:
    """Take a picture for the documentation."""
    await page.screenshot(path=PICTURES / name)


async def said_on(page: Any) -> str:
    return " ".join(await page.locator("#lines .word").all_text_contents())


async def test_the_microphone_is_heard(open_page: OpenPage, expect: Any) -> None:
    page = await open_page(color_scheme="light", viewport=WINDOW)
    await page.get_by_role("button", name="Speak").click()
    await expect(page.locator("#lines li").nth(1)).to_be_visible()  # or more than two, when late
    await expect(page.locator("#partials .stable")).not_to_have_count(0)
    await expect(page.locator("#partials .open")).not_to_have_count(0)
    await expect(page.locator("#latency")).to_have_text(re.compile(r"^\d+\.\d\d s$"))
    own = page.locator("#streams tr", has_text="this page")
    await expect(own).to_contain_text("open")
    await take_picture(page, "page-light.png")
    await check_accessibility(page)
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_role("status")).to_have_text("Done.")
    await expect(page.get_by_role("button", name="Speak")).to_be_visible()
    await expect(page.locator("#partials")).to_have_text("")
    heard = await said_on(page)
    first = said_in("sense_and_sensibility_all")[:20]
    assert share_heard(heard, first) > 0.6
    await expect(page.locator("#announcer")).to_have_text(
        await page.locator("#lines p").last.text_content()
    )


async def test_a_call_is_told_apart(open_page: OpenPage, expect: Any, call: Path) -> None:
    page = await open_page(color_scheme="dark", viewport=WINDOW)
    await page.get_by_label("Two speakers on two channels").check()
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name="Open a recording").click()
    await (await chooser.value).set_files(call)
    await expect(page.get_by_role("status")).to_have_text("Done: call.wav.")
    for number, names in ((1, CALL[::2]), (2, CALL[1::2])):
        lines = page.locator("#lines li", has_text=f"Channel {number}").locator(".word")
        heard = " ".join(await lines.all_text_contents())
        said = [word for name in names for word in said_in(f"sense_and_sensibility_{name}")]
        assert share_heard(heard, said) > 0.7
    await expect(page.locator("#streams tr").first).to_contain_text("complete")
    await page.locator("#lines summary").first.click()
    await expect(page.locator(".words li").first).to_contain_text("% sure")
    assert await page.locator("#lines .word").first.get_attribute("title")
    await check_accessibility(page)


async def test_speakers_are_told_apart(open_page: OpenPage, expect: Any, talk: Path) -> None:
    page = await open_page(color_scheme="dark", viewport=WINDOW)
    await page.get_by_label("Tell speakers apart").check()
    await page.set_input_files("#file", talk)
    await expect(page.get_by_role("status")).to_have_text("Done: talk.wav.")
    await take_picture(page, "page-dark.png")
    turns = page.locator("#lines .voice")
    heard = [words(turn) for turn in await turns.all_text_contents()]
    assert [turn[:2] for turn in heard] == [["speaker", "1"], ["speaker", "2"]] * 2
    said = ["prudently", "times", "amiable", "wisdom"]
    assert [word in turn for word, turn in zip(said, heard, strict=True)] == [True] * 4
    colour = "turns => turns.slice(0, 2).map(turn => getComputedStyle(turn).color)"
    assert len(set(await turns.evaluate_all(colour))) == 2
    await expect(page.locator("#announcer")).to_contain_text("Speaker 2: It was the age of wisdom")
    for form, name in {
        "TXT": "Speaker 2: It was",
        "SRT": "Speaker 2: It was",
        "VTT": "<v Speaker 2>It was",
        "JSON": '"Speaker": "1"',
    }.items():
        async with page.expect_download() as download:
            await page.get_by_role("button", name=form).click()
        assert name in Path(await (await download.value).path()).read_text("utf-8")
    await check_accessibility(page)
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await page.evaluate("() => document.documentElement.scrollWidth") == 360
    await check_accessibility(page)


async def test_speakers_and_channels_are_one_or_the_other(open_page: OpenPage, expect: Any) -> None:
    page = await open_page()
    speakers = page.get_by_label("Tell speakers apart")
    channels = page.get_by_label("Two speakers on two channels")
    await speakers.check()
    await channels.check()
    await expect(speakers).not_to_be_checked()
    await expect(page.get_by_role("status")).to_contain_text("does not tell both apart")
    await speakers.check()
    await expect(channels).not_to_be_checked()


async def test_an_engine_that_cannot_tell_speakers_apart_is_not_asked(
    open_page: OpenPage, expect: Any
) -> None:
    async with serving(load_engine("scripted")) as server:
        page = await open_page(server.endpoint_url)
        await expect(page.locator("#engine")).to_contain_text("scripted")
        await expect(page.get_by_label("Tell speakers apart")).to_be_hidden()
        await page.set_input_files("#file", SHORT)
        await expect(page.get_by_role("status")).to_have_text(f"Done: {SHORT.name}.")
        await page.close()  # else it asks a server that is gone


async def test_a_dropped_recording_is_read_and_downloaded(open_page: OpenPage, expect: Any) -> None:
    page = await open_page(viewport={"width": 360, "height": 740})
    transfer = await page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "order.wav"));
            return transfer;
        }""",
        list(SHORT.read_bytes()),
    )
    await page.dispatch_event("#captions", "drop", {"dataTransfer": transfer})
    await expect(page.get_by_role("status")).to_have_text("Done: order.wav.")
    assert words(await said_on(page)) == said_in("goforward")
    width = await page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    assert width == [360, 360]
    await check_accessibility(page)
    texts = {}
    for form in ("TXT", "SRT", "VTT", "JSON"):
        async with page.expect_download() as download:
            await page.get_by_role("button", name=form).click()
        file = await download.value
        assert file.suggested_filename == f"order.{form.lower()}"
        texts[form] = Path(await file.path()).read_text("utf-8")
    assert texts["TXT"] == "Go forward ten meters.\n"
    assert "-->" in texts["SRT"]
    assert texts["VTT"].startswith("WEBVTT\n\n00:00:0")
    assert json.loads(texts["JSON"])["transcript"] == "Go forward ten meters."


async def test_the_server_decodes_what_the_browser_cannot(
    open_page: OpenPage, expect: Any, tmp_path: Path
) -> None:
    page = await open_page()
    await page.evaluate(
        """() => {
            OfflineAudioContext.prototype.decodeAudioData = () => Promise.reject(new Error());
        }"""
    )
    file = tmp_path / "order.flac"
    file.write_bytes(encoded(*recording("goforward"), "flac"))
    await page.set_input_files("#file", file)
    await expect(page.get_by_role("status")).to_have_text("Done: order.flac.")
    assert words(await said_on(page)) == said_in("goforward")


async def test_it_works_over_tls(open_page: OpenPage, expect: Any, server: LocalTranscribe) -> None:
    page = await open_page(server.endpoint_url, ignore_https_errors=True)
    await page.set_input_files("#file", SHORT)
    await expect(page.get_by_role("status")).to_have_text(f"Done: {SHORT.name}.")
    assert words(await said_on(page)) == said_in("goforward")


async def test_everything_is_reached_by_the_keyboard(open_page: OpenPage, expect: Any) -> None:
    page = await open_page()
    await expect(page.get_by_label("Tell speakers apart")).to_be_visible()
    reached = []
    for _ in range(5):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate("() => document.activeElement.id"))
    assert reached == ["captions", "speak", "open", "speakers", "channels"]
    await page.keyboard.press("Space")
    await expect(page.get_by_label("Two speakers on two channels")).to_be_checked()
    await page.keyboard.press("Space")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Shift+Tab")
    async with page.expect_file_chooser() as chooser:
        await page.keyboard.press("Enter")
    await (await chooser.value).set_files(SHORT)
    await expect(page.get_by_role("status")).to_have_text("Done: goforward.wav.")
    await page.locator("#captions").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")  # opens the words of the first line
    await expect(page.locator(".words li")).to_have_count(4)


async def test_a_lost_connection_goes_on(open_page: OpenPage, expect: Any, engine: Engine) -> None:
    fault = Fault("drop", after_seconds=12, times=1)
    async with serving(engine, faults=[fault]) as server:
        page = await open_page(server.endpoint_url)
        await page.get_by_label("Tell speakers apart").check()
        await page.set_input_files("#file", SPOKEN)
        await expect(page.get_by_role("status")).to_have_text(f"Done: {SPOKEN.name}.")
        await expect(page.get_by_role("alert")).to_be_hidden()
        broken, whole = server.streams
        assert (broken.ended, whole.ended) == ("fault", "complete")
        assert broken.session_id == whole.session_id
        assert whole.audio_seconds < 28  # what had final results was not sent again
        times = await page.locator("#lines summary").all_text_contents()
        assert times == sorted(times)
        speakers = page.locator("#lines .voice b")
        await expect(speakers.first).to_have_text("Speaker 1")
        await expect(speakers.last).to_have_text("Speaker 2")  # nobody knows that it is the same
        heard = await said_on(page)
        said = said_in("sense_and_sensibility_all")
        assert share_heard(heard, said) > 0.85
        assert len(words(heard)) < len(said) * 1.1  # and nothing twice
        await page.close()  # else it asks a server that is gone


async def test_a_server_that_is_gone_is_told(
    open_page: OpenPage, expect: Any, engine: Engine
) -> None:
    async with serving(engine) as server:
        page = await open_page(server.endpoint_url, tolerate="net::ERR_")
        await page.set_input_files("#file", SHORT)
        await expect(page.get_by_role("status")).to_have_text(f"Done: {SHORT.name}.")
    await page.set_input_files("#file", SHORT)
    await expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    await expect(page.get_by_role("status")).to_have_text("The stream has ended early.")
    await expect(page.locator("#engine")).to_contain_text("No answer from")


async def test_a_wrong_key_is_told(open_page: OpenPage, expect: Any) -> None:
    page = await open_page()

    async def spoil(route: Any) -> None:
        about = await (await route.fetch()).json()
        await route.fulfill(json={**about, "secretKey": "wrong"})

    await page.route("**/page/session", spoil)
    await page.reload()
    await page.set_input_files("#file", SHORT)
    await expect(page.get_by_role("alert")).to_contain_text("InvalidSignatureException")
    await expect(page.locator("#streams .refused").first).to_contain_text("signature")


async def test_what_cannot_be_heard_is_told(
    open_page: OpenPage, expect: Any, tmp_path: Path
) -> None:
    page = await open_page()
    notes = tmp_path / "notes.txt"
    notes.write_text("no sound", "utf-8")
    await page.set_input_files("#file", notes)
    await expect(page.get_by_role("alert")).to_contain_text("no sound in notes.txt")
    await page.get_by_label("Two speakers on two channels").check()
    await page.set_input_files("#file", SHORT)
    await expect(page.get_by_role("alert")).to_contain_text("one channel only")
    await page.evaluate(
        """() => {
            const error = new DOMException("", "NotAllowedError");
            navigator.mediaDevices.getUserMedia = () => Promise.reject(error);
        }"""
    )
    await page.get_by_role("button", name="Speak").click()
    await expect(page.get_by_role("alert")).to_contain_text("The microphone is not allowed.")


async def test_other_sites_get_no_keys(
    open_page: OpenPage, expect: Any, server: LocalTranscribe
) -> None:
    page = await open_page(tolerate="evil|421|426|ERR_FAILED")
    await expect(page.locator("#engine")).to_contain_text("en-US")
    before = list(server._page.keys)
    port = server.endpoint_urls[0].rpartition(":")[2]
    answer = await page.goto(f"http://evil.example:{port}/")  # DNS leads it to this machine
    assert answer.status == 421
    await page.route("http://evil.example/", lambda route: route.fulfill(body="<title>evil"))
    await page.goto("http://evil.example/")
    outcomes = await page.evaluate(
        """async url => {
            const ask = async mode => {
                const options = { method: "POST", mode, credentials: "include" };
                const answer = await fetch(`${url}/page/session`, options);
                return `${answer.type} ${await answer.text()}`;
            };
            return Promise.all(["cors", "no-cors"].map(mode => ask(mode).catch(String)));
        }""",
        server.endpoint_urls[0],
    )
    assert outcomes[0].startswith("TypeError")
    assert outcomes[1] in (outcomes[0], "opaque ")
    assert set(server._page.keys) <= set(before)
