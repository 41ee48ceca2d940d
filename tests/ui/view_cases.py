"""Fetches, cleanings and all else that is told of in lines, made up: what they show, and bars that stand meanwhile.

A function that gives a context manager leaves its bar on the screen until that is left.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from grucli.engine.system_info import Kernels, Machine, Places, Processor, Setting, Speed
from grucli.errors import ModelFileError, ServiceError, UsageError
from grucli.generation.copy_detection import Examined
from grucli.generation.evaluation import Scores
from grucli.reddit.clean.explain import Explained
from grucli.reddit.clean.report import CleanReport
from grucli.reddit.clean.rule_engine import Step
from grucli.reddit.clean.rules.registry import RULES
from grucli.reddit.comments import Comment
from grucli.reddit.corpus.purge import Purge
from grucli.reddit.fetch.comment_source import Notice, Span, Waiting
from grucli.reddit.fetch.events import Done, Ended, Paged, Started, Summary
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.transient_bar import TransientBar
from grucli.ui.views.clean_view import CleanView, show_report, show_rules, show_steps
from grucli.ui.views.copy_view import show_examined
from grucli.ui.views.doctor_view import show_machine
from grucli.ui.views.eval_view import show_scores
from grucli.ui.views.fetch_view import FetchView, show_fetched
from grucli.ui.views.purge_view import show_fetch, show_memories, show_missing, show_purge
from grucli.ui.views.sample_progress import BatchView
from grucli.ui.views.sample_writer import StreamView
from tests.ui.fake_streams import Pipe

DAY = 86_400
NEW_YEAR = 1_704_067_200


class Clock:
    """Time passes when somebody says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def _piped(terminal: Terminal) -> Terminal:
    """The same terminal, where data go elsewhere."""
    return Terminal(Pipe(), terminal.messages.file, width=terminal.messages.width)  # type: ignore[arg-type]


def _draw_anew(view: TransientBar) -> None:
    """Let the bar be as things are now, without waiting for the thread that draws it."""
    view.hide_bar()
    view.show_bar()


@contextmanager
def fetching(terminal: Terminal) -> Iterator[None]:
    """Two names, a range that is known, a quarter of it done."""
    names, span, clock = ("r/askscience", "u/somebody"), Span(NEW_YEAR, NEW_YEAR + 365 * DAY), Clock()
    with FetchView(terminal, clock) as view:
        view.show(Started(names, "Arctic Shift", span, 2.0, "ask.jsonl.zst", 0))
        view.show(Paged("r/askscience", 100, 100, 1, NEW_YEAR + DAY, 0.002))
        clock.now += 95
        view.show(Paged("r/askscience", 100, 18_900, 189, NEW_YEAR + 90 * DAY, 0.247))
        _draw_anew(view)
        yield


@contextmanager
def backing_off(terminal: Terminal) -> Iterator[None]:
    """The server asks for a pause, after it said something that is passed on."""
    clock = Clock()
    with FetchView(terminal, clock) as view:
        view.show(Started(("r/askscience",), "Arctic Shift", Span(0, NEW_YEAR), 0.5, "ask.jsonl", 41_000))
        view.show(Notice("the archive has nothing before 2005-12-01: the fetch begins there"))
        view.show(Paged("r/askscience", 100, 41_100, 411, NEW_YEAR - 300 * DAY, 0.83))
        view.show(Waiting(64.0, "the archive asks to slow down (429)"))
        clock.now += 9
        _draw_anew(view)
        yield


def fetched(terminal: Terminal) -> None:
    """A fetch that is complete."""
    summary = Summary(76_543, 766, 3, NEW_YEAR + 61, NEW_YEAR + 365 * DAY - 7, True)
    show_fetched(terminal, Done(summary, ("r/askscience", "u/somebody"), "ask.jsonl.zst", "", 212, False))


