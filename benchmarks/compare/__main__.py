"""Compare event-stream codecs on the same bytes, in one run.

    python -m benchmarks.compare [--rounds N] [--only PEER ...] [--into FOLDER]

Each peer lives in an environment of its own under `build/compare`, made by this command.
The peers take turns, round by round, so that a busy machine is unfair to all alike.
smithy-aws-event-stream needs Python 3.12, which PYTHON312 can name; Node's codec needs npm.
Writes `codec-speed-goals.md`, `codec-speed-layers.md`, `codec-speed-table.md`,
`codec-speed.svg` and `codec-speed.json` into FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
from datetime import datetime, timezone
from pathlib import Path

from amazon_transcribe import __version__
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
    "node": [],
    "aws_c": ["cmake"],
    "sha256": None,
}
TITLES = {
    "compiled": "this, compiled",
    "python": "this, pure Python",
    "upstream": "amazon-transcribe 0.6.4",
    "botocore": "botocore",
    "smithy": "smithy-aws-event-stream",
    "node": "@smithy/eventstream-codec (Node)",
    "aws_c": "aws-c-event-stream (C)",
    "sha256": "SHA-256 alone",
}
EVENT = {
    ":message-type": "event",
    ":event-type": "TranscriptEvent",
    ":content-type": "application/json",
}
AUDIO_SIZES = (3200, 32000)
# What programs call, on top of the codec's own functions: in the table, not in the picture.
LAYERS = ("EventStream", "EventSigner", "ClientSession", "send_audio", "async for", "JSON alone")

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


def python312() -> str:
    """An interpreter of 3.12 or later, for the peers that need one."""
    if sys.version_info >= (3, 12):
        return sys.executable
    names = (os.environ.get("PYTHON312"), "python3.14", "python3.13", "python3.12")
    for name in names:
        if name and (found := shutil.which(name)):
            return found
    raise OSError("no Python 3.12 or later was found; PYTHON312 can name one")


def environment(peer: str, packages: list[str]) -> Path:
    """Make the peer's own environment, once; return its interpreter."""
    python = python312() if peer == "smithy" else sys.executable
    folder = BUILD / peer
    interpreter = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (folder / "ready").exists():
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
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


def node_environment() -> Path:
    """Install Node's codec into a folder of its own, once; return the program there."""
    folder = BUILD / "node"
    npm = shutil.which("npm")
    if npm is None:
        raise OSError("npm was not found")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "worker.mjs"):
        shutil.copy(WORKER.with_name(name), folder)
    if not (folder / "ready").exists():
        options = ("--silent", "--no-audit", "--no-fund", "--no-package-lock")
        subprocess.run([npm, "install", *options], cwd=folder, check=True)
        (folder / "ready").touch()
    return folder / "worker.mjs"


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
    if peer == "node":
        return ["node", node_environment(), corpus], variables
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
                arguments, env=variables, check=True, stdout=subprocess.PIPE, encoding="utf-8"
            ).stdout
            for case, batch in json.loads(output).items():
                figures[peer].setdefault(case, []).extend(batch)
    return figures


def size(case: str, corpus: Path) -> int:
    """Bytes per operation of a case, for the throughput."""
    if found := re.search(r"(\d+) B\b", case):
        return int(found[1])
    return min(path.stat().st_size for path in corpus.glob("event-*"))


def table(figures: Figures, corpus: Path) -> str:
    """Every case and peer: nanoseconds (minimum and median), MB/s, and the ratio."""
    lines = [
        "| Work | Codec | ns, minimum | ns, median | MB/s | times the speed of 0.6.4 |",
        "|---|---|--:|--:|--:|--:|",
    ]
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
                f"| {size(case, corpus) / least * 1000:,.0f} | {ratio} |"
            )
    return "\n".join(lines) + "\n"


