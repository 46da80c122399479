"""Captions while people speak: cues as they come, and WebVTT segments for HLS.

    live = LiveCaptions()
    async for event in stream.output_stream:
        for cue in live.add(event):
            print(vtt_cue(cue))  # will not change any more
        show(live.current)  # what is being said now, and may change

Segments are for a player that shows them beside the video of the same time. A segment is
complete when nothing that was said in it can change:

        for segment in live.segments(up_to=sent_seconds - 3):
            write(f"captions-{segment.number}.vtt", segment.text)
        write("captions.m3u8", playlist(last_segments))
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from ._protocol.constraints import check_above_zero
from ._protocol.times import believable
from .captions import MIN_CUE_SECONDS, Cue, cues, vtt_cue
from .exceptions import ValidationException
from .results import Said, results_of
from .resume import Reconnecting
from .transcription import Result

__all__ = ["LiveCaptions", "Segment", "playlist"]

# Cues that wait for their segments, where nobody asks for those.
_MAX_WAITING = 10_000
_CLOCK_BITS = 33  # of MPEG-2's clock


class Segment(msgspec.Struct, frozen=True):
    """A part of live captions, as long as the others.

    :param number: The number, from 0.
    :param start: The time at which it begins, in seconds from the beginning of the audio.
    :param end: The time at which it ends, in seconds.
    :param text: A WebVTT file with every cue that is shown meanwhile; a cue that goes on
        stands in the next segment too, with the same times (RFC 8216, section 3.5).
    """

    number: int
    start: float
    end: float
    text: str


class LiveCaptions:
    """Captions of the events of one stream, while they come.

    :param names: The names of speakers, channels or roles by their labels; see
        `captions.cues`.
    :param segment_seconds: The length of a segment in seconds, above 0; best that of the
        video's.
    :param mpegts: The time of the audio's beginning on the video's clock, in 1/90,000 s:
        the MPEGTS of `X-TIMESTAMP-MAP`.
    :raises ValidationException: for a length or a time that cannot be.
    """

    def __init__(
        self,
        *,
        names: Mapping[str, str] | None = None,
        segment_seconds: float = 6.0,
        mpegts: int = 0,
    ) -> None:
        check_above_zero(segment_seconds=segment_seconds)
        if not 0 <= mpegts < 1 << _CLOCK_BITS:
            raise ValidationException(f"mpegts must be 0 to 2**{_CLOCK_BITS} - 1, not {mpegts!r}")
        self._names = names
        self._segment_seconds = segment_seconds
        self._mpegts = mpegts
        self._cues = 0
        self._segments = 0
        self._open: dict[str | None, Result] = {}  # partial results, by id or else channel
        self._waiting: deque[Cue] = deque(maxlen=_MAX_WAITING)

    def add(self, said: Said) -> list[Cue]:
        """Take an event, and return the cues that are final with it.

        Their numbers go on from event to event.

        :param said: An event of any operation, or one result of it. Where a connection is
            lost, the partial results that no longer hold are dropped.
        """
        if isinstance(said, Reconnecting):
            for result_id in said.superseded:
                self._open.pop(result_id, None)
        final: list[Cue] = []
        for result in results_of(said):
            if result.is_partial:
                self._open[result.result_id or result.channel_id] = result
            else:
                self._close(result)
                final += self._laid_out(result)
        final = [replace(cue, number=self._cues + n) for n, cue in enumerate(final, 1)]
        self._cues += len(final)
        self._waiting.extend(self._in_time(cue) for cue in final)
        return final

    @property
    def current(self) -> list[Cue]:
        """What is being said, and may change: the last cue of everyone who speaks."""
        shown: dict[tuple[str | None, str | None], Cue] = {}
        for key, result in self._open.items():
            for cue in self._laid_out(replace(result, is_partial=False)):
                shown[key, cue.speaker] = replace(cue, number=self._cues + 1)
        return list(shown.values())

    def segments(self, up_to: float) -> list[Segment]:
        """Return the segments that have become complete since the last call.

        What becomes final only later is shown in the next segment.

        :param up_to: The time in seconds from the beginning of the audio up to which all has
            been said and heard: that of the audio sent, less the service's delay of a few
            seconds. A segment in which somebody is still speaking waits for the final result.
        :raises ValidationException: for a time that is not finite.
        """
        if not math.isfinite(up_to):
            raise ValidationException(f"up_to must be a number of seconds, not {up_to!r}")
        begun = [believable(result.start_time) or 0.0 for result in self._open.values()]
        complete = min(up_to, *begun) if begun else up_to
        segments = []
        while (self._segments + 1) * self._segment_seconds <= complete:
            segments.append(self._next_segment())
        return segments

    def end(self) -> list[Segment]:
        """Return the segments that are left at the end of the stream, of all that is final."""
        self._open.clear()
        last = max((cue.end for cue in self._waiting), default=0.0)
        return self.segments(math.ceil(last / self._segment_seconds) * self._segment_seconds)

    @property
    def _next_start(self) -> float:
        return self._segments * self._segment_seconds

    def _laid_out(self, result: Result) -> list[Cue]:
        found = cues([result], names=self._names)
        if found:  # the audio goes on, so that the last one has its time too
            end = max(found[-1].end, found[-1].start + MIN_CUE_SECONDS)
            found[-1] = replace(found[-1], end=end)
        return found

    def _close(self, final: Result) -> None:
        """Drop the partial results that a final one takes the place of."""
        self._open.pop(final.result_id or final.channel_id, None)
        for key, result in list(self._open.items()):
            begun = believable(result.start_time) or 0.0
            if result.channel_id == final.channel_id and begun < (final.end_time or 0.0):
                del self._open[key]

    def _in_time(self, cue: Cue) -> Cue:
        """Return a cue whose time has passed already as one of the next segment."""
        if cue.end > self._next_start:
            return cue
        return replace(cue, start=self._next_start, end=self._next_start + MIN_CUE_SECONDS)

    def _next_segment(self) -> Segment:
        number, start = self._segments, self._next_start
        self._segments += 1
        end = self._next_start
        shown = sorted((cue for cue in self._waiting if cue.start < end), key=lambda cue: cue.start)
        rest = [cue for cue in self._waiting if cue.end > end]
        self._waiting.clear()
        self._waiting.extend(rest)
        head = f"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{self._mpegts},LOCAL:00:00:00.000\n"
        return Segment(number, start, end, head + "".join(f"\n{vtt_cue(cue)}" for cue in shown))


def playlist(
    segments: Sequence[Segment], *, uri: str = "captions-{number}.vtt", ended: bool = False
) -> str:
    """Write the HLS media playlist of live captions.

    :param segments: The segments that can be had, one after the other: all of them, or the
        last few. At least one.
    :param uri: Where a segment is, with `{number}` for its number.
    :param ended: Whether there will be no more.
    :raises ValidationException: for no segments.
    """
    if not segments:
        raise ValidationException("a playlist needs at least one segment")
    longest = max(segment.end - segment.start for segment in segments)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{math.ceil(longest)}",
        f"#EXT-X-MEDIA-SEQUENCE:{segments[0].number}",
    ]
    for segment in segments:
        lines.append(f"#EXTINF:{segment.end - segment.start:.3f},")
        lines.append(uri.replace("{number}", str(segment.number)))
    if ended:
        lines.append("#EXT-X-ENDLIST")
    return "".join(f"{line}\n" for line in lines)
