"""Somebody at a real pseudo-terminal."""

import os
import sys
import time
from collections.abc import Callable

import pyte
import pytest

pexpect = pytest.importorskip("pexpect")

TIMEOUT = 120  # seconds: kernels may have to be compiled first


class PtySession:
    """Somebody who runs `gru` with these arguments, and sees its screen; `history` is what was scrolled away.

    `program` is what Python is told to run.
    """

    program: tuple[str, ...] = ("-m", "grucli")

    def __init__(self, *arguments: str, width: int = 80, height: int = 30) -> None:
        self.screen = pyte.HistoryScreen(width, height, history=1000)
        self._stream = pyte.Stream(self.screen)
        self.child = pexpect.spawn(
            sys.executable,
            [*self.program, *arguments],
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "", "LINES": ""},
            dimensions=(height, width),
            encoding="utf-8",
            timeout=TIMEOUT,
        )

    @property
    def history(self) -> list[str]:
        """The rows that were scrolled away."""
        return ["".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top]

    def send(self, keys: str) -> None:
        self.child.send(keys)

    def wait_for(self, condition: Callable[[str], object]) -> str:
        """Wait until the screen is as it should be."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            text = "\n".join(row.rstrip() for row in self.screen.display)
            if condition(text):
                return text
            try:
                self._stream.feed(self.child.read_nonblocking(65536, timeout=0.5))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                break
        raise AssertionError(f"the screen never was as it should be:\n{text}")

    def resize(self, width: int, height: int) -> None:
        self.child.setwinsize(height, width)
        self.screen.resize(height, width)

    def wait_for_exit(self) -> int:
        """Wait for the program to end; its exit status."""
        try:
            while True:
                self._stream.feed(self.child.read_nonblocking(65536, timeout=TIMEOUT))
        except pexpect.EOF:
            self.child.close()
        return int(self.child.exitstatus)


SHELL_PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
gru = os.fork()
if not gru:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, "-m", "grucli", *sys.argv[1:]])
while os.WIFSTOPPED(status := os.waitpid(gru, os.WUNTRACED)[1]):
    os.tcsetpgrp(0, os.getpid())
    input("[1]+ Stopped")
    os.tcsetpgrp(0, gru)
    os.kill(gru, signal.SIGCONT)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""As much of a shell as is needed: what Ctrl-Z stops goes on with Enter."""


class ShellPtySession(PtySession):
    """Somebody who can stop the program."""

    program = ("-c", SHELL_PROGRAM)
