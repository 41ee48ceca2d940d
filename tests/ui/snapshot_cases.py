"""Every screen of the program, from made-up events, on an emulated terminal of any width."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console

from grucli.chat.events import (
    Candidate,
    Candidates,
    ChatEvent,
    CommandError,
    GateValues,
    Listing,
    Message,
    NextTokens,
    PromptProgress,
    ReplyDelta,
    ReplyFinished,
    ReplyStarted,
    SampleCommand,
    SpreadDelta,
    SpreadFinished,
    SpreadStarted,
    TextSurprisal,
    TreeRow,
    TurnTreeView,
    UnknownSymbols,
)
from grucli.chat.session import Session
from grucli.chat.turns import ReplyContext, Turn
from grucli.comparison.events import CompareEvent
from grucli.generation.options import GenerationConfig
from grucli.model.config import ModelConfig
from grucli.model.store import Metrics, ModelEntry
from grucli.model.weights import ModelCard, ModelInfo
from grucli.training.events import Compiling, SetupProgress
from grucli.training.events import TrainEvent as TrainingEvent
from grucli.ui.chat.screen import ChatScreen
from grucli.ui.comparison.dashboard import CompareDashboard
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.live_region import LiveRegion
from grucli.ui.training.dashboard import TrainDashboard
from grucli.ui.training.train_view import TrainView, print_train_result
from grucli.ui.views.comparison_view import show_comparison
from grucli.ui.views.models_view import show_model, show_models
from grucli.ui.views.sample_view import SampleWriter
from grucli.ui.views.suite_view import show_suite
from tests.chat.fakes import conversation_session
from tests.comparison.small_comparisons import fake_comparison
from tests.comparison.suite.small_suites import fake_suite
from tests.ui.emulator import TerminalEmulator
from tests.ui.fake_comparison import comparison_run, search_run
from tests.ui.fake_events import CONTEXT_GAIN, make_summary, resumed_run, run_started, training_run
from tests.ui.fake_streams import PipeStream
from tests.ui.view_cases import PRINTED, PROGRESS_BARS


class FakeClock:
    """A clock that only `sleep` advances."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


def make_console(emulator: TerminalEmulator, color: bool = True, **environment: str) -> Console:
    """A console on an emulated terminal, as the program opens its own."""
    return Console(
        file=emulator,
        force_terminal=True,
        width=emulator.screen.columns,
        height=emulator.screen.lines,
        no_color=not color,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={"TERM": "xterm-256color", **environment},
    )


