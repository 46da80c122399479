"""Personal information in results, partial and final."""

from __future__ import annotations

from amazon_transcribe.local.engines.results import Word, build_result, split_mark
from amazon_transcribe.local.service.pii import TYPES
from amazon_transcribe.local.service.privacy import Privacy
from amazon_transcribe.transcription import Alternative, Entity, Result


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


def test_identification_lists_entities_and_keeps_the_words() -> None:
    heard = best(Privacy(TYPES, redacts=False).apply(said("My PIN, it is 49, 12.")))
    assert heard.transcript == "My PIN, it is 49, 12."
    assert heard.entities == [Entity(4, 6, "PII", "49 12", None, "PIN")]


def test_redaction_leaves_one_item_in_the_text_and_the_items() -> None:
    heard = best(Privacy(TYPES, redacts=True).apply(said("My PIN, it is 49, 12. Bye.")))
    assert heard.transcript == "My PIN, it is [PII]. Bye."
    assert [item.content for item in heard.items] == [
        *("My", "PIN", ",", "it", "is", "[PII]", ".", "Bye", ".")
    ]
    assert (heard.items[5].start_time, heard.items[5].end_time) == (4, 6)
    assert heard.entities == [Entity(4, 6, "PII", "[PII]", None, "PIN")]


def test_types_that_are_not_wanted_stay() -> None:
    text = "My PIN is 4912."
    assert best(Privacy({"EMAIL"}, redacts=True).apply(said(text))).transcript == text


def test_a_redacted_partial_result_ends_before_numbers_and_addresses() -> None:
    privacy = Privacy(TYPES, redacts=True)
    for text, shown in (
        ("Well, write to john", "Well, write to"),
        ("Well, write to john dot smith at example dot com or", "Well, write to"),
        ("Well, dial 415 555 2671 by noon", "Well, dial"),
        ("4912", ""),
    ):
        heard = best(privacy.apply(said(text, partial=True)))
        assert heard.transcript == shown
        assert heard.entities == []


def test_a_number_goes_on_after_a_pause_on_the_same_channel() -> None:
    privacy = Privacy(TYPES, redacts=True)
    privacy.apply(said("My card number is", channel="ch_0"))
    privacy.apply(said("Yes, please.", channel="ch_1"))
    assert best(privacy.apply(said("4242 4242", channel="ch_1"))).transcript == "4242 4242"
    assert best(privacy.apply(said("4242 4242.", channel="ch_0"))).transcript == "[PII]."
    assert best(privacy.apply(said("4242 4242.", channel="ch_0"))).transcript == "[PII]."


def test_alternatives_that_redaction_makes_the_same_are_one() -> None:
    result = said("My PIN is 4912.", "My PIN is 4911.", "My pen is 4912.")
    Privacy(TYPES, redacts=True).apply(result)
    assert result.alternatives
    assert [a.transcript for a in result.alternatives] == ["My PIN is [PII].", "My pen is 4912."]
