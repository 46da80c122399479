"""Checks what is built and installed, in environments of their own: `make dist`, `make lowest`.

    python -m tests.distribution dist            build sdist and wheels, install them, look inside
    python -m tests.distribution lowest [ARG…]   run pytest with the oldest dependencies allowed

Both work on a copy of the checkout without `.git` and without anything built before.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "examples" / "audio" / "goforward.wav"
NO_COMPILER = {"CC": "/nonexistent"}
PURE = {"AMAZON_TRANSCRIBE_NO_EXTENSIONS": "1"}
REQUIRED = {"AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS": "1"}
ALWAYS = ("awscrt", "h2", "msgspec")
EXTRAS = ("", "cli", "dev", "examples", "local", "media", "otel", "uvloop")

# What `lowest` leaves at its newest: it is not part of what runs.
TOOLS = ("build", "cython-lint", "mypy", "pyright", "ruff", "towncrier")

IMPLEMENTATION = "from amazon_transcribe.eventstream import IMPLEMENTATION; print(IMPLEMENTATION)"
LOADS_NO_AWSCRT = "import sys, amazon_transcribe.client; print('awscrt' in sys.modules)"
VERSIONS = (
    "import amazon_transcribe, importlib.metadata;"
    "print(amazon_transcribe.__version__, importlib.metadata.version('amazon-transcribe'))"
)


class Environment:
    """A virtual environment to install into and to run in."""

    def __init__(self, place: Path) -> None:
        venv.create(place, with_pip=True)
        self.bin = place / ("Scripts" if os.name == "nt" else "bin")

    def run(self, *command: str, cwd: Path | None = None, **variables: str) -> str:
        """Run a command of the environment; its standard output, stripped."""
        return run(str(self.bin / command[0]), *command[1:], cwd=cwd, **variables)

    def install(self, *arguments: str, **variables: str) -> None:
        pip = ("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        self.run(*pip, *arguments, **variables)

    def python(self, code: str, **variables: str) -> str:
        # Not in the checkout: what is installed is meant, not what lies in the directory.
        return self.run("python", "-c", code, cwd=self.bin, **variables)


def run(*command: str, cwd: Path | None = None, **variables: str) -> str:
    """Run a command with no build switch set but those given."""
    switches = ("AMAZON_TRANSCRIBE_NO_EXTENSIONS", "AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS", "CC")
    kept = {name: value for name, value in os.environ.items() if name not in switches}
    done = subprocess.run(
        command, cwd=cwd, env=kept | variables, check=True, encoding="utf-8", capture_output=True
    )
    return done.stdout.strip()


def check(condition: object, what: str) -> None:
    if not condition:
        sys.exit(f"not so: {what}")
    print(f"ok: {what}", flush=True)


def copy_checkout(target: Path) -> Path:
    unwanted = shutil.ignore_patterns(
        ".?*", "build", "dist", "_build", "*.egg-info", "*.so", "*.pyd", "__pycache__"
    )
    return Path(shutil.copytree(ROOT, target, ignore=unwanted))


def built_wheel(source: Path, target: Path, *arguments: str, **variables: str) -> Path:
    """Build a wheel of the source alone, with this environment's setuptools and Cython."""
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check")
    run(*pip, *arguments, "--no-deps", "--wheel-dir", str(target), str(source), **variables)
    (wheel,) = target.glob("*.whl")
    return wheel


def check_wheel(wheel: Path, *, compiled: bool) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    info = next(name for name in top if name.endswith(".dist-info"))
    check(top == {"amazon_transcribe", info}, f"{wheel.name} holds one package and no other")
    check(
        {f"{info}/licenses/LICENSE", f"{info}/licenses/NOTICE"} <= set(names),
        "… with licence and notice",
    )
    check(
        {"amazon_transcribe/py.typed", "amazon_transcribe/_wire/_codec.pyi"} <= set(names),
        "… with its types",
    )
    pages = {path.name for path in (ROOT / "amazon_transcribe/local/page").glob("*.[!p]*")}
    held = {name.rpartition("/")[2] for name in names if "/local/page/" in name}
    check(pages <= held, "… with the files of its page")
    extensions = [name for name in names if name.endswith((".so", ".pyd"))]
    check(len(extensions) == compiled, f"… with {int(compiled)} extension")