def goals(corpus: Path) -> list[tuple[str, str, str, float]]:
    """Peer, case, what it is measured against, and how many times its speed it should have.

    Against SHA-256 it is the least share of its speed.
    """
    small, middle, large = sorted(
        (path.stem.removeprefix("event-") for path in corpus.glob("event-*")),
        key=lambda name: int(name.split()[0]),
    )
    short, long = (f"{length} B" for length in AUDIO_SIZES)
    return [
        ("compiled", f"decode {small}", "upstream", 40),
        ("compiled", f"decode {middle}", "upstream", 35),
        ("compiled", f"decode {large}", "upstream", 18),
        ("compiled", "decode in 7-byte chunks", "upstream", 11),
        ("compiled", "decode in 1 MiB chunks", "upstream", 100),
        ("compiled", f"encode {short}", "upstream", 16),
        ("compiled", f"encode {long}", "upstream", 9),
        ("compiled", f"sign {short}", "upstream", 5.5),
        ("compiled", f"sign {short}", "sha256", 1 / 1.75),
        ("compiled", f"sign {long}", "sha256", 1 / 1.2),
        ("compiled", f"transcript {small}", "upstream", 17),
        ("compiled", f"transcript {middle}", "upstream", 12),
        ("compiled", f"transcript {large}", "upstream", 9),
        ("compiled", f"decode {small}", "aws_c", 1),
        ("compiled", f"decode {middle}", "aws_c", 1),
        ("compiled", f"decode {large}", "aws_c", 1),
        ("compiled", f"encode {short}", "aws_c", 1),
        ("compiled", f"encode {long}", "aws_c", 1),
        ("python", f"decode {small}", "upstream", 3.5),
        ("python", f"encode {short}", "upstream", 2),
        ("python", f"sign {short}", "upstream", 3),
    ]


def scores(figures: Figures, corpus: Path) -> str:
    """Every goal, what was reached by minimum and by median, and whether that meets it."""
    lines = [
        "| Work | Codec | measured against | goal | by minimum | by median | |",
        "|---|---|---|--:|--:|--:|---|",
    ]
    for peer, case, other, goal in goals(corpus):
        ours, theirs = figures.get(peer, {}).get(case), figures.get(other, {}).get(case)
        if ours is None or theirs is None:
            continue
        least = min(theirs) / min(ours)
        median = statistics.median(theirs) / statistics.median(ours)
        if other == "sha256":
            want, got, usual = f"≤ {1 / goal:.4g}", f"{1 / least:.2f}", f"{1 / median:.2f}"
        else:
            want, got, usual = f"≥ {goal:g}", f"{least:.1f}", f"{median:.1f}"
        lines.append(
            f"| {case} | {TITLES[peer]} | {TITLES[other]} | {want} | {got} | {usual} "
            f"| {'met' if least >= goal else '**missed**'} |"
        )
    return "\n".join(lines) + "\n"


def layers(figures: Figures, corpus: Path) -> str:
    """What each layer of the compiled product adds, by minimum, small messages."""
    event = min(corpus.glob("event-*"), key=lambda path: path.stat().st_size).stem[6:]
    audio = f"{AUDIO_SIZES[0]} B"
    ladders = (
        (
            ("SHA-256 of the inner message", "sha256", f"sign {audio}"),
            ("date, HMAC, both frames, both CRCs: `EventChain`", "compiled", f"sign {audio}"),
            ("state and checks: `ClientSession`", "compiled", f"ClientSession.send_audio {audio}"),
            (
                "two coroutines and the transport's: `send_audio_event`",
                "compiled",
                f"send_audio_event {audio}",
            ),
            (
                "handing over to a reading task, whose joined copy is in it",
                "compiled",
                f"send_audio_event {audio}, memory transport",
            ),
        ),
        (
            ("bytes to message: `EventStreamDecoder.feed`", "compiled", f"decode {event}"),
            ("JSON to `TranscriptEvent`, by msgspec", "compiled", f"transcript {event}"),
            (
                "session, coroutines and the transport's: `async for`",
                "compiled",
                f"async for {event}, from the client's stream",
            ),
        ),
    )
    lines = ["| Layer | adds, ns | in all, ns |", "|---|--:|--:|"]
    for ladder in ladders:
        below = 0.0
        for name, peer, case in ladder:
            if case in figures.get(peer, {}):
                least = min(figures[peer][case])
                lines.append(f"| {name} | {least - below:,.0f} | {least:,.0f} |")
                below = least
    return "\n".join(lines) + "\n"


