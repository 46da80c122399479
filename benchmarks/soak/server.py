"""The soak's server: the local Transcribe with every fault that it knows, at random.

    python -W error -m benchmarks.soak.server SEED JOURNAL

It prints a line of JSON once it listens, and, for each line that comes in, one of what is
left of all streams. Which fault strikes which session goes to the journal, a line for each.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import TextIO

from amazon_transcribe.local import Fault, LocalTranscribe
from amazon_transcribe.local.engines.scripted import ScriptedEngine
from amazon_transcribe.local.log import AtMost

from .watch import Footprint, Watch, belongings, left_since, watch_memory

# Each strikes by itself: of ten streams about four are struck.
FAULTS = """
refuse:probability=0.01
silent:probability=0.004
silent:after=1..60,probability=0.012
delay:by=0.5,probability=0.02
delay:after=3,by=0.02,probability=0.02
http:status=400,probability=0.004
http:status=403,error=AccessDeniedException,probability=0.004
http:status=429,probability=0.012
http:status=500,probability=0.004
http:status=502,probability=0.004
http:status=503,probability=0.012
reset:probability=0.012
reset:seconds=1..60,code=8,probability=0.03
drop:probability=0.012
drop:seconds=1..60,probability=0.03
goaway:probability=0.012
goaway:after=1..60,probability=0.02
goaway:after=1..60,graceful,probability=0.03
truncate:after=1..60,probability=0.025
corrupt:after=1..60,probability=0.025
stop-reading:seconds=1..40,probability=0.012
exception:error=BadRequest,after=1..60,probability=0.005
exception:error=Conflict,after=1..60,probability=0.005
exception:error=InternalFailure,after=1..60,probability=0.005
exception:error=LimitExceeded,after=1..60,probability=0.005
exception:error=ResourceNotFound,after=1..60,probability=0.005
exception:error=Serialization,after=1..60,probability=0.005
exception:error=ServiceUnavailable,after=1..60,probability=0.005
""".split()
PATIENCE = 100.0  # for what is still on its way out when the client has left: see `Limits.unseen`


class Strikes(logging.Handler):
    """Writes which fault strikes which session, as the server's log has it."""

    def __init__(self, journal: TextIO) -> None:
        super().__init__(logging.INFO)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage().split()
        if words[0] == "fault":  # … KIND injected into a connection, or: into session ID
            self._journal.write(f"{words[1]} {words[-1]}\n")


async def main(seed: int, journal: TextIO) -> None:
    loop = asyncio.get_running_loop()
    watch = Watch()
    log = logging.getLogger("amazon_transcribe.local")
    log.setLevel(logging.INFO)
    log.filters = [each for each in log.filters if not isinstance(each, AtMost)]  # every strike
    log.addHandler(Strikes(journal))
    faults = [Fault.parse(f"{text},seed={seed + n}") for n, text in enumerate(FAULTS)]
    async with LocalTranscribe(ScriptedEngine(), tls=True, faults=faults) as server:
        await loop.run_in_executor(None, int)  # the thread that reads belongs to the beginning
        before = belongings()
        credentials = await server.credentials.get_credentials()
        ready = {
            "url": server.endpoint_url,
            "ca_file": str(server.ca_file),
            "access_key": credentials.access_key_id,
            "secret": credentials.secret_access_key,
        }
        print(json.dumps(ready), flush=True)
        while True:
            memory: list[tuple[float, Footprint]] = []
            sampling = loop.create_task(watch_memory(memory))
            line = await loop.run_in_executor(None, sys.stdin.readline)
            sampling.cancel()
            if not line:
                break
            left = await left_since(before, PATIENCE)
            print(json.dumps(watch.report(left, memory)), flush=True)


if __name__ == "__main__":
    with Path(sys.argv[2]).open("w", encoding="utf-8", buffering=1) as file:
        asyncio.run(main(int(sys.argv[1]), file))
