"""Made-up output of the other commands: what they print, and progress bars.

A function that gives a context manager leaves its bar on the screen until that is left.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from grucli.engine.system_info import (
    ConfigEntry,
    CpuBenchmark,
    CpuInfo,
    Directories,
    KernelCacheInfo,
    PackagedModelInfo,
    SystemInfo,
)
from grucli.errors import ModelFileError, ServiceError, UsageError
from grucli.generation.copy_detection import CheckedSample
from grucli.generation.evaluation import Difference, EvalResult
from grucli.model.figures import ContextGain
from grucli.reddit.clean.explain import Explanation
from grucli.reddit.clean.report import CleanReport
from grucli.reddit.clean.rule_engine import RuleStep
from grucli.reddit.clean.rules.registry import RULES
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.purge import PurgeResult
from grucli.reddit.fetch.comment_source import Notice, RetryWait, TimeRange
from grucli.reddit.fetch.events import FetchFinished, FetchStarted, FetchSummary, PageFetched, TargetFinished
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.live_display import TransientBar
from grucli.ui.views.clean_view import CleanView, show_report, show_rule_trace, show_rules
from grucli.ui.views.eval_view import show_scores
from grucli.ui.views.facts_view import show_system_info
from grucli.ui.views.fetch_view import FetchView, show_fetch_result
from grucli.ui.views.purge_view import print_models_to_retrain, print_not_found, print_purge_result, warn_fetched_file
from grucli.ui.views.sample_view import SampleProgress, SampleWriter, show_checked_samples
from tests.ui.fake_events import CONTEXT_GAIN
from tests.ui.fake_streams import PipeStream

DAY = 86_400
NEW_YEAR = 1_704_067_200


class FakeClock:
    """A clock that tests set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def _with_piped_stdout(terminal: Terminal) -> Terminal:
    """Return the same terminal with stdout in a pipe."""
    return Terminal(PipeStream(), terminal.messages.file, width=terminal.messages.width)  # type: ignore[arg-type]


def _redraw_bar(view: TransientBar) -> None:
    """Redraw the bar now, without waiting for its thread."""
    view.hide_bar()
    view.show_bar()


@contextmanager
def fetch_running(terminal: Terminal) -> Iterator[None]:
    """Two names, a range that is known, a quarter of it done."""
    names, time_range, clock = ("r/askscience", "u/somebody"), TimeRange(NEW_YEAR, NEW_YEAR + 365 * DAY), FakeClock()
    with FetchView(terminal, clock) as view:
        view.show(FetchStarted(names, "Arctic Shift", time_range, 2.0, "ask.jsonl.zst", 0))
        view.show(PageFetched("r/askscience", 100, 100, 1, NEW_YEAR + DAY, 0.002))
        clock.now += 95
        view.show(PageFetched("r/askscience", 100, 18_900, 189, NEW_YEAR + 90 * DAY, 0.247))
        _redraw_bar(view)
        yield


@contextmanager
def fetch_backing_off(terminal: Terminal) -> Iterator[None]:
    """The server asks for a pause, after it said something that is passed on."""
    clock = FakeClock()
    with FetchView(terminal, clock) as view:
        view.show(FetchStarted(("r/askscience",), "Arctic Shift", TimeRange(0, NEW_YEAR), 0.5, "ask.jsonl", 41_000))
        view.show(Notice("the archive has nothing before 2005-12-01: the fetch begins there"))
        view.show(PageFetched("r/askscience", 100, 41_100, 411, NEW_YEAR - 300 * DAY, 0.83))
        view.show(RetryWait(64.0, "the archive asks to slow down (429)"))
        clock.now += 9
        _redraw_bar(view)
        yield


def fetch_complete(terminal: Terminal) -> None:
    """A fetch that is complete."""
    summary = FetchSummary(76_543, 766, 3, NEW_YEAR + 61, NEW_YEAR + 365 * DAY - 7, True)
    show_fetch_result(terminal, FetchFinished(summary, ("r/askscience", "u/somebody"), "ask.jsonl.zst", "", 212, False))


