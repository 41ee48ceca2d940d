"""How a session begins: anew, or where an earlier one was left; with a model that is there, or will be."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from grucli.chat.session import ModelProvider, Session, error_summary, skipped_lines_message
from grucli.chat.session_store import SessionStore
from grucli.errors import GruError, LockedError, UsageError
from grucli.generation.sampler import GenerationConfig

POLL_SECONDS = 0.5  # between two looks at whether a model is there
_MAX_REPORTED = 3  # sessions that are named when there is something wrong with many


def open_session(
    models: ModelProvider,
    model_ref: str | None,
    config: GenerationConfig,
    pace: float,
    *,
    preamble: str | None = None,
    store: SessionStore,
    persist: bool = True,
    follow: bool = False,
    resume_with: Mapping[str, Any] | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> Session:
    """Begin a session, or go on with the latest one, but for what `go_on` has of `draw`. See `Session` for the rest.

    With a `model` it is the latest with that one. One to be followed that has no checkpoint yet is waited for, if there
    is somebody to be told, by `awaiting`.

    Raises:
        UsageError: there is no such model or session, the two do not fit, or a scene is given to what has begun.
        ModelFileError: the model's file is damaged. BusyError: the session is talked in. OSError: it cannot be read.
    """
    if follow and model_ref is not None and on_wait is not None:
        _wait_for_checkpoint(models, model_ref, on_wait)
    if resume_with is None:
        return Session(
            models, model_ref, config, pace, preamble=preamble or "", store=store, persist=persist, follow=follow
        )
    if preamble is not None:
        raise UsageError("both --continue and --opening are given", "give one of them: what was begun has its scene")

    def new_session(model_ref: str) -> Session:
        return Session(models, model_ref, config, pace, store=store, follow=follow)

    try:
        return (
            _resume_latest(store, new_session, resume_with)
            if model_ref is None
            else _resume_latest_with_model(new_session(model_ref), store, models, resume_with)
        )
    except LockedError as error:
        hint = "leave that chat first; or begin another, gru chat, where /load NAME takes up any other"
        raise LockedError(error.message, hint) from None


def _wait_for_checkpoint(models: ModelProvider, model_ref: str, on_wait: Callable[[str], None]) -> None:
    """Wait for the first checkpoint of a model that is being trained."""
    while models.is_pending(model_ref):
        on_wait(f"waiting for the first checkpoint of {model_ref}; Ctrl-C leaves")
        time.sleep(POLL_SECONDS)


def _resume_latest(store: SessionStore, new_session: Callable[[str], Session], overrides: Mapping[str, Any]) -> Session:
    """Take up the session that was last talked in, of those that can be, with its own model."""
    skipped: dict[str, str] = {}
    result = _first_loadable(
        store.names(), lambda name: _load_into(new_session(store.read(name).model), name, overrides), skipped
    )
    if result is not None:
        _report_skipped(*result, skipped)
        return result[0]
    if skipped:
        name, reason = next(iter(skipped.items()))
        hint = "begin another session: gru chat; or name a model of its kind: gru chat MODEL --continue"
        raise UsageError(f"'{name}' cannot be taken up: {reason}", hint)
    raise UsageError("there is no session to go on with", "begin one: gru chat")


def _resume_latest_with_model(
    session: Session, store: SessionStore, models: ModelProvider, overrides: Mapping[str, Any]
) -> Session:
    """Have `session` take up the latest one with its model; where there is none, the latest whose model is gone."""
    model_refs: dict[str, str] = {}
    for name in store.names():
        with suppress(GruError, OSError):
            model_refs[name] = store.read(name).model
    own = [name for name, model in model_refs.items() if model == session.model_ref]
    orphans = (name for name, model in model_refs.items() if model != session.model_ref and not models.sha256(model))
    skipped: dict[str, str] = {}

    def resume(name: str) -> Session:
        return _load_into(session, name, overrides)

    if (result := _first_loadable(own, resume, skipped)) is not None:
        _report_skipped(*result, skipped)
    elif (result := _first_loadable(orphans, resume, {})) is not None:
        name = result[1]
        session.add_notice(
            f"this is {name}, whose model was {model_refs[name]}; {session.model_name} goes on in its place"
        )
    else:
        hint = f"begin one: gru chat {session.model_name}" + (
            "; or the newest of all: gru chat --continue" if model_refs else ""
        )
        raise UsageError(f"there is no session with {session.model_name} to go on with", hint)
    return session


def _first_loadable(
    names: Iterable[str], resume: Callable[[str], Session], skipped: dict[str, str]
) -> tuple[Session, str] | None:
    """The first session that can be taken up, with its name; `passed` gets the others, and why they cannot be.

    Raises:
        BusyError: it is talked in.
    """
    for name in names:
        try:
            return resume(name), name
        except LockedError:
            raise
        except (GruError, OSError) as error:
            skipped[name] = error_summary(error)
    return None


def _load_into(session: Session, name: str, overrides: Mapping[str, Any]) -> Session:
    """Have `session` take up a kept one, with the model that it has."""
    if skipped := session.load(name, session.model_ref, overrides):
        session.add_notice(skipped_lines_message(skipped))
    return session


def _report_skipped(session: Session, name: str, skipped: Mapping[str, str]) -> None:
    """Tell why a session is not the newest."""
    if skipped:
        newer = "; ".join(f"{each}: {reason}" for each, reason in list(skipped.items())[:_MAX_REPORTED])
        session.add_notice(f"newer, but cannot be taken up: {newer}. This is {name}, the newest that can")
