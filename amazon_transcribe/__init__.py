"""Streaming speech to text on Amazon Transcribe's protocol."""

__version__ = "1.0.0"
