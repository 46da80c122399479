"""The log of `serve` on standard error."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timezone

FORMATS = ("text", "json")


def write_logs(form: str, *, verbose: bool) -> None:
    """Write the log to standard error from now on.

    Without either parameter it stays as Python has it: the texts of warnings.

    :param form: One of `FORMATS`.
    :param verbose: Also write what is no warning: each stream, refusal and fault.
    """
    if verbose:
        logging.getLogger("amazon_transcribe.local").setLevel(logging.INFO)
    elif form == "text":
        return
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonFormatter() if form == "json" else logging.Formatter("%(asctime)s %(message)s")
    )
    logging.basicConfig(handlers=[handler])


class _JsonFormatter(logging.Formatter):
    """Writes a JSON object a line; the arguments of a message by their names, where they have."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if isinstance(record.args, Mapping):
            line.update(record.args)
        if record.exc_info:
            line["traceback"] = record.exc_text or self.formatException(record.exc_info)
        return json.dumps(line, default=str)
