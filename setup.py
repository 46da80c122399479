"""Adds the compiled codec to what pyproject.toml declares.

AMAZON_TRANSCRIBE_NO_EXTENSIONS=1       build without it (and import without it)
AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS=1  fail when it cannot be built, instead of leaving it out
AMAZON_TRANSCRIBE_SANITIZE=1            build it with AddressSanitizer and UBSan

Empty or 0 means unset.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

LEFT_OUT = """\
==============================================================================
amazon-transcribe: the compiled codec was left out:
    {error}
The pure-Python codec takes its place: it behaves the same and is slower. For
the compiled one, install a C compiler and Python's headers, and install again.
=============================================================================="""


def switch(name):
    return os.environ.get(name, "") not in ("", "0")


class BuildCodec(build_ext):
    """Builds the codec; where that fails, leaves it out and says so."""

    def build_extensions(self):
        try:
            super().build_extensions()
        except (BaseError, CCompilerError) as error:
            if switch("AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS"):
                raise
            print(LEFT_OUT.format(error=error), file=sys.stderr)
            # Nor may one of an earlier build stand in for it.
            for ext in self.extensions:
                Path(self.get_ext_fullpath(ext.name)).unlink(missing_ok=True)
                if self.editable_mode:
                    Path(self.get_ext_filename(ext.name)).unlink(missing_ok=True)
            self.extensions = []


def extensions():
    if switch("AMAZON_TRANSCRIBE_NO_EXTENSIONS"):
        return []
    from Cython.Build import cythonize

    compile_args, link_args = ["-O3"] if sys.platform != "win32" else [], []
    if switch("AMAZON_TRANSCRIBE_SANITIZE"):
        compile_args = ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
        link_args = ["-fsanitize=address,undefined"]
    codec = Extension(
        "amazon_transcribe._wire._codec",
        ["_codec/codec.pyx"],
        depends=["_codec/crc32.h", "_codec/sha256.h"],
        include_dirs=["_codec"],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )
    return cythonize([codec], build_dir="build")


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildCodec})
