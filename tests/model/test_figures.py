"""The figures of a run are the same fields wherever they are reported, in the order of the JSON contract."""

from dataclasses import fields

import pytest

from grucli.model.figures import Figures
from grucli.model.store import Metrics
from grucli.model.weights import ModelCard
from grucli.training.events import Evaluated, TrainSummary

NAMES = ["tokens", "seconds", "tokens_per_second", "train_nats", "val_nats", "val_nats_per_char", "val_bits_per_char"]
NAMES += ["context_gain_bits", "context_gain_interval", "right_context_share", "context_replies"]


@pytest.mark.parametrize("reported", [Metrics, ModelCard, Evaluated, TrainSummary])
def test_a_value_that_reports_figures_reports_all_of_them_together(reported: type[Figures]) -> None:
    names = [field.name for field in fields(reported)]
    start = names.index(NAMES[0])
    assert names[start : start + len(NAMES)] == NAMES


def test_the_summary_has_the_order_of_its_document() -> None:
    before = ["model", "path", "cell", "parameters", "vocab", "steps"]
    after = ["parameters_sha256", "read", "dropped", "placeholders", "unknown_share", "diverged", "origin"]
    assert [field.name for field in fields(TrainSummary)] == [*before, *NAMES, *after]


def test_figures_are_taken_from_one_value_into_another() -> None:
    card = ModelCard(steps=7, tokens=70, val_nats=1.5)
    assert Metrics(step=7, **card.figures()) == Metrics(step=7, tokens=70, val_nats=1.5)
