"""The texts of the tasks: what they say is right, well nested, and in one part only."""

import re
from itertools import islice
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grucli.comparison.sizes import match_cells
from grucli.comparison.suite.papers import CLAIMS, FIGURES, SOURCES
from grucli.comparison.suite.tasks import TASKS, TRAINED_COUNT, Part, Task, arithmetic, counted, nested_tags
from grucli.model.config import ModelConfig

randoms = st.integers(0, 2**32).map(Random)
MADE = [task for task in TASKS if task.make is not None]


@given(randoms, st.integers(1, 9))
def test_arithmetic_is_right(random: Random, digits: int) -> None:
    example = arithmetic(random, digits)
    question, result = example.text[: example.start], example.text[example.start :]
    assert question.endswith("=")
    symbols = re.sub("[a-z]", "", question[:-1])
    left, sign, right = re.fullmatch(r"(\d+)([+-])(\d+)", symbols).groups()  # type: ignore[union-attr]
    assert max(len(left), len(right)) <= digits
    assert int(result) == (int(left) + int(right) if sign == "+" else int(left) - int(right))
    assert result == str(int(result))


@given(randoms)
def test_tags_are_nested_well(random: Random) -> None:
    example, opened = nested_tags(random), list[str]()
    tags = re.findall(r"<(/?)([a-z]+)>", example.text)
    assert "".join(f"<{slash}{name}>" for slash, name in tags) == example.text
    for slash, name in tags:
        assert 2 <= len(name) <= 10
        if slash:
            assert opened.pop() == name
        else:
            opened.append(name)
    assert opened == []


@given(st.integers(1, 300))
def test_what_counts_of_a_count_is_certain(n: int) -> None:
    example = counted(n)
    assert example.text == "a" * n + "b" * n
    assert example.text[: example.start] == "a" * n + "b"


@pytest.mark.parametrize("task", MADE[:2], ids=lambda task: task.name)
def test_no_part_has_what_another_has(task: Task) -> None:
    keys = {part: {example.key for example in islice(task.stream(part), 500)} for part in ("train", "val", "test")}
    assert not keys["train"] & keys["val"]
    assert not keys["train"] & keys["test"]
    assert not keys["val"] & keys["test"]


@pytest.mark.parametrize("task", MADE, ids=lambda task: task.name)
def test_the_texts_are_always_the_same(task: Task) -> None:
    assert list(islice(task.stream("train"), 5)) == list(islice(task.stream("train"), 5))
    assert list(islice(task.stream("train"), 5)) != list(islice(task.stream("val"), 5))


@pytest.mark.parametrize("part", ["train", "val"])
def test_no_count_is_left_out_and_the_rest_is_to_test_with(part: Part) -> None:
    texts = [example.text for example in islice(MADE[2].stream(part), 1000)]
    assert {len(text) // 2 for text in texts} == set(range(1, TRAINED_COUNT + 1))


@pytest.mark.parametrize(
    ("task", "symbols"), list(zip(MADE, (42, 32, 5), strict=True)), ids=[task.name for task in MADE]
)
def test_the_cells_have_as_many_parameters(task: Task, symbols: int) -> None:
    gru = ModelConfig("gru", symbols, task.training["embed"], task.training["hidden"], 1)
    assert list(match_cells(task.cells, gru)) == list(task.cells)


def test_every_figure_and_claim_is_of_a_task_and_its_cells() -> None:
    cells = {task.name: set(task.cells) for task in TASKS}
    assert FIGURES.keys() == SOURCES.keys() == cells.keys()
    for task, figures in FIGURES.items():
        assert figures.keys() <= cells[task]
    for claim in CLAIMS:
        claim.difference(dict.fromkeys(cells[claim.task], 1.0))
