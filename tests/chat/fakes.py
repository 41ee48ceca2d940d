"""A model whose state is readable: the text read so far, with `|` at the end of each turn."""

import copy
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from grucli.chat.events import PromptProgress
from grucli.chat.session import Session
from grucli.chat.session_store import SessionStore
from grucli.chat.turns import ChatModel
from grucli.errors import UsageError
from grucli.generation.best_of import mmi_score
from grucli.generation.dials import held_units
from grucli.generation.options import (
    GateActivations,
    GenerationConfig,
    Passage,
    Sample,
    State,
    TextChunk,
    TokenProb,
    TokenSurprisal,
)
from grucli.model.weights import SavedModel
from grucli.text.tokenizers import EOS, EOT, UNK

NATS_PER_CHAR = 0.5  # of each character
UPDATE = "how much of the old state stays"


class FakeReplyStream:
    """Generates the template with its seed, a character per chunk, up to the length limit."""

    def __init__(self, model: "FakeChatModel", state: State, config: GenerationConfig) -> None:
        self._model, self._config, self._context = model, config, model.context_of(state)
        self._full_text = model.reply_template.format(seed=config.seed)
        self._text = ""

    def __iter__(self) -> Iterator[TextChunk]:
        while self._finish_reason() == "interrupted":
            text = self._full_text[len(self._text) :][:1]
            self._text += text
            yield TextChunk(text, 1, NATS_PER_CHAR)

    def _finish_reason(self) -> str:
        if self._text == self._full_text:
            return "turn" if self._model.conversations else "end"
        return "length" if len(self._text) == self._config.max_chars else "interrupted"

    @property
    def sample(self) -> Sample:
        return Sample(
            self._text, "", self._config.seed, len(self._text), NATS_PER_CHAR / math.log(2), self._finish_reason()
        )


class FakeTokenizer:
    """Knows ASCII alone."""

    kind = "char"

    def encode(self, text: str) -> NDArray[np.int32]:
        return np.array([ord(char) if char.isascii() else UNK for char in text], np.int32)

    def split(self, text: str) -> Sequence[str]:
        return list(text)


class FakeChatModel:
    """See the module. `reply_template` may hold `{seed}`; `texts_read` has every text that was read, in order."""

    def __init__(self, conversations: bool, reply_template: str = "<{seed}>") -> None:
        self.tokenizer = FakeTokenizer()
        self.conversations = conversations
        self.sha256 = f"that of {reply_template}"
        self.reply_template = reply_template
        self.gate_labels: Mapping[str, str] = {"update": UPDATE, "reset": "the other one"}
        self.texts_read: list[str] = []
        self.learned: list[str] = []
        """Each step of learning: its passages as `state>text`, `.` where a token ends it, separated by a space."""
        self._contexts: list[str] = []
        self._context_ids: dict[str, int] = {}

    def context_of(self, state: State) -> str:
        return self._contexts[state.last_token]

    def state_for(self, text: str) -> State:
        if text not in self._context_ids:
            self._context_ids[text] = len(self._contexts)
            self._contexts.append(text)
        return State(np.zeros((2, 1), np.float32), self._context_ids[text])

    def check_config(self, config: GenerationConfig) -> None:
        """It has two layers of ten units."""
        held_units(config.dial, 2, 10)

    def initial_state(self) -> State:
        return self.state_for("")

    def read(self, state: State, text: str) -> State:
        self.texts_read.append(text)
        return self.state_for(self.context_of(state) + text)

    def end_turn(self, state: State) -> State:
        return self.state_for(self.context_of(state) + "|")

    def stream(self, state: State, config: GenerationConfig) -> FakeReplyStream:
        return FakeReplyStream(self, state, config)

    def generate(self, state: State, prompt: str, n: int, config: GenerationConfig) -> Iterator[Sample]:
        for seed in range(config.seed, config.seed + n):
            stream = self.stream(state, replace(config, seed=seed))
            for _ in stream:
                pass
            yield stream.sample

    def top_next_tokens(self, state: State, n: int, config: GenerationConfig) -> list[TokenProb]:
        end_token = TokenProb("", 0.25, EOT if self.conversations else EOS)
        return [TokenProb("a", 0.5, 97), end_token, TokenProb("\ufffd", 0.125, 200), TokenProb("b", 0.0625, 98)][:n]

    def surprisals(self, state: State, text: str) -> list[TokenSurprisal]:
        """A digit has as many bits; any other character one, or four in the initial state."""
        default_bits = 1.0 if self.context_of(state) else 4.0
        return [TokenSurprisal(char, float(char) if char in "0123456789" else default_bits) for char in text]

    def mmi_scores(self, state: State, texts: Sequence[str]) -> list[float]:
        def bits_per_char(state: State, text: str) -> float:
            return sum(each.bits for each in self.surprisals(state, text)) / len(text)

        return [mmi_score(bits_per_char(state, text), bits_per_char(self.initial_state(), text)) for text in texts]

    def learn(self, passages: Sequence[Passage]) -> Self:
        model = copy.copy(self)
        texts = (f"{self.context_of(each.state)}>{each.text}{'' if each.end is None else '.'}" for each in passages)
        model.learned = [*self.learned, " ".join(texts)]
        return model

    def gained_bits(self, passage: Passage) -> float:
        """One bit per step of learning."""
        return float(len(self.learned))

    @property
    def weights(self) -> SavedModel:
        raise NotImplementedError

    def gate_activations(self, state: State, text: str) -> list[GateActivations]:
        return [GateActivations(char, {"update": (0.25, 0.75), "reset": (1.0, 1.0)}) for char in text]