def fetch_incomplete(terminal: Terminal) -> None:
    """A fetch that is not complete, and a name that nobody knows."""
    with FetchView(_with_piped_stdout(terminal)) as view:
        view.show(FetchStarted(("r/askscience", "r/tpyo"), "Reddit", TimeRange(0, NEW_YEAR), 1.5, "my ask.jsonl", 0))
        view.show(TargetFinished("r/tpyo", 0, True))
    incomplete_reason = (
        "Reddit gives the newest 1,000 comments of r/askscience alone; --source arctic-shift has the older ones too"
    )
    summary = FetchSummary(1000, 10, 0, NEW_YEAR - 3 * DAY, NEW_YEAR - 60, False)
    show_fetch_result(
        terminal, FetchFinished(summary, ("r/askscience", "r/tpyo"), "my ask.jsonl", incomplete_reason, 1, False)
    )


def make_clean_report(conversations: int | None = None) -> CleanReport:
    """Rules that dropped many, few and no comments, for one reason and for several."""
    result = CleanReport(read=1_234_567, kept=901_234, characters=98_765_432, conversations=conversations)
    result.drop("schema: no text", 20, [("RC_2024-01.zst", line) for line in (7, 1300, 77_000)])
    result.drop("schema: the row is cut short", 1, [("RC_2024-01.zst", 1_234_567)])
    result.drop("deleted", 133_312, [("RC_2024-01.zst", 12)])
    result.drop("bot: name", 9000, [("RC_2024-01.zst", 4), ("RC_2024-01.zst", 90)])
    result.drop("bot: says so", 1000, [("RC_2024-01.zst", 41)])
    result.drop("length: too short", 60_000, [("RC_2024-01.zst", 2)])
    result.drop("duplicate", 130_000, [("RC_2024-01.zst", line) for line in (15, 16, 17, 18)])
    return result


@contextmanager
def clean_running(terminal: Terminal) -> Iterator[None]:
    """A third of the input is read."""
    clock = FakeClock()
    with CleanView(terminal, clock) as view:
        view.start(make_clean_report())
        clock.now += 20
        view.progress("cleaning", 1_000_000_000, 3_000_000_000)
        _redraw_bar(view)
        yield


@contextmanager
def clean_running_on_pipe(terminal: Terminal) -> Iterator[None]:
    """Input of unknown size."""
    clock = FakeClock()
    with CleanView(terminal, clock) as view:
        view.start(make_clean_report())
        clock.now += 20
        view.progress("cleaning", 1_000_000_000, None)
        _redraw_bar(view)
        yield


def clean_conversations(terminal: Terminal) -> None:
    """The report of --replies."""
    show_report(terminal, make_clean_report(conversations=123_456))


def clean_explained(terminal: Terminal) -> None:
    """A comment that some rules change, and the last one drops."""
    raw = (
        "&gt; is it safe?\n\n**Yes**, see [the paper](https://example.org/a) \x1b[31mor ask me at somebody@example.org"
    )
    cleaned_text = "Yes, see the paper \x1b[31mor ask me: somebody@example.org"
    steps = [
        RuleStep("schema", raw, raw),
        RuleStep("deleted", raw, raw),
        RuleStep("bot", raw, raw),
        RuleStep("entities", raw, raw.replace("&gt;", ">")),
        RuleStep("quotes", raw.replace("&gt;", ">"), raw.partition("\n\n")[2]),
        RuleStep("markdown", raw.partition("\n\n")[2], cleaned_text),
        RuleStep("urls", cleaned_text, cleaned_text),
        RuleStep("unicode", cleaned_text, cleaned_text.replace("\x1b[31m", "")),
        RuleStep("pii", cleaned_text, "Yes, see the paper or ask me: [EMAIL]"),
        RuleStep("length", cleaned_text, cleaned_text),
        RuleStep("duplicate", cleaned_text, cleaned_text, "as c1f2, line 1,204 of RC_2024-01.zst"),
    ]
    comment = Comment(raw, "c2102", "somebody", "askscience", -3)
    show_rule_trace(terminal, Explanation(comment, "dumps/RC_2024-01.zst", 1_234_567, steps))


