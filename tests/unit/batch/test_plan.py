"""What a batch is to do: which recordings, which parameters, which outputs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amazon_transcribe.batch import Plan, make_plan
from amazon_transcribe.call_analytics import ChannelDefinition, ConfigurationEvent
from amazon_transcribe.exceptions import ValidationException


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Make a folder of recordings, and of what is none."""
    folder = tmp_path / "archive"
    (folder / "2024").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for name in ("one.wav", "two.MP3", "notes.txt", "2024/three.mp4", ".hidden/four.wav"):
        (folder / name).write_bytes(b"what it is does not matter")
    return folder


def plan_of(sources: Any, **options: Any) -> Plan:
    return make_plan(sources, output_dir="out", **options)


def names(plan: Plan) -> list[str]:
    return [Path(task.input).name for task in plan.tasks]


def outputs(plan: Plan) -> list[str]:
    return [task.output for task in plan.tasks]


class TestSources:
    def test_of_a_folder_the_recordings_are_taken(self, archive: Path) -> None:
        assert names(plan_of(archive)) == ["three.mp4", "one.wav", "two.MP3"]

    def test_of_a_pattern_all_files_are_taken(self, archive: Path) -> None:
        assert names(plan_of(archive / "*.txt")) == ["notes.txt"]
        assert names(plan_of(f"{archive}/**/*.mp4")) == ["three.mp4"]

    def test_what_is_named_twice_is_done_once(self, archive: Path) -> None:
        sources = [archive, archive / "one.wav", archive / "2024" / ".." / "one.wav"]
        assert names(plan_of(sources)).count("one.wav") == 1

    def test_a_manifest_has_the_parameters_of_each_recording(self, archive: Path) -> None:
        rows = archive / "calls.csv"
        rows.write_text(
            "input,language_code,show_speaker_label,channels\n"
            "one.wav,de-DE,true,\n"
            "2024/three.mp4,,,1\n",
            "utf-8",
        )
        lines = archive / "calls.jsonl"
        lines.write_text(
            json.dumps({"input": "one.wav", "language_code": "de-DE", "show_speaker_label": True})
            + "\n\n"
            + json.dumps({"input": str(archive / "2024/three.mp4"), "channels": 1})
            + "\n",
            "utf-8",
        )
        plan = plan_of(rows, parameters={"language_code": "en-GB"})
        assert [task.parameters for task in plan.tasks] == [
            {"language_code": "de-DE", "show_speaker_label": True},
            {"language_code": "en-GB", "channels": 1},
        ]
        assert plan.tasks == plan_of(lines, parameters={"language_code": "en-GB"}).tasks

    def test_a_manifest_may_name_what_is_not_there(self, archive: Path) -> None:
        (archive / "calls.jsonl").write_text('{"input": "gone.wav"}\n', "utf-8")
        [task] = plan_of(archive / "calls.jsonl").tasks
        assert (task.input, task.size) == (str(archive / "gone.wav"), 0)

    @pytest.mark.parametrize(
        ("name", "text", "word"),
        [
            ("m.csv", "path\na.wav\n", "line 2: 'input' must name"),
            ("m.csv", "input\n", "lists no recording"),
            ("m.csv", "input\na.wav,b.wav\n", "line 2 has a cell in a column without a name"),
            ("m.csv", "input,\na.wav,b.wav\n", "line 2 has a cell in a column without a name"),
            ("m.csv", "input,language_code\na.wav,english\n", "line 2: language_code must be one"),
            (
                "m.csv",
                "input,sample_rate_hz\na.wav,fast\n",
                "line 2: sample_rate_hz must be a whole number from 8,000 to 48,000 Hz, not 'fast'",
            ),
            ("m.csv", "input,channels\na.wav,left\n", "channels must be mix, split or a number"),
            ("m.jsonl", '{"input": "a.wav"}\n{"input"\n', "line 2: "),
            ("m.jsonl", "[]\n", "'input' must name"),
            ("m.jsonl", "[" * 100_000, "line 1: "),
            ("m.csv", "input,identify_language\na.wav,true\n", "line 2: language_options must"),
            ("m.jsonl", '{"input": "a.wav", "speakers": true}\n', "no parameter 'speakers'"),
            ("m.jsonl", '{"input": "a.wav", "session_id": "x"}\n', "no parameter 'session_id'"),
            ("m.jsonl", '{"input": "a.wav", "names": ["x"]}\n', "names must be"),
            ("m.jsonl", '{"input": "a.wav", "raw": "mp3"}\n', "raw must be one of pcm"),
            ("m.jsonl", '{"input": "\\u0000"}\n', "'input' must name"),
            ("m.jsonl", " " * 1_000_000, "line 1 has more than 1,000,000 characters"),
            ("m.csv", "input\n" + "a" * 1_000_000, "line 2 has more than 1,000,000 characters"),
        ],
    )
    def test_a_manifest_that_is_not_right_is_refused(
        self, name: str, text: str, word: str, tmp_path: Path
    ) -> None:
        (tmp_path / name).write_text(text, "utf-8")
        with pytest.raises(ValidationException) as caught:
            plan_of(tmp_path / name)
        assert word in str(caught.value)
        assert str(tmp_path / name) in str(caught.value)
        assert str(caught.value).count(", not ") <= 1

    @pytest.mark.parametrize(
        ("source", "word"),
        [
            ("missing.wav", "no file"),
            ("*.wav", "no file matches"),
            ("missing.csv", "cannot read"),
            (".", "no recording lies in"),
        ],
    )
    def test_a_source_without_recordings_is_refused(
        self, source: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ValidationException, match=word):
            plan_of(source)

    @pytest.mark.skipif(os.mkdir not in os.supports_dir_fd, reason="makes no path that is too long")
    def test_a_folder_that_cannot_be_read_is_refused(self, archive: Path) -> None:
        at = os.open(archive, os.O_RDONLY)
        for _ in range(20):  # longer than any path can be
            os.mkdir("a" * 250, dir_fd=at)
            inner = os.open("a" * 250, os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = inner
        os.close(at)
        with pytest.raises(ValidationException, match="cannot read .*: File name too long; a pat"):
            plan_of(archive)

    @pytest.mark.parametrize(
        "options",
        [
            {"format": "doc"},
            {"operation": "translation"},
            {"local": True, "endpoint_url": "http://localhost:1"},
            {"local": {"engine": object()}},
            {"timeout": 0},
            {"region": "a/b"},
            {"parameters": {"language_code": "english"}},
            {"parameters": {"language_code": "en-US", "identify_language": True}},
            {"parameters": {"configuration": {}}, "operation": "medical"},
            {
                "parameters": {"configuration": {"channel_definitions": []}},
                "operation": "call-analytics",
            },
        ],
    )
    def test_options_that_cannot_be_are_refused(
        self, options: dict[str, Any], archive: Path
    ) -> None:
        with pytest.raises(ValidationException):
            plan_of(archive, **options)


class TestOutputs:
    def test_a_name_is_the_same_each_time(self, archive: Path) -> None:
        parameters = {"language_code": "en-GB", "show_speaker_label": True}
        turned = dict(reversed(parameters.items()))
        first = outputs(plan_of(archive, parameters=parameters))
        assert first == outputs(plan_of(archive, parameters=turned))
        assert len({*first}) == 3

    def test_a_name_tells_the_recording_and_the_format(self, archive: Path) -> None:
        [name] = outputs(plan_of(archive / "one.wav", format="srt"))
        assert name.startswith("one-")
        assert name.endswith(".srt")

    @pytest.mark.parametrize(
        "options",
        [
            {"parameters": {"language_code": "de-DE"}},
            {"local": True},
            {"local": {"engine": "pocketsphinx"}},
            {"operation": "medical"},
        ],
    )
    def test_other_settings_have_another_name(self, options: Any, archive: Path) -> None:
        one = archive / "one.wav"
        assert outputs(plan_of(one, **options)) != outputs(plan_of(one))

    def test_where_it_is_transcribed_does_not_change_the_name(self, archive: Path) -> None:
        elsewhere = plan_of(archive, region="eu-west-1", realtime=True)
        assert outputs(elsewhere) == outputs(plan_of(archive))

    def test_the_engine_that_is_the_default_need_not_be_named(self, archive: Path) -> None:
        named = plan_of(archive, local={"engine": "moonshine"})
        assert outputs(named) == outputs(plan_of(archive, local=True))

    def test_a_changed_recording_has_another_name(self, archive: Path) -> None:
        path = archive / "one.wav"
        before = outputs(plan_of(path))
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000))
        assert outputs(plan_of(path)) != before

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(name=st.text(st.characters(codec=None, exclude_characters="\0/\\")))
    def test_any_recording_has_an_output_that_a_folder_can_hold(
        self, name: str, tmp_path: Path
    ) -> None:
        manifest = tmp_path / "m.jsonl"
        manifest.write_text(json.dumps({"input": f"x{name}.wav"}), "utf-8")
        [output] = outputs(plan_of(manifest))
        assert len(output.encode()) <= 255
        assert Path(output).name == output

    def test_the_roles_of_a_call_go_along(self, archive: Path) -> None:
        roles = [ChannelDefinition(0, "CUSTOMER"), ChannelDefinition(1, "AGENT")]
        parameters = {"configuration": ConfigurationEvent(roles)}
        plan = plan_of(archive, operation="call-analytics", parameters=parameters)
        json.dumps([task.parameters for task in plan.tasks])
        assert outputs(plan) != outputs(plan_of(archive, operation="call-analytics"))
