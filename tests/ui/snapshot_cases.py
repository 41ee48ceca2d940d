"""Every screen of the program, made of events that never happened, on an emulated terminal of any width."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from grucli.chat.events import (
    Began,
    Branch,
    Branched,
    Candidate,
    Copyable,
    Ended,
    Event,
    Gated,
    Listed,
    Misread,
    Peeked,
    Ranked,
    Reading,
    Refused,
    Said,
    Scored,
    SpreadEnded,
    Spreading,
    SpreadSaid,
    Told,
)
from grucli.chat.session import Session
from grucli.chat.turns import Place, Turn
from grucli.generation.sampler import Draw
from grucli.model.config import Sizes
from grucli.model.store import Metrics, ModelEntry
from grucli.model.weights import Card, Description
from grucli.training.events import Compiling, Preparing
from grucli.training.events import Event as TrainingEvent
from grucli.ui.chat.screen import ChatScreen
from grucli.ui.terminal.console import Terminal
from grucli.ui.terminal.live_region import LiveRegion
from grucli.ui.training.dashboard import Picture
from grucli.ui.training.train_view import TrainView, show_end
from grucli.ui.views.models_view import show_model, show_models
from grucli.ui.views.sample_writer import StreamView
from tests.chat.fakes import talker
from tests.ui.emulator import Emulator
from tests.ui.fake_events import gone_on_with, run, started, summary
from tests.ui.fake_streams import Pipe
from tests.ui.view_cases import BARS, LINES


class Clock:
    """Time passes only for those who sleep."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


def console(emulator: Emulator, colour: bool = True, **environment: str) -> Console:
    """A console on an emulated terminal, as the program opens its own."""
    return Console(
        file=emulator,
        force_terminal=True,
        width=emulator.screen.columns,
        height=emulator.screen.lines,
        no_color=not colour,
        markup=False,
        emoji=False,
        highlight=False,
        _environ={"TERM": "xterm-256color", **environment},
    )


