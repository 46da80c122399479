"""The scripted engine: what it says depends on its text and the length of the audio only."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from amazon_transcribe.exceptions import ValidationException
from amazon_transcribe.local.engines import RecognitionOptions, load_engine
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from tests.support.recordings import best, recognise, transcripts

RATE = 16_000
SCRIPT = "Hello, world.\n\nThis is Mr. X!\n"


def silence(seconds: float, rate: int = RATE) -> bytes:
    return bytes(2 * round(seconds * rate))


def test_lines_of_the_script_are_the_segments() -> None:
    results = recognise(ScriptedEngine(SCRIPT).open(RecognitionOptions(RATE)), silence(10))
    assert transcripts(results) == ["Hello, world.", "This is Mr. X!"]


def test_partial_results_grow_word_by_word() -> None:
    results = recognise(ScriptedEngine(SCRIPT).open(RecognitionOptions(RATE)), silence(10))
    texts = [best(result).transcript for result in results]
    assert texts[:2] == ["Hello,", "Hello, world."]
    assert texts[2:] == ["This", "This is", "This is Mr.", "This is Mr. X!"]


def test_words_come_with_the_audio_that_holds_them() -> None:
    recognition = ScriptedEngine(SCRIPT).open(RecognitionOptions(RATE))
    heard = 0.0
    for _ in range(100):
        heard += 0.05
        for result in recognition.accept(silence(0.05)):
            assert heard - 0.05 < (result.end_time or 0) <= heard + 1e-9


def test_end_of_audio_ends_the_segment_after_the_words_heard() -> None:
    recognition = ScriptedEngine(SCRIPT).open(RecognitionOptions(RATE))
    assert len(recognition.accept(silence(0.5))) == 1
    (result,) = recognition.finish()
    assert not result.is_partial
    assert best(result).transcript == "Hello,"


def test_end_of_audio_between_segments_brings_nothing() -> None:
    recognition = ScriptedEngine(SCRIPT).open(RecognitionOptions(RATE))
    assert len(recognition.accept(silence(1.0))) == 1
    assert recognition.finish() == []


@pytest.mark.parametrize("rate", [8_000, 12_345, 44_100, 48_000])
@pytest.mark.parametrize("chunk", [100, 3_333, 10**7])
def test_rate_and_chunking_change_no_final_result(rate: int, chunk: int) -> None:
    def finals(rate: int, chunk: int) -> list[object]:
        recognition = ScriptedEngine(SCRIPT).open(RecognitionOptions(rate))
        results = recognise(recognition, silence(5, rate), chunk)
        return [
            [(item.content, round(item.start_time or 0, 1)) for item in best(result).items]
            for result in results
            if not result.is_partial
        ]

    assert finals(rate, chunk) == finals(RATE, 3_200)


def test_built_in_text_goes_on_as_long_as_audio_comes() -> None:
    recognition = load_engine("scripted").open(RecognitionOptions(RATE))
    results = recognise(recognition, silence(120))
    assert results[-1].end_time == pytest.approx(120, abs=1)


def test_every_stream_hears_the_script_from_its_beginning() -> None:
    engine = ScriptedEngine(SCRIPT)
    for _ in range(2):
        results = recognise(engine.open(RecognitionOptions(RATE)), silence(10))
        assert transcripts(results)[0] == "Hello, world."


def test_script_is_read_from_a_file(tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("Grüß Gott.\n", encoding="utf-8")
    recognition = load_engine("scripted", script=script).open(RecognitionOptions(RATE))
    assert transcripts(recognise(recognition, silence(2))) == ["Grüß Gott."]


def test_missing_script_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_engine("scripted", script=tmp_path / "none.txt")


@pytest.mark.parametrize("text", ["", " \n\n"])
def test_script_without_words_is_refused(text: str) -> None:
    with pytest.raises(ValidationException, match="no words"):
        ScriptedEngine(text)


def test_script_that_is_not_utf_8_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("Grüße\n".encode("latin-1"))
    with pytest.raises(ValidationException, match=r"latin\.txt: not UTF-8"):
        load_engine("scripted", script=path)


def test_a_thousand_streams_cost_next_to_nothing() -> None:
    engine = load_engine("scripted")
    chunk = silence(0.1)
    start = time.process_time()
    for _ in range(1_000):
        recognition = engine.open(RecognitionOptions(RATE, stabilize=True))
        for _ in range(10):
            recognition.accept(chunk)
    assert time.process_time() - start < 2  # about 0.05 s
