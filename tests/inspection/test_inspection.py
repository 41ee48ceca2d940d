"""What is computed from a text that was read: against the float64 specification, finite differences and counting."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from grucli.errors import UsageError
from grucli.inspection.connectivity import connectivity
from grucli.inspection.labels import labels, matches
from grucli.inspection.page import render_page
from grucli.inspection.picture import render_picture
from grucli.inspection.reach import ModelReach, measure_reach
from grucli.inspection.report import UnitTrace, inspect_trace
from grucli.inspection.saturation import measure_saturation
from grucli.inspection.similar_places import similar_places
from grucli.inspection.trace import read_trace
from grucli.inspection.units import area_under_curve, rank_units
from grucli.model.cells import CELLS
from grucli.model.parameters import output_weights
from grucli.read.schema import ReadOptions
from grucli.text.dataset import prepare_dataset
from grucli.text.tokenizers import EOS, EOT
from tests.inspection.factories import TEXT, make_model

each_cell = pytest.mark.parametrize("cell", CELLS)


@each_cell
def test_a_trace_holds_the_states_of_every_layer(cell: str) -> None:
    weights = make_model(cell)
    trace = read_trace(weights, [["the cat", "sat"], ["on"]])
    assert trace.ids.tolist().count(EOT) == trace.ids.tolist().count(EOS) == 1
    assert "".join(trace.texts) == "the catsaton"
    x = weights.arrays["embedding"][[EOS, *trace.ids]][:, None].astype(np.float64)
    reset_mask = np.array([EOS, *trace.ids])[:, None] == EOS
    for layer, states in enumerate(trace.states):
        zero = np.zeros((1, states.shape[1]))
        exact, _ = trace.cell.forward(trace.parameters(layer), x, zero, reset_mask)
        np.testing.assert_allclose(states, exact[:, 0], rtol=1e-4, atol=1e-5)
        x = exact[..., : weights.sizes.H]


@each_cell
def test_gates_are_those_of_the_specification(cell: str) -> None:
    trace = read_trace(make_model(cell), [[TEXT]])
    _, exact = trace.cell.inspect_gates(
        trace.parameters(1), trace.inputs(1, np.arange(len(trace.ids)))[:, None], trace.states[1][:1].astype(np.float64)
    )
    gates = trace.gates(1)
    assert gates.keys() == CELLS[cell].gate_labels.keys()
    for name, gate in gates.items():
        np.testing.assert_allclose(gate, exact[name][:, 0], rtol=1e-4, atol=1e-5)


def test_predictions_are_probabilities() -> None:
    trace = read_trace(make_model(), [[TEXT]])
    bits, likeliest = trace.predictions()
    assert len(bits) == len(likeliest) == len(trace.ids)
    for cost, text, likely in zip(bits.tolist(), trace.texts, likeliest, strict=True):
        assert [each.probability for each in likely] == sorted((each.probability for each in likely), reverse=True)
        for each in likely:
            if each.text == text:
                assert each.probability == pytest.approx(2**-cost, rel=1e-5)


@pytest.mark.parametrize(("cell", "tied"), [*((cell, False) for cell in CELLS), ("gru", True)])
def test_connectivity_agrees_with_finite_differences(cell: str, tied: bool) -> None:
    weights = make_model(cell, tied=tied)
    trace = read_trace(weights, [["the", "cat"], ["sat on"]])
    positions = np.array([len(trace.ids) - 1, 3, 0])
    norms = connectivity(trace, positions, 5)
    out = output_weights(weights.arrays).astype(np.float64)
    reset_mask = (trace.ids == EOS)[:, None]

    def logits(x: np.ndarray) -> np.ndarray:
        layer_input = x[:, None]
        for layer in range(weights.sizes.L):
            first = trace.states[layer][:1].astype(np.float64)
            layer_input = trace.cell.forward(trace.parameters(layer), layer_input, first, reset_mask)[0]
            layer_input = layer_input[..., : weights.sizes.H]
        return np.asarray(layer_input[:, 0] @ out)

    x = weights.arrays["embedding"][trace.ids].astype(np.float64)
    for row, position in enumerate(positions.tolist()):
        for lag in range(5):
            before = position - 1 - lag
            gradient = np.zeros(x.shape[1])
            for j in range(x.shape[1] if before >= 0 else 0):
                moved = [x.copy(), x.copy()]
                moved[0][before, j] += 1e-6
                moved[1][before, j] -= 1e-6
                high, low = (logits(each)[position - 1, trace.ids[position]] for each in moved)
                gradient[j] = (high - low) / 2e-6
            assert norms[row, lag] == pytest.approx(np.linalg.norm(gradient), rel=1e-3, abs=1e-7)


@each_cell
def test_reach_is_the_norm_of_the_jacobian(cell: str) -> None:
    trace = read_trace(make_model(cell, H=4, L=1), [[TEXT * 4]])
    reach = measure_reach(trace, 0, 3)
    width, parameters = trace.states[0].shape[1], trace.parameters(0)
    norms = []
    for end in np.unique(np.linspace(2, len(trace.ids) - 1, 24).astype(int)):
        jacobian = np.eye(width)
        for position in (end, end - 1, end - 2):
            at = np.repeat(position, width)
            before = trace.states_before(0, at)
            _, backprop = trace.cell.forward(
                parameters, trace.inputs(0, at)[None], before, np.zeros((1, width), np.bool_)
            )
            jacobian = backprop(jacobian[None])[1]
        norms.append(math.sqrt((jacobian**2).sum() / width))
    assert len(reach.median) == 3
    assert reach.median[2] == pytest.approx(np.median(norms), rel=0.5)  # a random vector each


def test_nothing_goes_past_the_end_of_a_document() -> None:
    trace = read_trace(make_model(), [["the cat"], ["sat"]])
    norms = connectivity(trace, np.array([len(trace.ids) - 1]), 8)
    assert (norms[0, :3] > 0).all()
    assert not norms[0, 3:].any()


def test_labels() -> None:
    trace = read_trace(make_model(), [["a", 'b "c" (d)', "e"]])
    found = labels(trace)
    shown = [
        (text, {name for name, label in found.items() if label[at]}) for at, text in enumerate(trace.texts) if text
    ]
    by_text = dict(shown)
    assert "inside quotes" in by_text["c"]
    assert "inside brackets" in by_text["d"]
    assert "second speaker" in by_text["b"]
    assert "second speaker" not in by_text["e"]
    assert "inside a word" in by_text["a"]
    assert "vowel" in by_text["e"]


def test_a_unit_that_tells_is_found() -> None:
    trace = read_trace(make_model(H=8, L=2), [[TEXT * 30]])
    label = labels(trace)["inside quotes"]
    trace.states[1][1:, 5] = np.where(label, -0.5, 0.5)
    ranking = rank_units(trace, {"inside quotes": label, "never": np.zeros_like(label)}, 3)
    first = ranking.scores[0]
    assert (first.layer, first.unit, first.auc, first.is_high) == (2, 5, 1.0, False)
    assert ranking.rare == ("never",)


def test_area_under_the_curve_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    values, label = rng.integers(0, 4, (30, 3)).astype(float), rng.random((30, 2)) < 0.4
    areas = area_under_curve(values, label)
    for k in range(2):
        for unit in range(3):
            with_label, without = values[label[:, k], unit], values[~label[:, k], unit]
            wins = (with_label[:, None] > without) + 0.5 * (with_label[:, None] == without)
            assert areas[k, unit] == pytest.approx(wins.mean())


def test_saturation_counts() -> None:
    trace = read_trace(make_model(), [[TEXT]])
    for each, gate in zip(measure_saturation(1, trace.gates(0)), trace.gates(0).values(), strict=True):
        assert each.closed[2] == pytest.approx((gate[:, 2] < 0.1).mean())
        assert each.open[0] == pytest.approx((gate[:, 0] > 0.9).mean())


def test_a_pattern_marks_what_it_matches() -> None:
    trace = read_trace(make_model(), [["the cat"]])
    assert "".join(text for text, hit in zip(trace.texts, matches(trace, "c.t"), strict=True) if hit) == "cat"


@pytest.mark.slow
def test_a_pattern_that_takes_years_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grucli.inspection.labels.MAX_SECONDS", 0.5)
    trace = read_trace(make_model(text="a"), [["a" * 60]])
    with pytest.raises(UsageError, match="takes more than"):
        matches(trace, "(a+)+b")


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "*", "(?P<a", "\\"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    trace = read_trace(make_model(), [["the cat"]])
    with pytest.raises(UsageError, match="is not a regular expression"):
        matches(trace, pattern)


@pytest.mark.slow
def test_similar_places_are_found(tmp_path: Path) -> None:
    weights = make_model(H=16, L=1)
    text = "a mat on the cat sat. " * 40 + 'the "cat' + " on a mat" * 40
    (tmp_path / "corpus.txt").write_text(text)
    dataset = prepare_dataset(
        [str(tmp_path / "corpus.txt")],
        read=ReadOptions(),
        tokenizer=weights.tokenizer,
        vocab=None,
        val_fraction=0.0,
        val_file=None,
        cache_dir=tmp_path / "cache",
        on_progress=lambda stage, done, total: None,
    )
    trace = read_trace(weights, [['sat on the "cat']])
    end = len(trace.ids)
    places = similar_places(trace, end - 1, end, dataset.train, 3)
    assert places[0].before.endswith('the "cat')
    assert places[0].cosine > 0.95
    assert [place.cosine for place in places] == sorted((place.cosine for place in places), reverse=True)
    assert all(abs(one.position - other.position) >= 32 for one in places for other in places if one is not other)


def test_the_page_and_the_picture_hold_no_markup_of_the_user() -> None:
    hostile = "</script><script>alert(1)</script>\u2028<b>&amp;\x1b]8;;\x07"
    inspection = inspect_trace(hostile, read_trace(make_model(text=hostile), [[hostile * 3]]))
    page = render_page(inspection, hostile, [])
    assert page.count("<script") == page.count("</script>") == 2
    assert "alert(1)</script>" not in page
    assert page.isascii() or "\u2028" not in page
    data = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
    assert "".join(data["texts"]) == hostile * 3
    assert "default-src 'none'" in page
    picture = render_picture(inspection, hostile, [])
    assert not {each.tag.rpartition("}")[2] for each in ElementTree.fromstring(picture).iter()} & {"script", "b"}


def test_a_picture_of_a_unit_shows_its_values() -> None:
    trace = read_trace(make_model(), [["the cat sat"]])
    inspection = inspect_trace("model", trace)
    values = tuple(1.0 if token.text == "t" else -1.0 if token.text == "a" else 0.0 for token in inspection.tokens)
    picture = render_picture(replace(inspection, unit=UnitTrace(2, 5, values)), "text", [])
    for name, count in (("high", 3), ("low", 2), ("bits", 0)):
        assert sum(int(each.get("width", "0")) for each in _strips(picture, name)) == 9 * count
    assert _strips(render_picture(inspection, "text", []), "bits")


def _strips(picture: str, name: str) -> list[ElementTree.Element]:
    return [each for each in ElementTree.fromstring(picture).iter() if each.get("class", "").split()[:1] == [name]]


def test_the_page_is_small_and_asks_for_nothing() -> None:
    inspection = inspect_trace("model", read_trace(make_model(), [[TEXT]]))
    page = render_page(inspection, "text", [])
    assert len(page) < 100_000
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<>]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not an address


@each_cell
def test_every_cell_has_a_picture_and_a_page(cell: str) -> None:
    trace = read_trace(make_model(cell), [["the cat", "sat"], ["on"]])
    inspection = inspect_trace("model", trace, pattern="c", unit=(2, 5), why=-1)
    reach = [ModelReach("model", cell, 6, (measure_reach(trace, 0), measure_reach(trace, 1)))]
    assert render_page(inspection, "text", reach)
    for measured in ([], reach):
        ElementTree.fromstring(render_picture(inspection, "text", measured))
    assert inspection.why is not None
    assert [each.text for each in inspection.why.influences] == list(trace.texts[:-1])
    json.dumps(inspection.to_json(), allow_nan=False)
