"""The tasks of the papers, and the texts of those that the program makes itself.

Arithmetic and nested tags are those of Jozefowicz, Zaremba and Sutskever (2015), section 4, and so many a and as many b
is that of Weiss, Goldberg and Yahav (2018), section 5. Each text of these is a document: a network begins it with a
state of zero, and its end is one more symbol to predict.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from random import Random
from string import ascii_lowercase
from typing import Any, Literal
from zlib import crc32

Part = Literal["train", "val", "test"]
"""To train on, to choose the learning rate with, and to measure the result with."""

Measure = Literal["accuracy", "longest", "perplexity"]

DIGITS = 3
"""Digits of a number at most. The paper has up to 8, which cells do not learn in minutes."""

TRAINED_COUNT = 50
"""Largest n of aⁿbⁿ to train on. The paper has 100, which takes longer to learn."""

MAX_COUNT = 20 * TRAINED_COUNT
"""Largest n of aⁿbⁿ to test with."""

CELLS = ("rnn", "lstm", "gru", "mut1", "mut3")
"""Without `mut2`: it is `gru` to the bit, see its file."""

WORD_CELLS = ("rnn", "lstm", "gru")
"""Of the tasks with words, which are the slowest."""

_MAX_DISTRACTORS = 2
_MAX_TAGS = 20
_TAG_LENGTHS = (2, 10)
_TESTED_EXAMPLES = {"val": 500, "test": 2000}


@dataclass(frozen=True, slots=True)
class Example:
    """A text of which `text[start:]` and the end count. Examples with the same `key` are in the same part."""

    text: str
    start: int
    key: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task. `training`: options that all its runs share, with the sizes of its gru.

    `make` makes an example at random, None if the text is that of a file; `examples` is how many there are to train on,
    and `summary` says what is predicted. `share`: of the time, relative to the other tasks.
    """

    name: str
    summary: str
    measure: Measure
    share: float
    training: Mapping[str, Any]
    rate_factors: tuple[float, ...] = (0.5, 1.0, 2.0)
    cells: tuple[str, ...] = CELLS
    make: Callable[[Random], Example] | None = None
    examples: int = 0

    def texts(self, part: Part) -> list[Example]:
        """Return the examples of a part, always the same ones. Their keys are in no other part."""
        return list(islice(self.stream(part), _TESTED_EXAMPLES.get(part, self.examples)))

    def stream(self, part: Part) -> Iterator[Example]:
        """Yield the examples of a part without end; none for the text of a file."""
        random = Random(f"{self.name} {part}")
        while self.make is not None:
            example = self.make(random)
            if part_of(example) == part:
                yield example


def part_of(example: Example) -> Part:
    """Return the part of an example: a tenth of all keys is to test with, and another one to choose with."""
    number = crc32(example.key.encode()) % 10
    return "test" if number == 0 else "val" if number == 1 else "train"


def arithmetic(random: Random, digits: int = DIGITS) -> Example:
    """Return a sum or difference of two numbers, with random letters between its symbols; its result counts.

    For example "3e36d9-h1h39f94eeh43keg3c=-13991064", which is 3369 - 13994433.
    """
    left, right = (random.randrange(10 ** random.randint(1, digits)) for _ in range(2))
    sign = random.choice("+-")
    question = f"{left}{sign}{right}"
    shown = "".join(symbol + _letters(random, random.randint(0, _MAX_DISTRACTORS)) for symbol in question) + "="
    return Example(f"{shown}{left + right if sign == '+' else left - right}", len(shown), question)


def nested_tags(random: Random) -> Example:
    """Return tags that are opened and closed as in XML; every symbol counts, also those that are random.

    After each tag another one is opened, or the one opened last is closed, with the same probability.
    """
    tags, opened = list[str](), list[str]()
    while not tags or (opened and len(tags) < _MAX_TAGS):
        if not opened or random.random() < 0.5:
            opened.append(_letters(random, random.randint(*_TAG_LENGTHS)))
            tags.append(f"<{opened[-1]}>")
        else:
            tags.append(f"</{opened.pop()}>")
    text = "".join([*tags, *(f"</{name}>" for name in reversed(opened))])
    return Example(text, 0, text)


def _letters(random: Random, count: int) -> str:
    return "".join(random.choices(ascii_lowercase, k=count))


def counted(n: int) -> Example:
    """Return n times a, then n times b; what counts is certain: all from the second b on."""
    return Example("a" * n + "b" * n, n + 1, "")


def some_count(random: Random) -> Example:
    """Return aⁿbⁿ of any n to train on, in any part: a count that is left out would not be learned."""
    return replace(counted(random.randint(1, TRAINED_COUNT)), key=str(random.random()))


_NO_REGULARIZATION = {"dropout": 0.0, "embed_dropout": 0.0, "weight_decay": 0.0}
"""What is made is never the same twice, or certain."""

_WORDS: dict[str, Any] = {
    "measure": "perplexity",
    "share": 7,
    "cells": WORD_CELLS,
}
_WORD_TRAINING = {"tied": False, "embed_dropout": 0.0, "weight_decay": 0.0, "batch": 16, "seq": 32, "lr": 4e-3}

TASKS = (
    Task(
        name="arithmetic",
        summary=f"the result of a sum or difference of numbers of up to {DIGITS} digits (8 in the paper)",
        measure="accuracy",
        share=5,
        training={"hidden": 128, "embed": 16, "batch": 32, "seq": 32, "lr": 8e-3} | _NO_REGULARIZATION,
        make=arithmetic,
        examples=150_000,
    ),
    Task(
        name="xml",
        summary="every symbol of nested tags",
        measure="accuracy",
        share=7,
        training={"hidden": 128, "embed": 16, "batch": 32, "seq": 64, "lr": 8e-3} | _NO_REGULARIZATION,
        make=nested_tags,
        examples=30_000,
    ),
    Task(
        name="counting",
        summary=f"as many b as a, after up to {TRAINED_COUNT} to train on (100 in the paper)",
        measure="longest",
        share=3,
        training={"hidden": 21, "embed": 4, "batch": 16, "seq": 128, "lr": 1e-2} | _NO_REGULARIZATION,
        rate_factors=(0.7, 1.0, 1.4),  # half of it learns to count up to what was trained, and no further
        make=some_count,
        examples=10_000,
    ),
    Task(
        name="words",
        summary="words, without dropout (5 million parameters in the paper)",
        training=_WORD_TRAINING | {"dropout": 0.0},
        **_WORDS,
    ),
    Task(
        name="words-dropout",
        summary="words, with dropout (20 million parameters in the paper)",
        training=_WORD_TRAINING | {"dropout": 0.25},
        **_WORDS,
    ),
)
