"""Hidden sizes that give cells as many parameters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.comparison.sizes import MAX_DIFFERENCE, match_cells, match_parameters
from grucli.errors import UsageError
from grucli.model.cells import CELLS
from grucli.model.config import ModelConfig, num_parameters

configs = st.builds(
    ModelConfig,
    cell=st.just("gru"),
    V=st.integers(4, 5000),
    E=st.integers(1, 300),
    H=st.integers(1, 400),
    L=st.integers(1, 3),
    tied=st.booleans(),
)


@given(configs, st.sampled_from(sorted(CELLS)), st.integers(1, 3_000_000))
def test_no_other_hidden_size_is_closer(reference: ModelConfig, cell: str, parameters: int) -> None:
    matched = match_parameters(cell, reference, parameters)
    assert (matched.V, matched.E, matched.L, matched.tied) == (reference.V, reference.E, reference.L, reference.tied)
    distance = abs(num_parameters(matched) - parameters)
    for hidden in (matched.H - 1, matched.H + 1):
        if hidden >= 1:
            other = ModelConfig(cell, matched.V, matched.E, hidden, matched.L, matched.tied)
            assert abs(num_parameters(other) - parameters) >= distance


@given(configs)
def test_a_cell_has_the_size_of_itself(reference: ModelConfig) -> None:
    assert match_parameters("gru", reference, num_parameters(reference)) == reference


@pytest.mark.parametrize(("hidden", "layers", "tied"), [(128, 1, False), (256, 2, False), (300, 1, True)])
def test_all_cells_have_as_many_parameters(hidden: int, layers: int, tied: bool) -> None:
    sizes = match_cells(list(CELLS), ModelConfig("gru", 98, 64, hidden, layers, tied))
    counts = [num_parameters(config) for config in sizes.values()]
    assert list(sizes) == list(CELLS)
    assert max(counts) <= (1 + MAX_DIFFERENCE) * min(counts)


def test_networks_too_small_for_that_are_refused_with_a_size_that_suits() -> None:
    reference = ModelConfig("gru", 36, 6, 37, 1)
    with pytest.raises(UsageError, match=r"as a gru of 37: gru 6,\d{3}, lstm 6,\d{3}") as refused:
        match_cells(["gru", "lstm"], reference)
    suitable = int(refused.value.hint.removeprefix("use --hidden "))
    assert match_cells(["gru", "lstm"], ModelConfig("gru", 36, 6, suitable, 1))
