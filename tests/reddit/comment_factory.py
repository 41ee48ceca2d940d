"""Made-up comments for the fakes: as odd as real ones, the same for the same seed, many of them in one second."""

import random
from typing import Any

Row = dict[str, Any]

FIRST_TIMESTAMP = 1_600_000_000
_WORDS = ["the", "why", "it's", "ünïcode", "😀", "&amp;gt;", "\\n", "line\nbreak", "\x1b[2J", "\u202e", "a" * 40, '"']


def make_comments(count: int, seed: int = 0, subreddit: str = "AskScience", max_per_second: int = 7) -> list[Row]:
    """`count` comments in the order of their time."""
    rng = random.Random(seed)
    rows: list[Row] = []
    second = FIRST_TIMESTAMP
    while len(rows) < count:
        second += rng.choice([1, 1, 1, 2, 3600, 86_400])
        rows += [_make_row(rng, second, len(rows) + i, subreddit) for i in range(rng.randint(1, max_per_second))]
    return rows[:count]


def _make_row(rng: random.Random, second: int, number: int, subreddit: str) -> Row:
    post = f"t3_{number // 50:x}"
    return {
        "id": f"c{number:x}",
        "author": rng.choice(["[deleted]", "ann", "Bob", "AutoModerator"]),
        "created_utc": second,
        "subreddit": subreddit,
        "score": rng.choice([None, -3, 1, 4000]),
        "body": " ".join(rng.choices(_WORDS, k=rng.randint(0, 30))),
        "link_id": post,
        "parent_id": rng.choice([post, f"t1_c{max(number - 1, 0):x}"]),
        "distinguished": None,
    }
