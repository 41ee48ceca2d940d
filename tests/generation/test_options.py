"""The table of generation options."""

import subprocess
import sys

import pytest

from grucli.errors import UsageError
from grucli.generation.options import OPTIONS, GenerationConfig, GenerationOption, random_seed


def test_the_module_loads_neither_numpy_nor_numba() -> None:
    program = "import sys, grucli.generation.options\nassert not {'numpy', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_row_describes_its_field(option: GenerationOption) -> None:
    default = getattr(GenerationConfig(), option.name)
    assert (option.default, option.kind) == (default, type(default))
    assert 0 < len(option.help) <= 70
    assert len(option.item_help) <= 70
    assert option.off is None or option.minimum <= option.off <= option.maximum
    option.check(default)


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"temp": 101}, "--temp is 101", "--temp takes a number from 0 to 100"),
        ({"top_k": -1}, "--top-k is -1", "--top-k takes a whole number from 0 (off) to 2147483647"),
        ({"top_p": 0.0}, "--top-p is 0.0", "--top-p takes a number above 0, up to 1 (off)"),
        ({"repeat_penalty": 0}, "--repeat-penalty is 0", "--repeat-penalty takes a number above 0, up to 100"),
        ({"relevance": 1.0}, "--relevance is 1.0", "--relevance takes a number from 0 (off) to 0.99"),
        ({"min_chars": 9, "max_chars": 8}, "--min-chars is 9", "--min-chars takes a whole number up to --max-chars"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_range(values: dict[str, float], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        GenerationConfig(**values)  # type: ignore[arg-type]
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_random_seed_is_short_enough_to_type() -> None:
    assert all(0 <= random_seed() < 10_000 for _ in range(100))
