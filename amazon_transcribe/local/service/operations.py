"""The operations that the local Transcribe serves, by their paths."""

from __future__ import annotations

from collections.abc import Mapping

from ..._protocol.operation import Operation
from ...call_analytics import START_CALL_ANALYTICS_STREAM_TRANSCRIPTION
from ...medical import START_MEDICAL_STREAM_TRANSCRIPTION
from ...medical_scribe import GET_MEDICAL_SCRIBE_STREAM, START_MEDICAL_SCRIBE_STREAM
from ...transcription import START_STREAM_TRANSCRIPTION

OPERATIONS: Mapping[str, Operation] = {
    operation.path: operation
    for operation in (
        START_STREAM_TRANSCRIPTION,
        START_CALL_ANALYTICS_STREAM_TRANSCRIPTION,
        START_MEDICAL_STREAM_TRANSCRIPTION,
        START_MEDICAL_SCRIBE_STREAM,
        GET_MEDICAL_SCRIBE_STREAM,
    )
}
