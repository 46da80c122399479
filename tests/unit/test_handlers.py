"""Every event that an operation gives has a type, and a method of the operation's handler."""

from __future__ import annotations

import re
from typing import Any

import pytest

from amazon_transcribe import handlers
from amazon_transcribe._protocol.operation import Operation
from amazon_transcribe._stream.iteration import EventIteration
from amazon_transcribe._stream.open_stream import ResultStream
from amazon_transcribe.local.service.operations import OPERATIONS

STREAMS = [operation for operation in OPERATIONS.values() if operation.result_stream]
HANDLERS = {
    "StartStreamTranscription": handlers.TranscriptResultStreamHandler,
    "StartCallAnalyticsStreamTranscription": handlers.CallAnalyticsStreamHandler,
    "StartMedicalStreamTranscription": handlers.MedicalTranscriptStreamHandler,
    "StartMedicalScribeStream": handlers.MedicalScribeStreamHandler,
}


class OneEvent(EventIteration[object]):
    def __init__(self, event: object) -> None:
        super().__init__()
        self._events = [event]

    async def _next_event(self) -> object:
        return self._events.pop() if self._events else None


@pytest.mark.parametrize("operation", STREAMS, ids=lambda operation: operation.name)
def test_iteration_has_the_types_of_all_events(operation: Operation) -> None:
    assert operation.result_stream is not None
    (base,) = operation.result_stream.__orig_bases__
    assert base.__origin__ is ResultStream
    (argument,) = base.__args__
    declared = getattr(argument, "__forward_arg__", None) or argument.__name__
    assert set(re.findall(r"\w+", declared)) == {shape.__name__ for shape in operation.events.names}


@pytest.mark.parametrize(
    ("operation", "shape"),
    [(operation, shape) for operation in STREAMS for shape in operation.events.names],
)
async def test_a_handler_has_a_method_for_each_event(operation: Operation, shape: type) -> None:
    event = shape()
    handler: Any = HANDLERS[operation.name](OneEvent(event))  # type: ignore[arg-type]
    handled: list[object] = []

    async def handle(event: object) -> None:
        handled.append(event)

    for name in dir(handler):
        if name.startswith("handle_") and name not in ("handle_events", "handle_unknown_event"):
            setattr(handler, name, handle)
    await handler.handle_events()
    assert handled == [event]
