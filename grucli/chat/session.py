"""A session: one model, the tree of turns so far, and how replies are generated.

With a model of conversations the user's line is a turn and the reply the next one, the whole dialogue in the state.
With any other each line begins a new text, which the model continues. An empty line after a truncated reply continues
that reply.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any, Protocol, Self

from grucli.chat.events import ChatEvent, CommandError, Message, ReplyDelta, ReplyFinished, ReplyStarted, UnknownSymbols
from grucli.chat.inputs import unknown_symbols, validate_pace
from grucli.chat.learning import TurnLearner
from grucli.chat.session_records import (
    HeaderRecord,
    ModelRecord,
    PositionRecord,
    SessionRecord,
    tree_records,
    turn_record,
)
from grucli.chat.session_store import SessionLog, SessionStore, error_summary
from grucli.chat.state_cache import StateCache
from grucli.chat.turn_tree import TurnTree
from grucli.chat.turns import ROOT, ChatModel, LearningMode, Provenance, ReplyContext, Turn
from grucli.errors import GruError, UsageError
from grucli.generation.options import GenerationConfig, Sample, State, default_config, later_seed, replace_defaults
from grucli.text.tokenizers.base import replace_surrogates

PRIVATE_MESSAGE = "this chat is private: it keeps nothing"

_branch_name = re.compile(r"(?!\d+$)\w[\w.-]{0,63}")


ConfigMaker = Callable[[GenerationConfig], GenerationConfig]
"""Returns how replies are generated, given the default of the model."""


class ModelProvider(Protocol):
    """Loads models by name."""

    def names(self) -> Sequence[str]:
        """Return the names of the models."""

    def open(self, name: str | None) -> tuple[str, ChatModel]:
        """Return the name and the model of a name or path, the newest for None."""

    def is_pending(self, name: str) -> bool:
        """Return True if the model is in training and has no checkpoint yet."""

    def reload_if_changed(self, name: str) -> tuple[ChatModel, str] | None:
        """Return an opened model again and its training progress, if its file has changed since."""

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of the parameters that the file has now, empty if it cannot be read."""

    def save_as(self, name: str, model: ChatModel, source: str) -> None:
        """Save an opened model `source`, with what it learned since, as the new model `name`.

        Raises:
            UsageError: there is a model of this name, or it is not a valid name.
            OSError: the model cannot be written.
        """