def purge_done(terminal: Terminal) -> None:
    """What an author wrote is taken out; models remember it, and a name was not found."""
    print_purge_result(
        terminal, "ask.csv", PurgeResult(1204, 75_339, 98_765, 5_000_000, 12, {"somebody"}), dry_run=False
    )
    print_not_found(terminal, 3, ["nobody", "no-one"], authors_hashed=True)
    warn_fetched_file(terminal, "ask.csv")
    print_models_to_retrain(terminal, ["ask", "ask-2"], ["/home/somebody/.cache/gru/corpora/ab12"])


def purge_dry_run(terminal: Terminal) -> None:
    """--dry-run; and a corpus in which there is nothing to take out."""
    print_purge_result(terminal, "ask.csv", PurgeResult(1, 75_339, 65, 5_000_000), dry_run=True)
    print_purge_result(terminal, "other.csv", PurgeResult(kept=1), dry_run=True)


def purge_single(terminal: Terminal) -> None:
    """No model is known that has learnt from it."""
    print_purge_result(terminal, "ask.csv", PurgeResult(1, 75_339, 65, 5_000_000, 1), dry_run=False)
    print_models_to_retrain(terminal, [], [])


def doctor_report(terminal: Terminal) -> None:
    """A machine and settings from every source."""
    home = Path("/home/somebody/.local/share/gru")
    show_system_info(
        terminal,
        SystemInfo(
            {"grucli": "0.1.0", "python": "3.11.7", "numpy": "2.4.6", "numba": "0.68.1", "llvmlite": "0.50.0"},
            CpuInfo("AMD EPYC", "znver4", 16, 15.5, 512, True),
            KernelCacheInfo(Path("/home/somebody/.cache/gru/kernels/27896e779ce03ac1"), None, True),
            CpuBenchmark(113.7, 1754.4, 24.7),
            Directories(home, home / "models", Path("/home/somebody/.cache/gru"), home / "config.toml", False),
            PackagedModelInfo("chitchat", Path("/usr/lib/grucli/data/chitchat.safetensors"), 5_412_345),
            (
                ConfigEntry("GRU_TEMP", "0.5", "environment", None),
                ConfigEntry("GRU_TEPM", None, "environment", "there is no such option"),
                ConfigEntry("train.batch", "32", "config.toml", None),
            ),
        ),
    )


def eval_result(terminal: Terminal) -> None:
    """The result of gru eval."""
    show_scores(terminal, [EvalResult(1.3975, 1.3968, 2.0152, 4.045, 268_123, 267_890)])


def eval_several(terminal: Terminal) -> None:
    """The result of gru eval with three models."""
    figures = {"words": 50_012, "documents": 5_427, "perplexity_per_word": 1_234.5}
    intervals = {"bits_per_char_interval": (2.0, 2.03), "perplexity_per_word_interval": (1_100.0, 1_400.0)}
    first = EvalResult(1.3975, 1.3968, 2.0152, 4.045, 268_123, 267_890, model="emo", **figures, **intervals)  # type: ignore[arg-type]
    same = Difference(-0.0002, (-0.001, 0.0006), "no difference beyond noise between ann and emo")
    worse = Difference(0.2, (0.19, 0.21), "emo predicts the text better than a\x1bbc")
    others = (("ann", same), ("a\x1bbc", worse))
    show_scores(terminal, [first, *(replace(first, model=name, difference=each) for name, each in others)])


