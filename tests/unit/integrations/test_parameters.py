"""The parameters of an agent's stream."""

from __future__ import annotations

from typing import Any

import pytest

from amazon_transcribe.exceptions import InvalidParameterException
from amazon_transcribe.integrations._listener import check_silence_after
from amazon_transcribe.integrations._parameters import agent_parameters, service_language


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "en-US"),
        ("en_gb", "en-GB"),
        ("en-CA", "en-US"),
        ("es", "es-ES"),
        ("de-AT", "de-DE"),
        ("ja", "ja-JP"),
        ("zh", "zh-CN"),
        ("nb-NO", "no-NO"),
        ("fil", "tl-PH"),
    ],
)
def test_a_language_has_the_service_s_code(tag: str, code: str) -> None:
    assert service_language(tag) == code


@pytest.mark.parametrize(
    ("language", "parameters", "name"),
    [
        ("tlh", {}, "language"),
        ("", {}, "language"),
        (None, {}, "language"),
        ("en", {"colour": "red"}, "colour"),
        ("en", {"number_of_channels": 2}, "number_of_channels"),
        ("en", {"idle": "silence"}, "idle"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(
    language: str | None, parameters: dict[str, Any], name: str
) -> None:
    with pytest.raises(InvalidParameterException) as caught:
        agent_parameters(language, parameters)
    assert caught.value.parameter == name


def test_partial_results_are_stabilised_unless_it_is_said_otherwise() -> None:
    assert agent_parameters("en", {}) == {
        "language_code": "en-US",
        "enable_partial_results_stabilization": True,
        "partial_results_stability": "high",
    }
    off = agent_parameters("en", {"enable_partial_results_stabilization": False})
    assert "partial_results_stability" not in off


def test_an_identified_language_is_not_named() -> None:
    options = {"identify_language": True, "language_options": ["en-US", "de-DE"]}
    assert "language_code" not in agent_parameters("en-US", options)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 15.0, float("nan"), "1"])
def test_a_pause_that_the_service_does_not_wait_for_is_refused(seconds: Any) -> None:
    with pytest.raises(InvalidParameterException, match="silence_after"):
        check_silence_after(seconds)
