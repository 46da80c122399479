"""Who may stream, whatever comes and goes first."""

from __future__ import annotations

from amazon_transcribe.local.service.admission import Admission


async def test_streams_of_one_session_may_leave_in_any_order() -> None:
    admission = Admission(max_streams=1)
    first, second = admission.lease("session"), admission.lease("Session")
    taken = first.__enter__()
    with second as successor:
        assert taken.lost
        assert not successor.lost
    first.__exit__(None, None, None)
    admission.check("another")  # no lease is held any more
