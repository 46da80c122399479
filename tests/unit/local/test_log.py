"""The server's log, which no peer can fill."""

from __future__ import annotations

import logging

from amazon_transcribe.local.log import AtMost


def test_a_kind_of_line_has_a_bound_and_the_rest_is_counted() -> None:
    now = 0.0
    at_most = AtMost(lines=2, period=1.0, clock=lambda: now)

    def passes(text: str, argument: int) -> str | None:
        record = logging.LogRecord("x", logging.INFO, "", 0, text, (argument,), None)
        return record.getMessage() if at_most.filter(record) else None

    assert [passes("refused %d", n) for n in range(4)] == ["refused 0", "refused 1", None, None]
    assert passes("session %d", 1) == "session 1"
    now = 1.0
    assert passes("refused %d", 4) == "refused 4 (and 2 more before)"
    assert [passes("refused %d", n) for n in range(2)] == ["refused 0", None]
    now = 9.0
    assert passes("session %d", 2) == "session 2"
