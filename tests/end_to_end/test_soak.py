"""The memory of a long chat stays constant."""

import subprocess
import sys

import pytest

from tests.end_to_end.soak import NUM_REPORTS

REPLIES = 10_000


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell a process how much memory it has")
def test_ten_thousand_replies_in_flat_memory() -> None:
    command = [sys.executable, "-m", "tests.end_to_end.soak", str(REPLIES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    memory = [float(line.split()[2]) for line in done.stdout.splitlines()]
    assert len(memory) == NUM_REPORTS
    # The first thousands of replies fill the turn tree and the state cache.
    assert max(memory[NUM_REPORTS // 2 :]) - memory[NUM_REPORTS // 2] < 3, done.stdout
