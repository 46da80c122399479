"""The scribe's sessions of this server, for GetMedicalScribeStream."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from ..._protocol.server_session import RequestRefused
from ...model import (
    ClinicalNoteGenerationResult,
    GetMedicalScribeStreamResponse,
    MedicalScribeConfigurationEvent,
    MedicalScribePostStreamAnalyticsResult,
    MedicalScribeStreamDetails,
    StartMedicalScribeStreamRequest,
)

__all__ = ["ScribeSessions"]

_KEPT = 1_000  # sessions; the oldest go first


class ScribeSessions:
    """What the server knows about its scribe's sessions.

    :param clock: Gives the present as seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sessions: dict[str, MedicalScribeStreamDetails] = {}

    def begin(self, session_id: str, request: StartMedicalScribeStreamRequest) -> None:
        """Note that a stream of the session begins: the first, or another one after a pause."""
        now = self._now()
        known = self._sessions.pop(session_id.lower(), None)
        paused = known is not None and known.stream_status == "PAUSED"
        self._sessions[session_id.lower()] = MedicalScribeStreamDetails(
            session_id=session_id,
            stream_created_at=known.stream_created_at if known and paused else now,
            language_code=request.language_code,
            media_sample_rate_hertz=request.media_sample_rate_hz,
            media_encoding=request.media_encoding,
            stream_status="IN_PROGRESS",
        )
        if len(self._sessions) > _KEPT:
            del self._sessions[next(iter(self._sessions))]

    def configure(self, session_id: str, configuration: MedicalScribeConfigurationEvent) -> None:
        """Note the session's configuration."""
        if (details := self._sessions.get(session_id.lower())) is None:
            return
        details.vocabulary_name = configuration.vocabulary_name
        details.vocabulary_filter_name = configuration.vocabulary_filter_name
        details.vocabulary_filter_method = configuration.vocabulary_filter_method
        details.resource_access_role_arn = configuration.resource_access_role_arn
        details.channel_definitions = configuration.channel_definitions
        details.encryption_settings = configuration.encryption_settings
        details.post_stream_analytics_settings = configuration.post_stream_analytics_settings
        details.medical_scribe_context_provided = configuration.medical_scribe_context is not None

    def end(self, session_id: str, status: str) -> None:
        """Note that the session's stream has ended.

        :param status: `"COMPLETED"`, `"PAUSED"` or `"FAILED"`.
        """
        if (details := self._sessions.get(session_id.lower())) is None:
            return
        details.stream_status = status
        details.stream_ended_at = self._now()
        if status == "COMPLETED":
            details.post_stream_analytics_result = MedicalScribePostStreamAnalyticsResult(
                ClinicalNoteGenerationResult(
                    status="FAILED", failure_reason="The local server writes no clinical notes."
                )
            )

    def look_up(self, session_id: str) -> GetMedicalScribeStreamResponse:
        """Return what is known about a session.

        :raises RequestRefused: 404, for a session that this server does not know.
        """
        details = self._sessions.get(session_id.lower())
        if details is None:
            raise RequestRefused(
                404, "ResourceNotFoundException", f"There is no session {session_id}."
            )
        return GetMedicalScribeStreamResponse(details)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), timezone.utc)
