"""What all engines have in common: loading, results and the rules of stable words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Sequence, Sized
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_transcribe.exceptions import SDKError, ValidationException
from amazon_transcribe.local.engines import (
    ENGINES,
    Engine,
    EngineUnavailable,
    RecognitionOptions,
    load_engine,
)
from amazon_transcribe.local.engines.base import Stability
from amazon_transcribe.local.engines.results import Word, build_result, split_mark
from amazon_transcribe.local.engines.segmented import SegmentedRecognition
from amazon_transcribe.local.engines.stabilizer import OPEN_WORDS, Stabilizer
from amazon_transcribe.transcription import Alternative, Result
from tests.support.recordings import (
    DIRECTORY,
    Recording,
    best,
    read_recording,
    recognise,
    transcripts,
)

LEVELS: list[Stability] = ["low", "medium", "high"]


@pytest.fixture(scope="module")
def speech() -> Recording:
    """Two segments."""
    short = read_recording("goforward")
    return replace(short, pcm=short.pcm + bytes(short.sample_rate * 2) + short.pcm)


@pytest.fixture(scope="module")
def sentence() -> Recording:
    whole = read_recording("sense_and_sensibility_all")
    start, end = (seconds * whole.sample_rate * 2 for seconds in (7, 12))
    return replace(whole, pcm=whole.pcm[start:end])


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "scripted":
        return load_engine("scripted")
    loaded: Engine = request.getfixturevalue(request.param)
    return loaded


@pytest.fixture(scope="module")
def results(engine: Engine, speech: Recording) -> list[Result]:
    """All results of the speech, without stabilisation."""
    return recognise(engine.open(RecognitionOptions(speech.sample_rate)), speech.pcm)


# Loading


def test_unknown_engine_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValidationException, match=", ".join(ENGINES)):
        load_engine("whisper")


def test_the_documentation_has_all_engines() -> None:
    page = (Path(__file__).parents[4] / "docs/how-to/local-server.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", page.partition("## Recognisers")[2], re.MULTILINE)
    assert rows[: len(ENGINES)] == [*ENGINES]


@pytest.mark.parametrize("name", ["moonshine", "pocketsphinx"])
def test_script_for_a_real_engine_is_refused(name: str) -> None:
    with pytest.raises(ValidationException, match="takes no script"):
        load_engine(name, script=Path("script.txt"))


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("moonshine", "onnxruntime"),
        ("moonshine", "moonshine_voice"),
        ("moonshine", "numpy"),
        ("pocketsphinx", "pocketsphinx"),
        ("pocketsphinx", "webrtcvad"),
    ],
)
def test_missing_package_is_one_line_that_names_the_extra(name: str, module: str) -> None:
    # A process of its own: it must not have imported the package before.
    program = f"""
import importlib.util, sys
sys.modules[{module!r}] = None
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == {module!r} else find_spec(name)
from amazon_transcribe.local.engines import EngineUnavailable, load_engine
try:
    load_engine({name!r})
except EngineUnavailable as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8")
    assert run.stderr == ""
    (line,) = run.stdout.splitlines()
    assert module in line
    assert "the extra 'local'" in line