def eval_result_with_context(terminal: Terminal) -> None:
    """The result of gru eval --context."""
    show_scores(
        terminal, [EvalResult(1.3975, 1.3968, 2.0152, 4.045, 268_123, 267_890, context=ContextGain(**CONTEXT_GAIN))]
    )


def _checked_sample(seed: int, text: str, copied: int) -> CheckedSample:
    return CheckedSample(text, "", seed, len(text), 2.0, "end", copied=copied, novel=copied == 0)


CHECKED_SAMPLES = (
    _checked_sample(7, "I think that this is the first of them, and that nobody has ever said it before.", 0),
    _checked_sample(
        8, "Four score and seven years ago our fathers brought forth, upon this continent, a new nation.", 87
    ),
    _checked_sample(9, "Me too.", 0),
)


def copies_marked(terminal: Terminal) -> None:
    """--novelty: one sample of three is a copy."""
    with SampleWriter(terminal) as view:
        show_checked_samples(terminal, view, CHECKED_SAMPLES, refuse=False, json=False)


def copies_excluded(terminal: Terminal) -> None:
    """--no-copies: it is omitted."""
    with SampleWriter(terminal) as view:
        show_checked_samples(terminal, view, CHECKED_SAMPLES, refuse=True, json=False)


@dataclass(frozen=True)
class _FakeSample:
    text: str


def _sample_batch(terminal: Terminal) -> tuple[SampleProgress, Iterator[_FakeSample]]:
    """Samples written to a file, ten per second."""
    clock = FakeClock()

    def generate() -> Iterator[_FakeSample]:
        for _ in range(1000):
            clock.now += 0.1
            yield _FakeSample("x" * 123)

    view = SampleProgress(_with_piped_stdout(terminal), 1000, clock)
    return view, view.track(generate())


@contextmanager
def batch_running(terminal: Terminal) -> Iterator[None]:
    """Four hundred of a thousand."""
    view, samples = _sample_batch(terminal)
    for _ in range(401):
        next(samples)
    _redraw_bar(view)
    yield
    view.hide_bar()


def batch_finished(terminal: Terminal) -> None:
    """All of them."""
    view, samples = _sample_batch(terminal)
    for _ in samples:
        pass
    view.finish()


def error_messages(terminal: Terminal) -> None:
    """One of each kind."""
    for error in (
        UsageError("there is no model 'emu'", "did you mean emo? gru models lists them"),
        ServiceError(
            "Arctic Shift has answered 8 requests in a row with 'Timeout. Maybe slow down a bit' (422)",
            "wait a while, then go on with: gru fetch -o ask.jsonl.zst --resume",
        ),
        ModelFileError(
            "'/home/somebody/.local/share/gru/models/emo/best.safetensors' is damaged: \x1b[31mit ends too soon",
            "train it again, or take it away: gru models remove emo",
        ),
    ):
        terminal.print_error(error)


PRINTED = {
    "fetch, complete": fetch_complete,
    "fetch, not complete": fetch_incomplete,
    "clean, report": lambda terminal: show_report(terminal, make_clean_report()),
    "clean, report of replies": clean_conversations,
    "clean, dry run": lambda terminal: show_report(terminal, make_clean_report(), on_stdout=True),
    "clean, rules": lambda terminal: show_rules(terminal, RULES),
    "clean, explain": clean_explained,
    "purge": purge_done,
    "purge, of one": purge_single,
    "purge, dry run": purge_dry_run,
    "doctor": doctor_report,
    "eval": eval_result,
    "eval of several": eval_several,
    "eval with context": eval_result_with_context,
    "sample, novelty": copies_marked,
    "sample, no copies": copies_excluded,
    "sample, batch": batch_finished,
    "errors": error_messages,
}
"""What is printed."""

PROGRESS_BARS = {
    "fetch, while it runs": fetch_running,
    "fetch, backing off": fetch_backing_off,
    "clean, while it runs": clean_running,
    "clean, of a pipe": clean_running_on_pipe,
    "sample, batch while it runs": batch_running,
}
"""What is removed again."""