def processor() -> str:
    """The processor's name, and how it calculates a CRC and a SHA-256."""
    name = platform.processor() or platform.machine()
    try:
        found = re.search("model name\\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
        name = found[1] if found else name
    except OSError:
        pass
    try:
        from amazon_transcribe._wire._codec import SHA256_IMPLEMENTATION, _crc32_paths
    except ImportError:
        return name
    return (
        f"{name} ({platform.machine()}), CRC by {_crc32_paths()[-1]},"
        f" SHA-256 by {SHA256_IMPLEMENTATION}"
    )


def circumstances(peers: list[str], rounds: int) -> dict[str, object]:
    """The machine, the versions and the date of a run."""
    versions = {}
    for peer in peers:
        packages = PEERS[peer]
        if packages is None:
            versions[peer] = __version__
        elif peer == "aws_c":
            versions[peer] = next((BUILD / peer).glob("awscrt-*/")).name
        elif peer == "node":
            manifest = json.loads(WORKER.with_name("package.json").read_text("utf-8"))
            node = subprocess.check_output(["node", "--version"], encoding="utf-8").strip()
            versions[peer] = f"{next(iter(manifest['dependencies'].values()))} on Node {node}"
        else:
            name = packages[0].partition("==")[0]
            code = (
                "import platform as p, importlib.metadata as m;"
                f"print(m.version({name!r}), 'on CPython', p.python_version())"
            )
            versions[peer] = subprocess.check_output(
                [environment(peer, packages), "-I", "-c", code], encoding="utf-8"
            ).strip()
    return {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "processor": processor(),
        "system": platform.system(),
        "python": platform.python_version(),
        "rounds": rounds,
        "versions": versions,
    }


def caption(around: dict[str, object], figures: Figures) -> str:
    """One paragraph of Markdown about a run."""
    batches = min(len(times) for found in figures.values() for times in found.values())
    versions = around["versions"]
    assert isinstance(versions, dict)
    peers = ", ".join(
        f"{TITLES[peer]}: {version}"
        for peer, version in versions.items()
        if PEERS[peer] is not None
    )
    return (
        f"{around['date']}, {around['processor']}, {around['system']}, CPython"
        f" {around['python']}; {batches} batches or more of each case in {around['rounds']}"
        f" rounds. {peers}.\n\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--into", type=Path, default=BUILD)
    options = parser.parse_args()
    figures = run(list(options.only), options.rounds)
    corpus = BUILD / "corpus"
    around = circumstances(list(figures), options.rounds)
    head = caption(around, figures)
    score = scores(figures, corpus)
    result = table(figures, corpus)
    drawn = {
        peer: {
            case: times
            for case, times in found.items()
            if not case.startswith(LAYERS) and "own" not in case
        }
        for peer, found in figures.items()
    }
    options.into.mkdir(parents=True, exist_ok=True)
    (options.into / "codec-speed-goals.md").write_text(head + score, "utf-8")
    (options.into / "codec-speed-layers.md").write_text(layers(figures, corpus), "utf-8")
    (options.into / "codec-speed-table.md").write_text(result, "utf-8")
    (options.into / "codec-speed.svg").write_text(draw(drawn, TITLES), "utf-8")
    whole = json.dumps({**around, "nanoseconds": rounded(figures)}, indent=1)
    # A case to a line.
    (options.into / "codec-speed.json").write_text(
        re.sub(r"\n +(?=[\d\]])", "", whole) + "\n", "utf-8"
    )
    print(head + score + "\n" + result)


def rounded(figures: Figures) -> Figures:
    """The figures to a tenth of a nanosecond."""
    return {
        peer: {case: [round(time, 1) for time in times] for case, times in found.items()}
        for peer, found in figures.items()
    }


if __name__ == "__main__":
    main()
