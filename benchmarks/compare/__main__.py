"""Compare event-stream codecs on the same bytes, in one run.

    python -m benchmarks.compare [--rounds N] [--only PEER ...] [--into FOLDER]

Each peer lives in an environment of its own under `build/compare`, made by this command.
The peers take turns, round by round, so that a busy machine is unfair to all alike.
Writes `codec-speed-table.md`, `codec-speed.svg` and `codec-speed.json` into FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
from pathlib import Path

from amazon_transcribe.eventstream import encode_message

from .picture import draw

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "compare"
WORKER = Path(__file__).with_name("worker.py")

# Peer to what pip installs for it; our own twins run in this interpreter.
PEERS: dict[str, list[str] | None] = {
    "compiled": None,
    "python": None,
    "upstream": ["amazon-transcribe==0.6.4"],
    "botocore": ["botocore"],
    "smithy": ["smithy-aws-event-stream"],
    "aws_c": ["cmake"],
    "sha256": None,
}
TITLES = {
    "compiled": "this, compiled",
    "python": "this, pure Python",
    "upstream": "amazon-transcribe 0.6.4",
    "botocore": "botocore",
    "smithy": "smithy-aws-event-stream",
    "aws_c": "aws-c-event-stream (C)",
    "sha256": "SHA-256 alone",
}
EVENT = {
    ":message-type": "event",
    ":event-type": "TranscriptEvent",
    ":content-type": "application/json",
}
AUDIO_SIZES = (3200, 32000)

Figures = dict[str, dict[str, list[float]]]


def transcript(words: int) -> bytes:
    """A transcript event's JSON of the service's form, with so many words."""
    items = [
        {
            "Content": f"word{i}",
            "EndTime": i + 0.41,
            "StartTime": i + 0.05,
            "Type": "pronunciation",
            "VocabularyFilterMatch": False,
        }
        for i in range(words)
    ]
    result = {
        "Alternatives": [
            {"Items": items, "Transcript": " ".join(item["Content"] for item in items)}
        ],
        "ChannelId": "ch_0",
        "EndTime": 3.5,
        "IsPartial": True,
        "ResultId": "5e9a1b0c-1d2e-4f3a-8b4c-5d6e7f8091a2",
        "StartTime": 0.05,
    }
    return json.dumps({"Transcript": {"Results": [result]}}, separators=(",", ":")).encode()


def write_corpus() -> Path:
    """The bytes that all peers read: transcript events and audio."""
    folder = BUILD / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for words in (3, 20, 130):
        message = encode_message(EVENT, transcript(words))
        (folder / f"event-{len(message)} B.bin").write_bytes(message)
    for size in AUDIO_SIZES:
        (folder / f"audio-{size} B.bin").write_bytes(bytes(i * 7 & 255 for i in range(size)))
    return folder


def environment(peer: str, packages: list[str]) -> Path:
    """Make the peer's own environment, once; return its interpreter."""
    folder = BUILD / peer
    interpreter = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [interpreter, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", *packages], check=True)
        (folder / "ready").touch()
    return interpreter


def build_aws_c(interpreter: Path) -> Path:
    """Build the C library from the sources inside awscrt's sdist; return the program."""
    folder = BUILD / "aws_c"
    program = folder / "aws_c"
    source = WORKER.with_name("aws_c.c")
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    if not list(folder.glob("awscrt-*/")):
        pip = [interpreter, "-m", "pip", "--quiet", "--disable-pip-version-check", "download"]
        subprocess.run(
            [*pip, "--no-deps", "--no-binary", ":all:", "--dest", folder, "awscrt"], check=True
        )
        (archive,) = folder.glob("awscrt-*.tar.gz")
        with tarfile.open(archive) as sdist:
            sdist.extractall(folder, filter="data")
    (crt,) = folder.glob("awscrt-*/crt")
    prefix = folder / "prefix"
    cmake = interpreter.with_name("cmake")
    for library in ("aws-c-common", "aws-checksums"):
        built = folder / library
        options = [
            "-DCMAKE_BUILD_TYPE=Release",
            "-DBUILD_TESTING=OFF",
            f"-DCMAKE_PREFIX_PATH={prefix}",
            f"-DCMAKE_INSTALL_PREFIX={prefix}",
            "-DCMAKE_INSTALL_LIBDIR=lib",
        ]
        for command in (
            [cmake, "-S", crt / library, "-B", built, *options],
            [cmake, "--build", built, "--parallel", "2", "--target", "install"],
        ):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        [
            os.environ.get("CC", "cc"),
            "-O3",
            source,
            crt / "aws-c-event-stream/source/event_stream.c",
            *(
                f"-I{path}"
                for path in (
                    prefix / "include",
                    crt / "aws-c-event-stream/include",
                    crt / "aws-c-io/include",
                )
            ),
            *(prefix / "lib" / name for name in ("libaws-checksums.a", "libaws-c-common.a")),
            "-lpthread",
            "-ldl",
            "-lm",
            "-o",
            program,
        ],
        check=True,
    )
    return program


