"""Progress: the sum of increments, reported from the start."""

import doctest

from grucli import progress


def test_the_example_holds() -> None:
    result = doctest.testmod(progress)
    assert result.attempted
    assert not result.failed
