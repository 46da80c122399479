"""Audio for tests, made from the recordings of `examples/audio`, in every encoding."""

from __future__ import annotations

import io
import re
import wave
from array import array
from pathlib import Path

DIRECTORY = Path(__file__).parents[2] / "examples/audio"
_PUNCTUATION = re.compile(r"[^\w' -]")


def recording(name: str) -> tuple[bytes, int]:
    """The samples of a recording and their rate."""
    with wave.open(str(DIRECTORY / f"{name}.wav")) as file:
        return file.readframes(file.getnframes()), file.getframerate()


def said_in(name: str) -> list[str]:
    """The words that are said in a recording."""
    return words((DIRECTORY / f"{name}.txt").read_text("utf-8"))


def words(text: str) -> list[str]:
    return _PUNCTUATION.sub("", text).replace("-", " ").lower().split()


def share_heard(heard: str, said: list[str]) -> float:
    """How many of the words that were said are among the words heard, 0 to 1."""
    return len([word for word in said if word in set(words(heard))]) / len(said)


def interleaved(first: bytes, second: bytes) -> bytes:
    """Two channels in one; the shorter one goes on in silence."""
    size = max(len(first), len(second))
    samples = array("h", bytes(2 * size))
    samples[0::2] = array("h", first.ljust(size, b"\0"))
    samples[1::2] = array("h", second.ljust(size, b"\0"))
    return samples.tobytes()


_CODECS = {
    "flac": ("flac", "flac", None),
    "ogg-opus": ("ogg", "libopus", 48_000),
    "g711-alaw": ("alaw", "pcm_alaw", None),
    "g711-ulaw": ("mulaw", "pcm_mulaw", None),
}


def encoded(pcm: bytes, rate: int, encoding: str, *, channels: int = 1) -> bytes:
    """Samples in one of the service's encodings."""
    import av

    container, codec, codec_rate = _CODECS[encoding]
    layout = "mono" if channels == 1 else "stereo"
    frame = av.AudioFrame(format="s16", layout=layout, samples=len(pcm) // 2 // channels, align=1)
    frame.planes[0].update(pcm)
    frame.sample_rate = rate
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=codec_rate or rate)
        stream.layout = layout
        stream.codec_context.open()
        convert = av.AudioResampler(
            format=stream.codec_context.format,
            layout=layout,
            rate=codec_rate or rate,
            frame_size=stream.codec_context.frame_size or 4096,
        )
        for part in convert.resample(frame) + convert.resample(None):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()
