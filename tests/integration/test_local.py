"""The local Transcribe: real speech, and the service's behaviour."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import tempfile
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from amazon_transcribe.exceptions import (
    BadRequestException,
    ConnectionLostException,
    SDKError,
    ValidationException,
)
from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from amazon_transcribe.local.listeners.certificates import make_certificates
from amazon_transcribe.transcription import Item, Result
from tests.support.callers import client_of, converse, start
from tests.support.sounds import recording, words

AUDIO = Path(__file__).parents[2] / "examples/audio"
AUDIO_OF_16_KHZ: dict[str, Any] = {
    "language_code": "en-US",
    "media_sample_rate_hz": 16_000,
    "media_encoding": "pcm",
}


async def transcribe(
    server: LocalTranscribe, path: Path, seconds: int = 60, **parameters: Any
) -> list[Result]:
    """All results of a recording that is sent in pieces of 100 ms, as fast as it is taken.

    :param seconds: How much of it.
    """
    with wave.open(str(path)) as recording:
        rate = recording.getframerate()
        pcm = recording.readframes(seconds * rate)
    async with client_of(server) as client:
        stream = await start(client, media_sample_rate_hz=rate, **parameters)
        events = await converse(stream, pcm, rate // 5)
    return [result for event in events for result in event.transcript.results]


def text_of(results: list[Result]) -> str:
    return " ".join(r.alternatives[0].transcript for r in results if not r.is_partial)  # type: ignore[index]


def items_of(result: Result) -> list[Item]:
    assert result.alternatives
    return result.alternatives[0].items


@pytest.fixture(scope="module")
def real_speech() -> tuple[list[Result], str]:
    """The longest recording through the real engine, with stabilisation."""

    async def run() -> list[Result]:
        async with LocalTranscribe() as server:
            return await transcribe(
                server,
                AUDIO / "sense_and_sensibility_all.wav",
                enable_partial_results_stabilization=True,
            )

    return asyncio.run(run()), (AUDIO / "sense_and_sensibility_all.txt").read_text("utf-8")


def test_real_speech_is_recognised(real_speech: tuple[list[Result], str]) -> None:
    results, reference = real_speech
    heard, said = words(text_of(results)), words(reference)
    assert len(heard) == pytest.approx(len(said), abs=4)
    assert len([w for w in heard if w in said]) >= 0.92 * len(said)


def test_results_have_the_service_s_shape(real_speech: tuple[list[Result], str]) -> None:
    finals = [r for r in real_speech[0] if not r.is_partial]
    assert len(finals) >= 5
    assert len({r.result_id for r in finals}) == len(finals)
    end = 0.0
    for result in finals:
        assert result.start_time is not None
        assert result.end_time is not None
        assert end <= result.start_time < result.end_time <= 28.8
        end = result.end_time
        assert result.alternatives
        spoken = [i for i in items_of(result) if i.item_type == "pronunciation"]
        assert words(" ".join(i.content or "" for i in spoken)) == words(
            result.alternatives[0].transcript
        )
        time = result.start_time
        for item in items_of(result):
            assert item.item_type in ("pronunciation", "punctuation")
            assert item.stable is True
            assert item.start_time is not None
            assert item.end_time is not None
            assert time <= item.start_time <= item.end_time <= result.end_time + 0.001
            time = item.start_time
            if item.item_type == "pronunciation":
                assert item.confidence is not None
                assert 0 < item.confidence <= 1


def test_partial_results_come_first_and_keep_their_id(
    real_speech: tuple[list[Result], str],
) -> None:
    results, _ = real_speech
    open_id = None
    for result in results:
        assert open_id in (None, result.result_id)
        open_id = result.result_id if result.is_partial else None
    assert open_id is None
    assert any(r.is_partial for r in results)


def test_stable_words_never_change(real_speech: tuple[list[Result], str]) -> None:
    stable: dict[str | None, list[str | None]] = {}
    for result in real_speech[0]:
        now = [i.content for i in items_of(result) if i.stable]
        before = stable.get(result.result_id, [])
        assert now[: len(before)] == before
        stable[result.result_id] = now
    assert any(i.stable for r in real_speech[0] if r.is_partial for i in items_of(r))


async def test_eight_kilohertz() -> None:
    async with LocalTranscribe() as server:
        results = await transcribe(server, AUDIO / "sense_and_sensibility_all_8k.wav", seconds=10)
    heard = words(text_of(results))
    said = words((AUDIO / "sense_and_sensibility_all_8k.txt").read_text("utf-8"))
    assert len(heard) > 20
    assert len([w for w in heard if w in said]) >= 0.92 * len(heard)
    assert all(i.stable is None for r in results for i in items_of(r))


async def test_streams_share_the_model_and_do_not_mix() -> None:
    names = ["sense_and_sensibility_0870", "sense_and_sensibility_0930", "goforward"]
    async with LocalTranscribe() as server:
        all_results = await asyncio.gather(
            *(transcribe(server, AUDIO / f"{name}.wav") for name in names)
        )
    for name, results in zip(names, all_results, strict=True):
        said = words((AUDIO / f"{name}.txt").read_text("utf-8"))
        assert len(set(words(text_of(results))) & set(said)) >= 0.7 * len(set(said))


async def test_final_words_have_their_speakers() -> None:
    command = AUDIO / "goforward.wav"
    async with LocalTranscribe() as server:
        results = await transcribe(server, command, show_speaker_label=True)
        async with client_of(server) as client:
            stream = await client.start_medical_stream_transcription(
                **AUDIO_OF_16_KHZ, specialty="UROLOGY", type="DICTATION", show_speaker_label=True
            )
            events = await converse(stream, recording("goforward")[0], 32_000)
    medical = [result for event in events for result in event.transcript.results]
    for heard in (results, medical):
        assert {
            (result.is_partial, item.speaker)
            for result in heard
            for item in result.alternatives[0].items  # type: ignore[index]
        } == {(True, None), (False, "0")}


async def test_segments_end_as_the_server_was_told() -> None:
    book = AUDIO / "sense_and_sensibility_all.wav"
    async with LocalTranscribe(pause=2, longest_segment=4) as server:
        results = await transcribe(server, book, seconds=11)
    finals = [result for result in results if not result.is_partial]
    assert len(finals) == 3  # with the usual endpoints there are two, of 7 s and 3 s
    assert all((r.end_time or 0) - (r.start_time or 0) <= 4 for r in finals)


@pytest.mark.parametrize(
    "option", [{"pause": 0.1}, {"pause": "1"}, {"longest_segment": 31}, {"pause": float("nan")}]
)
def test_endpoints_out_of_range_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ValidationException, match="must be from .* seconds, not"):
        LocalTranscribe("scripted", **option)


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"language_code": "de-DE"}, "LanguageCode"),
        ({"media_encoding": "g729"}, "MediaEncoding"),
        ({"show_speaker_label": True}, "ShowSpeakerLabel"),
        ({"vocabulary_name": "mine"}, "VocabularyName"),
        (
            {"content_redaction_type": "PII", "pii_entity_types": ["EMAIL", "NAME", "ADDRESS"]},
            "PiiEntityTypes: the local server does not find ADDRESS, NAME; it finds .*EMAIL",
        ),
        ({"transcript_format": "spoken"}, "TranscriptFormat"),
        (
            {"enable_channel_identification": True, "number_of_channels": 3},
            "NumberOfChannels must be 2, not 3",
        ),
        ({"vocab_filter_name": "swear-words"}, "VocabularyFilterName.*'swear-words'"),
        (
            {
                "language_code": None,
                "identify_language": True,
                "language_options": ["en-US", "de-DE"],
            },
            "IdentifyLanguage",
        ),
    ],
)
async def test_what_it_cannot_do_is_refused_by_name(parameters: dict[str, Any], names: str) -> None:
    async with LocalTranscribe("scripted") as server:
        with pytest.raises(BadRequestException, match=names):
            await client_of(server).start_stream_transcription(
                **{
                    "language_code": "en-US",
                    "media_sample_rate_hz": 16000,
                    "media_encoding": "pcm",
                    **parameters,
                }
            )


async def test_closing_the_server_ends_its_streams() -> None:
    async with LocalTranscribe("scripted") as server:
        stream = await client_of(server).start_stream_transcription(
            language_code="en-US", media_sample_rate_hz=16000, media_encoding="pcm"
        )
    with pytest.raises(SDKError) as ended:
        async for _ in stream.output_stream:
            pass
    assert isinstance(ended.value, ConnectionLostException) or "reset" in str(ended.value)


async def test_connections_that_say_nothing_do_not_keep_it_from_closing() -> None:
    writers = []
    async with LocalTranscribe("scripted", tls=True) as server:
        for url in server.endpoint_urls:
            _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writers.append(writer)
    for writer in writers:
        writer.close()


async def test_bytes_that_are_no_http2() -> None:
    async with LocalTranscribe("scripted") as server:
        port = int(server.endpoint_url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" + bytes(100))
        assert (await reader.read()).startswith(b"HTTP/1.1 ")
        writer.close()


async def test_its_own_certificate(tmp_path: Path) -> None:
    made = make_certificates(["localhost"])
    (tmp_path / "cert.pem").write_bytes(made.certificate)
    (tmp_path / "key.pem").write_bytes(made.key)
    async with LocalTranscribe(
        "scripted", tls=True, cert=tmp_path / "cert.pem", key=tmp_path / "key.pem"
    ) as server:
        assert server.ca_file is None
        context = ssl.create_default_context(cadata=made.authority.decode())
        port = int(server.endpoint_url.rpartition(":")[2])
        _, writer = await asyncio.open_connection("localhost", port, ssl=context)
        writer.close()


async def test_a_certificate_without_its_key_is_refused_by_name(tmp_path: Path) -> None:
    made = make_certificates(["localhost"])
    (tmp_path / "cert.pem").write_bytes(made.certificate)
    server = LocalTranscribe("scripted", tls=True, cert=tmp_path / "cert.pem")
    with pytest.raises(ValidationException, match=r"cert\.pem"):
        await server.start()


@pytest.fixture
async def tls_server(tmp_path: Path) -> AsyncIterator[LocalTranscribe]:
    async with LocalTranscribe("scripted", tls=True, ca_file=tmp_path / "ca.pem") as server:
        yield server


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_the_throwaway_certificate_is_strictly_valid(
    tls_server: LocalTranscribe, host: str
) -> None:
    assert tls_server.ca_file is not None
    context = ssl.create_default_context(cafile=str(tls_server.ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["h2"])
    port = int(tls_server.endpoint_url.rpartition(":")[2])
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    writer.close()


REFUSES_WRITING = "/proc/self/oom_score_adj"  # as a full disk does: not when it is opened


@pytest.mark.skipif(not Path(REFUSES_WRITING).exists(), reason="needs Linux's /proc")
async def test_an_authority_s_file_that_cannot_be_written_is_named() -> None:
    server = LocalTranscribe("scripted", tls=True, ca_file=REFUSES_WRITING)
    with pytest.raises(OSError, match=REFUSES_WRITING):
        await server.start()
    await server.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"host": ""}, "^host must be an address.* not ''$"),
        ({"host": None}, "^host .* not None$"),
        ({"faults": ["drop"]}, r"^faults must be a list of Fault.* not \['drop'\]$"),
        ({"faults": Fault("drop")}, r"^faults must be a list of Fault.* not Fault\("),
        ({"credentials": {}}, "at least one access key"),
        ({"key": "key.pem"}, "cert"),
        ({"workers": -1}, "^workers must be a whole number of at least 1, not -1$"),
        ({"workers": 0}, "^workers .* not 0$"),
        ({"port": 65_536}, "^port must be a whole number from 0 to 65,535, not 65536$"),
        ({"tls_port": -1}, "^tls_port .* not -1$"),
        ({"max_streams": 1.5}, r"^max_streams .* not 1\.5$"),
        ({"alternatives": "3"}, "^alternatives .* from 1 to 10, not '3'$"),
        ({"audio_timeout": 0}, "^audio_timeout must be a number above 0, not 0$"),
        ({"audio_timeout": float("nan")}, "^audio_timeout .* not nan$"),
        ({"max_seconds": None}, "^max_seconds .* not None$"),
    ],
)
def test_a_server_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationException, match=words):
        LocalTranscribe(**options)


async def test_tls_without_the_package_for_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ValidationException, match="throwaway certificate needs the extra 'local'"):
        await LocalTranscribe("scripted", tls=True).start()


async def test_a_server_is_started_once_at_a_time() -> None:
    server = LocalTranscribe("scripted", tls=True)
    with pytest.raises(SDKError, match="not been started"):
        _ = server.endpoint_url
    with pytest.raises(SDKError, match="not been started"):
        _ = server.engine_name
    await server.close()
    await server.start()
    assert server.engine_name == "scripted"
    urls = server.endpoint_urls
    with pytest.raises(SDKError, match="already running"):
        await server.start()
    assert server.endpoint_urls == urls
    await can_be_reached(server)
    await server.close()
    await server.close()


async def test_a_server_can_be_started_again() -> None:
    server = LocalTranscribe("scripted", tls=True)
    for _ in range(2):
        async with server:
            assert len(server.endpoint_urls) == 2
            ca_file = server.ca_file
            await can_be_reached(server)
        assert ca_file is not None
        assert not ca_file.exists()


async def can_be_reached(server: LocalTranscribe) -> None:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    async with client_of(server, ssl_context=context) as client:
        await client.prewarm(1)


class Counted(ScriptedEngine):
    """An engine that knows whether it was closed."""

    closed = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    "options",
    [
        {"port": "taken"},
        {"tls_port": "taken"},
        {"tls_port": "taken", "ca_file": "ca.pem"},
        {"tls_port": 0, "ca_file": "no/such/folder/ca.pem"},
    ],
)
async def test_a_start_that_fails_leaves_nothing_behind(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    engine = Counted()

    class Serving(LocalTranscribe):
        _load_engine = staticmethod(lambda *_, **__: engine)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        given = {name: port if value == "taken" else value for name, value in options.items()}
        with pytest.raises((OSError, ValueError)) as failed:
            await Serving("scripted", **given).start()
    if "taken" in options.values():
        assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in str(failed)
    assert engine.closed
    assert list(tmp_path.iterdir()) == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("host", ["198.51.100.1", "no-such-host.invalid"])
async def test_a_host_that_is_not_this_machine(host: str) -> None:
    with pytest.raises(OSError, match=f"cannot listen on {host}, port 0: [^0-9]+$"):
        await LocalTranscribe("scripted", host=host).start()
