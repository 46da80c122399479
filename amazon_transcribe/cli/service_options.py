"""The options of the service: a row for each parameter of its operations."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from .._protocol.constants import MedicalTranscriptionType, Specialty
from .._protocol.constraints import FILTER_METHOD, LANGUAGE, STABILITY
from .errors import Unusable

if TYPE_CHECKING:
    from ..call_analytics import ConfigurationEvent
    from ..medical_scribe import MedicalScribeConfigurationEvent

OPERATIONS = ("transcription", "call-analytics", "medical", "medical-scribe")

# The keywords of the options that a scribe's session alone has.
_NOTES_KEYWORDS = ("resource_access_role_arn", "output_bucket_name", "note_template")


class ServiceOption(NamedTuple):
    """An option, and the keyword that it stands for of `client.transcribe` and its like.

    :param value: What the option has in the help: a name for the value, the values to choose
        from, or nothing for an option without a value.
    :param const: What an option without a value stands for.
    """

    flag: str
    keyword: str
    help: str
    value: str | tuple[str, ...] = ""
    const: object = True


SERVICE_OPTIONS = (
    ServiceOption("--speakers", "show_speaker_label", "label the speakers"),
    ServiceOption(
        "--stabilize",
        "enable_partial_results_stabilization",
        "let only the last words of a partial result change",
    ),
    ServiceOption(
        "--stability", "partial_results_stability", "with --stabilize: how much", STABILITY.values
    ),
    ServiceOption(
        "--vocabulary", "vocabulary_name", "a custom vocabulary; with --local NAME=FILE", "NAME"
    ),
    ServiceOption(
        "--vocabularies",
        "vocabulary_names",
        "the custom vocabularies of the languages to identify",
        "NAME,NAME",
    ),
    ServiceOption("--vocabulary-filter", "vocab_filter_name", "a vocabulary filter", "NAME"),
    ServiceOption(
        "--vocabulary-filters",
        "vocabulary_filter_names",
        "the vocabulary filters of the languages to identify",
        "NAME,NAME",
    ),
    ServiceOption(
        "--filter-method",
        "vocab_filter_method",
        "what becomes of a filter's words",
        FILTER_METHOD.values,
    ),
    ServiceOption("--language-model", "language_model_name", "a custom language model", "NAME"),
    ServiceOption(
        "--identify-language",
        "identify_language",
        "identify the language, one of --language-options",
    ),
    ServiceOption(
        "--identify-languages",
        "identify_multiple_languages",
        "identify the languages as they change",
    ),
    ServiceOption(
        "--language-options",
        "language_options",
        "languages to choose from, at least two",
        "CODE,CODE",
    ),
    ServiceOption("--preferred-language", "preferred_language", "the likeliest of them", "CODE"),
    ServiceOption(
        "--identify-pii",
        "content_identification_type",
        "mark personal information, in JSON; of health with --operation medical",
        const="PII",
    ),
    ServiceOption(
        "--redact-pii", "content_redaction_type", "replace personal information", const="PII"
    ),
    ServiceOption(
        "--pii-types",
        "pii_entity_types",
        "the kinds of it, such as NAME,EMAIL (default: all)",
        "TYPE,TYPE",
    ),
    ServiceOption(
        "--transcript-format",
        "transcript_format",
        "numbers and dates as words or as figures",
        ("spoken", "written"),
    ),
    ServiceOption(
        "--specialty",
        "specialty",
        "with --operation medical: the field (default: PRIMARYCARE)",
        get_args(Specialty),
    ),
    ServiceOption(
        "--type",
        "type",
        "with --operation medical: how it is spoken (default: CONVERSATION)",
        get_args(MedicalTranscriptionType),
    ),
    ServiceOption(
        "--roles",
        "configuration",
        "who speaks on the two channels (default: AGENT,CUSTOMER with --operation"
        " call-analytics, CLINICIAN,PATIENT with medical-scribe)",
        "ROLE,ROLE",
    ),
    ServiceOption(
        "--role",
        "resource_access_role_arn",
        "with --operation medical-scribe: the IAM role that may write the notes",
        "ARN",
    ),
    ServiceOption(
        "--bucket",
        "output_bucket_name",
        "with --operation medical-scribe: the S3 bucket for the notes",
        "NAME",
    ),
    ServiceOption(
        "--note-template",
        "note_template",
        "with --operation medical-scribe: the form of the notes, such as PHYSICAL_SOAP",
        "TEMPLATE",
    ),
)


def add_service_options(parser: argparse.ArgumentParser, *, scribes: bool = True) -> None:
    """Add the options, in a group of their own.

    :param scribes: Whether the command takes medical-scribe too.
    """
    group = parser.add_argument_group(
        "options of the service", "the local server says which of them it cannot do"
    )
    group.add_argument(
        "--operation",
        choices=OPERATIONS if scribes else OPERATIONS[:-1],
        default=OPERATIONS[0],
        help="what the service does with the audio: call-analytics takes the two channels of a "
        "call, by --channels split or --sides; "
        + ("medical-scribe needs --role and --bucket; " if scribes else "")
        + "only transcription resumes a lost connection (default: %(default)s)",
    )
    group.add_argument(
        "--language-code",
        type=_language,
        metavar="CODE",
        help="spoken language (default: en-US, unless it is to be identified)",
    )
    for option in SERVICE_OPTIONS:
        if option.keyword in _NOTES_KEYWORDS and not scribes:
            continue
        kind: dict[str, Any] = {"action": "store_const", "const": option.const}
        if isinstance(option.value, tuple):
            kind = {"choices": option.value}
        elif option.value:
            kind = {"metavar": option.value}
            if option.value == "CODE":
                kind["type"] = _language
        group.add_argument(option.flag, dest=option.keyword, help=option.help, **kind)


def service_parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the keywords that were given, for the client's method of the operation.

    :raises Unusable: For an option that the operation does not have.
    """
    operation = arguments.operation
    keywords = parameters_of(operation)
    given: dict[str, Any] = {"language_code": arguments.language_code}
    for option in SERVICE_OPTIONS:
        given[option.keyword] = value = getattr(arguments, option.keyword, None)
        if value is not None and option.keyword not in keywords:
            flags = (other.flag for other in SERVICE_OPTIONS if other.keyword in keywords)
            raise Unusable(
                f"{option.flag} does not go with --operation {operation}, which takes"
                f" --language-code, {', '.join(flags)}"
            )
    if operation == "medical" and given["content_identification_type"]:
        given["content_identification_type"] = "PHI"
    roles = given.pop("configuration")
    if operation == "medical-scribe":
        if arguments.sides or arguments.channels == "split":
            roles = roles or "CLINICIAN,PATIENT"
        given["configuration"] = _scribing(given, roles)
    elif roles:
        given["configuration"] = _configuration(roles)
    return {keyword: value for keyword, value in given.items() if value is not None}


