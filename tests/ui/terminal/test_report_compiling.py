"""A line in a pipe while kernels are compiled, and none on a terminal, which shows it in place."""

import numba
import pytest

from grucli.ui.terminal.live_display import report_compiling
from tests.ui.fake_streams import CapturedTerminal, PipeStream, TtyStream


def compile_twice() -> None:
    for value in (1, 1.5):
        assert numba.njit(lambda x: x + x)(value) == 2 * value


@pytest.mark.parametrize(("stream", "said"), [(PipeStream, "compiling for this processor\n"), (TtyStream, "")])
def test_compiling_is_said_once_in_a_pipe(monkeypatch: pytest.MonkeyPatch, stream: type[PipeStream], said: str) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    captured = CapturedTerminal(PipeStream(), stream())
    with report_compiling(captured.terminal):
        assert captured.err == ""
        compile_twice()
    assert captured.err == said
    compile_twice()
    assert captured.err == said