class Session:
    """A dialogue with a model. The methods that reply are generators of events; `stop` ends a reply from outside.

    `tree` has the turns, `state_cache` the states of the model after them, `candidates` the replies that `/pick` can
    choose, `initial_config` the config before any command, `store` the saved sessions, None for a private session,
    which keeps nothing, `learner` what the model learns from the turns, `started_at` the time of its start (ISO 8601),
    `log` its file, and `save_error` why it is not saved any more. Leaving a `with` block closes the file.
    """

    def __init__(
        self,
        models: ModelProvider,
        model_ref: str | None,
        config: GenerationConfig | ConfigMaker,
        pace: float,
        *,
        preamble: str = "",
        store: SessionStore | None = None,
        persist: bool = True,
        follow: bool = False,
    ) -> None:
        """Open the model `model_ref`, the newest for None, to generate by `config`, or what that makes of the default
        of the model; `pace` is in characters per second, 0 for no limit.

        `preamble` is the text before the conversation and `store` has the saved sessions. With `persist` this one is
        saved there from the first turn, else once it has a name. Without `store` it is private. `follow` reloads the
        model whenever its file changes.

        Raises:
            UsageError: there is no such model, or the pace is not a number from 0 up.
            ModelFileError: the file of the model is corrupt.
        """
        self.pace = validate_pace(pace)
        self.follow = follow
        self.preamble = replace_surrogates(preamble)
        self.store = store
        self.tree = TurnTree()
        self.candidates: list[Turn] = []
        self.stop_requested = False
        self.log = store.create_log() if store is not None and persist else None
        self.save_error = ""
        self.started_at = _now()
        self._models = models
        self._notices: list[Message | CommandError] = []
        self._set_model(model_ref, *models.open(model_ref), LearningMode())
        self.config = config if isinstance(config, GenerationConfig) else config(self.default_config)
        self.initial_config = self.config

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.log is not None:
            self.log.close()

    def stop(self) -> None:
        """Stop reading or replying after the current piece. Only sets a flag: safe in a signal handler."""
        self.stop_requested = True

    def should_stop(self) -> bool:
        """Return True if `stop` was called since the last line."""
        return self.stop_requested

    @property
    def model(self) -> ChatModel:
        """The model, with what it learned."""
        return self.learner.model

    @property
    def default_config(self) -> GenerationConfig:
        """How the model replies unless told otherwise."""
        return default_config(conversations=self.model.conversations, tokenizer=self.model.tokenizer.kind)

    @property
    def turns(self) -> list[Turn]:
        """The turns up to the head, the oldest first."""
        return self.tree.path_to_head

    @property
    def last(self) -> Turn | None:
        """The latest turn."""
        return self.tree.last

    @property
    def can_continue(self) -> bool:
        """True if an empty line has a meaning: the last reply was truncated, or the model needs no line."""
        return not self.model.conversations or (self.last is not None and self.last.truncated)

    # Replies

    def send(self, line: str, *, may_continue: bool = True) -> Iterator[ChatEvent]:
        """Reply to a line of the user; if `may_continue` an empty line continues a truncated reply."""
        context = self.continuation_context() if may_continue and not line else None
        yield from self._reply(context or self.new_context(line), already_read=context is not None)

    def reply(self, line: str) -> str:
        """Send `line` and return the whole reply."""
        for _ in self.send(line):
            pass
        return self.last.reply if self.last is not None else ""

    def regenerate(self) -> Iterator[ChatEvent]:
        """Generate the last reply again in its context with the next seed; the tree keeps the earlier one too.

        Raises:
            UsageError: there is no reply yet.
        """
        if self.last is None:
            raise UsageError("there is no reply to generate again", "send a message first")
        yield from self._reply(self.last.context, already_read=True)

    def new_context(self, line: str) -> ReplyContext:
        """Return the context of the reply to a new line."""
        line = replace_surrogates(line)
        return ReplyContext(self.tree.head, line, self.state_cache.reply_prefix(line))

    def continuation_context(self) -> ReplyContext | None:
        """Return the context that continues the last reply, None unless it was truncated."""
        last = self.last
        if last is None or not last.truncated:
            return None
        return ReplyContext(last.number, "", last.full_text, is_continuation=True)

    def prefill(self, context: ReplyContext, already_read: bool) -> Generator[ChatEvent, None, State | None]:
        """Read everything before a reply. Yields progress and warnings, returns the state, or None if stopped."""
        self.stop_requested = False
        state = yield from self.state_cache.state_before_reply(self.tree, context, self.should_stop)
        if state is None or not (yield from self.learner.learn_up_to(self.tree, context.parent, self.should_stop)):
            yield Message("stopped before the message was processed")
            return None
        if not already_read:
            yield from self.report_unknown_symbols(context.line)
        return state

    def report_unknown_symbols(self, text: str) -> Iterator[UnknownSymbols]:
        """Warn of the symbols of `text` that the model does not know, if there are any."""
        if unknown := unknown_symbols(self.model.tokenizer, text):
            yield UnknownSymbols(len(unknown), tuple(dict.fromkeys(unknown)))

    def _reply(self, context: ReplyContext, already_read: bool) -> Iterator[ChatEvent]:
        state = yield from self.prefill(context, already_read)
        if state is None:
            return
        stream = self.model.stream(state, self.config)
        try:
            yield ReplyStarted(context.prefix, self.config.seed, self.config.max_chars)
            for chunk in stream:
                yield ReplyDelta(chunk.text, reply_bits_per_char(stream.sample))
                if self.stop_requested:
                    break
        finally:
            # The caller may close the generator at any moment: the text until then is a turn all the same.
            turn = self.commit(make_turn(context, self.config, stream.sample))
            self.candidates = []
            self.advance_seed(1)
        # Now, so that the footer tells of it.
        for _ in self.learner.learn_up_to(self.tree, turn.number, self.should_stop):
            pass
        yield ReplyFinished(turn)

    def commit(self, turn: Turn) -> Turn:
        """Make a reply the latest turn, and return it with its number."""
        provenance = Provenance(
            self.model_ref,
            self.model.sha256,
            self.state_cache.context_digest(self.tree, turn.context),
            self.learner.mode,
        )
        turn = self.tree.add(dataclasses.replace(turn, provenance=provenance))
        self._append_record(turn_record(turn))
        return turn

    def advance_seed(self, count: int) -> None:
        """Skip the `count` seeds that were used."""
        self.config = dataclasses.replace(self.config, seed=later_seed(self.config.seed, count))

    def set_pace(self, pace: float) -> None:
        """Change the pace at which replies are shown.

        Raises:
            UsageError: not a finite number from 0 up.
        """
        self.pace = validate_pace(pace)

    # Learning

    def set_learning(self, on: bool) -> None:
        """Learn from the turns so far, unless they were forgotten, and from the next ones; or use the model as it is
        on disk."""
        self._set_learning_mode(dataclasses.replace(self.learner.mode, on=on))

    def forget(self) -> None:
        """Drop what was learned: the model is as it is on disk, and learns only from the next turns.

        Raises:
            UsageError: there are no turns to learn from since the last time.
        """
        if self.tree.newest_number <= self.learner.mode.after:
            raise self.learner.nothing_learned()
        self._set_learning_mode(dataclasses.replace(self.learner.mode, after=self.tree.newest_number))

    def keep(self, name: str) -> None:
        """Save the model with what it learned up to the head as the new model `name`, and continue with that.

        Raises:
            UsageError: nothing was learned, or there is a model of this name, or it is not a valid name.
            GruError: the model cannot be written.
        """
        self.stop_requested = False
        self.learner.save(
            self.tree,
            self.should_stop,
            lambda model: self._models.save_as(name, model, self.model_ref),
        )
        self.switch(name)
        self.forget()

    def _set_learning_mode(self, mode: LearningMode) -> None:
        self.learner.set_mode(mode)
        self.candidates = []  # a turn records the mode that it was generated in
        if self.tree.turns:
            self._append_record(self._position_record())

    # Positions

    def reset(self) -> None:
        """Go to the beginning."""
        self._move_to(ROOT)

    def undo(self, count: int) -> None:
        """Go `count` turns back.

        Raises:
            UsageError: there are fewer turns, or `count` is below 1.
        """
        path = self.turns
        if not path:
            raise UsageError("there is nothing to undo", "send a message first")
        if not 1 <= count <= len(path):
            allowed = f"a number from 1 to {len(path)}" if len(path) > 1 else "1, as there is one turn"
            raise UsageError(f"/undo is {count}", f"/undo takes {allowed}")
        parent = path[-count].parent
        if parent not in self.tree.turns and parent != ROOT:
            raise UsageError("the turns before that were dropped from the history", "use /reset to start over")
        self._move_to(parent)

    def rewind(self, target: str) -> None:
        """Go to a turn by its number, 0 for the beginning, or to the end of a branch by its name.

        Raises:
            UsageError: there is no such turn or branch.
        """
        try:
            if target in self.tree.branches:
                self.tree.switch(target)
            else:
                self.tree.move_to(int(target))
        except (KeyError, ValueError):
            raise UsageError(f"there is no turn or branch '{target[:64]}'", "use /tree to list them") from None
        self._move_to(self.tree.head)

    def fork(self, branch: str) -> None:
        """Start a branch here, with a generated name if `branch` is empty; the one before ends here.

        Raises:
            UsageError: there is a branch of this name, or it is not a valid name.
        """
        if branch in self.tree.branches:
            raise UsageError(f"branch '{branch}' already exists", f"use /rewind {branch} to go there")
        if branch and not _branch_name.fullmatch(branch):
            raise UsageError(f"invalid branch name: '{branch[:64]}'", "use letters, digits, '.', '_' and '-'")
        self.tree.fork(branch or self.tree.unused_branch_name())
        self._move_to(self.tree.head)

    def _move_to(self, number: int) -> None:
        self.tree.move_to(number)
        self.candidates = []
        if self.tree.turns:
            self._append_record(self._position_record())

    # Models

    def reproducibility_warning(self, turn: Turn) -> str:
        """Return why the same texts, model and config may not give `turn` again, empty if they do."""
        provenance = turn.provenance
        if not (provenance.model_ref and provenance.sha256 and provenance.context_digest):
            return "the session does not record what it was generated from"
        if provenance.learning.on and turn.parent > provenance.learning.after:
            return "the model had learned from the turns before it"
        if provenance.context_digest != self.state_cache.context_digest(self.tree, turn.context):
            return "the turns before it have changed"
        current_sha256 = self._models.sha256(provenance.model_ref)
        if current_sha256 != provenance.sha256:
            return f"{provenance.model_ref} {'has changed' if current_sha256 else 'cannot be read any more'}"
        if self.initial_config.stop and not turn.config.stop:
            return "your settings have a stop text, which gru sample uses too"
        return ""

    def models(self) -> Sequence[str]:
        """Return the names of the models that `switch` takes."""
        return self._models.names()

    def switch(self, model_ref: str) -> None:
        """Continue with another model, which reads the turns so far; one of another kind starts a new session.

        Raises:
            UsageError: there is no such model.
            ModelFileError: the file of the model is corrupt.
        """
        name, model = self._models.open(model_ref)
        if not self._change_model(model_ref, name, model):
            self._start_new()
        elif self.tree.turns:
            self._append_record(ModelRecord(self.model_ref))

    def reload_model(self) -> Iterator[ChatEvent]:
        """Reload the model if its file has changed and `follow` is set; the new one reads the turns so far."""
        reloaded = self._models.reload_if_changed(self.model_ref) if self.follow else None
        if reloaded is not None:
            model, progress = reloaded
            if not self._change_model(self.model_ref, self.model_name, model):
                self._start_new()
            yield Message(f"reloaded {self.model_name}: {progress}")

    def _change_model(self, model_ref: str, name: str, model: ChatModel) -> bool:
        """Use another model, and its defaults where nothing else was set; return True if it is of the same kind."""
        same_kind, before = model.conversations == self.model.conversations, self.default_config
        self._set_model(model_ref, name, model, self.learner.mode)
        self.config = replace_defaults(self.config, before, self.default_config)
        self.initial_config = replace_defaults(self.initial_config, before, self.default_config)
        return same_kind

    def _set_model(self, model_ref: str | None, name: str, model: ChatModel, mode: LearningMode) -> None:
        self.model_name = name
        # A path is made absolute, so that it finds the model from any directory.
        self.model_ref = name if model_ref is None or model_ref == name else os.path.abspath(model_ref)  # noqa: PTH100 - a string is wanted
        self.state_cache = StateCache(model, self.preamble)
        self.learner = TurnLearner(model, self.state_cache, mode)
        self.candidates = []

    # Files

    def save(self, name: str) -> None:
        """Name the session, so that it is kept; it is written whole if it was not saved until now.

        Raises:
            UsageError: it cannot have this name.
            GruError: the file cannot be written; the session stays as it was.
        """
        if self.store is None:
            raise _no_store_error()
        log = self.log or self.store.create_log()
        try:
            log.rename(name)
            if self.log is None and self.tree.turns:
                log.append(self._position_record(), self._all_records)
        except OSError as error:
            if self.log is None:
                log.close()
            raise GruError(
                f"this session cannot be saved: {error.strerror or error}",
                "free up space or fix the permissions, then use /save again",
            ) from None
        self.log, self.save_error = log, ""

    def load(self, name: str, model_ref: str | None = None, overrides: Mapping[str, Any] | None = None) -> str:
        """Resume the saved session `name` with its model, or `model_ref`, and its config but for `overrides`.

        Returns what is wrong with its file, empty if nothing is. A failure changes nothing.

        Raises:
            UsageError: there is no such session, or its model is missing or of another kind.
            LockedError: another process has the session open.
            ModelFileError: the file of the model is corrupt.
            OSError: the session cannot be read.
        """
        if self.store is None:
            raise _no_store_error()
        if self.log is not None and name == self.log.name:
            raise UsageError(f"this is session '{name}'", "use /load to switch to another session")
        with ExitStack() as on_failure:
            saved, log = self.store.open(name)
            on_failure.callback(log.close)
            model_ref = model_ref or saved.model
            is_open = model_ref == self.model_ref
            model_name, model = (self.model_name, self.learner.original) if is_open else self._models.open(model_ref)
            if model.conversations != saved.conversations:
                message = f"session '{name}' needs another type of model than {model_name}"
                raise UsageError(message, f"use its model, {saved.model}")
            self.config = _resumed_config(saved.tree, self.config, overrides or {})
            on_failure.pop_all()
        self.preamble = saved.preamble
        self._set_model(model_ref, model_name, model, saved.learning)
        self._replace_tree(saved.tree, log, saved.started_at or _now())
        return saved.problem

    def delete(self) -> None:
        """Delete what is kept of this session, its file and its lines in the history, and make it private.

        Raises:
            OSError: a file cannot be written or deleted.
        """
        if self.store is not None:
            self.store.history.remove(self.started_at)
        if self.log is not None:
            self.log.delete()
        self.store = self.log = None

    def _start_new(self) -> None:
        self.learner.set_mode(LearningMode(self.learner.mode.on))
        self._replace_tree(TurnTree(), self.store.create_log() if self.store and self.log else None, _now())

    def _replace_tree(self, tree: TurnTree, log: SessionLog | None, started_at: str) -> None:
        if self.log is not None:
            self.log.close()
        self.tree, self.log, self.started_at = tree, log, started_at
        self.candidates = []

    def add_notice(self, text: str) -> None:
        """Report `text` with the next notices."""
        self._notices.append(Message(text))

    def pop_notices(self) -> Iterator[Message | CommandError]:
        """Yield, once, what is to be said about saving and resuming the session.

        `handle_line` does so after each line; a user interface does so before the first one.
        """
        notices, self._notices = self._notices, []
        yield from notices

    def _append_record(self, record: SessionRecord) -> None:
        """Write a record. A full disk does not end a dialogue: it is reported, and nothing more is written."""
        if self.log is None:
            return
        try:
            self.log.append(record, self._all_records)
        except (OSError, GruError) as error:
            self.save_error = error_summary(error)
            self.log.close()
            self.log = None
            message = f"this session is not saved any more: {self.save_error}"
            self._notices.append(CommandError(message, "use /save NAME to try again"))

    def _all_records(self) -> Iterator[SessionRecord]:
        yield HeaderRecord(self.model_ref, self.model.conversations, self.preamble, started_at=self.started_at)
        yield from tree_records(self.tree, self.learner.mode)

    def _position_record(self) -> PositionRecord:
        return PositionRecord(self.tree.head, self.tree.branch, self.learner.mode)


def make_turn(context: ReplyContext, config: GenerationConfig, sample: Sample, picked: bool = False) -> Turn:
    """Return the text generated so far as a turn."""
    return Turn(context, sample.text, config, sample.stopped, reply_bits_per_char(sample), sample.tokens, picked)


def reply_bits_per_char(sample: Sample) -> float | None:
    """Return the bits per character of a reply, None if it is empty."""
    return sample.bits_per_char if sample.text else None


def _resumed_config(tree: TurnTree, config: GenerationConfig, overrides: Mapping[str, Any]) -> GenerationConfig:
    if tree.turns:
        newest = tree.turns[max(tree.turns)].config
        config = dataclasses.replace(newest, seed=later_seed(newest.seed, 1))
    return dataclasses.replace(config, **overrides)


def _no_store_error() -> UsageError:
    return UsageError(PRIVATE_MESSAGE, "start another one with: gru chat")


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="microseconds")