def fetched_in_part(terminal: Terminal) -> None:
    """A fetch that is not complete, and a name that nobody knows."""
    with FetchView(_piped(terminal)) as view:
        view.show(Started(("r/askscience", "r/tpyo"), "Reddit", Span(0, NEW_YEAR), 1.5, "my ask.jsonl", 0))
        view.show(Ended("r/tpyo", 0, True))
    short = "Reddit gives the newest 1,000 comments of r/askscience alone; --source arctic-shift has the older ones too"
    summary = Summary(1000, 10, 0, NEW_YEAR - 3 * DAY, NEW_YEAR - 60, False)
    show_fetched(terminal, Done(summary, ("r/askscience", "r/tpyo"), "my ask.jsonl", short, 1, False))


def report(conversations: int | None = None) -> CleanReport:
    """Rules that dropped much, little and nothing, for one reason and for several."""
    found = CleanReport(read=1_234_567, kept=901_234, characters=98_765_432, conversations=conversations)
    found.drop("schema: no text", 20, [("RC_2024-01.zst", line) for line in (7, 1300, 77_000)])
    found.drop("schema: the row is cut short", 1, [("RC_2024-01.zst", 1_234_567)])
    found.drop("deleted", 133_312, [("RC_2024-01.zst", 12)])
    found.drop("bot: name", 9000, [("RC_2024-01.zst", 4), ("RC_2024-01.zst", 90)])
    found.drop("bot: says so", 1000, [("RC_2024-01.zst", 41)])
    found.drop("length: too short", 60_000, [("RC_2024-01.zst", 2)])
    found.drop("duplicate", 130_000, [("RC_2024-01.zst", line) for line in (15, 16, 17, 18)])
    return found


@contextmanager
def cleaning(terminal: Terminal) -> Iterator[None]:
    """A cleaning at a third of its bytes."""
    clock = Clock()
    with CleanView(terminal, clock) as view:
        view.begin(3_000_000_000)
        clock.now += 20
        view.progress(1_000_000_000, report())
        _draw_anew(view)
        yield


@contextmanager
def cleaning_a_pipe(terminal: Terminal) -> Iterator[None]:
    """A cleaning of which nobody knows how much there is to read."""
    clock = Clock()
    with CleanView(terminal, clock) as view:
        view.begin(None)
        clock.now += 20
        view.progress(1_000_000_000, report())
        _draw_anew(view)
        yield


def conversations(terminal: Terminal) -> None:
    """The report of --replies."""
    show_report(terminal, report(conversations=123_456))


def explained(terminal: Terminal) -> None:
    """A comment that rules mend, and at last one drops."""
    raw = (
        "&gt; is it safe?\n\n**Yes**, see [the paper](https://example.org/a) \x1b[31mor ask me at somebody@example.org"
    )
    said = "Yes, see the paper \x1b[31mor ask me: somebody@example.org"
    steps = [
        Step("schema", raw, raw),
        Step("deleted", raw, raw),
        Step("bot", raw, raw),
        Step("entities", raw, raw.replace("&gt;", ">")),
        Step("quotes", raw.replace("&gt;", ">"), raw.partition("\n\n")[2]),
        Step("markdown", raw.partition("\n\n")[2], said),
        Step("urls", said, said),
        Step("text", said, said.replace("\x1b[31m", "")),
        Step("personal", said, "Yes, see the paper or ask me: [EMAIL]"),
        Step("length", said, said),
        Step("duplicate", said, said, "as c1f2, line 1,204 of RC_2024-01.zst"),
    ]
    comment = Comment(raw, "c2102", "somebody", "askscience", -3)
    show_steps(terminal, Explained(comment, "dumps/RC_2024-01.zst", 1_234_567, steps))


def purged(terminal: Terminal) -> None:
    """What an author wrote is taken out; models remember it, and a name was not found."""
    show_purge(terminal, "ask.csv", Purge(1204, 75_339, 98_765, 5_000_000, 12, {"somebody"}), dry_run=False)
    show_missing(terminal, 3, ["nobody", "no-one"])
    show_fetch(terminal, "ask.csv")
    show_memories(terminal, ["ask", "ask-2"], ["/home/somebody/.cache/gru/corpora/ab12"])


def would_be_purged(terminal: Terminal) -> None:
    """--dry-run; and a corpus in which there is nothing to take out."""
    show_purge(terminal, "ask.csv", Purge(1, 75_339, 65, 5_000_000), dry_run=True)
    show_purge(terminal, "other.csv", Purge(kept=1), dry_run=True)


