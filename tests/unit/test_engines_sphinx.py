"""PocketSphinx as an engine: poor, and a good citizen."""

from __future__ import annotations

from typing import Any

from amazon_transcribe.local.engines import Engine, RecognitionOptions
from amazon_transcribe.local.engines.sphinx import PocketSphinxEngine
from tests.unit.recordings import best, read_recording, recognise, transcripts


def test_simple_words_are_recognised(pocketsphinx: Engine) -> None:
    speech = read_recording("goforward")
    results = recognise(pocketsphinx.open(RecognitionOptions(speech.sample_rate)), speech.pcm)
    (text,) = transcripts(results)
    assert text.startswith("go forward ten")


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
