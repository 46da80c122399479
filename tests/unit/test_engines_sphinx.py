"""PocketSphinx as an engine: poor, and a good citizen."""

from __future__ import annotations

import threading
import time

from recordings import best, read_recording, recognise, transcripts

from amazon_transcribe.local.engines import Engine, RecognitionOptions


def test_simple_words_are_recognised(pocketsphinx: Engine) -> None:
    speech = read_recording("goforward")
    results = recognise(pocketsphinx.open(RecognitionOptions(speech.sample_rate)), speech.pcm)
    (text,) = transcripts(results)
    assert text.startswith("go forward ten")


def test_streams_do_not_disturb_each_other(pocketsphinx: Engine) -> None:
    speech = read_recording("goforward")
    options = RecognitionOptions(speech.sample_rate)
    alone = best(recognise(pocketsphinx.open(options), speech.pcm)[-1])
    streams = [pocketsphinx.open(options) for _ in range(3)]
    for at in range(0, len(speech.pcm), 3_200):
        for stream in streams:
            stream.accept(speech.pcm[at : at + 3_200])
    for stream in streams:
        assert best(stream.finish()[-1]) == alone


def test_other_threads_breathe_while_it_decodes(pocketsphinx: Engine) -> None:
    speech = read_recording("sense_and_sensibility_0930")
    gaps = []
    done = threading.Event()

    def tick() -> None:
        last = time.perf_counter()
        while not done.wait(0.001):
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    ticker = threading.Thread(target=tick)
    ticker.start()
    recognise(pocketsphinx.open(RecognitionOptions(speech.sample_rate)), speech.pcm, 10**6)
    done.set()
    ticker.join()
    assert sorted(gaps)[len(gaps) * 9 // 10] < 0.05