def dist() -> None:
    """Build everything, look inside, and install it every way there is."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        checkout = copy_checkout(place / "checkout")

        build = (sys.executable, "-m", "build", "--sdist", "--outdir", str(place / "sdist"))
        run(*build, cwd=checkout)
        (sdist,) = (place / "sdist").glob("*.tar.gz")
        with tarfile.open(sdist) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        source = {
            *("Makefile", "setup.py", "_codec/codec.pyx", "_codec/crc32.h", "_codec/sha256.h"),
            *("tests/conftest.py", "tests/vectors/framing.jsonl"),
            "examples/audio/sense_and_sensibility_all.wav",
        }
        check(source <= names, f"{sdist.name} holds the sources")
        made = [name for name in names if name.endswith((".so", ".pyc", "codec.c"))]
        check(not made, "… and nothing built")

        # From the sdist alone; isolated, so that the declared build requirements must do.
        wheel = built_wheel(sdist, place / "wheel", **REQUIRED)
        check_wheel(wheel, compiled=True)
        fast = ("--no-build-isolation",)
        pure = built_wheel(checkout, place / "pure", *fast, **PURE)
        check(pure.name.endswith("-py3-none-any.whl"), "without the extension it is for any Python")
        check_wheel(pure, compiled=False)
        left_out = built_wheel(checkout, place / "left-out", *fast, **NO_COMPILER)
        check_wheel(left_out, compiled=False)
        try:
            built_wheel(checkout, place / "none", *fast, **NO_COMPILER, **REQUIRED)
            refused = False
        except subprocess.CalledProcessError:
            refused = True
        check(refused, "the extension required and no compiler: the build fails")

        env = Environment(place / "env")
        env.install(str(wheel))
        check(env.python(IMPLEMENTATION) == "compiled", "installed: the compiled codec serves")
        check(env.python(IMPLEMENTATION, **PURE) == "python", "… unless it is switched off")
        check(env.python(LOADS_NO_AWSCRT) == "False", "the client loads no awscrt by itself")
        version = wheel.name.split("-")[1]
        check(env.python(VERSIONS) == f"{version} {version}", "version and metadata agree")
        said = env.run("amazon-transcribe", "--version")
        check(said == f"amazon-transcribe {version}", "… and the command says the same")
        for name in ("tests", "_codec", "setup"):
            code = f"import importlib.util; print(importlib.util.find_spec({name!r}))"
            check(env.python(code) == "None", f"there is no top-level {name}")
        installed = {name for name in ALWAYS if _is_there(env, name)}
        check(installed == set(ALWAYS), "it brings its three dependencies")
        check(not _is_there(env, "onnxruntime"), "… and no recogniser")
        scripted = ("transcribe", "--local", "--engine", "scripted", "--no-realtime")
        said = env.run("amazon-transcribe", *scripted, str(RECORDING))
        check(said.startswith("This is"), "… without which the scripted engine serves")

        env.install("--no-deps", "--force-reinstall", str(pure))
        check(env.python(IMPLEMENTATION) == "python", "the pure wheel: the pure codec serves")

        env.install("--no-deps", "--editable", str(checkout), **REQUIRED)
        check(env.python(IMPLEMENTATION) == "compiled", "in place: the compiled codec serves")
        env.install("--no-deps", "--editable", str(checkout), **NO_COMPILER)
        check(env.python(IMPLEMENTATION) == "python", "in place, no compiler: the pure one")

        env.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "amazon-transcribe")
        uninstalled = env.python(IMPLEMENTATION, PYTHONPATH=str(checkout))
        check(uninstalled == "python", "an uninstalled checkout can be imported")

        (ROOT / "dist").mkdir(exist_ok=True)
        for file in (sdist, wheel):
            print("dist/" + Path(shutil.copy(file, ROOT / "dist")).name)


def _is_there(env: Environment, name: str) -> bool:
    code = f"import importlib.util; print(importlib.util.find_spec({name!r}) is not None)"
    return env.python(code) == "True"


def lowest(arguments: list[str]) -> None:
    """Run the tests with exactly the lower bounds that the project declares."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        checkout = copy_checkout(place / "checkout")
        bounds = lower_bounds()
        print("\n".join(bounds), flush=True)
        pins = place / "pins.txt"
        pins.write_text("\n".join(bounds), "utf-8")
        env = Environment(place / "env")
        # What builds is held to them too, under a name that pip changed with 25.3.
        limits = {"PIP_CONSTRAINT": str(pins), "PIP_BUILD_CONSTRAINT": str(pins)}
        env.install("--requirement", str(pins), "--editable", str(checkout), **limits, **REQUIRED)
        pytest = (str(env.bin / "python"), "-m", "pytest", "-n", "auto", *arguments)
        sys.exit(subprocess.run(pytest, cwd=checkout, check=False).returncode)


def lower_bounds() -> list[str]:
    """Each requirement of this interpreter, held to the version it starts with."""
    bounds = []
    for line in requires("amazon-transcribe") or []:
        requirement = Requirement(line)
        here = not requirement.marker or any(
            requirement.marker.evaluate({"extra": extra}) for extra in EXTRAS
        )
        if here and requirement.name not in TOOLS:
            (lower,) = [s.version for s in requirement.specifier if s.operator in (">=", "==")]
            bounds.append(f"{requirement.name}=={lower}")
    return list(dict.fromkeys(bounds))


def main(arguments: list[str]) -> None:
    if arguments == ["dist"]:
        dist()
    elif arguments[:1] == ["lowest"]:
        lowest(arguments[1:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(error.cmd)}\n{error.stdout}{error.stderr}")
