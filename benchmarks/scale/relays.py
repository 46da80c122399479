"""A rolling restart of relays while people speak: what is lost, what is doubled.

    python -m benchmarks.scale.relays [--into FOLDER]

Three processes of `examples/relay.py` have 60 live calls, whose callers keep to the relays'
rules. Each relay in turn gets SIGTERM, ends, and is started again on its ports.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import Any

from amazon_transcribe.local import LocalTranscribe
from tests.support.callers import until
from tests.support.relays import Call, Relay, environment_of
from tests.support.valkey import valkey_server
from tests.support.word_codes import BYTES_PER_SECOND, WordCodes, audio

from .diagram import draw_relays
from .publish import publish

RELAYS, CALLS = 3, 60
SEGMENTS, WORDS = 46, 10  # of a call: a minute of speech
RUN_TIMEOUT = 600.0


def spoken(call: int) -> list[range]:
    """Return a call's segments of words, none of which another call has."""
    first = 1 + call * SEGMENTS * WORDS
    return [range(at, at + WORDS) for at in range(first, first + SEGMENTS * WORDS, WORDS)]


async def measure() -> dict[str, Any]:
    """Restart all relays under the calls, and return the figures."""
    with valkey_server() as valkey:
        async with LocalTranscribe(WordCodes()) as server:
            environment = {**environment_of(server, valkey.url), "MAX_STREAMS": str(CALLS)}
            relays = [Relay(environment) for _ in range(RELAYS)]
            try:
                for relay in relays:
                    await relay.start()
                return await asyncio.wait_for(restart_all(relays), RUN_TIMEOUT)
            finally:
                for relay in relays:
                    await relay.stop()


async def restart_all(relays: list[Relay]) -> dict[str, Any]:
    ready = set(range(RELAYS))
    turns = cycle(range(RELAYS))

    def port() -> int:  # as a balancer chooses
        return relays[next(turn for turn in turns if turn in ready)].port

    began = time.monotonic()

    async def pace(at: int) -> None:
        await asyncio.sleep(began + at / BYTES_PER_SECOND - time.monotonic())

    calls = [Call(f"call-{n}", audio(spoken(n)), port, pace) for n in range(CALLS)]
    calling = [asyncio.create_task(call.run()) for call in calls]
    await until(lambda: all(call.finals for call in calls), RUN_TIMEOUT)
    live, codes, took = [], [], []
    for number, relay in enumerate(relays):
        live.append(sum(not task.done() for task in calling))
        ready.discard(number)
        at = time.monotonic()
        codes.append(await relay.stop())
        took.append(round(time.monotonic() - at, 1))
        await relay.start()
        ready.add(number)
    live.append(sum(not task.done() for task in calling))
    await asyncio.gather(*calling)
    lost = doubled = disordered = 0
    for number, call in enumerate(calls):
        wanted = [f"w{word}" for words in spoken(number) for word in words]
        lost += (Counter(wanted) - Counter(call.words)).total()
        doubled += (Counter(call.words) - Counter(wanted)).total()
        disordered += call.words != wanted
    return {
        "relays": RELAYS,
        "calls": CALLS,
        "words": CALLS * SEGMENTS * WORDS,
        "calls that were live at each restart, and after": live,
        "exit codes": codes,
        "seconds from the signal to the end": took,
        "moves": sum(call.moves for call in calls),
        "connections": sum(call.connections for call in calls),
        "lost": lost,
        "doubled": doubled,
        "calls with other words or another order": disordered,
    }


def problems_of(figures: dict[str, Any]) -> list[str]:
    checks = {
        "words were lost or doubled": figures["lost"] or figures["doubled"],
        "words are out of order": figures["calls with other words or another order"],
        "a relay failed": any(figures["exit codes"]),
        "calls ended before the restarts": min(
            figures["calls that were live at each restart, and after"]
        )
        < CALLS,
    }
    return [problem for problem, there in checks.items() if there]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--into", type=Path, help="a folder for the figures")
    arguments = parser.parse_args()
    publish("relays", measure, draw_relays, problems_of, arguments.into)


if __name__ == "__main__":
    main()
