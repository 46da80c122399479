"""An adapter without its framework."""

from __future__ import annotations

import importlib
import sys

import pytest

from amazon_transcribe.exceptions import ValidationException


@pytest.mark.parametrize("name", ["livekit", "pipecat"])
def test_a_missing_framework_is_one_line_that_names_the_extra(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, f"amazon_transcribe.integrations.{name}", raising=False)
    with pytest.raises(ValidationException, match=f"needs the extra '{name}'") as caught:
        importlib.import_module(f"amazon_transcribe.integrations.{name}")
    assert "\n" not in str(caught.value)
