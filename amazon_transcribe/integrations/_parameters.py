"""The parameters of a stream for an agent: its language by the frameworks' names, defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from .._protocol.constants import LanguageCode
from ..exceptions import InvalidParameterException
from ..transcription import TranscriptionParameters

_CODES = {code.lower(): code for code in get_args(LanguageCode)}

# Languages that the service has under another name, and which of its regions stands for all.
_DEFAULTS = {
    "ar": "ar-SA",
    "ckb": "ckb-IQ",
    "en": "en-US",
    "fa": "fa-IR",
    "fil": "tl-PH",
    "nb": "no-NO",
    "sw": "sw-KE",
    "yue": "zh-HK",
    "zh": "zh-CN",
}

# An agent hears one voice, and the adapter bridges the pauses.
_NOT_FOR_AGENTS = {"enable_channel_identification", "number_of_channels", "idle", "language_code"}
_NAMES = sorted(set(TranscriptionParameters.__annotations__) - _NOT_FOR_AGENTS)


def service_language(tag: str) -> str:
    """Return the service's code of a language.

    :param tag: A BCP 47 tag with or without a region, in any case; a region that the service
        does not know stands for the language.
    :raises InvalidParameterException: for a language that the service does not know.
    """
    tag = tag.replace("_", "-").lower()
    language = tag.partition("-")[0]
    code = _CODES.get(tag) or _DEFAULTS.get(language) or _CODES.get(f"{language}-{language}")
    if code is None:
        code = next((_CODES[each] for each in _CODES if each.startswith(language + "-")), None)
    if code is None:
        raise InvalidParameterException(
            "language", f"language must be one that the service knows, such as 'en-US', not {tag!r}"
        )
    return code


def agent_parameters(language: str | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a stream, with the defaults of an agent.

    :param language: A language for `service_language`; None if it is to be identified.
    :param parameters: Others of `start_stream_transcription`, by their names.
    :raises InvalidParameterException: for a language or a name that cannot be.
    """
    for name in parameters:
        if name not in _NAMES:
            raise InvalidParameterException(
                name, f"{name} is no parameter of an agent's stream: it takes {', '.join(_NAMES)}"
            )
    chosen = dict(parameters)
    if not (chosen.get("identify_language") or chosen.get("identify_multiple_languages")):
        if language is None:
            raise InvalidParameterException(
                "language",
                "language must be named, unless identify_language or"
                " identify_multiple_languages asks for it to be found",
            )
        chosen["language_code"] = service_language(language)
    if chosen.setdefault("enable_partial_results_stabilization", True):
        chosen.setdefault("partial_results_stability", "high")
    return chosen
