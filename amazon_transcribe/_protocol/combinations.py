"""Checks of parameters that need or exclude each other.

Each check takes a request or an event and yields the field's name and a message for every
fault. A name in braces in the message is a field; the side that reports the fault, client
or server, replaces it by its own name of that field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Combinations: TypeAlias = Callable[[Any], Iterator[tuple[str, str]]]


def no_combinations(request: Any) -> Iterator[tuple[str, str]]:
    """Accept any combination."""
    yield from ()


def check_languages(request: Any, *ways: str) -> Iterator[tuple[str, str]]:
    """Check that there is either a language or one way to identify it, with its options.

    :param ways: The fields that turn identification on.
    """
    either = " or ".join(f"{{{way}}}" for way in ways)
    given = [name for name in ("language_code", *ways) if getattr(request, name)]
    if not given:
        yield "language_code", f"{{language_code}} is required, unless {either} is set"
    if len(given) > 1:
        both = " and ".join(f"{{{name}}}" for name in given)
        yield given[0], f"{both} exclude each other: set only one of them"
    identifies = any(getattr(request, way) for way in ways)
    options = request.language_options
    if identifies and (not options or len(_listed(options)) < 2):
        yield (
            "language_options",
            f"{{language_options}} must list at least two language codes when {either} is set",
        )
    for name in ("language_options", "preferred_language"):
        if getattr(request, name) and not identifies:
            yield name, f"{{{name}}} needs {either}"
    preferred = request.preferred_language
    if preferred and options and preferred not in _listed(options):
        yield "preferred_language", "{preferred_language} must be one of {language_options}"


def check_channels(request: Any) -> Iterator[tuple[str, str]]:
    """Check that speakers and channels are not both identified, and that channels have a number."""
    yield from _exclude(request, "show_speaker_label", "enable_channel_identification")
    if request.enable_channel_identification and request.number_of_channels is None:
        yield (
            "number_of_channels",
            "{number_of_channels} is required with {enable_channel_identification}",
        )
    if request.number_of_channels is not None and not request.enable_channel_identification:
        yield "number_of_channels", "{number_of_channels} needs {enable_channel_identification}"


def check_personal_information(request: Any) -> Iterator[tuple[str, str]]:
    """Check that personal information is marked or replaced, but not both."""
    yield from _exclude(request, "content_identification_type", "content_redaction_type")
    types = (request.content_identification_type, request.content_redaction_type)
    if request.pii_entity_types and not any(types):
        yield (
            "pii_entity_types",
            "{pii_entity_types} needs {content_identification_type} or {content_redaction_type}",
        )


def check_vocabularies(request: Any) -> Iterator[tuple[str, str]]:
    """Check that a vocabulary and a list of them are not both given, and the same of filters."""
    yield from _exclude(request, "vocabulary_name", "vocabulary_names")
    yield from _exclude(request, "vocab_filter_name", "vocabulary_filter_names")


def check_channels_once(event: Any) -> Iterator[tuple[str, str]]:
    """Check that a configuration defines no channel twice (API reference)."""
    channels = [definition.channel_id for definition in event.channel_definitions or ()]
    if len(set(channels)) < len(channels):
        yield (
            "channel_definitions",
            f"{{channel_definitions}} must define each channel once, not {channels[0]} twice",
        )


def _exclude(request: Any, one: str, other: str) -> Iterator[tuple[str, str]]:
    if getattr(request, one) and getattr(request, other):
        yield one, f"{{{one}}} and {{{other}}} exclude each other: set only one of them"


def _listed(value: Any) -> list[str]:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)
