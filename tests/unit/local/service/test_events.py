"""The events that the local server makes of a recogniser's results."""

from __future__ import annotations

import pytest

from amazon_transcribe._protocol.operation import Operation
from amazon_transcribe.local.service.categories import Categories
from amazon_transcribe.local.service.events import event_mapper
from amazon_transcribe.local.service.operations import OPERATIONS
from amazon_transcribe.model import ChannelDefinition, ConfigurationEvent
from amazon_transcribe.transcription import Alternative, Result

CALL = ConfigurationEvent([ChannelDefinition(0, "AGENT"), ChannelDefinition(1, "CUSTOMER")])
STREAMS = [operation for operation in OPERATIONS.values() if operation.result_stream]


@pytest.mark.parametrize("operation", STREAMS, ids=lambda operation: operation.name)
def test_every_stream_makes_events_of_results(operation: Operation) -> None:
    to_events = event_mapper(operation.name, CALL, Categories({}), None, None)
    events = to_events(Result("1", 0.0, 1.0, False, [Alternative("yes")]))
    assert events
    assert {type(event) for event in events} <= operation.events.names.keys()
