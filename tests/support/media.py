"""Recordings of every kind, made by PyAV from the samples of speech."""

from __future__ import annotations

import io
from typing import Any, cast

import av
import numpy as np

FRAME = 1024


def encode(
    pcm: bytes,
    container: str,
    codec: str,
    rate: int,
    layout: str = "mono",
    *,
    source_rate: int = 16_000,
    source: str = "mono",
    pause: tuple[float, float] | None = None,
    video: str | None = None,
    options: dict[str, str] | None = None,
) -> bytes:
    """Return a recording of 16-bit PCM.

    :param layout: The channels of the recording.
    :param source: The channels of the PCM.
    :param pause: At which second the recording leaves out how many.
    :param video: The codec of a black picture beside the sound.
    :param options: Of the container.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as output:
        picture = cast("Any", output.add_stream(video, rate=5)) if video else None
        if picture:
            picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = cast("Any", output.add_stream(codec, rate=rate))
        sound.layout = layout
        codec_context = sound.codec_context
        codec_context.bit_rate = 64_000
        codec_context.options = {"strict": "experimental"}  # FFmpeg's own Vorbis
        codec_context.open()  # which decides the format of its samples
        size = codec_context.frame_size or FRAME
        resampler = av.AudioResampler(codec_context.format, layout, rate, size)
        if picture:
            for n in range(len(pcm) // 2 * 5 // source_rate):
                frame = av.VideoFrame(64, 64, "yuv420p")
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
                frame.pts = n
                output.mux(picture.encode(frame))
            output.mux(picture.encode(None))
        samples = np.frombuffer(pcm, np.int16).reshape(1, -1)
        sound_frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=source)
        sound_frame.sample_rate = source_rate
        sound_frame.pts = 0
        for part in [*resampler.resample(sound_frame), *resampler.resample(None)]:
            if pause and part.pts >= pause[0] * rate:
                part.pts += round(pause[1] * rate)
            output.mux(sound.encode(part))
        output.mux(sound.encode(None))
    return file.getvalue()
