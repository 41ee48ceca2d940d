"""The first word on the screen. It stands there before rich is imported, which takes as long as all that came before.

The cursor goes back to the beginning of the line, so that whatever comes next takes its place.
"""

import os
import sys

STARTUP_MESSAGE = "getting ready"


def print_startup_message(quiet: int) -> None:
    """Say on stderr, if it is a terminal and nobody asked for quiet, that work has begun."""
    if quiet == 0 and sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown"):
        sys.stderr.write(f"{STARTUP_MESSAGE}\r")
        sys.stderr.flush()
