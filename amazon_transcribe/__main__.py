"""The command `amazon-transcribe`, which is `python -m amazon_transcribe` too."""

import signal
import sys


def main() -> int:
    """Run the command and return its exit code; Ctrl-C may come before it is imported."""
    try:
        from .cli import main as run

        return run()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
