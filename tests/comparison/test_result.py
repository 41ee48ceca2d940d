"""What the figures of runs say: verdicts, interpolated losses, the JSON document."""

import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from grucli.comparison.result import CurvePoint, bits_at, verdict
from tests.comparison.small_comparisons import cell_result, fake_comparison

CURVE = [CurvePoint(100, 10.0, 3.0), CurvePoint(200, 20.0, 2.0), CurvePoint(400, 40.0, 1.5)]


@pytest.mark.parametrize(
    ("step", "bits"), [(99, None), (100, 3.0), (150, 2.5), (200, 2.0), (300, 1.75), (400, 1.5), (500, 1.5)]
)
def test_the_loss_between_two_evaluations(step: float, bits: float | None) -> None:
    assert bits_at(CURVE, step) == bits


def test_there_is_no_loss_without_an_evaluation() -> None:
    assert bits_at([], 10) is None


def test_the_best_cell_is_compared_with_each_other_one() -> None:
    cells = [
        cell_result("rnn", 2.01, 2.03, 2.02),
        cell_result("gru", 1.93, 1.95, 1.94),
        cell_result("lstm", 1.95, 1.93, 1.95),
    ]
    assert verdict(cells, 3) == (
        "gru is better than rnn by 4.0 % ± 0.0; between gru and lstm no difference beyond noise"
    )


def test_seeds_are_compared_in_pairs() -> None:
    # The seeds differ far more than the cells, which differ alike with every seed.
    cells = [cell_result("gru", 1.5, 2.0, 2.5), cell_result("rnn", 1.51, 2.012, 2.512)]
    assert verdict(cells, 3).startswith("gru is better than rnn by 0.6 % ± ")


@pytest.mark.parametrize(
    ("bits", "seeds", "said"),
    [
        ([(1.9,), (2.9,)], 1, "one seed: no statement about noise"),
        ([(1.9, 1.8), (2.9,)], 2, "not finished: no verdict"),
        ([(), ()], 2, "not finished: no verdict"),
    ],
)
def test_without_enough_runs_there_is_no_verdict(bits: list[tuple[float, ...]], seeds: int, said: str) -> None:
    assert verdict([cell_result(name, *values) for name, values in zip(("a", "b"), bits, strict=True)], seeds) == said


def test_a_cell_that_diverged_is_named() -> None:
    diverged = replace(cell_result("rnn", 1.9), diverged_seeds=(1,))
    assert verdict([cell_result("gru", 1.9, 1.8), diverged], 2).startswith("rnn diverged: no verdict")


def test_the_json_document() -> None:
    document = json.loads(json.dumps(fake_comparison().to_json()))
    assert list(document)[:2] == ["cells", "verdict"]
    first, second, _ = document["cells"]
    assert list(first)[:8] == [
        "cell", "hidden", "parameters", "seeds", "val_bits_per_char", "interval", "tokens_per_second", "memory",
    ]  # fmt: skip
    assert first["seeds"] == 3
    low, high = second["interval"]
    assert low < second["val_bits_per_char"] < high
    assert first["difference"] is None
    assert second["difference"] == pytest.approx(-3.96, abs=0.01)
    assert second["runs"][0]["model"] == "talk-gru-0"
    assert "curves" not in document


def test_the_picture_has_the_curves_of_every_run_and_the_mean() -> None:
    root = ET.fromstring(fake_comparison().to_svg())
    lines = root.findall(".//{*}polyline")
    assert len(lines) == 2 * 3 * (2 + 1)
    coordinates = [float(n) for line in lines for pair in line.attrib["points"].split() for n in pair.split(",")]
    assert all(map(math.isfinite, coordinates))
    assert {text.text for text in root.findall(".//{*}text")} >= {"rnn", "gru", "lstm", "steps", "seconds of training"}


def test_a_picture_without_runs_has_no_lines() -> None:
    empty = replace(fake_comparison(), name="<a&b>", curves={"gru": ((),)})
    assert not ET.fromstring(empty.to_svg()).findall(".//{*}polyline")