class ChatHarness:
    """A chat screen on an emulated terminal, which renders given events."""

    def __init__(
        self, width: int, height: int = 30, color: bool = True, session: Session | None = None, **environment: str
    ) -> None:
        self.clock = FakeClock()
        self.session = session or conversation_session(pace=0)
        self.emulator = TerminalEmulator(width, height)
        self.console = make_console(self.emulator, color, **environment)
        self.screen = ChatScreen(self.session, self.console, self.clock, self.clock.sleep)

    def render_events(self, events: Iterable[ChatEvent]) -> list[str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("grucli.ui.chat.screen.handle_line", lambda session, line: iter(events))
            self.screen.handle("a line")
        return self.emulator.rows


PLAIN_REPLY = "I am not sure what you mean by that, but I hope you are having a good day."
MULTILINE_REPLY = (
    "Oh no! I love it.\n\nIt is the best thing that happened to this [b]city[/b] since the bridge was built, honestly."
)
UNICODE_REPLY = "Zounds, quite 漢字 the kettle of 😀 fish\x1b[31m, my llama; yes."


def make_turn(reply: str, seed: int = 7, stopped: str = "turn", bits: float | None = 1.25) -> Turn:
    return Turn(ReplyContext(0, "hi", ""), reply, GenerationConfig(seed=seed), stopped, bits, len(reply))


def make_candidate(reply: str, bits: float | None, score: float | None, seed: int) -> Candidate:
    return Candidate(make_turn(reply, seed, bits=bits), score)


def make_tree_row(
    number: int, parent: int, line: str, reply: str, names: tuple[str, ...], *, is_head: bool, on_path: bool
) -> TreeRow:
    tree_turn = Turn(ReplyContext(parent, line, ""), reply, GenerationConfig(), "turn", 1.25, number=number)
    return TreeRow(tree_turn, 0, names, is_head, on_path)


def spread_events(*replies: str, prefix: str = "", limit: int = 200, stopped: str = "turn") -> Iterator[ChatEvent]:
    """Replies that stream together, four characters at a time."""
    titles = tuple(f"temp {0.3 + 0.5 * index:g}" for index in range(len(replies)))
    yield SpreadStarted(titles, prefix, 7, limit)
    unfinished = dict(enumerate(replies))
    for start in range(0, max(map(len, replies), default=0) + 4, 4):
        for column, reply in list(unfinished.items()):
            if start >= len(reply):
                del unfinished[column]
                yield SpreadFinished(column, make_turn(reply, stopped=stopped), titles[column])
            else:
                yield SpreadDelta(column, reply[start : start + 4], 1.25 + column)


SAMPLE_TEXT = "The quick brown fox, who had never\nseen a quetzal, jumps."


def text_surprisal(text: str = SAMPLE_TEXT) -> TextSurprisal:
    """Each letter a little more surprising than the one before it in the alphabet, spaces hardly."""
    bits = [0.3 if char == " " else (ord(char.lower()) - 97) / 2 if char.isalpha() else 3.0 for char in text]
    return TextSurprisal(tuple(zip(text, bits, strict=True)), sum(bits) / len(text))


def gate_values(text: str = SAMPLE_TEXT) -> GateValues:
    values = [0.42 + 0.3 * ((index * 7) % 11) / 11 for index in range(len(text))]
    label = "update gate: 0 replaces the state, 1 keeps it"
    return GateValues(tuple(zip(text, values, strict=True)), label)


def turn_tree() -> TurnTreeView:
    long_reply = "It is a truth universally acknowledged that a single man must be in want of a wif…"
    rows = [
        (1, 0, "hi", "Hello, how are you?", ()),
        (2, 1, "fine, and you?", long_reply, ()),
        (3, 2, "what do you do for fun", "I like to read.", ()),
        (6, 3, "", "And to write.", ("main",)),
        (4, 2, "do you like cats or dogs better, and why is it that you do", "Dogs!", ()),
        (5, 4, "why", "Because.", ("dogs",)),
        (7, 1, "漢字 😀", "Pardon [b]me[/b]?", ("other", "third")),
    ]
    on_path = {1, 2, 4, 5}
    return TurnTreeView(
        tuple(
            make_tree_row(n, parent, line, reply, names, is_head=n == 5, on_path=n in on_path)
            for n, parent, line, reply, names in rows
        )
    )


def ranked_candidates() -> Candidates:
    return Candidates(
        (
            make_candidate(PLAIN_REPLY, 1.02, 0.41, 12),
            make_candidate(MULTILINE_REPLY, 1.31, -0.2, 9),
            make_candidate(UNICODE_REPLY, 2.1, -0.22, 13),
            make_candidate("I do.", 1.1, -0.3, 8),
            make_candidate("No", 0.9, -0.31, 14),
            make_candidate(MULTILINE_REPLY, 1.3, -0.35, 11),
            make_candidate("", None, None, 10),
        )
    )


def next_tokens() -> NextTokens:
    return NextTokens(
        "the cat sat on the", ((" mat", 0.341), ("\n", 0.2), (" ", 0.07), ("", 0.05), ("漢", 0.01), ("e", 0.0004))
    )


SETTINGS_LIST = Listing(
    (
        ("/temp", "0.8", "temperature (0.2 conservative, 1.5 wild)"),
        ("/spread", "", "the same reply at several temperatures, side by side"),
        ("/model", "a-friends-model", "change the model; alone, list all models"),
        ("/quit", "", "leave"),
    )
)


@dataclass(frozen=True)
class SnapshotCase:
    """Events, and how many of them are rendered before the snapshot: None for all."""

    events: Callable[[], Iterable[ChatEvent]]
    stop_after: int | None = None


def reply_events() -> Iterator[ChatEvent]:
    yield UnknownSymbols(2, ("漢", "\x1b"))
    yield ReplyStarted("", 7, 200)
    for start in range(0, len(MULTILINE_REPLY), 4):
        yield ReplyDelta(MULTILINE_REPLY[start : start + 4], 1.25)
    yield ReplyFinished(make_turn(MULTILINE_REPLY, stopped="length"))


CHAT_CASES = {
    "reading": SnapshotCase(lambda: [PromptProgress(250_000, 1_000_000)], 1),
    "reply while it streams": SnapshotCase(reply_events, 20),
    "reply": SnapshotCase(reply_events),
    "spread while it streams": SnapshotCase(lambda: spread_events(PLAIN_REPLY, MULTILINE_REPLY, UNICODE_REPLY), 30),
    "spread of a continued line": SnapshotCase(
        lambda: spread_events(PLAIN_REPLY, UNICODE_REPLY, prefix="Once upon a time there was a cat"), 18
    ),
    "spread": SnapshotCase(
        lambda: [*spread_events(PLAIN_REPLY, MULTILINE_REPLY, UNICODE_REPLY), Message("use /pick N to choose one")]
    ),
    "spread of six": SnapshotCase(
        lambda: spread_events(PLAIN_REPLY, UNICODE_REPLY, "", PLAIN_REPLY, UNICODE_REPLY, PLAIN_REPLY, stopped="length")
    ),
    "best": SnapshotCase(lambda: [ranked_candidates(), Message("use /pick N to choose one")]),
    "peek": SnapshotCase(lambda: [next_tokens()]),
    "score": SnapshotCase(lambda: [text_surprisal()]),
    "gates": SnapshotCase(lambda: [gate_values()]),
    "tree": SnapshotCase(lambda: [turn_tree()]),
    "pick": SnapshotCase(lambda: [ReplyFinished(make_turn(PLAIN_REPLY))]),
    "list": SnapshotCase(lambda: [SETTINGS_LIST, Message("emo takes turns. Type a message and it replies.")]),
    "refusal": SnapshotCase(
        lambda: [CommandError("there is no command /tepm", "did you mean /temp? /help lists them")]
    ),
    "line to copy": SnapshotCase(
        lambda: [SampleCommand("gru sample emo --seed 7 --temp 0.8 --reply-to 'Hello, how are you?'")]
    ),
}


def render_scene(name: str, width: int, color: bool) -> TerminalEmulator:
    """Render a case of a chat, and return the terminal at the snapshot."""
    case, harness = CHAT_CASES[name], ChatHarness(width, color=color)
    snapshots: list[TerminalEmulator] = []

    def events_until_stop() -> Iterator[ChatEvent]:
        for index, event in enumerate(case.events()):
            harness.clock.now += 0.11
            yield event
            if index + 1 == case.stop_after:
                snapshot = TerminalEmulator(width)
                snapshot.write(harness.emulator.written)
                snapshots.append(snapshot)

    harness.render_events(events_until_stop())
    return snapshots[0] if snapshots else harness.emulator


def render_training(events: Iterable[TrainingEvent], width: int, color: bool) -> TerminalEmulator:
    """Render the dashboard of a run at 24 lines."""
    emulator = TerminalEmulator(width, 24)
    dashboard = TrainDashboard(clock=lambda: 0.0)
    for event in events:
        dashboard.update(event)
    with make_console(emulator, color) as run_console, LiveRegion(run_console) as region:
        region.render([], dashboard.render(run_console))
    return emulator


def render_comparison(events: Iterable[CompareEvent], width: int, color: bool) -> TerminalEmulator:
    """Render the dashboard of a comparison at 24 lines."""
    emulator = TerminalEmulator(width, 24)
    dashboard = CompareDashboard(clock=lambda: 0.0)
    for event in events:
        dashboard.update(event)
    with make_console(emulator, color) as console, LiveRegion(console) as region:
        region.render([], dashboard.render(console))
    return emulator


def render_printed(show: Callable[[Terminal], None], width: int, color: bool) -> TerminalEmulator:
    """Render what is printed."""

    @contextmanager
    def print_and_stop(terminal: Terminal) -> Iterator[None]:
        show(terminal)
        yield

    return render_progress_bar(print_and_stop, width, color)


def render_progress_bar(
    show: Callable[[Terminal], AbstractContextManager[None]], width: int, color: bool
) -> TerminalEmulator:
    """Render what is on the terminal before the context exits."""
    emulator, snapshot = TerminalEmulator(width), TerminalEmulator(width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        patch.setattr(time, "localtime", time.gmtime)
        patch.delenv("NO_COLOR", raising=False)
        if not color:
            patch.setenv("NO_COLOR", "1")
        with show(Terminal(emulator, emulator, width=width, height=30)):
            snapshot.write(emulator.written)
    return snapshot


def model_entries() -> list[ModelEntry]:
    card = ModelCard(
        steps=400, tokens=400_000, seconds=61.0, tokens_per_second=6557.0, train_nats=1.5, val_nats=1.625,
        val_nats_per_char=1.625, val_bits_per_char=2.344, note="\x1b[31ma [b]note[/b] of somebody",
        description={"license": "MIT", "\x1b[31mlimits": "It knows [b]nothing[/b]\x1b[31m, and repeats itself. " * 2},
    )  # fmt: skip
    known = ModelInfo(ModelConfig("gru", 98, 64, 256, 2), "subword", card, "ab" * 32, 2_500_000, quantized=False)
    small = dataclasses.replace(known, quantized=True)
    return [
        ModelEntry("emo", Path("/home/somebody/.local/share/gru/models/emo"), 1.7e9, 5_100_000, known, None),
        ModelEntry("漢字", Path("/models/漢字"), 1.6e9, 3900, None, "the file is cut short"),
        ModelEntry("a-rather-long-name", Path("/models/a"), 1.5e9, 31_000_000, known, None),
        ModelEntry(f"{'as-long-as-a-name-can-be-' * 3}"[:63] + "2", Path("/models/2"), 1.4e9, 900, known, None),
        ModelEntry("chitchat", Path("/gru/data/chitchat.safetensors"), 1.3e9, 900, small, None, is_packaged=True),
    ]


def metric_rows() -> list[Metrics]:
    return [Metrics(step=step, train_nats=1.5 + 60 / step, val_nats=1.6 + 50 / step) for step in range(50, 401, 50)]


def print_model_list(terminal: Terminal) -> None:
    show_models(
        terminal,
        model_entries(),
        {"emo": metric_rows(), "a-rather-long-name": [], model_entries()[3].name: metric_rows()[:3]},
    )


def print_samples(terminal: Terminal) -> None:
    with SampleWriter(Terminal(terminal.data.file, PipeStream(), width=terminal.data.width)) as view:  # type: ignore[arg-type]
        view.stream([MULTILINE_REPLY[:30], MULTILINE_REPLY[30:]], prompt="I said: ")
        view.write(UNICODE_REPLY)


def print_training_rows(terminal: Terminal) -> None:
    """A run whose stdout is not a terminal."""
    piped_terminal = Terminal(PipeStream(), PipeStream(), width=terminal.data.width)
    with TrainView(piped_terminal) as view:
        finished = view.follow(training_run(reason="limit"))
    print_train_result(piped_terminal, finished, "gru train emo.csv --resume")
    terminal.print_data(piped_terminal.data.file.getvalue() + piped_terminal.messages.file.getvalue(), end="")  # type: ignore[attr-defined]


Renderer = Callable[[int, bool], TerminalEmulator]


def _chat_renderer(name: str) -> Renderer:
    return lambda width, color: render_scene(name, width, color)


def _training_renderer(events: Callable[[], Iterable[TrainingEvent]]) -> Renderer:
    return lambda width, color: render_training(events(), width, color)


def _comparison_renderer(events: Callable[[], Iterable[CompareEvent]]) -> Renderer:
    return lambda width, color: render_comparison(events(), width, color)


def _print_renderer(show: Callable[[Terminal], None]) -> Renderer:
    return lambda width, color: render_printed(show, width, color)


def _progress_bar_renderer(show: Callable[[Terminal], AbstractContextManager[None]]) -> Renderer:
    return lambda width, color: render_progress_bar(show, width, color)


def _render_greeting(width: int, color: bool) -> TerminalEmulator:
    harness = ChatHarness(width, color=color)
    harness.screen.print_greeting()
    return harness.emulator


CASES: dict[str, Renderer] = {
    "greeting": _render_greeting,
    **{name: _chat_renderer(name) for name in CHAT_CASES},
    "train, reading": _training_renderer(lambda: [SetupProgress("reading the corpus", 30, 120)]),
    "train, compiling": _training_renderer(
        lambda: [SetupProgress("reading the corpus"), run_started(), Compiling(cached_for_next_run=True)]
    ),
    "train, before an evaluation": _training_renderer(lambda: training_run(last_step=90)),
    "train": _training_renderer(lambda: training_run(last_step=230)),
    "train, gone on with": _training_renderer(resumed_run),
    "train, over": _training_renderer(lambda: training_run(reason="limit")),
    "train, nothing held out": _training_renderer(lambda: training_run(last_step=230, has_val=False)),
    "train, in a pipe": _print_renderer(print_training_rows),
    "compare": _comparison_renderer(lambda: comparison_run(2, 200)),
    "compare, learning rates": _comparison_renderer(search_run),
    "compare, over": _comparison_renderer(lambda: comparison_run(3, reason="limit")),
    "compare, suite": _print_renderer(lambda terminal: show_suite(terminal, fake_suite())),
    "compare, result": _print_renderer(lambda terminal: show_comparison(terminal, fake_comparison())),
    "models": _print_renderer(print_model_list),
    "models, none": _print_renderer(lambda terminal: show_models(terminal, [], {})),
    "models show": _print_renderer(
        lambda terminal: show_model(
            terminal, model_entries()[0], replace(make_summary(462), **CONTEXT_GAIN), metric_rows()
        )
    ),
    "models show, packaged": _print_renderer(
        lambda terminal: show_model(terminal, model_entries()[4], make_summary(462), [])
    ),
    "models show, damaged": _print_renderer(lambda terminal: show_model(terminal, model_entries()[1], None, [])),
    "sample": _print_renderer(print_samples),
    **{name: _print_renderer(show) for name, show in PRINTED.items()},
    **{name: _progress_bar_renderer(show) for name, show in PROGRESS_BARS.items()},
}


def render(name: str, width: int, color: bool) -> TerminalEmulator:
    """Render a screen at a width."""
    return CASES[name](width, color)
