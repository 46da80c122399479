"""The results of many connections as those of one logical stream.

Three words for what becomes of audio and results:

- *settled*: audio before this time has all its final results, on every channel.
- *known*: what a channel's final results covered when the connection began. A connection
  that hears it again, for the sake of another channel, must not repeat its words.
- *superseded*: a partial result whose connection is gone. Its segment is heard again from
  its beginning, and the new results carry its id on.
"""

from __future__ import annotations

from collections.abc import Iterator

from .._protocol.times import LATEST, believable
from ..transcription import Alternative, Entity, Item, Result
from ._state import Superseded

LAG = 20.0
"""Seconds within which the service shows a result of all that was said; longer than a segment."""

_LEAD = 0.5  # seconds by which a segment's sound may begin before its result says


class LogicalResults:
    """The state that turns the results of many connections into those of one stream.

    `settled` is the time up to which every channel has its final results: the end of its
    last one, or a little before its open segment. A channel with neither behind that time is
    taken for silent, up to `lag` seconds before the last final result of any.

    So a new connection may hear words again that are known from a channel's final results.
    Words whose middle lies before the end of the last one are dropped, and a result that
    has no other words is passed over.

    :param channels: How many channels are recognised apart.
    :param lag: Seconds within which a channel that speaks shows a result.
    """

    def __init__(self, channels: int = 1, lag: float = LAG) -> None:
        self.settled = 0.0
        self._channels = channels
        self._lag = lag
        self._connection = 1
        # By channel
        self._final_up_to: dict[str | None, float] = {}
        self._known_up_to: dict[str | None, float] = {}  # the same when the connection began
        self._superseded: dict[str | None, Result] = {}  # one partial result at most
        # By result id
        self._open: dict[str, Result] = {}  # this connection's partial results, by our ids
        self._our_ids: dict[str, str] = {}  # of open segments, by the connection's ids

    @property
    def final_up_to(self) -> list[tuple[str | None, float]]:
        """The end of each channel's last final result, in seconds."""
        return list(self._final_up_to.items())

    @property
    def superseded(self) -> list[Superseded]:
        """The partial results that no longer hold."""
        return [
            Superseded(result.result_id or "", channel, result.start_time, result.end_time)
            for channel, result in self._superseded.items()
        ]

    def restore(
        self,
        settled: float,
        final_up_to: list[tuple[str | None, float]],
        superseded: list[Superseded],
    ) -> None:
        """Go on with the results of a stream from another process."""
        self.settled = settled
        self._final_up_to = dict(final_up_to)
        self._superseded = {
            each.channel_id: Result(
                result_id=each.result_id, start_time=each.start_time, end_time=each.end_time
            )
            for each in superseded
        }

    def begin(self, connection: int) -> None:
        """Begin with the results of a new connection of this number."""
        self._connection = connection
        self._known_up_to = self._final_up_to.copy()

    def cut(self) -> tuple[str, ...]:
        """Supersede the partial results of a connection that is gone; return their ids."""
        for result in self._open.values():
            self._superseded[result.channel_id] = result
        self._open.clear()
        self._our_ids.clear()
        return tuple(result.result_id for result in self._superseded.values() if result.result_id)

    def take(
        self, results: list[Result], offset: float, heard: float = LATEST
    ) -> tuple[list[Result], bool]:
        """Return a connection's results as those of the logical stream, and if any is final.

        :param results: Changed in place: their times, ids and words.
        :param offset: Where in the logical stream the connection's audio begins, in seconds.
        :param heard: Seconds of audio that the connection was sent; what ends behind them has
            no time, and settles nothing.
        """
        taken = []
        has_final = False
        for result in results:
            for piece in _pieces(result):
                piece.start_time = _placed(piece.start_time, offset, heard)
                piece.end_time = _placed(piece.end_time, offset, heard)
            known = self._known_up_to.get(result.channel_id, 0.0)
            has_words = _drop_words_before(known, result)
            # A program that saw a partial result waits for the final one, even an empty one.
            if not has_words and (result.result_id or "") not in self._our_ids:
                continue
            taken.append(result)
            if result.is_partial:
                self._show(result)
            else:
                self._close(result)
                has_final = True
        if has_final:
            self.settled = max(self.settled, self._settled_up_to())
        return taken, has_final

    def _show(self, result: Result) -> None:
        """Take a partial result."""
        theirs = result.result_id or ""
        ours = self._our_ids.get(theirs) or self._new_id(result)
        self._our_ids[theirs] = result.result_id = ours
        self._open[ours] = result
        final_up_to = self._final_up_to.setdefault(result.channel_id, 0.0)
        # It settles nothing, but it may show that too much was taken for settled.
        self.settled = min(self.settled, max(final_up_to, result.start_time or 0.0))

    def _close(self, result: Result) -> None:
        """Take a final result, which closes the channel's segments that begin before its end."""
        theirs = result.result_id or ""
        result.result_id = self._our_ids.pop(theirs, None) or self._new_id(result)
        self._open.pop(result.result_id, None)
        channel, end = result.channel_id, result.end_time or 0.0
        self._final_up_to[channel] = max(self._final_up_to.get(channel, 0.0), end)
        for result_id, partial in list(self._open.items()):
            if partial.channel_id == channel and (partial.start_time or 0.0) < end:
                del self._open[result_id]

    def _settled_up_to(self) -> float:
        """Return the time from which on final results may be still to come."""
        last = max(self._final_up_to.values())
        silent_up_to = max(0.0, last - self._lag)
        begun = {result.channel_id: result.start_time or 0.0 for result in self._open.values()}
        settled = [last]
        for channel, end in self._final_up_to.items():
            open_from = begun[channel] - _LEAD if channel in begun else silent_up_to
            settled.append(max(end, open_from))
        if len(self._final_up_to) < self._channels:
            settled.append(silent_up_to)
        return min(settled)

    def _new_id(self, result: Result) -> str:
        """Return an id that is unique in the logical stream, or the superseded one."""
        theirs = result.result_id or ""
        superseded = self._superseded.pop(result.channel_id, None)
        if superseded is not None and (result.start_time or 0) < (superseded.end_time or 0):
            return superseded.result_id or ""
        if self._connection == 1 or len(theirs) == 36:  # a UUID is unique by itself
            return theirs
        return f"{theirs}/{self._connection}"


