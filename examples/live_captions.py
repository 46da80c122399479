"""Live captions for a broadcast: a text that OBS shows, and WebVTT segments that HLS players show.

    python examples/live_captions.py mic captions
    python examples/live_captions.py examples/audio/goforward.wav captions

Region, credentials and endpoint come from the environment, as in `stream_file.py`, which says
how to use a local server.

In OBS add a text source that reads captions/now.txt. For HLS serve the folder beside the
video, and name captions.m3u8 in the multivariant playlist as its subtitles. A lost connection
is made again, and loses no caption.
"""

import asyncio
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from amazon_transcribe.client import TranscribeStreamingClient
from amazon_transcribe.live_captions import LiveCaptions, Segment, playlist
from amazon_transcribe.model import TranscriptEvent

LATENCY = 5.0  # seconds within which what was said is recognised


class Broadcast:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.live = LiveCaptions(segment_seconds=6)
        self.segments: list[Segment] = []
        self.last_cue = ""

    def show(self, event: TranscriptEvent) -> None:
        for cue in self.live.add(event):
            self.last_cue = "\n".join(cue.lines)
        lines = [line for cue in self.live.current for line in cue.lines]
        self.write("now.txt", "\n".join(lines) or self.last_cue)

    def publish(self, segments: list[Segment], *, ended: bool = False) -> None:
        for segment in segments:
            self.write(f"captions-{segment.number}.vtt", segment.text)
        self.segments = [*self.segments, *segments][-10:]
        if self.segments:
            uri = "captions-{number}.vtt"
            self.write("captions.m3u8", playlist(self.segments, uri=uri, ended=ended))

    def write(self, name: str, text: str) -> None:
        part = self.folder / f"{name}.part"
        part.write_text(text, "utf-8")
        part.replace(self.folder / name)  # nobody reads half of it


async def main(source: str, folder: Path) -> None:
    broadcast = Broadcast(folder)

    async def publish() -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(1)
            broadcast.publish(broadcast.live.segments(time.monotonic() - began - LATENCY))

    async with TranscribeStreamingClient(
        region=os.environ.get("AWS_REGION", "us-east-1")
    ) as client:
        publishing = asyncio.create_task(publish())
        try:
            await client.transcribe(
                source, realtime=True, on_event=broadcast.show, on_connection=broadcast.live.add
            )
        finally:
            publishing.cancel()
            broadcast.publish(broadcast.live.end(), ended=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
