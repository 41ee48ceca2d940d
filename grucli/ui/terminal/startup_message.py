"""The first message on the screen, printed before rich is imported. What is printed next overwrites it."""

import os
import sys

STARTUP_MESSAGE = "loading..."
COMPILING_MESSAGE = "compiling for this processor"


def print_startup_message(quiet: int) -> None:
    """Print the message on stderr if that is a terminal which can be drawn over, unless `quiet`."""
    if quiet == 0 and sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown"):
        sys.stderr.write(f"{STARTUP_MESSAGE}\r")
        sys.stderr.flush()
