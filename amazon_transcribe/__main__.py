"""`python -m amazon_transcribe` is the command `amazon-transcribe`."""

import sys

from .cli import main

sys.exit(main())
