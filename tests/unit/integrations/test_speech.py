"""What results say about speech, for the frameworks of voice agents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amazon_transcribe.integrations._speech import Phrase, Speech, SpeechEnded, SpeechStarted
from amazon_transcribe.model import Alternative, Item, Result


def word(
    text: str,
    start: float,
    *,
    confidence: float | None = None,
    speaker: str | None = None,
    stable: bool | None = None,
) -> Item:
    return Item(start, start + 0.5, "pronunciation", text, None, speaker, confidence, stable)


def mark(text: str, speaker: str | None = None) -> Item:
    return Item(None, None, "punctuation", text, speaker=speaker)


def result(text: str, *items: Item, partial: bool = False) -> Result:
    return Result("1", 1.0, 3.0, partial, [Alternative(text, list(items))])


def take(speech: Speech, said: Result, offset: float = 0.0) -> list[object]:
    return list(speech.take(said, offset))


def test_a_final_result_alone_starts_and_ends_speech() -> None:
    speech = Speech()
    started, phrase, ended = take(speech, result("Yes.", word("Yes", 1.0), mark(".")), 10.0)
    assert started == SpeechStarted(11.0)
    assert isinstance(phrase, Phrase)
    assert (phrase.kind, phrase.text, phrase.start, phrase.end) == ("final", "Yes.", 11.0, 13.0)
    assert [(each.text, each.start, each.end) for each in phrase.words] == [("Yes.", 11.0, 11.5)]
    assert ended == SpeechEnded(13.0)
    assert not speech.is_open


def test_an_empty_final_result_ends_what_began() -> None:
    speech = Speech()
    take(speech, result("Hm", word("Hm", 1.0), partial=True))
    assert take(speech, result("")) == [SpeechEnded(3.0)]
    assert take(speech, result("")) == []


def test_a_partial_result_is_stable_when_every_word_is() -> None:
    speech = Speech()
    first, second = word("Good", 1.0, stable=True), word("day", 2.0, stable=False)
    kinds = []
    for said in ([first, second], [first, second], [first, word("day", 2.0, stable=True)]):
        events = take(speech, result("Good day", *said, partial=True))
        kinds.append([each.kind for each in events if isinstance(each, Phrase)])
    assert kinds == [["partial"], [], ["stable"]]


def test_confidence_is_the_mean_of_the_words_that_have_one() -> None:
    items = word("One", 1.0, confidence=0.5), word("two", 2.0, confidence=1.0), word("x", 2.5)
    (phrase,) = (
        each for each in take(Speech(), result("One two x", *items)) if hasattr(each, "text")
    )
    assert phrase.confidence == pytest.approx(0.75)


def test_each_speaker_has_a_phrase_in_any_script() -> None:
    items = [
        word("你好", 1.0, speaker="0"),
        mark("。", speaker="0"),
        word("再见", 2.0, speaker="1"),
        mark("。"),
    ]
    events = take(Speech(), result("你好。再见。", *items))
    phrases = [each for each in events if isinstance(each, Phrase)]
    assert [(each.speaker, each.text, each.start, each.end) for each in phrases] == [
        ("0", "你好。", 1.0, 1.5),
        ("1", "再见。", 2.0, 3.0),
    ]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["", "one", "one two"])), max_size=20))
def test_starts_and_ends_come_in_pairs(said: list[tuple[bool, str]]) -> None:
    speech = Speech()
    events = [
        each for partial, text in said for each in take(speech, result(text, partial=partial))
    ]
    events += speech.end()
    is_open = False
    for each in events:
        assert isinstance(each, SpeechStarted) != is_open
        is_open = not isinstance(each, SpeechEnded)
    assert not is_open
