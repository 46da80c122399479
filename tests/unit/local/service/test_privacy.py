"""Personal information in results, partial and final."""

from __future__ import annotations

import pytest

from amazon_transcribe.local.engines.results import Word, build_result, split_mark
from amazon_transcribe.local.service.categories import Categories
from amazon_transcribe.local.service.events import event_mapper
from amazon_transcribe.local.service.phrases import Phrases
from amazon_transcribe.local.service.pii import TYPES
from amazon_transcribe.local.service.privacy import Privacy
from amazon_transcribe.local.service.vocabulary import VocabularyFilter
from amazon_transcribe.model import ChannelDefinition, ConfigurationEvent, UtteranceEvent
from amazon_transcribe.transcription import Alternative, Entity, Result, TranscriptEvent


def said(text: str, *others: str, partial: bool = False, channel: str | None = None) -> Result:
    versions = [
        [
            Word(word, number, number + 1, 0.9, mark)
            for number, (word, mark) in enumerate(map(split_mark, version.split()))
        ]
        for version in (text, *others)
    ]
    end = len(versions[0])
    result = build_result("id", versions[0], 0, end, is_partial=partial, others=versions[1:])
    result.channel_id = channel
    return result


def best(result: Result) -> Alternative:
    assert result.alternatives
    return result.alternatives[0]


def treated(privacy: Privacy, result: Result) -> Alternative:
    privacy.apply(result)
    return best(result)


def test_identification_lists_entities_and_keeps_the_words() -> None:
    heard = treated(Privacy(TYPES, redacts=False), said("My PIN, it is 49, 12."))
    assert heard.transcript == "My PIN, it is 49, 12."
    assert heard.entities == [Entity(4, 6, "PII", "49 12", None, "PIN")]


def test_redaction_leaves_one_item_in_the_text_and_the_items() -> None:
    heard = treated(Privacy(TYPES, redacts=True), said("My PIN, it is 49, 12. Bye."))
    assert heard.transcript == "My PIN, it is [PII]. Bye."
    assert [item.content for item in heard.items] == [
        *("My", "PIN", ",", "it", "is", "[PII]", ".", "Bye", ".")
    ]
    assert (heard.items[5].start_time, heard.items[5].end_time) == (4, 6)
    assert heard.entities == [Entity(4, 6, "PII", "[PII]", None, "PIN")]


def test_types_that_are_not_wanted_stay() -> None:
    text = "My PIN is 4912."
    assert treated(Privacy({"EMAIL"}, redacts=True), said(text)).transcript == text


def test_a_redacted_partial_result_ends_before_numbers_and_addresses() -> None:
    privacy = Privacy(TYPES, redacts=True)
    for text, shown in (
        ("Well, write to john", "Well, write to"),
        ("Well, write to john dot smith at example dot com or", "Well, write to"),
        ("Well, dial 415 555 2671 by noon", "Well, dial"),
        ("4912", ""),
    ):
        heard = treated(privacy, said(text, partial=True))
        assert heard.transcript == shown
        assert heard.entities == []


def test_a_number_goes_on_after_a_pause_on_the_same_channel() -> None:
    privacy = Privacy(TYPES, redacts=True)
    privacy.apply(said("My card number is", channel="ch_0"))
    privacy.apply(said("Yes, please.", channel="ch_1"))
    assert treated(privacy, said("4242 4242", channel="ch_1")).transcript == "4242 4242"
    assert treated(privacy, said("4242 4242.", channel="ch_0")).transcript == "[PII]."
    assert treated(privacy, said("4242 4242.", channel="ch_0")).transcript == "[PII]."


def test_alternatives_that_redaction_makes_the_same_are_one() -> None:
    result = said("My PIN is 4912.", "My PIN is 4911.", "My pen is 4912.")
    Privacy(TYPES, redacts=True).apply(result)
    assert result.alternatives
    assert [a.transcript for a in result.alternatives] == ["My PIN is [PII].", "My pen is 4912."]


# Together with a vocabulary filter

TEXT = "Damn, my card is 4242 4242 4242 4242."


@pytest.mark.parametrize(
    ("redacts", "method", "phrases", "transcript", "entities"),
    [
        (False, "tag", ["4242"], TEXT, ["4242 4242 4242 4242"]),
        (False, "mask", ["4242"], "Damn, my card is *** *** *** ***.", ["*** *** *** ***"]),
        (False, "remove", ["4242"], "Damn, my card is.", []),
        (False, "remove", ["is 4242", "damn"], "my card 4242 4242 4242.", ["4242 4242 4242"]),
        (True, "tag", ["4242", "damn"], "Damn, my card is [PII].", ["[PII]"]),
        (True, "mask", ["card is 4242", "damn"], "***, my *** *** [PII].", ["[PII]"]),
        (True, "remove", ["card", "4242", "PII"], "Damn, my is [PII].", ["[PII]"]),
    ],
)
@pytest.mark.parametrize("operation", ["Start", "StartCallAnalytics"])
def test_filtered_words_are_hidden_in_entities_too_and_hide_no_entity(
    operation: str,
    redacts: bool,
    method: str,
    phrases: list[str],
    transcript: str,
    entities: list[str],
) -> None:
    to_events = event_mapper(
        f"{operation}StreamTranscription",
        ConfigurationEvent([ChannelDefinition(0, "AGENT"), ChannelDefinition(1, "CUSTOMER")]),
        Categories({}),
        Privacy(TYPES, redacts=redacts),
        VocabularyFilter([Phrases(phrases)], method),
    )
    (event,) = to_events(said(TEXT))
    if isinstance(event, TranscriptEvent):
        event = best(event.transcript.results[0])
    assert isinstance(event, (Alternative, UtteranceEvent))
    assert event.transcript == transcript
    assert [entity.content for entity in event.entities or ()] == entities
    matches = {item.content: item.vocabulary_filter_match for item in event.items or ()}
    assert matches["my"] is False
    assert matches.get("[PII]", False) is False
    assert matches.get("Damn", False) is (method == "tag" and "damn" in phrases)


def test_a_filtered_word_is_no_less_a_cue() -> None:
    filtering = VocabularyFilter([Phrases(["card"])], "remove")
    to_events = event_mapper(
        "StartStreamTranscription", None, Categories({}), Privacy(TYPES, redacts=True), filtering
    )
    to_events(said("My card is"))
    result = said("4242.")
    to_events(result)
    assert best(result).transcript == "[PII]."
