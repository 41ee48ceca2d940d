"""The workloads of the speed benchmarks run."""

import pytest

from benchmarks.configs import TRAINING
from benchmarks.gru_workloads import make_training


@pytest.mark.slow
def test_a_training_step_counts_its_tokens() -> None:
    shape = TRAINING["char-rnn"]
    assert make_training("gru", "char-rnn")() == shape.B * shape.T
