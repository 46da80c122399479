"""What is kept of a stream that outlives its connections: its audio and its results."""

from __future__ import annotations

from collections.abc import Iterator

from ..transcription import Alternative, Entity, Item, Result

LAG = 20.0
"""Seconds in which the service has a result of whatever was said; longer than a segment."""

_LEAD = 0.5  # seconds by which a segment's sound may begin before its result says


class LogicalResults:
    """Turns the results of many connections into those of one stream.

    `settled` is the time up to which every channel has its final results: the end of its
    last one, or a little before its open segment. A channel with neither behind that is
    silent, up to `lag` seconds before the last final result of any.

    So a new connection may hear words again that are in a channel's final results. They
    are taken out: those whose middle lies before the end of the last one. A result with
    nothing else in it is passed over.

    :param channels: How many are recognised apart.
    :param lag: Seconds.
    """

    def __init__(self, channels: int = 1, lag: float = LAG) -> None:
        self.settled = 0.0
        self._channels = channels
        self._lag = lag
        self._finals: dict[str | None, float] = {}  # by channel: the end of the last one
        self._past: dict[str | None, float] = {}  # the same when the connection began
        self._open: dict[str, Result] = {}  # by our id: partial results of this connection
        self._void: dict[str | None, Result] = {}  # by channel: of the connection before
        self._ids: dict[str, str] = {}  # the connection's ids of open segments, and ours
        self._connection = 1

    def begin(self, connection: int) -> None:
        self._connection = connection
        self._past = self._finals.copy()

    def cut(self) -> tuple[str, ...]:
        """The connection is gone: the ids of the partial results that are void."""
        for result in self._open.values():
            self._void[result.channel_id] = result
        self._open.clear()
        self._ids.clear()
        return tuple(result.result_id for result in self._void.values() if result.result_id)

    def take(self, results: list[Result], offset: float) -> tuple[list[Result], bool]:
        """Results as the program sees them, and whether there is a final one among them."""
        taken = []
        final = False
        for result in results:
            if offset:
                _shift(result, offset)
            theirs = result.result_id or ""
            past = self._past.get(result.channel_id, 0.0)
            # Whoever saw a partial result waits for the final one, be there nothing left.
            if not _cut_off(result, past) and theirs not in self._ids:
                continue
            taken.append(result)
            ours = self._ids.get(theirs) or self._new_id(result)
            self._ids[theirs] = result.result_id = ours
            if result.is_partial:
                self._open[ours] = result
                last = self._finals.setdefault(result.channel_id, 0.0)
                # It settles nothing, but it may show that too much was.
                self.settled = min(self.settled, max(last, result.start_time or 0.0))
            else:
                final = True
                del self._ids[theirs]
                self._open.pop(ours, None)
                self._close(result.channel_id, result.end_time or 0.0)
        if final:
            self.settled = max(self.settled, self._owed())
        return taken, final

    def _close(self, channel: str | None, end: float) -> None:
        """A channel has its final results up to a time."""
        self._finals[channel] = max(self._finals.get(channel, 0.0), end)
        for name, result in list(self._open.items()):
            if result.channel_id == channel and (result.start_time or 0.0) < end:
                del self._open[name]

    def _owed(self) -> float:
        """The time from which on final results may be still to come."""
        heard = max(self._finals.values())
        quiet = max(0.0, heard - self._lag)
        begun = {result.channel_id: result.start_time or 0.0 for result in self._open.values()}
        owed = [heard]
        for channel, end in self._finals.items():
            owed.append(max(end, begun[channel] - _LEAD if channel in begun else quiet))
        if len(self._finals) < self._channels:
            owed.append(quiet)
        return min(owed)

    def _new_id(self, result: Result) -> str:
        theirs = result.result_id or ""
        void = self._void.pop(result.channel_id, None)
        if void is not None and (result.start_time or 0) < (void.end_time or 0):
            return void.result_id or ""
        # A UUID is unique by itself.
        if self._connection == 1 or len(theirs) == 36:
            return theirs
        return f"{theirs}/{self._connection}"


def _cut_off(result: Result, past: float) -> bool:
    """Take the words before a time out of a result; whether anything is left of it."""
    if (result.start_time or 0.0) >= past:
        return True
    middle = _middle(result, past)
    alternatives = result.alternatives or []
    for alternative in alternatives:
        _keep_from(past, alternative, middle)
    for piece in _pieces(result):
        if piece.start_time is not None:
            piece.start_time = max(piece.start_time, past)
        if piece.end_time is not None:
            piece.end_time = max(piece.end_time, past)
    return bool(alternatives[0].transcript) if alternatives else middle >= past


def _keep_from(time: float, alternative: Alternative, middle: float) -> None:
    """Take out the words before a time.

    :param middle: Of the result; where words are that have no time of their own.
    """
    items, text = alternative.items, alternative.transcript
    words = [n for n, item in enumerate(items) if item.item_type != "punctuation"]
    later = [n for n in words if _middle(items[n], middle) >= time]
    if later:
        at = 0  # in the text: not every language has spaces to join words with
        for item in items[: later[0]]:  # marks go with the word before them
            content = item.content or ""
            found = text.find(content, at)
            if found >= 0:
                at = found + len(content)
        alternative.transcript = text[at:].lstrip()
        del items[: later[0]]
    elif words or middle < time:
        alternative.transcript = ""
        items.clear()
    if alternative.entities is not None:
        alternative.entities = [e for e in alternative.entities if _middle(e, middle) >= time]


def _shift(result: Result, offset: float) -> None:
    """Count the result's times from an earlier beginning."""
    for piece in _pieces(result):
        if piece.start_time is not None:
            piece.start_time = round(piece.start_time + offset, 3)
        if piece.end_time is not None:
            piece.end_time = round(piece.end_time + offset, 3)


def _pieces(result: Result) -> Iterator[Result | Item | Entity]:
    """Everything in a result that has times, itself included."""
    yield result
    for alternative in result.alternatives or ():
        yield from alternative.items
        yield from alternative.entities or ()


def _middle(piece: Result | Item | Entity, default: float) -> float:
    """The time in the middle of it, if it has any."""
    if piece.start_time is None:
        return default
    return (piece.start_time + (piece.end_time or piece.start_time)) / 2
