"""The options of a comparison: what is refused."""

import pytest

from grucli.comparison.options import DEFAULT_MINUTES, CompareOptions
from grucli.errors import UsageError
from grucli.training.options import Budget


@pytest.mark.parametrize("cells", ["gru,lstm", " gru , lstm", ["gru", "lstm"], ("gru", "lstm")])
def test_cells_as_a_word_or_as_a_sequence(cells: object) -> None:
    assert CompareOptions(sources="a.csv", cells=cells).cells == ("gru", "lstm")  # type: ignore[arg-type]


def test_without_a_budget_it_is_two_minutes() -> None:
    assert CompareOptions(sources="a.csv").budget() == Budget(minutes=DEFAULT_MINUTES)
    assert CompareOptions(sources="a.csv", steps=3).budget() == Budget(steps=3)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"cells": "gru,lsmt"}, "unknown cell 'lsmt'", "did you mean 'lstm'"),
        ({"cells": "gru,\x1b[31m"}, "unknown cell", "choose from: gru, "),
        ({"cells": "gru"}, "only one cell", "--cells gru,lstm"),
        ({"cells": ""}, "unknown cell ''", "choose from"),
        ({"cells": "gru,"}, "unknown cell ''", "choose from"),
        ({"cells": "gru,rnn,gru"}, "names 'gru' twice", "once"),
        ({"seeds": 0}, "--seeds is 0", "from 1 to 100"),
        ({"seeds": 101}, "--seeds is 101", "from 1 to 100"),
        ({"lr": 0.0}, "--lr is 0", "above 0"),
        ({"val": 0.0}, "--val is 0", "needs validation data"),
        ({"cell": "gru"}, "--cell cannot be used in a comparison", "--cells"),
        ({"start_from": "emo"}, "--from cannot be used in a comparison", "--cells"),
        ({"steps": 3, "minutes": 1.0}, "cannot be used together", "one of them"),
        ({"resume": True, "force": True}, "cannot be used together", "--force"),
        ({"val": 0.1, "val_file": "v.csv"}, "cannot be used together", "one of them"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        CompareOptions(sources="a.csv", **options)  # type: ignore[arg-type]
    assert message in refused.value.message
    assert hint in refused.value.hint
