"""A file like one of Reddit's dumps, made from a seed: the fields of a comment of today, and what people write in them.

The words are made up, their frequencies are not (Zipf), nor how often there is a link, a quoted line, an entity, a
smart quote, an emoji, a bot, a deleted comment, or something that everybody says.
"""

import random
from itertools import accumulate
from pathlib import Path

import msgspec

from grucli.read.zstd import zstd

SEED = 2005
_FIRST_TIMESTAMP = 1_704_067_200
_ONSETS = ("b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "w", "th", "st", "tr", "ch", "sh", "")
_VOWELS = ("a", "e", "i", "o", "u", "ea", "ou")
_CODAS = ("", "n", "r", "s", "t", "ng", "ck", "ll", "d")
_SHORT_REPLIES = (
    "Thanks!",
    "lol",
    "This.",
    "Nice",
    "Same here",
    "I agree",
    "What?",
    "Source?",
    "r/whoosh",
    "Happy cake day!",
)
_SUBREDDITS = ("AskReddit", "pics", "worldnews", "python", "cooking", "gaming", "movies", "science", "relationships")
_MARKUP = (
    (0.05, lambda text, rest: f"&gt; {rest[:80]}\n\n{text}"),
    (0.05, lambda text, rest: text.replace(" ", " *really* ", 1)),
    (0.03, lambda text, rest: text.replace(" ", " **not** ", 1)),
    (0.04, lambda text, rest: f"{text} [{rest[:20]}](https://www.example.com/{len(rest)}/story?id=7&amp;ref=top)"),
    (0.03, lambda text, rest: f"{text} https://youtu.be/{len(rest) * 1_299_709:x}"),
    (0.05, lambda text, rest: text.replace(" and ", " &amp; ").replace("i", "I", 1)),
    (0.01, lambda text, rest: f"{text}\n\n&amp;#x200B;\n\n{rest[:60]}"),
    (0.12, lambda text, rest: text.replace(" ", " don\u2019t ", 1)),
    (0.10, lambda text, rest: text.replace(" ", " can't ", 1)),
    (0.04, lambda text, rest: f"{text} \U0001f602"),
    (0.02, lambda text, rest: f"{text}\n\n* {rest[:30]}\n* {rest[30:70]}\n"),
    (0.01, lambda text, rest: f"{text}\n\n    def {rest[:6]}():\n        return 1\n"),
    (0.01, lambda text, rest: f"# {rest[:20]}\n\n{text}"),
    (0.01, lambda text, rest: f"{text} &gt;!{rest[:25]}!&lt;"),
    (0.01, lambda text, rest: f"{text} u/Somebody_{len(rest)} said so"),
    (0.002, lambda text, rest: f"{text}, mail me: {rest[:5].strip()}x@example.org"),
    (0.002, lambda text, rest: text.replace(" ", " itâ€™s ", 1)),
    (0.10, lambda text, rest: f"{text}\n\n{rest}"),
)
"""How often a comment has what, and how it gets it, out of its own text and another."""


def write_dump(path: Path, rows: int) -> None:
    """Write so many comments, one a line, packed as the dumps are."""
    rng = random.Random(SEED)
    words = sorted(sorted({_make_word(rng) for _ in range(30_000)}), key=lambda _: rng.random())[:12_000]
    weights = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
    authors = [f"{rng.choice(words)}_{number}" for number in range(50_000)]
    author_weights = list(accumulate(1 / (rank + 100) for rank in range(len(authors))))
    encoder = msgspec.json.Encoder()
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: 3,
        zstd.CompressionParameter.window_log: 27,
    }
    with zstd.ZstdFile(path, "wb", options=options) as file:
        for number in range(rows):
            body = _make_body(rng, words, weights)
            author = rng.choices(authors, cum_weights=author_weights)[0]
            file.write(encoder.encode(_make_comment(rng, number, body, author)) + b"\n")


def _make_word(rng: random.Random) -> str:
    syllables = rng.choices((1, 2, 3), (5, 4, 1))[0]
    return "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS) for _ in range(syllables))


def _make_text(rng: random.Random, words: list[str], weights: list[float]) -> str:
    sentences = []
    for _ in range(rng.choices((1, 2, 3, 5), (5, 4, 2, 1))[0]):
        picked = rng.choices(words, cum_weights=weights, k=rng.randint(3, 22))
        sentences.append(" ".join(picked).capitalize() + rng.choice((".", ".", ".", "!", "?", ", and so on.")))
    return " ".join(sentences)


def _make_body(rng: random.Random, words: list[str], weights: list[float]) -> str:
    roll = rng.random()
    if roll < 0.06:
        return rng.choice(("[deleted]", "[removed]"))
    if roll < 0.10:
        return rng.choice(_SHORT_REPLIES)
    text = _make_text(rng, words, weights)
    for probability, add_markup in _MARKUP:
        if rng.random() < probability:
            text = add_markup(text, _make_text(rng, words, weights))
    return text


def _make_comment(rng: random.Random, number: int, body: str, author: str) -> dict[str, object]:
    if body in ("[deleted]", "[removed]"):
        author = "[deleted]"
    elif rng.random() < 0.02:
        author = "AutoModerator"
    subreddit = rng.choice(_SUBREDDITS)
    post = f"t3_{number // 40:x}"
    parent = post if rng.random() < 0.4 else f"t1_{max(0, number - rng.randint(1, 60)):x}"
    created = _FIRST_TIMESTAMP + number // 20
    return {
        "all_awardings": [], "approved_at_utc": None, "approved_by": None, "archived": False,
        "associated_award": None, "author": author, "author_cakeday": None, "author_flair_background_color": None,
        "author_flair_css_class": None, "author_flair_richtext": [], "author_flair_template_id": None,
        "author_flair_text": None, "author_flair_text_color": None, "author_flair_type": "text",
        "author_fullname": f"t2_{number % 9973:x}", "author_is_blocked": False, "author_patreon_flair": False,
        "author_premium": False, "body": body, "can_gild": False, "collapsed": False, "collapsed_reason": None,
        "controversiality": 0, "created_utc": created, "distinguished": None, "edited": False, "gilded": 0,
        "gildings": {}, "id": f"{number:x}", "is_submitter": False, "link_id": post, "locked": False,
        "name": f"t1_{number:x}", "no_follow": True, "parent_id": parent,
        "permalink": f"/r/{subreddit}/comments/{post[3:]}/a_title_of_some_length/{number:x}/",
        "retrieved_on": created + 100, "score": rng.randint(-5, 40), "score_hidden": False, "send_replies": True,
        "stickied": False, "subreddit": subreddit, "subreddit_id": "t5_2qh1i", "subreddit_type": "public",
        "total_awards_received": 0, "treatment_tags": [], "unrepliable_reason": None, "ups": 1,
    }  # fmt: skip
