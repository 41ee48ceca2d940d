"""The `gru` entry point. It imports almost nothing, so that Ctrl-C is handled from the start."""

import sys

_EXIT_SIGINT = 130


def main(arguments: list[str] | None = None) -> int:
    """Run `gru` with the given arguments, those of the process by default, and return the exit status."""
    try:
        # Loading takes a tenth of a second, and Ctrl-C may interrupt it too.
        from grucli.cli import entry

        return entry.run_program(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("gru: interrupted by Ctrl-C\n     no file was left incomplete; run it again at any time\n")
        return _EXIT_SIGINT


if __name__ == "__main__":
    sys.exit(main())