def _drop_words_before(known: float, result: Result) -> bool:
    """Drop the words before a time from a result, and return whether any are left."""
    if (result.start_time or 0.0) >= known:
        return True
    middle = _middle(result, known)
    alternatives = result.alternatives or []
    for alternative in alternatives:
        _keep_words_from(known, alternative, middle)
    for piece in _pieces(result):
        if piece.start_time is not None:
            piece.start_time = max(piece.start_time, known)
        if piece.end_time is not None:
            piece.end_time = max(piece.end_time, known)
    return bool(alternatives[0].transcript) if alternatives else middle >= known


def _keep_words_from(time: float, alternative: Alternative, middle: float) -> None:
    """Drop the words before a time.

    :param middle: Of the result; it stands for words that have no time of their own.
    """
    items, text = alternative.items, alternative.transcript
    words = [n for n, item in enumerate(items) if item.item_type != "punctuation"]
    later = [n for n in words if _middle(items[n], middle) >= time]
    if later:
        at = 0  # in the text: not every language puts spaces between words
        for item in items[: later[0]]:  # punctuation goes with the word before it
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


def _placed(time: float | None, offset: float, heard: float) -> float | None:
    """Return a connection's time as one of the logical stream, None for one that cannot be."""
    time = believable(time, heard)
    return time if time is None or not offset else round(time + offset, 3)


def _pieces(result: Result) -> Iterator[Result | Item | Entity]:
    """Yield everything in a result that has times, the result included."""
    yield result
    for alternative in result.alternatives or ():
        yield from alternative.items
        yield from alternative.entities or ()


def _middle(piece: Result | Item | Entity, default: float) -> float:
    """Return the time in the middle of a piece, or a default if it has no times."""
    if piece.start_time is None:
        return default
    return (piece.start_time + (piece.end_time or piece.start_time)) / 2
