"""Segments of speech, cut from a stream of samples at natural pauses.

The votes of WebRTC's voice activity detection, one for each frame of 30 ms, decide:

- a segment opens when 5 of the last 7 frames are speech, 0.3 s before the first of them;
- it closes after a pause without speech, of 0.6 s; from two thirds of the longest segment on,
  a breath of 0.18 s is enough;
- the longest, of 15 s, is cut at the quietest place of its last second.

A cut never reaches further back than that second: words that were heard earlier, and
perhaps reported as stable, stay in their segment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import webrtcvad

from ..constants import LONGEST_SEGMENT, PAUSE
from .resample import SAMPLE_RATE, Samples

__all__ = ["Segment", "Segmenter", "has_voice"]

_FRAME = 480  # samples: 30 ms, the longest frame that the detector takes
_AGGRESSIVENESS = 3  # the highest; with 2, noise counts as speech

_ONSET_FRAMES = 7
_ONSET_SPEECH = 5
_LEAD_FRAMES = 10  # kept before the onset: 0.3 s
_TAIL_FRAMES = 7  # kept behind the last speech: 0.21 s
_BREATH_FRAMES = 6  # 0.18 s
_CUT_FRAMES = 33  # the last second
_QUIET_FRAMES = 7  # the length of the quietest place: 0.21 s

_PITCH_WINDOW = 640  # samples: two periods of the lowest voice, 50 Hz
_PITCH_LAGS = slice(SAMPLE_RATE // 400, SAMPLE_RATE // 60)
_PERIODICITY = 0.6  # of a voiced window, 1 for a periodic sound
_FEWEST_VOICED = 3  # windows
_MOST_VOICED = 0.95  # of all windows


@dataclass(frozen=True)
class Segment:
    """A piece of the stream that holds speech.

    :param start: Where it begins, in seconds from the beginning of the stream.
    :param samples: Its audio at 16 kHz.
    """

    start: float
    samples: Samples

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / SAMPLE_RATE

    @property
    def end(self) -> float:
        """Where it ends, in seconds from the beginning of the stream."""
        return self.start + self.seconds


class Segmenter:
    """The segments of one stream of 16 kHz samples.

    :param pause: Seconds without speech that end a segment.
    :param longest: Seconds of the longest segment.
    """

    def __init__(self, pause: float = PAUSE, longest: float = LONGEST_SEGMENT) -> None:
        self._pause_frames = round(pause * SAMPLE_RATE / _FRAME)
        self._most_frames = round(longest * SAMPLE_RATE / _FRAME)
        self._long_frames = self._most_frames * 2 // 3
        self._vad = webrtcvad.Vad(_AGGRESSIVENESS)
        self._pending = b""  # less than a frame
        self._count = 0  # of the frames seen
        self._lead: deque[bytes] = deque(maxlen=_LEAD_FRAMES + _ONSET_FRAMES)
        self._votes: deque[bool] = deque(maxlen=_ONSET_FRAMES)
        self._frames: list[bytes] = []  # of the open segment
        self._silent = 0  # frames since the last speech in it

    @property
    def certain_seconds(self) -> float:
        """What an open segment holds by then stays in it: a cut never reaches further back."""
        return (self._most_frames - _CUT_FRAMES) * _FRAME / SAMPLE_RATE

    @property
    def open_seconds(self) -> float:
        """The length of the open segment so far; 0 if none is open."""
        return len(self._frames) * _FRAME / SAMPLE_RATE

    def open_segment(self) -> Segment:
        """Return the open segment so far, without the silence at its end."""
        return self._segment(self._speech_frames)

    def accept(self, samples: Samples) -> Iterator[Segment | None]:
        """Take the next samples frame by frame; yield for each the segment that it completes."""
        audio = self._pending + samples.tobytes()
        size = _FRAME * samples.itemsize
        whole = len(audio) - len(audio) % size
        self._pending = audio[whole:]
        for at in range(0, whole, size):
            yield self._accept_frame(audio[at : at + size])

    def finish(self) -> Segment | None:
        """Take the end of the stream and return the segment that it completes, if any."""
        if not self._frames:
            return None
        if self._silent < _TAIL_FRAMES:
            self._frames.append(self._pending)
            self._count += 1
            self._pending = b""
        return self._close()

    @property
    def _speech_frames(self) -> int:
        return len(self._frames) - max(0, self._silent - _TAIL_FRAMES)

    def _accept_frame(self, frame: bytes) -> Segment | None:
        self._count += 1
        speech = bool(self._vad.is_speech(frame, SAMPLE_RATE))
        if not self._frames:
            self._lead.append(frame)
            self._votes.append(speech)
            if sum(self._votes) >= _ONSET_SPEECH:
                self._frames = list(self._lead)
                self._silent = 0
            return None
        self._frames.append(frame)
        self._silent = 0 if speech else self._silent + 1
        pause = self._pause_frames
        if len(self._frames) >= self._long_frames:
            pause = min(pause, _BREATH_FRAMES)
        if self._silent >= pause:
            return self._close()
        if len(self._frames) >= self._most_frames:
            return self._cut()
        return None

    def _segment(self, length: int) -> Segment:
        start = (self._count - len(self._frames)) * _FRAME / SAMPLE_RATE
        return Segment(start, np.frombuffer(b"".join(self._frames[:length]), np.int16))

    def _close(self) -> Segment:
        segment = self._segment(self._speech_frames)
        self._frames = []
        self._votes.clear()
        self._lead.clear()
        return segment

    def _cut(self) -> Segment:
        first = len(self._frames) - _CUT_FRAMES
        power = [
            float(np.square(np.frombuffer(frame, np.int16), dtype=np.float32).sum())
            for frame in self._frames[first:]
        ]
        quiet = np.convolve(power, np.ones(_QUIET_FRAMES), mode="valid")
        length = first + int(np.argmin(quiet)) + _QUIET_FRAMES // 2
        segment = self._segment(length)
        self._frames = self._frames[length:]
        return segment


def has_voice(samples: Samples) -> bool:
    """Tell whether there may be voice in the audio, not only breath, noise or a tone.

    Voice is periodic: its autocorrelation has a peak at the pitch. Breath and noise are not
    periodic; a tone is, but without a break.

    :param samples: Audio at 16 kHz.
    """
    if len(samples) < _PITCH_WINDOW:
        return False
    windows = np.lib.stride_tricks.sliding_window_view(samples, _PITCH_WINDOW)
    frames = windows[:: _PITCH_WINDOW // 2].astype(np.float32)
    frames -= frames.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(frames, 2 * _PITCH_WINDOW)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)
    overlap = 1 - np.arange(_PITCH_WINDOW) / _PITCH_WINDOW
    power = np.maximum(correlation[:, :1], 1.0)
    peaks = (correlation[:, :_PITCH_WINDOW] / overlap / power)[:, _PITCH_LAGS].max(axis=1)
    voiced = int((peaks > _PERIODICITY).sum())
    return _FEWEST_VOICED <= voiced <= _MOST_VOICED * len(peaks)
