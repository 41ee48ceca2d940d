"""The conversations of chitchat-dataset as a corpus: one row a turn, in the columns thread, turn and body.

The dataset is handed in by whoever loaded it, so that nothing here depends on its package.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from grucli.files import atomic_writer

COLUMNS = ("thread", "turn", "body")


@dataclass(frozen=True, slots=True)
class CorpusCounts:
    """How much was written."""

    conversations: int
    turns: int
    characters: int


def write_corpus(dataset: Mapping[str, object], path: Path) -> CorpusCounts:
    """Write the dataset as a `.csv` corpus; the file is whole or not there.

    A sender's consecutive messages are one turn, joined by newlines. Messages without text, and what is no message, are
    left out.

    Args:
        dataset: `chitchat_dataset.Dataset()`: conversations by their id.
        path: where to.

    Raises:
        OSError: the file system refused.
    """
    conversations = turns = characters = 0
    with atomic_writer(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(COLUMNS)
        for thread, conversation in dataset.items():
            turn_number = 0
            for turn_number, body in enumerate(_turns(conversation), 1):
                rows.writerow((thread, turn_number, body))
                characters += len(body)
            turns += turn_number
            conversations += turn_number > 0
        text.detach()
    return CorpusCounts(conversations, turns, characters)


def _turns(conversation: object) -> Iterator[str]:
    for _, group in groupby(_messages(conversation), key=lambda message: message[0]):
        yield "\n".join(text for _, text in group)


def _messages(conversation: object) -> Iterator[tuple[str, str]]:
    """The sender and text of every message; the dataset keeps a list of messages for each run of one sender."""
    runs = conversation.get("messages") if isinstance(conversation, Mapping) else None
    for run in runs if isinstance(runs, list) else []:
        for message in run if isinstance(run, list) else []:
            if not isinstance(message, Mapping):
                continue
            sender, text = message.get("sender"), message.get("text")
            if isinstance(sender, str) and isinstance(text, str) and text.strip() and "\0" not in text:
                yield sender, text.strip()