def command(peer: str, corpus: Path) -> tuple[list[object], dict[str, str]]:
    """What to run for one round of a peer, and in which environment variables."""
    ours = ("AMAZON_TRANSCRIBE_", "PYTHON")
    variables = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    packages = PEERS[peer]
    if packages is None:
        switch = "NO_EXTENSIONS" if peer == "python" else "REQUIRE_EXTENSIONS"
        variables[f"AMAZON_TRANSCRIBE_{switch}"] = "1"
        variables["PYTHONPATH"] = str(ROOT)
        return [sys.executable, WORKER, peer, corpus], variables
    interpreter = environment(peer, packages)
    if peer == "aws_c":
        names = sorted(path.stem for path in corpus.iterdir())
        return [build_aws_c(interpreter), corpus, *names], variables
    return [interpreter, WORKER, peer, corpus], variables


def command_or_none(peer: str, corpus: Path) -> tuple[list[object], dict[str, str]] | None:
    try:
        return command(peer, corpus)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"{TITLES[peer]} is left out: {error}", file=sys.stderr)
        return None


def run(peers: list[str], rounds: int) -> Figures:
    """Let the peers take turns; one that cannot be set up is left out, saying so."""
    corpus = write_corpus()
    commands = {
        peer: found for peer in peers if (found := command_or_none(peer, corpus)) is not None
    }
    figures: Figures = {peer: {} for peer in commands}
    for number in range(rounds):
        for peer, (arguments, variables) in commands.items():
            print(f"round {number + 1} of {rounds}: {TITLES[peer]}", file=sys.stderr)
            output = subprocess.run(
                arguments, env=variables, check=True, stdout=subprocess.PIPE, text=True
            ).stdout
            for case, batch in json.loads(output).items():
                figures[peer].setdefault(case, []).extend(batch)
    return figures


def sizes(corpus: Path) -> dict[str, int]:
    """Bytes per operation of each case, for the throughput."""
    found = {}
    small = min(path.stat().st_size for path in corpus.glob("event-*"))
    for path in corpus.iterdir():
        kind, name = path.stem.split("-", 1)
        for verb in ("decode", "transcript") if kind == "event" else ("encode", "sign"):
            found[f"{verb} {name}"] = path.stat().st_size
    return found | {"decode in 7-byte chunks": small, "decode in 1 MiB chunks": small}


def table(figures: Figures, corpus: Path) -> str:
    """Every case and peer: nanoseconds (minimum and median), MB/s, and the ratio."""
    lines = [
        "| Work | Codec | ns, minimum | ns, median | MB/s | times the speed of 0.6.4 |",
        "|---|---|--:|--:|--:|--:|",
    ]
    length = sizes(corpus)
    reference = figures.get("upstream", {})
    cases = list(dict.fromkeys(case for found in figures.values() for case in found))
    for case in cases:
        for peer, found in figures.items():
            if case not in found:
                continue
            least, median = min(found[case]), statistics.median(found[case])
            ratio = f"{min(reference[case]) / least:.1f}" if case in reference else ""
            lines.append(
                f"| {case} | {TITLES[peer]} | {least:,.0f} | {median:,.0f} "
                f"| {length[case] / least * 1000:,.0f} | {ratio} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--into", type=Path, default=BUILD)
    options = parser.parse_args()
    peers = list(options.only)
    if sys.version_info < (3, 12) and "smithy" in peers:
        peers.remove("smithy")
        print("smithy-aws-event-stream needs Python 3.12: left out", file=sys.stderr)
    figures = run(peers, options.rounds)
    result = table(figures, BUILD / "corpus")
    options.into.mkdir(parents=True, exist_ok=True)
    (options.into / "codec-speed-table.md").write_text(result)
    (options.into / "codec-speed.svg").write_text(draw(figures, TITLES))
    (options.into / "codec-speed.json").write_text(
        json.dumps(
            {
                "machine": platform.machine(),
                "python": platform.python_version(),
                "figures": figures,
            }
        )
    )
    print(result)


if __name__ == "__main__":
    main()
