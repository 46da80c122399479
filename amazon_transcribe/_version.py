"""The version: a literal, so that a build needs no repository."""

__version__ = "1.0.0"