@pytest.mark.parametrize(
    "program",
    [
        "from amazon_transcribe.local.engines import load_engine; load_engine('moonshine')",
        "from amazon_transcribe.local.engines.moonshine import load; load()",
    ],
)
def test_recogniser_reports_to_nobody(program: str, tmp_path: Path) -> None:
    """onnxruntime's telemetry begins with a device's id and a store in the home directory."""
    others = ("ORT_DISABLE_TELEMETRY", "CI", "XDG_CACHE_HOME")  # the second turns it off, too
    kept = {name: value for name, value in os.environ.items() if name not in others}
    subprocess.run(
        [sys.executable, "-c", program],
        env={**kept, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        check=True,
    )
    assert list(tmp_path.iterdir()) == []


def test_unavailable_engine_is_an_error_of_the_sdk() -> None:
    assert issubclass(EngineUnavailable, SDKError)


def test_scripted_engine_needs_no_package_of_the_extra() -> None:
    program = """
import sys
for name in ("numpy", "onnxruntime", "webrtcvad", "pocketsphinx", "moonshine_voice"):
    sys.modules[name] = None
from amazon_transcribe.local.engines import RecognitionOptions, load_engine
recognition = load_engine("scripted").open(RecognitionOptions(16_000))
print(len(recognition.accept(bytes(32_000)) + recognition.finish()))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8")
    assert (run.stdout.strip(), run.stderr) == ("2", "")


# Results


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("word", ("word", "")),
        ("word.", ("word", ".")),
        ("word?!", ("word", "?!")),
        ("Mr.", ("Mr.", "")),
        ("etc.,", ("etc.", ",")),
        ("U.S.", ("U.S.", "")),
        ("I.", ("I", ".")),
        ("3.5,", ("3.5", ",")),
        ("it's", ("it's", "")),
        ("ill-disposed:", ("ill-disposed", ":")),
    ],
)
def test_punctuation_is_split_off_but_for_abbreviations(
    written: str, expected: tuple[str, str]
) -> None:
    assert split_mark(written) == expected


def test_transcript_joins_the_items_without_space_before_punctuation() -> None:
    words = [Word("Well", 0.1, 0.2, 0.9, ","), Word("Mr.", 0.2, 0.4, 0.8), Word("X", 0.4, 0.5)]
    result = build_result("id", words, 0.0, 1.0, is_partial=False)
    assert best(result).transcript == "Well, Mr. X"
    assert [item.content for item in best(result).items] == ["Well", ",", "Mr.", "X"]


def test_item_times_ascend_within_the_bounds_whatever_the_engine_says() -> None:
    words = [Word("a", -1, 0.5), Word("b", 0.3, 0.2, mark="."), Word("c", 5, 9)]
    check_times(build_result("id", words, 0.1, 1.0, is_partial=False))


def test_numbers_of_numpy_become_python_s_own() -> None:
    for kind in (np.float32, np.float64):
        words = [Word("a", kind(0.1), kind(0.2), kind(0.9), mark=".")]
        result = build_result("id", words, kind(0), kind(1), is_partial=False)
        item = best(result).items[0]
        numbers = [result.start_time, result.end_time, item.start_time, item.end_time]
        assert [*numbers, item.confidence] == [0.0, 1.0, 0.1, 0.2, 0.9]
        assert {type(number) for number in (*numbers, item.confidence)} == {float}


def check_times(result: Result) -> None:
    for alternative in result.alternatives or ():
        check_times_of(alternative, result)


def check_times_of(alternative: Alternative, result: Result) -> None:
    assert result.start_time is not None
    assert result.end_time is not None
    times = [result.start_time]
    for item in alternative.items:
        assert item.start_time is not None
        assert item.end_time is not None
        times += [item.start_time, item.end_time]
        if item.item_type == "punctuation":
            assert item.start_time == item.end_time
    times.append(result.end_time)
    assert times == sorted(times)


def test_further_alternatives_follow_the_best_one() -> None:
    others = [[Word("B", 0.2, 0.9, mark="!"), Word("c", 0.5, 3.0)], [Word("d", -1, 0.4)]]
    result = build_result(
        "id", [Word("a", 0, 1)], 0.0, 1.0, is_partial=False, stable=1, others=others
    )
    check_times(result)
    assert result.alternatives
    assert [a.transcript for a in result.alternatives] == ["a", "B! c", "d"]
    assert all(item.stable for a in result.alternatives for item in a.items)


# Alternatives


class Undecided:
    """A decoder that has heard one thing or the other."""

    incremental = False

    def __init__(self, *texts: str) -> None:
        self.readings_of_final = [words_at(text.split()) for text in texts]
        self.wanted: list[int] = []

    def begin(self) -> None:
        pass

    def partial(self, samples: Sized, keep: int) -> list[Word]:
        return self.readings_of_final[0]

    def final(self, samples: Sized, keep: int) -> list[Word]:
        return self.readings_of_final[0]

    def place(self, samples: object, words: list[Word]) -> list[Word]:
        return words

    def readings(self, samples: object, count: int) -> list[list[Word]]:
        self.wanted.append(count)
        return self.readings_of_final

    def close(self) -> None:
        pass


def told(decoder: Undecided, alternatives: int, stabilize: bool = False) -> list[list[str]]:
    """The alternatives of each result of a recording with one segment."""
    short = read_recording("goforward")
    options = RecognitionOptions(short.sample_rate, stabilize, alternatives=alternatives)
    results = recognise(SegmentedRecognition(options, decoder), short.pcm)
    assert [result.is_partial for result in results] == [True] * (len(results) - 1) + [False]
    return [[a.transcript for a in result.alternatives or ()] for result in results]


def test_readings_that_sound_the_same_are_one_alternative() -> None:
    decoder = Undecided("Ten, so few.", "ten so Few", "10, so few.", "", "Then, so few.", "few")
    *partials, final = told(decoder, 4)
    assert all(alternatives == ["Ten, so few"] for alternatives in partials)
    assert final == ["Ten, so few.", "Then, so few.", "few"]


def test_no_more_alternatives_than_wanted() -> None:
    decoder = Undecided("a", "b", "c", "d")
    assert told(decoder, 3)[-1] == ["a", "b", "c"]
    assert decoder.wanted == [2]


def test_one_alternative_takes_no_search() -> None:
    decoder = Undecided("a", "b")
    assert told(decoder, 1)[-1] == ["a"]
    assert decoder.wanted == []


def test_only_the_best_alternative_keeps_the_stable_words() -> None:
    decoder = Undecided("one two three", "one too three")
    assert told(decoder, 2, stabilize=True)[-1] == ["one two three", "one too three"]


def words_said(alternative: Alternative) -> list[str]:
    said = [i.content for i in alternative.items if i.item_type == "pronunciation"]
    return [(content or "").lower() for content in said]


@pytest.mark.parametrize("stabilize", [False, True])
@pytest.mark.parametrize("engine", ["moonshine", "pocketsphinx"], indirect=True)
def test_alternatives_of_real_speech(engine: Engine, sentence: Recording, stabilize: bool) -> None:
    options = RecognitionOptions(sentence.sample_rate, stabilize)
    alone = recognise(engine.open(options), sentence.pcm, 32_000)
    several = recognise(engine.open(replace(options, alternatives=3)), sentence.pcm, 32_000)
    # The best one is what it is without the others.
    assert [(r.is_partial, best(r)) for r in several] == [(r.is_partial, best(r)) for r in alone]
    for result in several:
        assert result.alternatives
        check_times(result)
        said = [words_said(alternative) for alternative in result.alternatives]
        assert len(said) <= (1 if result.is_partial else 3)
        assert all(said)
        assert all(a != b for n, a in enumerate(said) for b in said[:n])
        for other in said[1:]:
            assert len(set(other) & set(said[0])) >= len(set(said[0])) / 2
    assert max(len(result.alternatives or ()) for result in several) == 3


# Finals without partials


class Startled(Undecided):
    """A decoder that takes what it has heard for noise once the segment ends."""

    def __init__(self) -> None:
        super().__init__("unused")
        self.seconds: list[float] = []

    def begin(self) -> None:
        self.seconds = []

    def partial(self, samples: Sized, keep: int) -> list[Word]:
        self.seconds.append(len(samples) / 16_000)
        return words_at([f"{seconds:.2f}" for seconds in self.seconds])

    def final(self, samples: Sized, keep: int) -> list[Word]:
        return []


@pytest.mark.parametrize("stabilize", [False, True])
def test_final_that_keeps_the_partial_words_does_not_depend_on_the_pieces(stabilize: bool) -> None:
    short = read_recording("goforward")
    options = RecognitionOptions(short.sample_rate, stabilize)
    heard = {
        tuple(transcripts(recognise(SegmentedRecognition(options, Startled()), short.pcm, size)))
        for size in (640, 3_200, 40_000, len(short.pcm))
    }
    ((text,),) = heard
    assert text.startswith("0.90 1.50")


# Stable words


def stable_items(result: Result) -> list[str | None]:
    return [item.content for item in best(result).items if item.stable]


def check_stable_words_stand(results: Sequence[Result]) -> None:
    """Stable items are a prefix, and every later result of the segment begins with it."""
    stable: dict[str | None, list[str | None]] = {}
    for result in results:
        items = [item.content for item in best(result).items]
        promised = stable.get(result.result_id, [])
        assert items[: len(promised)] == promised
        now = stable_items(result)
        assert items[: len(now)] == now
        assert len(now) >= len(promised)
        stable[result.result_id] = now
        if not result.is_partial:
            assert now == items


def words_at(texts: Sequence[str]) -> list[Word]:
    return [
        Word(text.strip(",."), 0.4 * n, 0.4 * (n + 1), 0.9, text[-1:] if text[-1:] in ",." else "")
        for n, text in enumerate(texts)
    ]


hypotheses = st.lists(st.sampled_from(["a", "b", "b,", "c."]), max_size=8)


@given(level=st.sampled_from(LEVELS), heard=st.lists(hypotheses, max_size=12), last=hypotheses)
def test_stable_words_stand_whatever_the_recogniser_revises(
    level: Stability, heard: list[list[str]], last: list[str]
) -> None:
    stabilizer = Stabilizer(level)
    results = []
    for texts in heard:
        words = stabilizer.update(words_at(texts))
        results.append(build_result("id", words, 0, 9, is_partial=True, stable=stabilizer.stable))
    words = stabilizer.settle(words_at(last))
    results.append(build_result("id", words, 0, 9, is_partial=False, stable=len(words)))
    check_stable_words_stand(results)


@pytest.mark.parametrize("level", LEVELS)
def test_growing_hypothesis_becomes_stable_but_for_the_newest_words(level: Stability) -> None:
    stabilizer = Stabilizer(level)
    texts = [chr(ord("a") + n) for n in range(12)]
    for count in range(1, 13):
        stabilizer.update(words_at(texts[:count]))
    assert 12 - stabilizer.stable == max(OPEN_WORDS[level], {"low": 2}.get(level, 1))


def test_higher_stability_leaves_fewer_words_open() -> None:
    assert OPEN_WORDS["high"] < OPEN_WORDS["medium"] < OPEN_WORDS["low"]


@pytest.mark.parametrize("level", LEVELS)
def test_stable_words_stand_on_real_speech(
    engine: Engine, sentence: Recording, level: Stability
) -> None:
    options = RecognitionOptions(sentence.sample_rate, True, level)
    results = recognise(engine.open(options), sentence.pcm)
    check_stable_words_stand(results)
    assert any(stable_items(result) for result in results if result.is_partial)


# Every engine


def test_results_keep_the_rules_of_the_service(results: list[Result], speech: Recording) -> None:
    assert any(result.is_partial for result in results)
    for result in results:
        check_times(result)
        assert 0 <= (result.start_time or 0) < (result.end_time or 0) <= speech.seconds
        assert best(result).transcript
        for item in best(result).items:
            assert item.item_type in ("pronunciation", "punctuation")
            assert item.stable is None
            if item.item_type == "punctuation":
                assert item.confidence is None
            elif not result.is_partial:
                assert item.confidence is not None
                assert 0 < item.confidence <= 1


def test_result_id_names_the_segment(results: list[Result]) -> None:
    finals = [result.result_id for result in results if not result.is_partial]
    assert len(set(finals)) == len(finals) > 1
    assert all(uuid.UUID(name).version == 4 for name in finals)
    ids = [result.result_id for result in results]
    # The final result is the last of its segment, and every segment has one.
    assert [name for name, following in pairwise([*ids, None]) if name != following] == finals


@pytest.mark.parametrize("engine", ["moonshine", "scripted"], indirect=True)
def test_a_call_with_much_audio_brings_one_partial_at_most(
    engine: Engine, speech: Recording
) -> None:
    recognition = engine.open(RecognitionOptions(speech.sample_rate))
    results = recognition.accept(speech.pcm)
    assert sum(1 for result in results if result.is_partial) <= 1
    recognition.finish()


def test_samples_may_be_split_over_two_calls(engine: Engine) -> None:
    short = read_recording("goforward")
    options = RecognitionOptions(short.sample_rate)
    whole = recognise(engine.open(options), short.pcm, 3_200)
    split = recognise(engine.open(options), short.pcm, 3_201)
    assert best(split[-1]).transcript == best(whole[-1]).transcript


def test_no_audio_brings_no_result(engine: Engine) -> None:
    recognition = engine.open(RecognitionOptions(16_000))
    assert recognition.accept(b"") == []
    assert recognition.accept(b"\0") == []
    assert recognition.finish() == []


# Engines that other packages add

ADDED = """
from amazon_transcribe.local.engines.scripted import ScriptedEngine

def load():
    return ScriptedEngine("It is mine.")

def fail():
    raise RuntimeError("no model\\nhere")

def leave():
    raise SystemExit("no licence")

def nothing():
    return None
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with a package that adds engines, to be on the path."""
    (tmp_path / "my_engines.py").write_text(ADDED, encoding="utf-8")
    metadata = tmp_path / "my_engines-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: my-engines\nVersion: 1\n", encoding="utf-8")
    points = "".join(
        f"{name} = my_engines:{name}\n" for name in ("load", "fail", "leave", "nothing")
    )
    (metadata / "entry_points.txt").write_text(
        f"[amazon_transcribe.engines]\n{points}gone = no_such_module:load\n", encoding="utf-8"
    )
    return tmp_path


def test_added_engine_is_loaded_by_its_name(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed)
    assert recognise(load_engine("load").open(RecognitionOptions(16_000)), bytes(64_000))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "fail",
            "'fail' cannot be loaded: my_engines:fail failed with .*: no model here",
        ),
        ("leave", "my_engines:leave failed with SystemExit: no licence"),
        ("nothing", "my_engines:nothing returned no engine but 'NoneType'"),
        ("gone", "no_such_module:load failed with ModuleNotFoundError"),
    ],
)
def test_added_engine_that_fails_is_one_line(
    installed: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.syspath_prepend(installed)
    with pytest.raises(EngineUnavailable, match=reason) as caught:
        load_engine(name)
    assert "\n" not in str(caught.value)


def test_unknown_engine_is_refused_with_the_added_names(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed)
    with pytest.raises(
        ValidationException, match=f"{ENGINES[-1]}, fail, gone, leave, load, nothing"
    ):
        load_engine("whisper")


def test_command_takes_an_added_engine(installed: Path) -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "amazon_transcribe", "transcribe", "--no-realtime"),
            *("--local", "--engine", "load", str(DIRECTORY / "goforward.wav")),
        ],
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        encoding="utf-8",
    )
    assert run.stdout.split("\n")[0] == "It is mine."
