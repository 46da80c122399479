"""PocketSphinx as an engine: poor, and a good citizen."""

from __future__ import annotations

from typing import Any

from amazon_transcribe.local.engines import Engine, RecognitionOptions
from amazon_transcribe.local.engines.sphinx import PocketSphinxEngine
from tests.support.recordings import best, read_recording, recognise, transcripts


def test_simple_words_are_recognised(pocketsphinx: Engine) -> None:
    speech = read_recording("goforward")
    results = recognise(pocketsphinx.open(RecognitionOptions(speech.sample_rate)), speech.pcm)
    (text,) = transcripts(results)
    assert text.startswith("go forward ten")


def test_what_was_really_said_is_among_the_alternatives(pocketsphinx: Engine) -> None:
    speech = read_recording("goforward")
    options = RecognitionOptions(speech.sample_rate, alternatives=3)
    first, *others = recognise(pocketsphinx.open(options), speech.pcm)[-1].alternatives or ()
    assert first.transcript == "go forward ten years"
    (other,) = [a for a in others if a.transcript == speech.text.strip()]
    # What they have in common is the same; of the rest no more is known than where it is.
    assert other.items[:3] == first.items[:3]
    assert other.items[3].start_time == first.items[3].start_time
    assert other.items[3].end_time == first.items[3].end_time
    assert other.items[3].confidence is None


def test_streams_do_not_disturb_each_other(pocketsphinx: Engine) -> None:
    speech = read_recording("goforward")
    options = RecognitionOptions(speech.sample_rate)
    alone = best(recognise(pocketsphinx.open(options), speech.pcm)[-1])
    streams = [pocketsphinx.open(options) for _ in range(2)]
    for at in range(0, len(speech.pcm), 3_200):
        for stream in streams:
            stream.accept(speech.pcm[at : at + 3_200])
    for stream in streams:
        assert best(stream.finish()[-1]) == alone


def test_decoder_is_fed_in_bites_that_hold_the_gil_for_milliseconds_only(
    pocketsphinx: Engine,
) -> None:
    class Spy:
        def __init__(self, decoder: Any) -> None:
            self.decoder = decoder
            self.bites: list[int] = []

        def __getattr__(self, name: str) -> Any:
            return getattr(self.decoder, name)

        def process_raw(self, pcm: bytes) -> None:
            self.bites.append(len(pcm))
            self.decoder.process_raw(pcm)

    assert isinstance(pocketsphinx, PocketSphinxEngine)
    spy = Spy(pocketsphinx._idle.pop())
    pocketsphinx._idle.append(spy)
    speech = read_recording("goforward")
    recognise(pocketsphinx.open(RecognitionOptions(speech.sample_rate)), speech.pcm, 10**6)
    assert max(spy.bites) <= 0.03 * 16_000 * 2
