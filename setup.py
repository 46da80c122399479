"""Build script: adds the compiled codec to what pyproject.toml declares.

AMAZON_TRANSCRIBE_NO_EXTENSIONS=1       build without the extension (and import without it)
AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS=1  fail when it cannot be built, instead of leaving it out
AMAZON_TRANSCRIBE_SANITIZE=1            build it with AddressSanitizer and UBSan
"""

import os
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


def switch(name):
    """Whether an environment switch is on: empty and "0" mean off."""
    return os.environ.get(name, "") not in ("", "0")


REQUIRED = switch("AMAZON_TRANSCRIBE_REQUIRE_EXTENSIONS")


class BuildCodec(build_ext):
    """Builds the codec, or says clearly that the pure-Python twin will serve."""

    def run(self):
        try:
            super().run()
        except Exception as error:
            if REQUIRED:
                raise
            self.leave_out(error)

    def build_extension(self, ext):
        try:
            super().build_extension(ext)
        except Exception as error:
            if REQUIRED:
                raise
            self.leave_out(error)

    def leave_out(self, error):
        print(
            "*" * 78
            + f"\namazon-transcribe: the compiled codec was left out ({error}).\n"
            + "The pure-Python codec behaves the same, only slower. Install a C compiler\n"
            + "and reinstall to get the compiled one.\n"
            + "*" * 78,
            file=sys.stderr,
        )

    def copy_extensions_to_source(self):
        # An editable install copies what was built; nothing was built when left out.
        self.extensions = [e for e in self.extensions if os.path.exists(self.built_path(e))]
        super().copy_extensions_to_source()

    def built_path(self, ext):
        return os.path.join(self.build_lib, self.get_ext_filename(self.get_ext_fullname(ext.name)))


def extensions():
    if switch("AMAZON_TRANSCRIBE_NO_EXTENSIONS"):
        return []
    from Cython.Build import cythonize

    flags = ["-O3"] if sys.platform != "win32" else []
    link = []
    if switch("AMAZON_TRANSCRIBE_SANITIZE"):
        flags = ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
        link = ["-fsanitize=address,undefined"]
    codec = Extension(
        "amazon_transcribe._codec",
        ["_codec/codec.pyx"],
        depends=["_codec/crc32.h"],
        include_dirs=["_codec"],
        extra_compile_args=flags,
        extra_link_args=link,
    )
    return cythonize([codec], build_dir="build")


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildCodec})
