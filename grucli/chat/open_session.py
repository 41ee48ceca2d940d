"""How a session begins: anew, or where an earlier one was left; with a model that is there, or will be."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from grucli.chat.session import Session, Shelf, misunderstood, why
from grucli.chat.session_store import Archive
from grucli.errors import BusyError, GruError, UsageError
from grucli.generation.sampler import Draw

POLL_SECONDS = 0.5  # between two looks at whether a model is there
_TOLD = 3  # sessions that are named when there is something wrong with many


def open_session(
    shelf: Shelf,
    model: str | None,
    draw: Draw,
    pace: float,
    *,
    scene: str | None = None,
    archive: Archive,
    keep: bool = True,
    follow: bool = False,
    go_on: Mapping[str, Any] | None = None,
    awaiting: Callable[[str], None] | None = None,
) -> Session:
    """Begin a session, or go on with the latest one, but for what `go_on` has of `draw`. See `Session` for the rest.

    With a `model` it is the latest with that one. One to be followed that has no checkpoint yet is waited for, if there
    is somebody to be told, by `awaiting`.

    Raises:
        UsageError: there is no such model or session, the two do not fit, or a scene is given to what has begun.
        ModelFileError: the model's file is damaged. BusyError: the session is talked in. OSError: it cannot be read.
    """
    if follow and model is not None and awaiting is not None:
        _wait_for(shelf, model, awaiting)
    if go_on is None:
        return Session(shelf, model, draw, pace, scene=scene or "", archive=archive, keep=keep, follow=follow)
    if scene is not None:
        raise UsageError("both --continue and --opening are given", "give one of them: what was begun has its scene")

    def begin(model: str) -> Session:
        return Session(shelf, model, draw, pace, archive=archive, follow=follow)

    try:
        return _newest(archive, begin, go_on) if model is None else _newest_with(begin(model), archive, shelf, go_on)
    except BusyError as error:
        todo = "leave that chat first; or begin another, gru chat, where /load NAME takes up any other"
        raise BusyError(error.what, todo) from None


def _wait_for(shelf: Shelf, model: str, awaiting: Callable[[str], None]) -> None:
    """Wait for the first checkpoint of a model that is being trained."""
    while shelf.to_come(model):
        awaiting(f"waiting for the first checkpoint of {model}; Ctrl-C leaves")
        time.sleep(POLL_SECONDS)


def _newest(archive: Archive, begin: Callable[[str], Session], given: Mapping[str, Any]) -> Session:
    """Take up the session that was last talked in, of those that can be, with its own model."""
    passed: dict[str, str] = {}
    found = _first(archive.names(), lambda name: _taken_up(begin(archive.read(name).model), name, given), passed)
    if found is not None:
        _tell_passed(*found, passed)
        return found[0]
    if passed:
        name, reason = next(iter(passed.items()))
        todo = "begin another session: gru chat; or name a model of its kind: gru chat MODEL --continue"
        raise UsageError(f"'{name}' cannot be taken up: {reason}", todo)
    raise UsageError("there is no session to go on with", "begin one: gru chat")


def _newest_with(session: Session, archive: Archive, shelf: Shelf, given: Mapping[str, Any]) -> Session:
    """Have `session` take up the latest one with its model; where there is none, the latest whose model is gone."""
    models: dict[str, str] = {}
    for name in archive.names():
        with suppress(GruError, OSError):
            models[name] = archive.read(name).model
    own = [name for name, model in models.items() if model == session.address]
    orphans = (name for name, model in models.items() if model != session.address and not shelf.sha256(model))
    passed: dict[str, str] = {}

    def take(name: str) -> Session:
        return _taken_up(session, name, given)

    if (found := _first(own, take, passed)) is not None:
        _tell_passed(*found, passed)
    elif (found := _first(orphans, take, {})) is not None:
        name = found[1]
        session.remark(f"this is {name}, whose model was {models[name]}; {session.model} goes on in its place")
    else:
        todo = f"begin one: gru chat {session.model}" + (
            "; or the newest of all: gru chat --continue" if models else ""
        )
        raise UsageError(f"there is no session with {session.model} to go on with", todo)
    return session


def _first(names: Iterable[str], take: Callable[[str], Session], passed: dict[str, str]) -> tuple[Session, str] | None:
    """The first session that can be taken up, with its name; `passed` gets the others, and why they cannot be.

    Raises:
        BusyError: it is talked in.
    """
    for name in names:
        try:
            return take(name), name
        except BusyError:
            raise
        except (GruError, OSError) as error:
            passed[name] = why(error)
    return None


def _taken_up(session: Session, name: str, given: Mapping[str, Any]) -> Session:
    """Have `session` take up a kept one, with the model that it has."""
    if left_out := session.load(name, session.address, given):
        session.remark(misunderstood(left_out))
    return session


def _tell_passed(session: Session, name: str, passed: Mapping[str, str]) -> None:
    """Tell why a session is not the newest."""
    if passed:
        newer = "; ".join(f"{each}: {reason}" for each, reason in list(passed.items())[:_TOLD])
        session.remark(f"newer, but cannot be taken up: {newer}. This is {name}, the newest that can")
