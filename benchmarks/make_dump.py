"""A file like one of Reddit's dumps, made from a seed: the fields of a comment of today, and what people write in them.

The words are made up, their frequencies are not (Zipf), nor how often there is a link, a quoted line, an entity, a
smart quote, an emoji, a bot, a deleted comment, or something that everybody says.
"""

import random
import sys
from itertools import accumulate
from pathlib import Path

import msgspec

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SEED = 2005
_BEGAN = 1_704_067_200
_ONSETS = ("b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "w", "th", "st", "tr", "ch", "sh", "")
_VOWELS = ("a", "e", "i", "o", "u", "ea", "ou")
_ENDS = ("", "n", "r", "s", "t", "ng", "ck", "ll", "d")
_SHORT = ("Thanks!", "lol", "This.", "Nice", "Same here", "I agree", "What?", "Source?", "r/whoosh", "Happy cake day!")
_SUBREDDITS = ("AskReddit", "pics", "worldnews", "python", "cooking", "gaming", "movies", "science", "relationships")
_MARKS = (
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
    draw = random.Random(SEED)
    words = sorted({_word(draw) for _ in range(30_000)}, key=lambda _: draw.random())[:12_000]
    weights = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
    authors = [f"{draw.choice(words)}_{number}" for number in range(50_000)]
    shares = list(accumulate(1 / (rank + 100) for rank in range(len(authors))))
    encoder = msgspec.json.Encoder()
    options = {zstd.CompressionParameter.compression_level: 3, zstd.CompressionParameter.window_log: 27}
    with zstd.ZstdFile(path, "wb", options=options) as file:
        for number in range(rows):
            body = _body(draw, words, weights)
            author = draw.choices(authors, cum_weights=shares)[0]
            file.write(encoder.encode(_comment(draw, number, body, author)) + b"\n")


def _word(draw: random.Random) -> str:
    syllables = draw.choices((1, 2, 3), (5, 4, 1))[0]
    return "".join(draw.choice(_ONSETS) + draw.choice(_VOWELS) + draw.choice(_ENDS) for _ in range(syllables))


def _text(draw: random.Random, words: list[str], weights: list[float]) -> str:
    sentences = []
    for _ in range(draw.choices((1, 2, 3, 5), (5, 4, 2, 1))[0]):
        picked = draw.choices(words, cum_weights=weights, k=draw.randint(3, 22))
        sentences.append(" ".join(picked).capitalize() + draw.choice((".", ".", ".", "!", "?", ", and so on.")))
    return " ".join(sentences)


def _body(draw: random.Random, words: list[str], weights: list[float]) -> str:
    kind = draw.random()
    if kind < 0.06:
        return draw.choice(("[deleted]", "[removed]"))
    if kind < 0.10:
        return draw.choice(_SHORT)
    text = _text(draw, words, weights)
    for share, mark in _MARKS:
        if draw.random() < share:
            text = mark(text, _text(draw, words, weights))
    return text


def _comment(draw: random.Random, number: int, body: str, author: str) -> dict[str, object]:
    if body in ("[deleted]", "[removed]"):
        author = "[deleted]"
    elif draw.random() < 0.02:
        author = "AutoModerator"
    subreddit = draw.choice(_SUBREDDITS)
    post = f"t3_{number // 40:x}"
    parent = post if draw.random() < 0.4 else f"t1_{max(0, number - draw.randint(1, 60)):x}"
    created = _BEGAN + number // 20
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
        "retrieved_on": created + 100, "score": draw.randint(-5, 40), "score_hidden": False, "send_replies": True,
        "stickied": False, "subreddit": subreddit, "subreddit_id": "t5_2qh1i", "subreddit_type": "public",
        "total_awards_received": 0, "treatment_tags": [], "unrepliable_reason": None, "ups": 1,
    }  # fmt: skip