def parameters_of(operation: str) -> Collection[str]:
    """Return the keywords that an operation has."""
    from ..call_analytics import CallAnalyticsParameters
    from ..medical import MedicalParameters
    from ..transcription import TranscriptionParameters

    if operation == "medical-scribe":
        return ("language_code", "configuration", "vocabulary_name", *_NOTES_KEYWORDS)
    parameters = (TranscriptionParameters, CallAnalyticsParameters, MedicalParameters)
    return parameters[OPERATIONS.index(operation)].__annotations__


def with_flags(message: str) -> str:
    """Return a message about keywords as one about the options that stand for them."""
    flags = {option.keyword: option.flag for option in SERVICE_OPTIONS}
    flags |= {"language_code": "--language-code", "media_sample_rate_hz": "--sample-rate"}

    def flag_of(path: re.Match[str]) -> str:
        known = [flags[name] for name in re.findall(r"\w+", path[0]) if name in flags]
        return known[-1] if known else path[0]

    return re.sub(r"\w+(?:[.\[]\w+\]?)*", flag_of, message)


def _configuration(roles: str) -> ConfigurationEvent:
    """Return the event that says who speaks on which channel."""
    from ..call_analytics import ChannelDefinition, ConfigurationEvent

    return ConfigurationEvent(
        [ChannelDefinition(channel, role) for channel, role in enumerate(roles.split(","))]
    )


def _scribing(given: dict[str, Any], roles: str | None) -> MedicalScribeConfigurationEvent:
    """Return the event that says where a scribe's notes go, taking its options out.

    :param roles: Who speaks on two channels; None for one channel.
    """
    from ..medical_scribe import (
        ClinicalNoteGenerationSettings,
        MedicalScribeChannelDefinition,
        MedicalScribeConfigurationEvent,
        MedicalScribePostStreamAnalyticsSettings,
    )

    vocabulary = given.pop("vocabulary_name")
    role_arn, bucket, template = (given.pop(name) for name in _NOTES_KEYWORDS)
    if not (role_arn and bucket):
        raise Unusable(
            "--operation medical-scribe needs --role, the IAM role that may write the notes, and"
            " --bucket, the S3 bucket for them (the local server takes any, and writes no notes)"
        )
    notes = ClinicalNoteGenerationSettings(bucket, template)
    definitions = [
        MedicalScribeChannelDefinition(channel, role)
        for channel, role in enumerate(roles.split(",") if roles else ())
    ]
    return MedicalScribeConfigurationEvent(
        role_arn,
        MedicalScribePostStreamAnalyticsSettings(notes),
        vocabulary_name=vocabulary,
        channel_definitions=definitions or None,
    )


def _language(text: str) -> str:
    """Read a language code."""
    codes = {code.lower(): code for code in LANGUAGE.values}
    wanted = text.lower().replace("_", "-")
    if wanted in codes:
        return codes[wanted]
    kin = [code for code in codes if code.partition("-")[0] == wanted.partition("-")[0]]
    near = get_close_matches(wanted, kin or codes, n=3) or kin[:3]
    hint = " or ".join(codes[code] for code in near)
    raise argparse.ArgumentTypeError(
        f"{text!r} is no language of the service"
        + (f": did you mean {hint}?" if near else ", such as en-US or de-DE")
    )
