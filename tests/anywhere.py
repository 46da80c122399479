"""The suite in one environment after another, and a table of what came out.

    python -m tests.anywhere [ROW…] [-- PYTEST-ARGUMENT…]

Without a row all of them are run; `caller+shuffled` is one row of both at once. A row that this
machine cannot have is untested, and the table says why. The exit code is 1 if a row fails, or if
its tests leave a file behind.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRIVILEGED = hasattr(os, "geteuid") and os.geteuid() == 0
NOBODY = 65534

Variables = dict[str, str | None]


@dataclass(frozen=True)
class Place:
    """A checkout, the Python and the directory that its tests run in, and what they run under."""

    root: Path = ROOT
    python: str = sys.executable
    directory: Path = ROOT
    under: tuple[str, ...] = ()


@dataclass(frozen=True)
class Environment:
    """What is other than usual: variables (none: not set), options of pytest, the place."""

    variables: Variables = field(default_factory=dict)
    options: tuple[str, ...] = ()
    place: Callable[[Place], AbstractContextManager[Place]] = nullcontext


class Untested(Exception):
    """This machine cannot have the environment."""


@contextmanager
def busy(place: Place) -> Iterator[Place]:
    """Two endless loops for each core."""
    with ExitStack() as stack:
        for _ in range(2 * (os.cpu_count() or 1)):
            loop = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(loop.kill)
        yield place


@contextmanager
def isolated(place: Place) -> Iterator[Place]:
    """A network of its own, in which there is only a loopback, without IPv6."""
    namespace = ("unshare", "--net") if PRIVILEGED else ("unshare", "--map-root-user", "--net")
    prepare = "ip link set lo up && sysctl -qw net.ipv6.conf.all.disable_ipv6=1"
    under = (*namespace, "sh", "-ec", f'{prepare} && exec "$@"', "sh")
    if not works(*under, "true"):
        raise Untested("needs Linux and the right to make a network namespace")
    yield replace(place, under=under)


@contextmanager
def elsewhere(place: Place) -> Iterator[Place]:
    """Another working directory."""
    with tempfile.TemporaryDirectory() as directory:
        yield replace(place, directory=Path(directory))


@contextmanager
def stranger(_: Place) -> Iterator[Place]:
    """A user without rights, in a fresh clone at an unusual path, which is set up as a newcomer
    would and then is for reading only."""
    # What setpriv starts may still be found with root's rights, what that starts may not.
    becoming = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "env")
    under = becoming if PRIVILEGED else ()
    if not works(*under, "true"):
        raise Untested("root cannot become another user")
    usable = "import ensurepip, sys; sys.exit(sys.version_info < (3, 10))"
    pythons = (os.path.realpath(sys.executable), shutil.which("python3", path=os.defpath))
    python = next((path for path in pythons if path and works(*under, path, "-c", usable)), None)
    if python is None:
        raise Untested("there is no Python 3.10 or later that another user may run")
    with tempfile.TemporaryDirectory(prefix="ä b ") as directory:
        Path(directory).chmod(0o755)
        root = Path(directory, "Übung 1")
        run("git", "clone", "-q", str(ROOT), str(root), cwd=ROOT)
        if PRIVILEGED:
            run("chown", "-R", f"{NOBODY}:{NOBODY}", ".", cwd=root)
        run(*under, "make", f"PYTHON={python}", ".venv/.dev", ".venv-original/.installed", cwd=root)
        taking = ("chown", "-R", "0:0") if PRIVILEGED else ("chmod", "-R", "a-w")
        run(*taking, ".", cwd=root)
        try:
            yield Place(root, str(root / ".venv" / "bin" / "python"), root, under)
        finally:
            run("chmod", "-R", "u+w", ".", cwd=root)


def interpreter(version: str) -> Callable[[Place], AbstractContextManager[Place]]:
    """Another Python, in an environment that is kept for the next time."""

    @contextmanager
    def made(place: Place) -> Iterator[Place]:
        pythons = [shutil.which(f"python{version}")]
        pythons += map(str, Path.home().glob(f".pyenv/versions/*/bin/python{version}"))
        python = next((path for path in pythons if path and works(path, "-c", "pass")), None)
        if python is None:
            raise Untested(f"there is no python{version}")
        venv = f".venv-{version}"
        run("make", f"PYTHON={python}", f"VENV={venv}", f"{venv}/.dev", cwd=ROOT)
        yield replace(place, python=str(ROOT / venv / "bin" / "python"))

    return made


# What a caller's own variables may say, and none of it is so.
CALLER: Variables = {
    "AWS_ACCESS_KEY_ID": "AKIDCALLER",
    "AWS_SECRET_ACCESS_KEY": "caller",
    "AWS_SESSION_TOKEN": "caller",
    "AWS_PROFILE": "no-such-profile",
    "AWS_REGION": "mars-north-1",
    "AWS_DEFAULT_REGION": "mars-north-1",
    "AWS_CA_BUNDLE": "/nonexistent/bundle.pem",
    "AWS_CONFIG_FILE": "/nonexistent/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING": "http://127.0.0.1:1",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "SSL_CERT_FILE": "/nonexistent/certificate.pem",
    "SSL_CERT_DIR": "/nonexistent",
    "OTEL_SDK_DISABLED": "true",
    "http_proxy": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
    "ALL_PROXY": "socks5://127.0.0.1:1",
    "NO_PROXY": "example.com",
    "TZ": "CHAST-12:45CHADT,M9.5.0,M4.1.0",  # often another day, at a quarter of an hour
    "HOME": None,
    "USER": None,
    "LOGNAME": None,
}
LOCALE: Variables = {
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONWARNDEFAULTENCODING": "1",
}
PURE: Variables = {
    "AMAZON_TRANSCRIBE_NO_EXTENSIONS": "1",
    "AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS": None,
}

ROWS = {
    "caller": Environment(CALLER),
    "locale": Environment(LOCALE),
    "devmode": Environment({"PYTHONDEVMODE": "1"}),
    "pure": Environment(PURE, ("-m", "not any_codec")),
    "shuffled": Environment(options=(f"--shuffle={random.randrange(10**6)}",)),
    "serial": Environment(options=("-n", "0")),
    "elsewhere": Environment(place=elsewhere),
    "busy": Environment(place=busy),
    "isolated": Environment(place=isolated),
    "stranger": Environment({"HOME": "/nonexistent"}, place=stranger),
    **{
        version: Environment(place=interpreter(version))
        for version in ("3.10", "3.11", "3.12", "3.13", "3.14", "3.14t")
    },
}


@dataclass(frozen=True)
class Outcome:
    mark: str
    said: str
    seconds: float = 0.0


def outcome_of(names: str, arguments: list[str]) -> Outcome:
    """Run the tests in the environments whose names plus signs join, all at once."""
    environment, options, place = dict(os.environ), ["-n", "auto"], Place()
    with ExitStack() as stack:
        for name in names.split("+"):
            row = ROWS[name]
            options += row.options
            try:
                place = stack.enter_context(row.place(place))
            except Untested as reason:
                return Outcome("untested", str(reason))
            except subprocess.CalledProcessError as error:
                return Outcome("FAILED", f"cannot be set up: {' '.join(error.cmd)}")
            for variable, value in row.variables.items():
                environment.pop(variable, None)
                if value is not None:
                    environment[variable] = value
        tests = arguments or ["tests"]
        tests = [str(place.root / path) if (place.root / path).exists() else path for path in tests]
        print(f"\n===== {names}: {' '.join([*options, *tests])}", flush=True)
        before, begun, said = files_in(place), time.monotonic(), ""
        with subprocess.Popen(
            [*place.under, place.python, "-m", "pytest", *options, *tests],
            cwd=place.directory,
            env=environment,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        ) as pytest:
            assert pytest.stdout is not None
            for line in pytest.stdout:
                print(line, end="", flush=True)
                said = line.strip() or said
        seconds = time.monotonic() - begun
        left = files_in(place) - before
    if left:
        return Outcome("FAILED", f"left behind: {', '.join(sorted(left))}", seconds)
    return Outcome("FAILED" if pytest.returncode else "passed", said.strip("= "), seconds)


def files_in(place: Place) -> set[str]:
    """The files that git does not know, and those in another working directory."""
    status = ("git", "-c", "safe.directory=*", "status", "--porcelain", "--untracked-files=all")
    files = {line[3:] for line in run(*status, cwd=place.root).splitlines() if line[:2] == "??"}
    if place.directory != place.root:
        files |= {str(path) for path in place.directory.rglob("*") if path.is_file()}
    return files


def works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(*command: str, cwd: Path) -> str:
    """Run a command that is no test; its standard output."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return done.stdout


def main(arguments: list[str]) -> None:
    at = arguments.index("--") if "--" in arguments else len(arguments)
    rows, passed_on = arguments[:at] or list(ROWS), arguments[at + 1 :]
    for name in "+".join(rows).split("+"):
        if name not in ROWS:
            sys.exit(f"there is no row {name!r}; there are {', '.join(ROWS)}")
    outcomes = {names: outcome_of(names, passed_on) for names in rows}
    width = max(map(len, outcomes))
    print()
    for names, outcome in outcomes.items():
        print(f"{names:{width}}  {outcome.mark:8}  {outcome.seconds:5.0f} s  {outcome.said}")
    if any(outcome.mark == "FAILED" for outcome in outcomes.values()):
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
