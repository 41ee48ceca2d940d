"""Texts for the tests of cleaning: what people write, and hostile ones."""

from hypothesis import strategies as st

FRAGMENTS = (
    *"*_~`^#>|\\[]()!<&;:.-+=/@ \n\r\t\x00\x1b\x7f\x85\xa0\u200b\u200d\u202e\u2028\ufffd\ufe0f\u0301\U000e0041",
    *"’“é😀ツ¯ﬁ",
    *(
        "**",
        "__",
        "***",
        "~~",
        "```",
        ">!",
        "!<",
        "](",
        "](http://a.b)",
        "![",
        "\n\n",
        "\n> ",
        "\n* ",
        "\n# ",
        "\n---\n",
    ),
    *(
        "a|b\n",
        ":-|-:\n",
        "&amp;",
        "&gt;",
        "&lt;",
        "&#x200B;",
        "&quot;",
        "&amp;amp;",
        "\\*",
        "\\_",
        "^(",
        "^^",
        "[1]: /x\n",
    ),
    *(
        "http://",
        "https://x.y/z",
        "www.",
        "x.com/y",
        "u/name",
        "/u/",
        "me@a.org",
        " at ",
        " dot ",
        "com",
        "[URL]",
        "mailto:",
    ),
    *("555-123-4567", "+44 20 7946 0958", "8.8.8.8", "2001:4860::8888", "4111 1111 1111 1111", "call ", "0", "1", "7"),
    *(
        "[deleted]",
        "[removed]",
        "I am a ",
        "bot",
        "Ã©",
        "â€™",
        "Â",
        "√©",
        "(ツ)",
        "a",
        "word",
        " two words ",
        "x_y",
        "__init__",
    ),
)

random_markup = st.lists(st.sampled_from(FRAGMENTS), max_size=24).map("".join)
"""Marks without sense: every rule has something to find, and what one rule leaves is what the next looks for."""

any_text = st.text(st.characters(codec="utf-8"), max_size=60)
"""Any characters but lone surrogates, which reading replaces."""

hostile_text = st.one_of(random_markup, any_text, st.tuples(random_markup, any_text, random_markup).map("".join))