def purged_of_one(terminal: Terminal) -> None:
    """No model is known that has learnt from it."""
    show_purge(terminal, "ask.csv", Purge(1, 75_339, 65, 5_000_000, 1), dry_run=False)
    show_memories(terminal, [], [])


def doctor(terminal: Terminal) -> None:
    """A machine, and settings of every kind."""
    home = Path("/home/somebody/.local/share/gru")
    show_machine(
        terminal,
        Machine(
            {"grucli": "0.1.0", "python": "3.11.7", "numpy": "2.4.6", "numba": "0.68.1", "llvmlite": "0.50.0"},
            Processor("AMD EPYC", "znver4", 16, 512, True),
            Kernels(Path("/home/somebody/.cache/gru/kernels/27896e779ce03ac1"), None, True),
            Speed(113.7, 1754.4, 24.7),
            Places(home, home / "models", Path("/home/somebody/.cache/gru"), home / "config.toml", False),
            (
                Setting("GRU_TEMP", "0.5", "environment", None),
                Setting("GRU_TEPM", None, "environment", "there is no such option"),
                Setting("train.batch", "32", "config.toml", None),
            ),
        ),
    )


def scores(terminal: Terminal) -> None:
    """What gru eval found."""
    show_scores(terminal, Scores(1.3975, 1.3968, 2.0152, 4.045, 268_123, 267_890))


def _examined(seed: int, text: str, copied: int) -> Examined:
    return Examined(text, "", seed, len(text), 2.0, "end", copied=copied, novel=copied == 0)


EXAMINED = (
    _examined(7, "I think that this is the first of them, and that nobody has ever said it before.", 0),
    _examined(8, "Four score and seven years ago our fathers brought forth, upon this continent, a new nation.", 87),
    _examined(9, "Me too.", 0),
)


def examined(terminal: Terminal) -> None:
    """--novelty: one sample of three is a copy."""
    with StreamView(terminal) as view:
        show_examined(terminal, view, EXAMINED, refuse=False, json=False)


def refused(terminal: Terminal) -> None:
    """--no-copies: it is left out."""
    with StreamView(terminal) as view:
        show_examined(terminal, view, EXAMINED, refuse=True, json=False)


@dataclass(frozen=True)
class _Drawn:
    text: str


def _batch(terminal: Terminal) -> tuple[BatchView, Iterator[_Drawn]]:
    """Samples on their way into a file, ten a second."""
    clock = Clock()

    def drawn() -> Iterator[_Drawn]:
        for _ in range(1000):
            clock.now += 0.1
            yield _Drawn("x" * 123)

    view = BatchView(_piped(terminal), 1000, clock)
    return view, view.follow(drawn())


@contextmanager
def drawing_a_batch(terminal: Terminal) -> Iterator[None]:
    """Four hundred of a thousand."""
    view, samples = _batch(terminal)
    for _ in range(401):
        next(samples)
    _draw_anew(view)
    yield
    view.hide_bar()


def drawn_batch(terminal: Terminal) -> None:
    """All of them."""
    view, samples = _batch(terminal)
    for _ in samples:
        pass
    view.finish()


def errors(terminal: Terminal) -> None:
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


LINES = {
    "fetch, complete": fetched,
    "fetch, not complete": fetched_in_part,
    "clean, report": lambda terminal: show_report(terminal, report()),
    "clean, report of replies": conversations,
    "clean, dry run": lambda terminal: show_report(terminal, report(), on_stdout=True),
    "clean, rules": lambda terminal: show_rules(terminal, RULES),
    "clean, explain": explained,
    "purge": purged,
    "purge, of one": purged_of_one,
    "purge, dry run": would_be_purged,
    "doctor": doctor,
    "eval": scores,
    "sample, novelty": examined,
    "sample, no copies": refused,
    "sample, batch": drawn_batch,
    "errors": errors,
}
"""What is printed and stays."""

BARS = {
    "fetch, while it runs": fetching,
    "fetch, backing off": backing_off,
    "clean, while it runs": cleaning,
    "clean, of a pipe": cleaning_a_pipe,
    "sample, batch while it runs": drawing_a_batch,
}
"""What is taken back."""