class FakeModelProvider:
    """Fake models by name, the first of them the newest."""

    def __init__(self, **models: ChatModel) -> None:
        self.models = models
        self.reloaded: dict[str, tuple[ChatModel, str]] = {}
        self.pending_polls: dict[str, int] = {}

    def names(self) -> Sequence[str]:
        return list(self.models)

    def open(self, name: str | None) -> tuple[str, ChatModel]:
        name = next(iter(self.models)) if name is None else name
        if name not in self.models:
            raise UsageError(f"there is no model '{name}'", "see which there are")
        return name, self.models[name]

    def is_pending(self, name: str) -> bool:
        """True for as many calls as `pending_polls` says."""
        polls_left = self.pending_polls.pop(name, 0)
        if polls_left > 1:
            self.pending_polls[name] = polls_left - 1
        return polls_left > 0

    def reload_if_changed(self, name: str) -> tuple[ChatModel, str] | None:
        return self.reloaded.pop(name, None)

    def save_as(self, name: str, model: ChatModel, source: str) -> None:
        if name in self.models:
            raise UsageError(f"model '{name}' already exists", "choose another name")
        self.models[name] = model

    def sha256(self, name: str) -> str:
        return self.models[name].sha256 if name in self.models else ""


def conversation_session(
    reply_template: str = "<{seed}>",
    seed: int = 7,
    pace: float = 0.0,
    max_chars: int = 500,
    preamble: str = "",
    store: SessionStore | None = None,
    persist: bool = True,
    follow: bool = False,
) -> Session:
    """A session with a model of conversations, `emo`; `ann` is another one, `bard` a model that continues texts."""
    provider = FakeModelProvider(
        emo=FakeChatModel(True, reply_template),
        bard=FakeChatModel(False, reply_template),
        ann=FakeChatModel(True, reply_template),
    )
    config = GenerationConfig(seed=seed, max_chars=max_chars)
    return Session(provider, None, config, pace, preamble=preamble, store=store, persist=persist, follow=follow)


def completion_session(
    reply_template: str = "<{seed}>",
    seed: int = 7,
    pace: float = 0.0,
    max_chars: int = 500,
    preamble: str = "",
    store: SessionStore | None = None,
) -> Session:
    """A session with a model that continues texts, `bard`."""
    config = GenerationConfig(seed=seed, max_chars=max_chars)
    return Session(
        FakeModelProvider(bard=FakeChatModel(False, reply_template)), None, config, pace, preamble=preamble, store=store
    )


def fake_model(session: Session) -> FakeChatModel:
    """The model of a session made here."""
    assert isinstance(session.model, FakeChatModel)
    return session.model


def context_of_reply(session: Session) -> str:
    """The text before the last reply."""
    assert session.last is not None
    return fake_model(session).context_of(
        run_to_end(session.state_cache.state_before_reply(session.tree, session.last.context, lambda: False))
    )


def current_context(session: Session) -> str:
    """The text before the user's next line."""
    return fake_model(session).context_of(
        run_to_end(session.state_cache.state_before_input(session.tree, lambda: False))
    )


def run_to_end(steps: Generator[PromptProgress, None, State | None]) -> State:
    """The state that a reading returns which is not stopped."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            state: State = done.value
            return state
