"""The service's names, numbers and enumerations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ..exceptions import (
    BadRequestException,
    ConflictException,
    InternalFailureException,
    LimitExceededException,
    ResourceNotFoundException,
    SerializationException,
    ServiceException,
    ServiceUnavailableException,
)

MAX_AUDIO_CHUNK = 32 * 1024
"""The most bytes of audio that one event may carry (API reference, AudioEvent)."""

# A stream that brings no audio for so many seconds is ended by the service.
AUDIO_TIMEOUT = 15.0

PREFIX = "x-amzn-transcribe-"
SESSION_ID = PREFIX + "session-id"

# Of a refusal too: the service's API reference, common errors.
REQUEST_ID = "x-amzn-request-id"

# Enumerations of the service model; a `str` is taken for each where a program has one, and
# checked before anything is sent.

CallAnalyticsLanguageCode = Literal[
    "en-US", "en-GB", "es-US", "fr-CA", "fr-FR", "en-AU", "it-IT", "de-DE", "pt-BR"
]

# fmt: off
LanguageCode = Literal[
    CallAnalyticsLanguageCode,
    "ja-JP", "ko-KR", "zh-CN", "th-TH", "es-ES", "ar-SA", "pt-PT", "ca-ES", "ar-AE", "hi-IN",
    "zh-HK", "nl-NL", "no-NO", "sv-SE", "pl-PL", "fi-FI", "zh-TW", "en-IN", "en-IE", "en-NZ",
    "en-AB", "en-ZA", "en-WL", "de-CH", "af-ZA", "eu-ES", "hr-HR", "cs-CZ", "da-DK", "fa-IR",
    "gl-ES", "el-GR", "he-IL", "id-ID", "lv-LV", "ms-MY", "ro-RO", "ru-RU", "sr-RS", "sk-SK",
    "so-SO", "tl-PH", "uk-UA", "vi-VN", "zu-ZA", "am-ET", "be-BY", "bg-BG", "bn-IN", "bs-BA",
    "ckb-IQ", "ckb-IR", "cy-WL", "es-MX", "et-ET", "fa-AF", "gu-IN", "ht-HT", "hu-HU", "hy-AM",
    "is-IS", "jv-ID", "ka-GE", "kab-DZ", "kk-KZ", "km-KH", "kn-IN", "lg-IN", "lt-LT", "mk-MK",
    "ml-IN", "mr-IN", "my-MM", "ne-NP", "or-IN", "pa-IN", "ps-AF", "si-LK", "sl-SI", "sq-AL",
    "su-ID", "sw-BI", "sw-KE", "sw-RW", "sw-TZ", "sw-UG", "ta-IN", "te-IN", "tr-TR", "uz-UZ",
]
# fmt: on

MediaEncoding = Literal["pcm", "ogg-opus", "flac", "g711-alaw", "g711-ulaw", "g729"]
ScribeMediaEncoding = Literal["pcm", "ogg-opus", "flac"]

SILENT_SAMPLE: Mapping[str, bytes] = {"pcm": b"\0\0", "g711-alaw": b"\xd5", "g711-ulaw": b"\xff"}
"""A sample of silence in each encoding whose samples all have the same size."""

VocabularyFilterMethod = Literal["remove", "mask", "tag"]
PartialResultsStability = Literal["high", "medium", "low"]
TranscriptFormat = Literal["spoken", "written"]
Specialty = Literal["PRIMARYCARE", "CARDIOLOGY", "NEUROLOGY", "ONCOLOGY", "RADIOLOGY", "UROLOGY"]
MedicalTranscriptionType = Literal["CONVERSATION", "DICTATION"]

SERVICE = "transcribe"
CONTENT_TYPE = "application/vnd.amazon.eventstream"


# The service refuses a signature older than this, of the request and of an event alike.
SIGNATURE_LIFETIME = 300.0

# Over WebSocket the request is a GET of this path behind the operation's own.
WEBSOCKET = "-websocket"

SERVICE_EXCEPTIONS: Mapping[str, type[ServiceException]] = {
    kind.__name__: kind
    for kind in (
        BadRequestException,
        ConflictException,
        InternalFailureException,
        LimitExceededException,
        ResourceNotFoundException,
        SerializationException,
        ServiceUnavailableException,
    )
}
"""The exceptions that the service sends, by their names."""
