"""Archives: thousands of recordings, on the processors of this machine or of many by Ray.

    plan = make_plan("recordings/", output_dir="transcripts", local=True)
    for outcome in run(plan):
        print(outcome.input, outcome.words, outcome.error)

Each recording has exactly one output, whose name comes from the recording and the settings.
An output appears when it is whole, and what is there is done: a run that was killed goes on
where it was when it is run again.
"""

from __future__ import annotations

from ._errors import BatchException
from ._plan import Format, OperationName, Plan, Task, make_plan
from ._run import Outcome, run

__all__ = [
    "BatchException",
    "Format",
    "OperationName",
    "Outcome",
    "Plan",
    "Task",
    "make_plan",
    "run",
]
