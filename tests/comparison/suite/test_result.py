"""What a suite says of its figures and of the papers' claims."""

import json
import xml.etree.ElementTree as ET

import pytest

from grucli.comparison.suite.papers import CLAIMS, Claim
from grucli.comparison.suite.result import judge, make_result
from grucli.comparison.suite.state import SuiteState
from tests.comparison.suite.small_suites import fake_suite, record

MORE = Claim("a is better", "somebody 2015", "xml", lambda figures: figures["a"] - figures["b"])
SAME = Claim("a is as good", "somebody 2014", "xml", lambda figures: figures["a"] - figures["b"], is_equality=True)


@pytest.mark.parametrize(
    ("claim", "a", "verdict"),
    [
        (MORE, (0.5, 0.52, 0.51), "agrees"),
        (MORE, (0.3, 0.32, 0.31), "disagrees"),
        (MORE, (0.3, 0.5, 0.42), "within noise"),
        (SAME, (0.3, 0.5, 0.42), "agrees"),
        (SAME, (0.5, 0.52, 0.51), "disagrees"),
    ],
)
def test_a_verdict_is_that_of_the_interval(claim: Claim, a: tuple[float, ...], verdict: str) -> None:
    figures = {"a": dict(enumerate(a)), "b": dict(enumerate((0.4, 0.41, 0.42)))}
    result = judge(claim, figures, 3)
    assert result.verdict == verdict
    assert result.interval is not None
    assert result.difference == pytest.approx(sum(result.interval) / 2)


def test_one_seed_gives_no_verdict() -> None:
    result = judge(MORE, {"a": {0: 0.9}, "b": {0: 0.1}}, 1)
    assert (result.verdict, result.interval) == ("one seed", None)
    assert result.difference == pytest.approx(0.8)


def test_what_is_not_done_is_not_judged() -> None:
    assert judge(MORE, {}, 3).verdict == "not finished"
    assert judge(MORE, {"a": {0: 0.9}, "b": {}}, 3).verdict == "not finished"


def test_seeds_are_compared_in_pairs_and_those_of_one_cell_left_out() -> None:
    result = judge(MORE, {"a": {0: 0.1, 1: 0.5, 2: 0.6}, "b": {1: 0.4, 2: 0.5}}, 3)
    assert result.difference == pytest.approx(0.1)


def test_the_document_has_the_figure_under_its_measure() -> None:
    document = json.loads(json.dumps(fake_suite().to_json()))
    assert list(document) == ["tasks", "claims", "minutes", "name"]
    arithmetic, counting = document["tasks"]
    assert (arithmetic["task"], arithmetic["minutes"]) == ("arithmetic", 12.0)
    assert list(arithmetic["cells"][0])[:7] == [
        "cell", "hidden", "parameters", "seeds", "accuracy", "interval", "paper",
    ]  # fmt: skip
    assert arithmetic["cells"][0]["accuracy"] == pytest.approx(0.54)
    assert counting["cells"][1]["longest"] == pytest.approx(877.7, abs=0.1)
    verdicts = {claim["claim"]: claim["verdict"] for claim in document["claims"]}
    assert verdicts["LSTM and GRU beat tanh on arithmetic"] == "agrees"
    assert verdicts["the GRU does not count twice as far as it was trained"] == "agrees"
    assert verdicts["LSTM and GRU beat tanh on nested tags"] == "not finished"


def test_claims_about_words_need_words() -> None:
    def claims(words: object) -> int:
        state = SuiteState(minutes=1, seeds=2, words=words)  # type: ignore[arg-type]
        return len(make_result(state, "x").claims)

    assert claims("a text") == len(CLAIMS) > claims(None)


def test_less_perplexity_is_better() -> None:
    done = [record("words", rnn=(130, 131), lstm=(111, 110), gru=(100, 100))]
    verdicts = {claim.claim: claim.verdict for claim in make_result(_with_words(done), "x").claims}
    assert verdicts["LSTM and GRU beat tanh on words"] == "agrees"
    assert verdicts["the GRU is at least as good as the LSTM on words without dropout"] == "agrees"
    assert verdicts["neither LSTM nor GRU wins on words"] == "disagrees"
    assert verdicts["the LSTM is better than the GRU on words with dropout"] == "not finished"


def _with_words(done: list) -> SuiteState:  # type: ignore[type-arg]
    return SuiteState(minutes=1, seeds=2, words="a text", done=done)  # type: ignore[arg-type]


def test_the_picture_has_a_chart_per_task() -> None:
    root = ET.fromstring(fake_suite().to_svg())
    titles = [each.text or "" for each in root.iter() if each.get("class") == "title"]
    assert [title.split(":")[0] for title in titles] == ["arithmetic", "counting"]
