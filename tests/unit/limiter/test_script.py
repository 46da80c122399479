"""The script against a model of the rules, under any order of what processes do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from amazon_transcribe.limiter._script import KEYS, SCRIPT
from tests.support.valkey import ValkeyServer

LIMIT = 4
PROCESSES = st.integers(0, 3)
QUOTAS = count()


@pytest.fixture(scope="module")
def store(server: ValkeyServer) -> Iterator[Any]:
    library = pytest.importorskip("valkey")
    with library.Valkey(port=server.port, decode_responses=True) as client:
        yield client


def test_the_script_does_what_the_rules_say(store: Any) -> None:
    class Fleet(RuleBasedStateMachine):
        """Processes that hold and wait, and the count as it has to be."""

        def __init__(self) -> None:
            super().__init__()
            self.script = store.register_script(SCRIPT)
            self.keys = [f"{{{next(QUOTAS)}}}:{key}" for key in KEYS]
            self.serials, self.numbers = count(1), count(1)
            # What each process believes, and what the count should be.
            self.held: dict[int, list[str]] = {process: [] for process in range(4)}
            self.waits: dict[int, list[str]] = {process: [] for process in range(4)}
            self.open: list[str] = []
            self.queue: list[str] = []

        def call(self, process: int) -> None:
            """Call as the limiter does, and compare the answer with the model's."""
            mine = {*self.held[process], *self.waits[process]}
            self.open = [t for t in self.open if t in mine or owner(t) != process]
            self.queue = [t for t in self.queue if t in mine or owner(t) != process]
            missing = [t for t in self.held[process] if t not in self.open]
            self.queue = [t for t in self.queue if t not in missing]
            self.open += missing
            self.queue += [t for t in self.waits[process] if t not in self.open + self.queue]
            while self.queue and len(self.open) < LIMIT:
                self.open.append(self.queue.pop(0))
            granted = [t for t in self.waits[process] if t in self.open]

            answer = self.script(self.keys, [self.request(process)])
            assert answer[1:3] == [len(self.open), len(self.queue)]
            assert answer[4:] == [granted, missing]
            self.waits[process] = [t for t in self.waits[process] if t not in granted]
            self.held[process] += granted

        def request(self, process: int) -> str:
            return json.dumps(
                {
                    "process": str(process),
                    "serial": next(self.serials),
                    "channel": "granted:",
                    "lease": 3_600_000,
                    "max_streams": LIMIT,
                    "burst": 1000,
                    "window": 1,
                    "held": self.held[process],
                    "waiting": self.waits[process],
                }
            )

        @rule(process=PROCESSES, number=st.integers(1, 3))
        def wait(self, process: int, number: int) -> None:
            self.waits[process] += [f"{process}:{next(self.numbers)}" for _ in range(number)]
            self.call(process)

        @rule(process=PROCESSES, place=st.integers(0, 5))
        def give_up(self, process: int, place: int) -> None:
            del self.waits[process][place : place + 1]
            self.call(process)

        @rule(process=PROCESSES, place=st.integers(0, 5))
        def release(self, process: int, place: int) -> None:
            del self.held[process][place : place + 1]
            self.call(process)

        @rule(process=PROCESSES)
        def renew(self, process: int) -> None:
            self.call(process)

        @rule(process=PROCESSES)
        def lose_an_answer(self, process: int) -> None:
            """What it granted is granted again by the next call."""
            held, waits = [*self.held[process]], [*self.waits[process]]
            self.call(process)
            self.held[process], self.waits[process] = held, waits

        @rule(process=PROCESSES, other=PROCESSES)
        def expire(self, process: int, other: int) -> None:
            """A process is silent for a lease; another one's call notices it."""
            if process == other or not store.zscore(self.keys[0], str(process)):
                return
            store.zadd(self.keys[0], {str(process): 1})
            self.open = [t for t in self.open if owner(t) != process]
            self.queue = [t for t in self.queue if owner(t) != process]
            self.call(other)

        @invariant()
        def the_count_is_the_models(self) -> None:
            _, _, held, queue, _ = self.keys
            assert set(store.zrange(held, 0, -1)) == set(self.open)
            assert store.zrange(queue, 0, -1) == self.queue

    def owner(ticket: str) -> int:
        return int(ticket.partition(":")[0])

    run_state_machine_as_test(
        Fleet, settings=settings(max_examples=60, stateful_step_count=30, deadline=None)
    )
    store.flushall()
