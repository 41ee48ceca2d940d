"""The `gru` entry point. It imports next to nothing by itself: Ctrl-C is understood from the first moment on."""

import sys

_EXIT_SIGINT = 130


def main(arguments: list[str] | None = None) -> int:
    """Run `gru` with the given arguments (None: those of the process); the exit status, and never an exception."""
    try:
        # Here and not above: loading takes a tenth of a second, and may be interrupted like everything else.
        from grucli.cli import entry

        return entry.run_program(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write(
                "gru: stopped by Ctrl-C\n     no file was left half-written; run it again whenever you like\n"
            )
        return _EXIT_SIGINT


if __name__ == "__main__":
    sys.exit(main())
