"""What the client's methods take: the service's parameters, and ours.

The service's stand in the requests alone. `takes` gives a method the keyword parameters of
such a class, for type checkers, `help` and editors alike. What must be given is `field()`:
with nothing behind it, Pyright takes the default that the field has in the request.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, get_args, get_origin

from msgspec import field

from ._stream.idle import IDLE_AFTER, Idle
from .model import (
    ConfigurationEvent,
    MedicalScribeConfigurationEvent,
    StartCallAnalyticsStreamTranscriptionRequest,
    StartMedicalScribeStreamRequest,
    StartMedicalStreamTranscriptionRequest,
)
from .transcription import StartStreamTranscriptionRequest

_P = ParamSpec("_P")
_Self = TypeVar("_Self")
_Parameters = TypeVar("_Parameters")
_Result = TypeVar("_Result")

_IDLE = """\
:param idle: What to do when the program sends no audio for `idle_after` seconds:
    `"wait"`, until the service ends the stream after 15 s; `"silence"` sends a
    tenth of a second of it, again and again, with pcm only (it counts as audio:
    in the transcript's times, in `audio_bytes_sent` and on the bill); `"end"`
    ends the input, so that the stream ends cleanly with its last results.
:param idle_after: Above 0 and under 15 s.
"""
_RAISES = """
:raises InvalidParameterException: for what the service would refuse, before anything is sent;
    it is a `ValidationException` and a `BadRequestException`, and its `parameter` names
    what is wrong: `media_encoding`, or `configuration.channel_definitions[0].channel_id`.
:raises CredentialsException: when there are no credentials.
:raises ConnectException: when no connection can be made.
:raises TimeoutException: when the start takes longer than `start_timeout`.
:raises StreamException: when the connection breaks before the answer, or the client
    is closed.
:raises ServiceException: when the service refuses.
"""


class Transcription(StartStreamTranscriptionRequest, kw_only=True):
    """The parameters of `start_stream_transcription`."""

    language_code: str | None = None
    media_sample_rate_hz: int = field()
    media_encoding: str = field()
    vocabulary_name: str | None = None
    session_id: str | None = None
    vocab_filter_method: str | None = None
    vocab_filter_names: Sequence[str] | str | None = None
    idle: Idle = "wait"
    idle_after: float = IDLE_AFTER


class Call(StartCallAnalyticsStreamTranscriptionRequest, kw_only=True):
    """The parameters of `start_call_analytics_stream_transcription`."""

    media_sample_rate_hz: int = field()
    media_encoding: str = field()
    configuration: ConfigurationEvent | None = None
    idle: Idle = "wait"
    idle_after: float = IDLE_AFTER


class MedicalTranscription(StartMedicalStreamTranscriptionRequest, kw_only=True):
    """The parameters of `start_medical_stream_transcription`."""

    language_code: str = field()
    media_sample_rate_hz: int = field()
    media_encoding: str = field()
    specialty: str = field()
    type: str = field()
    idle: Idle = "wait"
    idle_after: float = IDLE_AFTER


class ScribeSession(StartMedicalScribeStreamRequest, kw_only=True):
    """The parameters of `start_medical_scribe_stream`."""

    language_code: str = field()
    media_sample_rate_hz: int = field()
    media_encoding: str = field()
    configuration: MedicalScribeConfigurationEvent
    idle: Idle = "wait"
    idle_after: float = IDLE_AFTER


def takes(
    parameters: Callable[_P, _Parameters],
) -> Callable[
    [Callable[[_Self, _Parameters], Coroutine[Any, Any, _Result]]],
    Callable[Concatenate[_Self, _P], Coroutine[Any, Any, _Result]],
]:
    """Let a method be called with the parameters of a class, and get an object of it.

    Its docstring is told of these parameters, and of what every start may raise.
    """

    def decorate(
        method: Callable[[_Self, _Parameters], Coroutine[Any, Any, _Result]],
    ) -> Callable[Concatenate[_Self, _P], Coroutine[Any, Any, _Result]]:
        @wraps(method)
        async def call(self: _Self, /, *args: _P.args, **kwargs: _P.kwargs) -> _Result:
            return await method(self, parameters(*args, **kwargs))

        _describe(call, parameters)
        return call

    return decorate


def _describe(call: Any, parameters: Any) -> None:
    """Give a method the signature that a class has, and what is to be said of it."""
    own = inspect.signature(call)
    taken = [
        each.replace(annotation=get_args(each.annotation)[0])  # without the rule
        if get_origin(each.annotation) is Annotated
        else each
        for each in inspect.signature(parameters).parameters.values()
    ]
    call.__signature__ = own.replace(parameters=[*own.parameters.values()][:1] + taken)
    request = parameters.__base__.__doc__
    if call.__doc__ and request:  # not with -OO
        doc, request = inspect.cleandoc(call.__doc__), inspect.cleandoc(request)
        ours = re.search("^:", doc, re.MULTILINE)
        assert ours is not None
        at = ours.start()
        given = f"{request[request.index(':param') :]}\n{_IDLE}"
        call.__doc__ = doc[:at] + given + doc[at:] + _RAISES