class Room:
    """A chat screen on an emulated terminal that is told what to draw."""

    def __init__(
        self, width: int, height: int = 30, colour: bool = True, session: Session | None = None, **environment: str
    ) -> None:
        self.clock = Clock()
        self.session = session or talker(pace=0)
        self.emulator = Emulator(width, height)
        self.console = console(self.emulator, colour, **environment)
        self.screen = ChatScreen(self.session, self.console, self.clock, self.clock.sleep)

    def draw(self, events: Iterable[Event]) -> list[str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("grucli.ui.chat.screen.hear", lambda session, line: iter(events))
            self.screen.answer("a line")
        return self.emulator.rows


CAREFUL = "I am not sure what you mean by that, but I hope you are having a good day."
LIVELY = (
    "Oh no! I love it.\n\nIt is the best thing that happened to this [b]city[/b] since the bridge was built, honestly."
)
WILD = "Zounds, quite 漢字 the kettle of 😀 fish\x1b[31m, my llama; yes."


def turn(reply: str, seed: int = 7, stopped: str = "turn", bits: float | None = 1.25) -> Turn:
    return Turn(Place(0, "hi", ""), reply, Draw(seed=seed), stopped, bits, len(reply))


def candidate(reply: str, bits: float | None, score: float | None, seed: int) -> Candidate:
    return Candidate(turn(reply, seed, bits=bits), score)


def tree_row(
    number: int, parent: int, line: str, reply: str, names: tuple[str, ...], *, now: bool, kept: bool
) -> Branch:
    said = Turn(Place(parent, line, ""), reply, Draw(), "turn", 1.25, number=number)
    return Branch(said, 0, names, now, kept)


def spread(*replies: str, lead: str = "", limit: int = 200, stopped: str = "turn") -> Iterator[Event]:
    """Replies that stream together, four characters at a time."""
    titles = tuple(f"temp {0.3 + 0.5 * index:g}" for index in range(len(replies)))
    yield Spreading(titles, lead, 7, limit)
    open_ones = dict(enumerate(replies))
    for start in range(0, max(map(len, replies), default=0) + 4, 4):
        for column, reply in list(open_ones.items()):
            if start >= len(reply):
                del open_ones[column]
                yield SpreadEnded(column, turn(reply, stopped=stopped))
            else:
                yield SpreadSaid(column, reply[start : start + 4], 1.25 + column)


PROSE = "The quick brown fox, who had never\nseen a quetzal, jumps."


def surprises(text: str = PROSE) -> Scored:
    """Each letter a little more surprising than the one before it in the alphabet, blanks not at all."""
    bits = [0.3 if sign == " " else (ord(sign.lower()) - 97) / 2 if sign.isalpha() else 3.0 for sign in text]
    return Scored(tuple(zip(text, bits, strict=True)), sum(bits) / len(text))


def gates(text: str = PROSE) -> Gated:
    values = [0.42 + 0.3 * ((index * 7) % 11) / 11 for index in range(len(text))]
    words = "update gate: from 0, all is new, to 1, the memory stays as it was"
    return Gated(tuple(zip(text, values, strict=True)), words)


def tree() -> Branched:
    long = "It is a truth universally acknowledged that a single man must be in want of a wif…"
    rows = [
        (1, 0, "hi", "Hello, how are you?", ()),
        (2, 1, "fine, and you?", long, ()),
        (3, 2, "what do you do for fun", "I like to read.", ()),
        (6, 3, "", "And to write.", ("main",)),
        (4, 2, "do you like cats or dogs better, and why is it that you do", "Dogs!", ()),
        (5, 4, "why", "Because.", ("dogs",)),
        (7, 1, "漢字 😀", "Pardon [b]me[/b]?", ("other", "third")),
    ]
    kept = {1, 2, 4, 5}
    return Branched(
        tuple(
            tree_row(n, parent, line, reply, names, now=n == 5, kept=n in kept)
            for n, parent, line, reply, names in rows
        )
    )


def candidates() -> Ranked:
    return Ranked(
        (
            candidate(CAREFUL, 1.02, 0.41, 12),
            candidate(LIVELY, 1.31, -0.2, 9),
            candidate("", None, None, 10),
        )
    )


def tokens() -> Peeked:
    return Peeked(
        "the cat sat on the", ((" mat", 0.341), ("\n", 0.2), (" ", 0.07), ("", 0.05), ("漢", 0.01), ("e", 0.0004))
    )


HELP = Listed(
    (
        ("/temp", "0.8", "how daring: 0.2 careful, 0.8 lively, 1.5 wild"),
        ("/spread", "", "the same reply at several temperatures, side by side"),
        ("/model", "a-friends-model", "talk with another model"),
        ("/quit", "", "leave"),
    )
)


@dataclass(frozen=True)
class Scene:
    """Events, and how many of them are drawn when the picture is taken: None for all."""

    events: Callable[[], Iterable[Event]]
    at: int | None = None


def reply() -> Iterator[Event]:
    yield Misread(2, ("漢", "\x1b"))
    yield Began("", 7, 200)
    for start in range(0, len(LIVELY), 4):
        yield Said(LIVELY[start : start + 4], 1.25)
    yield Ended(turn(LIVELY, stopped="length"))


SCENES = {
    "reading": Scene(lambda: [Reading(250_000, 1_000_000)], 1),
    "reply while it streams": Scene(reply, 20),
    "reply": Scene(reply),
    "spread while it streams": Scene(lambda: spread(CAREFUL, LIVELY, WILD), 30),
    "spread of a continued line": Scene(lambda: spread(CAREFUL, WILD, lead="Once upon a time there was a cat"), 18),
    "spread": Scene(lambda: [*spread(CAREFUL, LIVELY, WILD), Told("/pick N takes one")]),
    "spread of six": Scene(lambda: spread(CAREFUL, WILD, "", CAREFUL, WILD, CAREFUL, stopped="length")),
    "best": Scene(lambda: [candidates(), Told("/pick N takes one")]),
    "peek": Scene(lambda: [tokens()]),
    "score": Scene(lambda: [surprises()]),
    "gates": Scene(lambda: [gates()]),
    "tree": Scene(lambda: [tree()]),
    "pick": Scene(lambda: [Ended(turn(CAREFUL))]),
    "list": Scene(lambda: [HELP, Told("emo takes turns: say something, and it answers.")]),
    "refusal": Scene(lambda: [Refused("there is no command /tepm", "did you mean /temp? /help lists them")]),
    "line to copy": Scene(lambda: [Copyable("gru sample emo --seed 7 --temp 0.8 --reply-to 'Hello, how are you?'")]),
}  # fmt: skip


def take_scene(name: str, width: int, colour: bool) -> Emulator:
    """Draw a scene of a chat; what was on the terminal when the picture is taken."""
    scene, room = SCENES[name], Room(width, colour=colour)
    shots: list[Emulator] = []

    def until() -> Iterator[Event]:
        for index, event in enumerate(scene.events()):
            room.clock.now += 0.11
            yield event
            if index + 1 == scene.at:
                shot = Emulator(width)
                shot.write(room.emulator.written)
                shots.append(shot)

    room.draw(until())
    return shots[0] if shots else room.emulator


def take_run(events: Iterable[TrainingEvent], width: int, colour: bool) -> Emulator:
    """The picture of a run, on a terminal of the usual height."""
    emulator = Emulator(width, 24)
    picture = Picture(clock=lambda: 0.0)
    for event in events:
        picture.show(event)
    with console(emulator, colour) as drawn, LiveRegion(drawn) as region:
        region.draw([], picture.draw(drawn))
    return emulator


def take_printed(show: Callable[[Terminal], None], width: int, colour: bool) -> Emulator:
    """What is printed on the terminal."""

    @contextmanager
    def done(terminal: Terminal) -> Iterator[None]:
        show(terminal)
        yield

    return take_bar(done, width, colour)


def take_bar(show: Callable[[Terminal], AbstractContextManager[None]], width: int, colour: bool) -> Emulator:
    """What is on the terminal before the context is left."""
    emulator, shot = Emulator(width), Emulator(width)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm-256color")
        patch.setattr(time, "localtime", time.gmtime)
        patch.delenv("NO_COLOR", raising=False)
        if not colour:
            patch.setenv("NO_COLOR", "1")
        with show(Terminal(emulator, emulator, width=width, height=30)):
            shot.write(emulator.written)
    return shot


def models() -> list[ModelEntry]:
    card = Card(
        steps=400, tokens=400_000, seconds=61.0, tokens_per_second=6557.0, train_nats=1.5, val_nats=1.625,
        val_nats_per_char=1.625, val_bits_per_char=2.344, note="\x1b[31ma [b]note[/b] of somebody",
    )  # fmt: skip
    known = Description(Sizes("gru", 98, 64, 256, 2), "subword", card, "ab" * 32, 2_500_000)
    return [
        ModelEntry("emo", Path("/home/somebody/.local/share/gru/models/emo"), 1.7e9, 5_100_000, known, None),
        ModelEntry("漢字", Path("/models/漢字"), 1.6e9, 3900, None, "the file is cut short"),
        ModelEntry("a-rather-long-name", Path("/models/a"), 1.5e9, 31_000_000, known, None),
        ModelEntry(f"{'as-long-as-a-name-can-be-' * 3}"[:63] + "2", Path("/models/2"), 1.4e9, 900, known, None),
    ]


def metrics() -> list[Metrics]:
    return [Metrics(step=step, train_nats=1.5 + 60 / step, val_nats=1.6 + 50 / step) for step in range(50, 401, 50)]


def show_list(terminal: Terminal) -> None:
    show_models(terminal, models(), {"emo": metrics(), "a-rather-long-name": [], models()[3].name: metrics()[:3]})


def show_samples(terminal: Terminal) -> None:
    with StreamView(Terminal(terminal.data.file, Pipe(), width=terminal.data.width)) as view:  # type: ignore[arg-type]
        view.stream([LIVELY[:30], LIVELY[30:]], prompt="I said: ")
        view.show(WILD)


def show_rows(terminal: Terminal) -> None:
    """A run whose stdout is no terminal: rows."""
    rows = Terminal(Pipe(), Pipe(), width=terminal.data.width)
    with TrainView(rows) as view:
        finished = view.follow(run(reason="limit"))
    show_end(rows, finished, "gru train emo.csv --resume")
    terminal.print(rows.data.file.getvalue() + rows.messages.file.getvalue(), end="")  # type: ignore[attr-defined]


Shot = Callable[[int, bool], Emulator]


def _chat(name: str) -> Shot:
    return lambda width, colour: take_scene(name, width, colour)


def _run(events: Callable[[], Iterable[TrainingEvent]]) -> Shot:
    return lambda width, colour: take_run(events(), width, colour)


def _printed(show: Callable[[Terminal], None]) -> Shot:
    return lambda width, colour: take_printed(show, width, colour)


def _bar(show: Callable[[Terminal], AbstractContextManager[None]]) -> Shot:
    return lambda width, colour: take_bar(show, width, colour)


def _greeting(width: int, colour: bool) -> Emulator:
    room = Room(width, colour=colour)
    room.screen.greet()
    return room.emulator


SCREENS: dict[str, Shot] = {
    "greeting": _greeting,
    **{name: _chat(name) for name in SCENES},
    "train, reading": _run(lambda: [Preparing("reading the corpus", 30, 120)]),
    "train, compiling": _run(lambda: [Preparing("reading the corpus"), started(), Compiling(kept=True)]),
    "train, before an evaluation": _run(lambda: run(until=90)),
    "train": _run(lambda: run(until=230)),
    "train, gone on with": _run(gone_on_with),
    "train, over": _run(lambda: run(reason="limit")),
    "train, nothing held out": _run(lambda: run(until=230, held_out=False)),
    "train, in a pipe": _printed(show_rows),
    "models": _printed(show_list),
    "models, none": _printed(lambda terminal: show_models(terminal, [], {})),
    "models show": _printed(lambda terminal: show_model(terminal, models()[0], summary(462), metrics())),
    "models show, damaged": _printed(lambda terminal: show_model(terminal, models()[1], None, [])),
    "sample": _printed(show_samples),
    **{name: _printed(show) for name, show in LINES.items()},
    **{name: _bar(show) for name, show in BARS.items()},
}


def take(name: str, width: int, colour: bool) -> Emulator:
    """What stands on a terminal of this width when the picture is taken."""
    return SCREENS[name](width, colour)
