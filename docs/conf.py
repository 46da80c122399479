"""Sphinx configuration: `make docs`."""

import os
from typing import Generic, get_origin

from amazon_transcribe import __version__

# The codec's reference is read from the pure twin.
os.environ["AMAZON_TRANSCRIBE_NO_EXTENSIONS"] = "1"

project = "amazon-transcribe"
version = release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build", "requirements.txt", "codec-speed-*.md", "growth.md"]

myst_heading_anchors = 3

# Docstrings put code into single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

html_theme = "furo"
html_title = f"amazon-transcribe {version}"
html_static_path = ["site"]
html_css_files = ["site.css"]
html_copy_source = html_show_copyright = False

# Only what follows a prompt is copied, where there is one.
copybutton_prompt_text = "$ "


def setup(app):
    app.connect("autodoc-process-docstring", indented_is_code)
    app.connect("autodoc-process-bases", bases_are_public)


def indented_is_code(app, what, name, obj, options, lines):
    """Make literal blocks of what docstrings indent after an empty line."""
    code, result = False, []
    for number, line in enumerate(lines):
        indented = line.startswith("    ")
        if line and not indented:
            code = False
        elif indented and not code and (number == 0 or not lines[number - 1]):
            code = True
            result += ["::", ""]
        result.append(line)
    lines[:] = result


def bases_are_public(app, name, obj, options, bases):
    """Tell the nearest public class in place of a private one, and no type variables."""
    bases[:] = map(public, bases)


def public(base):
    if get_origin(base) is Generic:
        return object
    if isinstance(base, type):
        return next(known for known in base.__mro__ if not known.__name__.startswith("_"))
    return base  # a public class with its parameters
