"""A model whose memory can be read: what it heard and said so far, turns ended by `|`."""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from grucli.chat.events import Reading
from grucli.chat.session import Session
from grucli.chat.session_store import Archive
from grucli.chat.turns import Voice
from grucli.errors import UsageError
from grucli.generation.sampler import Draw, Gates, Likely, Piece, Sample, State, Surprise
from grucli.text.tokenizers import END, TURN, UNKNOWN

NATS = 0.5  # of each character


class FakeUtterance:
    """Says its seed, a piece a character, until it has no more to say or reaches the limit."""

    def __init__(self, voice: "FakeVoice", before: State, draw: Draw) -> None:
        self._voice, self._draw, self._before = voice, draw, voice.memory(before)
        self._whole = voice.says.format(seed=draw.seed)
        self._said = ""

    def __iter__(self) -> Iterator[Piece]:
        while self._stopped() == "interrupted":
            text = self._whole[len(self._said) :][:1]
            self._said += text
            yield Piece(text, 1, NATS)

    def _stopped(self) -> str:
        if self._said == self._whole:
            return "turn" if self._voice.conversations else "end"
        return "length" if len(self._said) == self._draw.max_chars else "interrupted"

    @property
    def sample(self) -> Sample:
        return Sample(self._said, "", self._draw.seed, len(self._said), NATS / math.log(2), self._stopped())


class FakeEncoder:
    """Knows ASCII alone."""

    def encode(self, text: str) -> NDArray[np.int32]:
        return np.array([ord(sign) if sign.isascii() else UNKNOWN for sign in text], np.int32)

    def cut(self, text: str) -> Sequence[str]:
        return list(text)


class FakeVoice:
    """See the module. `says` may hold `{seed}`; `heard` is every text that was read, in order."""

    def __init__(self, conversations: bool, says: str = "<{seed}>") -> None:
        self.tokenizer = FakeEncoder()
        self.conversations = conversations
        self.sha256 = f"that of {says}"
        self.says = says
        self.gated = True
        self.heard: list[str] = []
        self._memories: list[str] = []
        self._numbers: dict[str, int] = {}

    def memory(self, state: State) -> str:
        return self._memories[state.last]

    def remember(self, text: str) -> State:
        if text not in self._numbers:
            self._numbers[text] = len(self._memories)
            self._memories.append(text)
        return State(np.zeros((1, 1), np.float32), self._numbers[text])

    def begin(self) -> State:
        return self.remember("")

    def read(self, state: State, text: str) -> State:
        self.heard.append(text)
        return self.remember(self.memory(state) + text)

    def end_turn(self, state: State) -> State:
        return self.remember(self.memory(state) + "|")

    def stream(self, state: State, draw: Draw) -> FakeUtterance:
        return FakeUtterance(self, state, draw)

    def write(self, state: State, prompt: str, n: int, draw: Draw) -> Iterator[Sample]:
        for seed in range(draw.seed, draw.seed + n):
            utterance = self.stream(state, replace(draw, seed=seed))
            for _ in utterance:
                pass
            yield utterance.sample

    def peek(self, state: State, n: int, draw: Draw) -> list[Likely]:
        ends = Likely("", 0.25, TURN if self.conversations else END)
        return [Likely("a", 0.5, 97), ends, Likely("\ufffd", 0.125, 200), Likely("b", 0.0625, 98)][:n]

    def score(self, state: State, text: str) -> list[Surprise]:
        """A digit surprises by as many bits; any other character by one, and by four out of the blue."""
        usual = 1.0 if self.memory(state) else 4.0
        return [Surprise(sign, float(sign) if sign in "0123456789" else usual) for sign in text]

    def gates(self, state: State, text: str) -> list[Gates]:
        return [Gates(sign, (0.25, 0.75), ()) for sign in text] if self.gated else [Gates(text, (), ())]


class FakeShelf:
    """A shelf of fake voices by name, the first of them the newest."""

    def __init__(self, **voices: Voice) -> None:
        self.voices = voices
        self.news: dict[str, tuple[Voice, str]] = {}
        self.trained: dict[str, int] = {}

    def names(self) -> Sequence[str]:
        return list(self.voices)

    def open(self, name: str | None) -> tuple[str, Voice]:
        name = next(iter(self.voices)) if name is None else name
        if name not in self.voices:
            raise UsageError(f"there is no model '{name}'", "see which there are")
        return name, self.voices[name]

    def to_come(self, name: str) -> bool:
        """Those in `trained` are to come for so many questions."""
        left = self.trained.pop(name, 0)
        if left > 1:
            self.trained[name] = left - 1
        return left > 0

    def newer(self, name: str) -> tuple[Voice, str] | None:
        return self.news.pop(name, None)

    def sha256(self, name: str) -> str:
        return self.voices[name].sha256 if name in self.voices else ""


def talker(
    says: str = "<{seed}>",
    seed: int = 7,
    pace: float = 0.0,
    max_chars: int = 500,
    scene: str = "",
    archive: Archive | None = None,
    follow: bool = False,
) -> Session:
    """A session with a model of conversations, `emo`; the shelf has `ann`, which is another, and `bard`, none, too."""
    shelf = FakeShelf(emo=FakeVoice(True, says), bard=FakeVoice(False, says), ann=FakeVoice(True, says))
    draw = Draw(seed=seed, max_chars=max_chars)
    return Session(shelf, None, draw, pace, scene=scene, archive=archive, follow=follow)


def writer(
    says: str = "<{seed}>",
    seed: int = 7,
    pace: float = 0.0,
    max_chars: int = 500,
    scene: str = "",
    archive: Archive | None = None,
) -> Session:
    """A session with a model that continues texts, `bard`."""
    draw = Draw(seed=seed, max_chars=max_chars)
    return Session(FakeShelf(bard=FakeVoice(False, says)), None, draw, pace, scene=scene, archive=archive)


def fake(session: Session) -> FakeVoice:
    """The voice of a session made here."""
    assert isinstance(session.voice, FakeVoice)
    return session.voice


def in_mind(session: Session) -> str:
    """What the model had read, and said, when the last reply began."""
    assert session.last is not None
    return fake(session).memory(drained(session.memory.before_reply(session.tree, session.last.place, lambda: False)))


def in_mind_now(session: Session) -> str:
    """What the model has in mind when the user speaks next."""
    return fake(session).memory(drained(session.memory.before_line(session.tree, lambda: False)))


def drained(reading: Generator[Reading, None, State | None]) -> State:
    """The state that a reading comes to which nobody stops."""
    while True:
        try:
            next(reading)
        except StopIteration as done:
            state: State = done.value
            return state
