"""Made-up comments for the fakes: as odd as real ones, the same for the same seed, many of them in one second."""

import random
from typing import Any

Row = dict[str, Any]

BEGIN = 1_600_000_000
_WORDS = ["the", "why", "it's", "ünïcode", "😀", "&amp;gt;", "\\n", "line\nbreak", "\x1b[2J", "\u202e", "a" * 40, '"']


def forum(count: int, seed: int = 0, subreddit: str = "AskScience", most_in_a_second: int = 7) -> list[Row]:
    """`count` comments in the order of their time."""
    chance = random.Random(seed)
    rows: list[Row] = []
    second = BEGIN
    while len(rows) < count:
        second += chance.choice([1, 1, 1, 2, 3600, 86_400])
        rows += [_row(chance, second, len(rows) + i, subreddit) for i in range(chance.randint(1, most_in_a_second))]
    return rows[:count]


def _row(chance: random.Random, second: int, number: int, subreddit: str) -> Row:
    post = f"t3_{number // 50:x}"
    return {
        "id": f"c{number:x}",
        "author": chance.choice(["[deleted]", "ann", "Bob", "AutoModerator"]),
        "created_utc": second,
        "subreddit": subreddit,
        "score": chance.choice([None, -3, 1, 4000]),
        "body": " ".join(chance.choices(_WORDS, k=chance.randint(0, 30))),
        "link_id": post,
        "parent_id": chance.choice([post, f"t1_c{max(number - 1, 0):x}"]),
        "distinguished": None,
    }
