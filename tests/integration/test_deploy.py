"""What is in `deploy/`, as far as it can be checked without an engine and a cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from amazon_transcribe.local.constants import MAX_SECONDS
from tests.support.relays import Relay
from tests.support.valkey import valkey_server

DEPLOY = Path(__file__).parents[2] / "deploy"
LINTERS = Path(f"{sys.prefix}-deploy") / "bin"
MANIFESTS = sorted(p for p in DEPLOY.glob("**/*.yaml") if p.name != "prometheus-adapter.yaml")
METRIC = re.compile(r"\b(?:transcribe|relay)_[a-z_]+\b")


def linter(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if not (LINTERS / name).exists():
        missing = f"there is no {LINTERS}: `make linters` makes it"
        if os.environ.get("AMAZON_TRANSCRIBE_REQUIRE_LINTERS"):
            pytest.fail(missing)
        pytest.skip(missing)
    return subprocess.run(
        [LINTERS / name, *arguments], capture_output=True, encoding="utf-8", timeout=240
    )


def documents() -> list[dict[str, Any]]:
    read = (
        "import json, pathlib, sys, yaml;"
        "texts = [pathlib.Path(p).read_text('utf-8') for p in sys.argv[1:]];"
        "print(json.dumps([yaml.safe_load(text) for text in texts]))"
    )
    output = linter("python", "-c", read, *MANIFESTS)
    found: list[dict[str, Any]] = json.loads(output.stdout)
    return found


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {d["metadata"]["name"]: d for d in documents() if d["kind"] == kind}


def test_the_dockerfile_is_right() -> None:
    output = linter("hadolint", DEPLOY / "Dockerfile")
    assert (output.stdout, output.stderr, output.returncode) == ("", "", 0)


def test_the_manifests_are_kubernetes() -> None:
    resources = [path for path in MANIFESTS if path.name != "kustomization.yaml"]
    output = linter("kubernetes-validate", "--strict", *resources)
    assert output.returncode == 0, output.stdout + output.stderr
    assert (output.stdout + output.stderr).count(" passed ") == len(resources)


def test_every_manifest_is_named_where_it_is_taken_from() -> None:
    for path, document in zip(MANIFESTS, documents(), strict=True):
        if path.name == "kustomization.yaml":
            others = {p.name for p in path.parent.glob("*.yaml")}
            others |= {p.parent.name for p in path.parent.glob("*/kustomization.yaml")}
            others -= {path.name, "prometheus-adapter.yaml"}
            assert set(document["resources"]) == others


@pytest.mark.parametrize("app", ["serve", "relay"])
def test_what_belongs_together_has_one_name(app: str) -> None:
    deployment = of_kind("Deployment")[app]["spec"]
    label = {"app.kubernetes.io/name": app}
    assert deployment["template"]["metadata"]["labels"] == label
    assert deployment["selector"]["matchLabels"] == label
    assert of_kind("Service")[app]["spec"]["selector"] == label
    assert of_kind("PodDisruptionBudget")[app]["spec"]["selector"]["matchLabels"] == label
    assert of_kind("HorizontalPodAutoscaler")[app]["spec"]["scaleTargetRef"]["name"] == app
    (container,) = deployment["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    (served,) = of_kind("Service")[app]["spec"]["ports"]
    assert served["port"] == ports[served["targetPort"]]
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
    assert [probe["path"] for probe in probes] == ["/health", "/ready", "/health"]
    scraped = deployment["template"]["metadata"]["annotations"]["prometheus.io/port"]
    assert {ports[probe["port"]] for probe in probes} == {int(scraped)}


def test_serve_has_time_for_the_longest_stream() -> None:
    pod = of_kind("Deployment")["serve"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    option = next(a for a in container["args"] if a.startswith("--drain-timeout="))
    drain = float(option.partition("=")[2])
    before = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert drain >= MAX_SECONDS
    assert pod["terminationGracePeriodSeconds"] >= before + drain + 11


async def test_every_metric_that_is_named_exists(local_transcribe: Any) -> None:
    named = set()
    for path in (DEPLOY / "grafana-dashboard.json", *DEPLOY.glob("**/*.yaml")):
        named |= set(METRIC.findall(path.read_text("utf-8")))
    named = {re.sub("_bucket$", "", name) for name in named}
    with urlopen(f"{local_transcribe.endpoint_url}/metrics", timeout=60) as answer:
        page = answer.read().decode()
    with valkey_server() as valkey:
        relay = Relay({"VALKEY_URL": valkey.url})
        try:
            await relay.start()
            page += (await relay.page("/metrics"))[1]
        finally:
            await relay.stop()
    assert len(named) > 10
    assert named - set(re.findall(r"^# TYPE (\S+)", page, re.MULTILINE)) == set()
