"""The API as a program would use it; mypy checks its types, and `test_api` runs `describe`."""

from collections.abc import Iterator

import grucli
from grucli.chat.session import Session
from grucli.generation.evaluation import EvalResult
from grucli.generation.options import GateActivations, Sample, TokenSurprisal
from grucli.reddit.clean.explain import Explanation
from grucli.reddit.clean.report import CleanReport
from grucli.reddit.fetch.events import FetchFinished
from grucli.training.events import TrainEvent, TrainFinished


def make_corpus(name: str, output: str) -> tuple[FetchFinished, CleanReport, Explanation]:
    options = grucli.FetchOptions([name], f"{output}.jsonl", limit=100)
    fetched: FetchFinished = grucli.fetch(options, on_event=print)
    rules = grucli.RuleConfig(min_score=2, skip_rules=frozenset({"bot"}))
    report: CleanReport = grucli.clean(options.output, output, rules=rules, replies=True)
    return fetched, report, grucli.explain("c1", [options.output], rules=rules)


def train(corpus: str) -> tuple[TrainFinished, list[TrainEvent]]:
    events: list[TrainEvent] = []
    options = grucli.TrainOptions(sources=[corpus], name="emo", minutes=2)
    return grucli.train(options, on_event=events.append), events


def describe(name: str) -> list[str]:
    model: grucli.Model = grucli.load(name, threads=1)
    config = grucli.GenerationConfig(temp=0.7, max_chars=20)
    samples: Iterator[Sample] = model.generate("he", n=2, config=config)
    scores: list[TokenSurprisal] = grucli.score("hello", model=model)
    gates: list[GateActivations] = grucli.gates("hello", model=model)
    streamed = "".join(chunk.text for chunk in grucli.stream("he", config, model=model))
    generated = [sample.text for sample in grucli.generate("he", 1, config, model=model)]
    return [*(sample.text for sample in samples), scores[0].text, gates[0].text, streamed, *generated]


def evaluate_and_purge(corpus: str) -> tuple[EvalResult, tuple[str, ...]]:
    return grucli.evaluate("emo", corpus, split="val", context=True), grucli.purge(corpus, authors=["somebody"]).models


def talk(line: str) -> str:
    with grucli.chat("emo", grucli.GenerationConfig(seed=7)) as session:
        opened: Session = session
        return opened.reply(line)
