"""Write captions for a recording, audio or video, to standard output.

    python examples/transcribe_file.py examples/audio/goforward.wav > goforward.srt

It recognises English on this machine, offline. Without `local=True` the recording goes to
Amazon Transcribe.
"""

import sys

from amazon_transcribe import sync

said = sync.transcribe_file(sys.argv[1], local=True)
print(said.to_srt(), end="")
