"""The service's shapes as Python types: requests, responses, events and results.

Names, order and meaning follow the documented SDK; fields that came to the service
later stand after them. Results are `msgspec` structs: they compare by value, have a
readable repr, and take their fields by position or by name. Times are offsets in
seconds from the beginning of the stream.
"""

from __future__ import annotations

from msgspec import Struct, field


class _Shape(Struct, rename="pascal", omit_defaults=True):
    """A JSON shape of the service: PascalCase on the wire, unset fields left out."""


class LanguageWithScore(_Shape, gc=False):
    """One candidate of automatic language identification.

    :param language_code: The language, e.g. `"en-US"`.
    :param score: The confidence in it, 0 to 1.
    """

    language_code: str | None = None
    score: float | None = None


class Entity(_Shape, gc=False):
    """A piece of personally identifiable information found in the transcript.

    :param start_time: Where it begins, in seconds.
    :param end_time: Where it ends, in seconds.
    :param category: The category; the service knows `"PII"` only.
    :param content: The words.
    :param confidence: The confidence in it, 0 to 1.
    :param entity_type: Its type, e.g. `"NAME"` or `"EMAIL"`.
    """

    start_time: float | None = None
    end_time: float | None = None
    category: str | None = None
    content: str | None = None
    confidence: float | None = None
    entity_type: str | None = field(default=None, name="Type")


class Item(_Shape, gc=False):
    """A word, phrase or punctuation mark of the transcript.

    :param start_time: Where its audio begins, in seconds.
    :param end_time: Where its audio ends, in seconds.
    :param item_type: `"pronunciation"` or `"punctuation"`.
    :param content: The word or the mark.
    :param vocabulary_filter_match: Whether the word is in the vocabulary filter.
    :param speaker: The speaker's label, with speaker labels on.
    :param confidence: The confidence in the word, 0 to 1.
    :param stable: With stabilisation on: whether later partial results keep the item.
    """

    start_time: float | None = None
    end_time: float | None = None
    item_type: str | None = field(default=None, name="Type")
    content: str | None = None
    vocabulary_filter_match: bool | None = None
    speaker: str | None = None
    confidence: float | None = None
    stable: bool | None = None


class Alternative(_Shape):
    """One possible transcription of a segment.

    :param transcript: The text.
    :param items: Its words and punctuation marks.
    :param entities: The personally identifiable information found in it.
    """

    transcript: str = ""
    items: list[Item] = []
    entities: list[Entity] | None = None


class Result(_Shape):
    """The transcription of one segment of the audio, partial or final.

    :param result_id: Identifies the segment; all its partial results and its final
        one carry the same.
    :param start_time: Where the segment begins, in seconds.
    :param end_time: Where it ends, in seconds.
    :param is_partial: True while more results of the segment may follow.
    :param alternatives: The possible transcriptions, best first.
    :param channel_id: With channel identification: `"ch_0"` or `"ch_1"`.
    :param language_code: With language identification: the language found.
    :param language_identification: The candidates and their scores.
    """

    result_id: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    is_partial: bool | None = None
    alternatives: list[Alternative] | None = None
    channel_id: str | None = None
    language_code: str | None = None
    language_identification: list[LanguageWithScore] | None = None


class Transcript(_Shape):
    """The results that one event carries.

    :param results: The results; the list can be empty.
    """

    results: list[Result] = []
