"""A model whose memory can be read: what it heard and said so far, turns ended by `|`."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from grucli.chat.session import Session
from grucli.chat.turns import Voice
from grucli.errors import UsageError
from grucli.model.sampler import Draw, Piece, Sample, State
from grucli.text.tokenizers import UNKNOWN

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
    def state(self) -> State:
        return self._voice.remember(self._before + self._said)

    @property
    def sample(self) -> Sample:
        return Sample(self._said, "", self._draw.seed, len(self._said), NATS / np.log(2), self._stopped())


class FakeEncoder:
    """Knows ASCII alone."""

    def encode(self, text: str) -> NDArray[np.int32]:
        return np.array([ord(sign) if sign.isascii() else UNKNOWN for sign in text], np.int32)


class FakeVoice:
    """See the module. `says` may hold `{seed}`; `heard` is every text that was read, in order."""

    def __init__(self, conversations: bool, says: str = "<{seed}>") -> None:
        self.tokenizer = FakeEncoder()
        self.conversations = conversations
        self.says = says
        self.heard: list[str] = []
        self._memories: list[str] = []

    def memory(self, state: State) -> str:
        return self._memories[state.last]

    def remember(self, text: str) -> State:
        self._memories.append(text)
        return State(np.zeros((1, 1), np.float32), len(self._memories) - 1)

    def begin(self) -> State:
        return self.remember("")

    def read(self, state: State, text: str) -> State:
        self.heard.append(text)
        return self.remember(self.memory(state) + text)

    def end_turn(self, state: State) -> State:
        return self.remember(self.memory(state) + "|")

    def stream(self, state: State, draw: Draw) -> FakeUtterance:
        return FakeUtterance(self, state, draw)


class FakeShelf:
    """A shelf of fake voices by name, the first of them the newest."""

    def __init__(self, **voices: Voice) -> None:
        self.voices = voices

    def names(self) -> Sequence[str]:
        return list(self.voices)

    def open(self, name: str | None) -> tuple[str, Voice]:
        name = next(iter(self.voices)) if name is None else name
        if name not in self.voices:
            raise UsageError(f"there is no model '{name}'", "see which there are")
        return name, self.voices[name]


def talker(says: str = "<{seed}>", seed: int = 7, pace: float = 0.0, max_chars: int = 500) -> Session:
    """A session with a model of conversations, `emo`; the shelf has `bard`, which is none, too."""
    shelf = FakeShelf(emo=FakeVoice(True, says), bard=FakeVoice(False, says))
    return Session(shelf, None, Draw(seed=seed, max_chars=max_chars), pace)


def writer(says: str = "<{seed}>", seed: int = 7, pace: float = 0.0, max_chars: int = 500) -> Session:
    """A session with a model that continues texts, `bard`."""
    return Session(FakeShelf(bard=FakeVoice(False, says)), None, Draw(seed=seed, max_chars=max_chars), pace)


def fake(session: Session) -> FakeVoice:
    """The voice of a session made here."""
    assert isinstance(session.voice, FakeVoice)
    return session.voice
