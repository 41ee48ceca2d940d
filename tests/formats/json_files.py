"""Tools that write JSON: answers of services, archives, dumps of databases, data frames, chats."""

import gzip
import json
from pathlib import Path

import pytest

from grucli.read.zstd import zstd
from tests.formats.invented import (
    ALL,
    COMMENTS,
    ONE_LINE,
    POST,
    POST_ID,
    SUBREDDIT,
    Cell,
    Export,
    InventedComment,
    always,
    known,
    number,
    reddit,
    row,
    tool,
    tree,
    write_json,
    write_lines,
)

_PARENTS = frozenset({"parent_id"})
_AUTHORS = frozenset({"author"})


@tool
def pushshift_dump(folder: Path) -> Export:
    """Pushshift's monthly dumps: JSON lines, zstd, no inner suffix; numbers are strings in some years.

    https://github.com/Watchful1/PushshiftDumps
    """
    rows = [reddit(one) | {"created_utc": str(one.created_utc)} for one in COMMENTS]
    path = write_lines(folder / "RC_2010-05", rows)
    packed = folder / "RC_2010-05.zst"
    packed.write_bytes(zstd.compress(path.read_bytes()))
    return Export(packed, known(*ALL))


@tool
def pushshift_dump_unpacked(folder: Path) -> Export:
    """Pushshift's dump after `zstd -d`: no suffix at all.

    https://github.com/Watchful1/PushshiftDumps
    """
    path = write_lines(folder / "RC_2010-05", map(reddit, COMMENTS))
    return Export(path, known(*ALL), r"(?s)unsupported file type.*\.jsonl")


@tool
def pushshift_filter_file_txt(folder: Path) -> Export:
    """PushshiftDumps, filter_file.py with `output_format = "txt"`: JSON lines under a name for running text.

    https://github.com/Watchful1/PushshiftDumps/blob/master/scripts/filter_file.py
    """
    return Export(write_lines(folder / "output.txt", map(reddit, COMMENTS)), known(*ALL)).or_refused("JSON")


@tool
def pushshift_api(folder: Path) -> Export:
    """Pushshift's search, the answer saved: `data`, `error`, `metadata`.

    https://github.com/pushshift/api
    """
    document = {"data": list(map(reddit, COMMENTS)), "error": None, "metadata": {"es": {"took": 12}}}
    return Export(write_json(folder / "search.json", document), known(*ALL))


@tool
def arctic_shift_download(folder: Path) -> Export:
    """Arctic Shift's download tool: JSON lines with all fields and `_meta`.

    https://arctic-shift.photon-reddit.com/download-tool
    """
    rows = [reddit(one) | {"_meta": {"retrieved_2nd_on": 1_673_900_000}, "all_awardings": []} for one in COMMENTS]
    return Export(write_lines(folder / "r_breadtalk_comments.jsonl", rows, ascii_only=False), known(*ALL))


@tool
def arctic_shift_search(folder: Path) -> Export:
    """Arctic Shift's search, the answer saved: `{"data": [...]}`.

    https://github.com/ArthurHeitmann/arctic_shift/tree/master/api
    """
    return Export(write_json(folder / "search.json", {"data": list(map(reddit, COMMENTS))}, 2), known(*ALL))


def _listing(children: list[dict[str, object]]) -> dict[str, object]:
    return {"kind": "Listing", "data": {"after": None, "dist": None, "modhash": "", "children": children}}


def _things(parent_id: str = POST_ID) -> list[dict[str, object]]:
    """Return the replies to a post or a comment as Reddit nests them; `replies` is "" if there are none."""
    children = [one for one in COMMENTS if one.parent_id == parent_id]
    return [
        {"kind": "t1", "data": reddit(one) | {"name": one.name, "replies": _listing(below) if below else ""}}
        for one in children
        for below in [_things(one.name)]
    ]


@tool
def arctic_shift_tree(folder: Path) -> Export:
    """Arctic Shift's comment tree: comments with `replies`, and `more` where it was cut.

    https://github.com/ArthurHeitmann/arctic_shift/tree/master/api
    """
    more = {"kind": "more", "data": {"count": 2, "parent_id": POST_ID, "children": ["k1ab00", "k1ab01"]}}
    return Export(write_json(folder / "tree.json", {"data": [*_things(), more]}), known(*ALL))


@tool
def reddit_page(folder: Path) -> Export:
    """Reddit, the address of a post with `.json`: a listing of the post and one of the comments.

    https://github.com/reddit-archive/reddit/wiki/JSON
    """
    more: dict[str, object] = {
        "kind": "more",
        "data": {"count": 0, "name": "t1__", "id": "_", "parent_id": POST_ID, "children": []},
    }
    post: dict[str, object] = {"kind": "t3", "data": POST}
    document = [_listing([post]), _listing([*_things(), more])]
    return Export(write_json(folder / "why_did_my_loaf_collapse.json", document), known(*ALL))


@tool
def reddit_user_page(folder: Path) -> Export:
    """Reddit, `/user/NAME/comments.json`: one listing.

    https://www.reddit.com/dev/api/#GET_user_{username}_comments
    """
    children: list[dict[str, object]] = [{"kind": "t1", "data": reddit(one) | {"replies": ""}} for one in COMMENTS]
    return Export(write_json(folder / "comments.json", _listing(children)), known(*ALL))


@tool
def bulk_downloader(folder: Path) -> Export:
    """Bulk Downloader for Reddit, `bdfr archive`: a post with `comments`, each with `replies`.

    https://github.com/Serene-Arc/bulk-downloader-for-reddit/tree/master/bdfr/archive_entry
    """
    columns: dict[str, Cell] = {"author": "author", "id": "id", "score": "score", "subreddit": "subreddit"}
    columns |= {"author_flair": always(None), "submission": "link", "stickied": always(False), "body": "body"}
    columns |= {"is_submitter": always(False), "distinguished": always(None), "parent_id": "parent_id"}
    columns |= {"created_utc": lambda one: float(one.created_utc or 0)}
    comments = tree(lambda one: row(one, columns), "replies")
    path = write_json(folder / "first_loaf_Why did my loaf collapse_loaf01.json", POST | {"comments": comments})
    return Export(path, known("author", "id", "score", "subreddit", "created_utc", "parent_id"))


@tool
def universal_reddit_scraper(folder: Path) -> Export:
    """URS: settings and `data`, in it the post and the tree; names as `u/NAME`, times as `01-15-2023 12:00:00`.

    https://github.com/JosephLai241/URS/tree/master/samples/scrapes
    """
    columns: dict[str, Cell] = {"author": "user", "body": "body", "id": "id", "link_id": "link_id", "score": "score"}
    columns |= {"created_utc": lambda one: f"{one.date:%m-%d-%Y %H:%M:%S}", "parent_id": "parent_id"}
    columns |= {"body_html": lambda one: f'<div class="md"><p>{one.body}</p></div>'}
    settings = {"n_results": "all", "style": "structured", "url": POST["url"]}
    data = {"submission_metadata": POST, "comments": tree(lambda one: row(one, columns), "replies")}
    path = write_json(folder / "Why did my loaf collapse-all.json", {"scrape_settings": settings, "data": data}, 4)
    return Export(path, known("author", "id", "link_id", "score", "created_utc", "parent_id"))


@tool
def praw_json_list(folder: Path) -> Export:
    """PRAW: `json.dump(results, f, indent=2)`, a list of dictionaries with `post_id`.

    https://github.com/huy-dataguy/Reddit-Streaming-Lakehouse/blob/main/redditAPI/comments.py
    """
    columns: dict[str, Cell] = {"id": "id", "subreddit": "subreddit", "post_id": "link", "author": "author"}
    columns |= {"body": "body", "created_utc": "created_utc", "score": "score", "parent_id": "parent_id"}
    path = write_json(folder / "comments.json", [row(one, columns) for one in COMMENTS], 2)
    return Export(path, known("id", "subreddit", "author", "created_utc", "score", "parent_id"))


@tool
def praw_posts_with_texts(folder: Path) -> Export:
    """PRAW: a list of posts, the comments of each as a list of texts.

    https://github.com/Bapiro/Reddit_bot_ML/blob/main/getData.py
    """
    posts = [{"id": "loaf01", "title": POST["title"], "comments": [one.body for one in COMMENTS]}]
    return Export(write_json(folder / "data.json", posts, 4), known(), unsure=_PARENTS)


@tool
def praw_posts_appended(folder: Path) -> Export:
    """PRAW: `outfile.write(json.dumps(post, indent=2))` once a post; documents one after another without a break.

    https://github.com/diegor054/Reddit-Crawler/blob/master/crawler.py
    """
    parts = [
        {"Title": "Loaf", "PostID": "loaf01", "comments": [one.body for one in of]}
        for of in (COMMENTS[:3], COMMENTS[3:])
    ]
    path = folder / "data.json"
    path.write_text("".join(json.dumps(part, indent=2) for part in parts))
    return Export(path, known(), unsure=_PARENTS)


@tool
def praw_object_by_ids(folder: Path) -> Export:
    """PRAW: one object, a comment under each id.

    https://praw.readthedocs.io/en/stable/tutorials/comments.html
    """
    columns: dict[str, Cell] = {"author": "author", "body": "body", "score": "score", "created": "clock"}
    document = {one.id or "": row(one, columns) for one in COMMENTS}
    return Export(write_json(folder / "comments.json", document, 2), known("author", "score", "created_utc"))


@tool
def praw_nested_replies(folder: Path) -> Export:
    """PRAW, a recursive script: `text`, `upvotes`, `downvotes`, `user_id`, `replies`.

    https://praw.readthedocs.io/en/stable/tutorials/comments.html
    """
    columns: dict[str, Cell] = {"text": "body", "upvotes": "score", "downvotes": always(0), "user_id": "author"}
    document = {"title": POST["title"], "comments": tree(lambda one: row(one, columns), "replies")}
    return Export(write_json(folder / "comments.json", document, 4), known("author", "score"), unsure=_PARENTS)


@tool
def snoowrap(folder: Path) -> Export:
    """Snoowrap: a list of posts with `comments`; post and comment both have `author`, `url`, `id`.

    https://github.com/Spatchy/redditmatic/blob/main/index.js
    """
    columns: dict[str, Cell] = {"body": "body", "author": "author", "url": "url", "id": "id"}
    post = {name: POST[name] for name in ("title", "author", "url", "id")}
    posts = [post | {"comments": [row(one, columns) for one in COMMENTS]}]
    return Export(write_json(folder / "tree.json", posts, 4), known("author", "id"), unsure=_PARENTS)


@tool
def rexport(folder: Path) -> Export:
    """Rexport: everything of an account; the comments under `comments`.

    https://github.com/karlicoss/rexport
    """
    profile = {"name": "crumb_counter", "link_karma": 3, "created_utc": 1_500_000_000.0}
    document = {"profile": profile, "comments": list(map(reddit, COMMENTS)), "submissions": [POST]}
    document |= {"multireddits": [], "saved": [], "upvoted": [], "downvoted": [], "inbox": []}
    return Export(write_json(folder / "reddit-2023-01-16.json", document), known(*ALL))


@tool
def profile_crawler(folder: Path) -> Export:
    """A crawler of one profile: `user` once, then `comments` with `text` and the parent's text.

    https://github.com/MatijaNovosel/reddit-profile-crawler
    """
    columns: dict[str, Cell] = {"parentText": always("Why did it collapse?"), "text": "body", "permalink": "permalink"}
    columns |= {"submittedAt": lambda one: float(one.created_utc or 0)}
    comments = [row(one, columns) for one in COMMENTS]
    return Export(
        write_json(folder / "comments.json", {"user": "crumb_counter", "comments": comments}, 2),
        known(),
        unsure=_AUTHORS,
    )


@tool
def snscrape(folder: Path) -> Export:
    """Snscrape, `snscrape --jsonl reddit-subreddit NAME`: `date`, `parentId`, ids with `t1_`.

    https://github.com/JustAnotherArchivist/snscrape
    """
    columns: dict[str, Cell] = {"_type": always("snscrape.modules.reddit.Comment"), "author": "author", "body": "body"}
    columns |= {"date": lambda one: one.date.isoformat(), "id": "name", "parentId": "parent_id"}
    columns |= {"subreddit": "subreddit", "url": "url"}
    path = write_lines(folder / "breadtalk.jsonl", [row(one, columns) for one in COMMENTS])
    return Export(path, known("author", "created_utc", "id", "parent_id", "subreddit"))


@tool
def scrapy_json(folder: Path) -> Export:
    """Scrapy, `-O comments.json`: a list with one item a line.

    https://docs.scrapy.org/en/latest/topics/feed-exports.html
    """
    columns: dict[str, Cell] = {"author": "author", "text": "body", "date": "iso", "url": "url"}
    path = folder / "comments.json"
    path.write_text("[\n" + ",\n".join(json.dumps(row(one, columns)) for one in COMMENTS) + "\n]")
    return Export(path, known("author", "created_utc"))


@tool
def scrapy_posts_with_texts(folder: Path) -> Export:
    """Scrapy: a line a post, names in capitals, the comments a list of texts.

    https://github.com/bstephen1/subreddit_predictor/tree/master/reddit_scraper
    """
    rows = [
        {
            "TITLE": "Loaf",
            "TOTAL COMMENTS": 5,
            "SUBREDDIT": SUBREDDIT,
            "FLAIRS": [],
            "COMMENTS": [one.body for one in of],
        }
        for of in (COMMENTS[:3], COMMENTS[3:])
    ]
    return Export(write_lines(folder / "reddit.jsonl", rows), known(), unsure=_PARENTS)


_FRAME: dict[str, Cell] = {"author": "author", "body": "body", "score": "score", "created_utc": "created_utc"}
_FRAME_FIELDS = ("author", "score", "created_utc")


@tool
def pandas_columns(folder: Path) -> Export:
    """Pandas: `df.to_json(name)`: an object a column, values by row number.

    https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html
    """
    rows = [row(one, _FRAME) for one in COMMENTS]
    document = {name: {str(n): one[name] for n, one in enumerate(rows)} for name in _FRAME}
    return Export(write_json(folder / "comments.json", document), known(*_FRAME_FIELDS))


@tool
def pandas_index(folder: Path) -> Export:
    """Pandas: `df.to_json(name, orient="index")`: an object a row, under the row's number.

    https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html
    """
    document = {str(n): row(one, _FRAME) for n, one in enumerate(COMMENTS)}
    return Export(write_json(folder / "comments.json", document), known(*_FRAME_FIELDS))


@tool
def pandas_split(folder: Path) -> Export:
    """Pandas: `df.to_json(name, orient="split")`: names, row numbers and rows apart.

    https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html
    """
    rows = [list(row(one, _FRAME).values()) for one in COMMENTS]
    document = {"columns": list(_FRAME), "index": list(range(len(rows))), "data": rows}
    return Export(write_json(folder / "comments.json", document), known(*_FRAME_FIELDS)).or_refused("records|rows")


@tool
def pandas_table(folder: Path) -> Export:
    """Pandas: `df.to_json(name, orient="table")`: a schema and `data`.

    https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html
    """
    schema = {"fields": [{"name": name, "type": "string"} for name in _FRAME], "pandas_version": "1.4.0"}
    document = {"schema": schema, "data": [{"index": number(one)} | row(one, _FRAME) for one in COMMENTS]}
    return Export(write_json(folder / "comments.json", document), known(*_FRAME_FIELDS))


@tool
def pandas_records_with_nan(folder: Path) -> Export:
    """Pandas: `json.dump(df.to_dict("records"), f)` writes NaN for a missing value.

    https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_dict.html
    """
    rows: list[dict[str, object]] = [row(one, _FRAME) | {"edited": float("nan")} for one in COMMENTS]
    rows.append(rows[0] | {"body": float("nan")})
    return Export(write_json(folder / "comments.json", rows), known(*_FRAME_FIELDS))


@tool
def pandas_lines(folder: Path) -> Export:
    r"""Pandas: `df.to_json(name, orient="records", lines=True)` in a `.json`; `/` as `\/`, times in milliseconds.

    https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_json.html
    """
    columns: dict[str, Cell] = {**_FRAME, "created_utc": lambda one: (one.created_utc or 0) * 1000, "url": "url"}
    path = write_lines(folder / "comments.json", [row(one, columns) for one in COMMENTS])
    path.write_bytes(path.read_bytes().replace(b"/", rb"\/"))
    return Export(path, known(*_FRAME_FIELDS))


@tool
def bigquery_json(folder: Path) -> Export:
    """BigQuery: JSON lines, gzip, integers as strings, null fields left out.

    https://cloud.google.com/bigquery/docs/exporting-data
    """
    rows = [
        {name: str(v) if type(v) is int else v for name, v in reddit(one).items() if v is not None} for one in COMMENTS
    ]
    path = folder / "comments-000000000000.json.gz"
    path.write_bytes(gzip.compress(write_lines(folder / "comments.json", rows).read_bytes()))
    return Export(path, known(*ALL))


@tool
def hugging_face_parquet(folder: Path) -> Export:
    """Hugging Face, Parquet: HuggingFaceGECLM/REDDIT_comments, every field a string, `r/NAME`.

    https://huggingface.co/datasets/HuggingFaceGECLM/REDDIT_comments
    """
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns: dict[str, Cell] = {"archived": always("False"), "author": "author", "body": "body", "name": "name"}
    columns |= {"created_utc": lambda one: f"{one.created_utc}.0", "id": "id", "link_id": "link_id"}
    columns |= {"parent_id": "parent_id", "score": lambda one: str(one.score)}
    columns |= {"subreddit_name_prefixed": lambda one: f"r/{one.subreddit}"}
    path = folder / "train-00000-of-00001.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([row(one, columns) for one in COMMENTS]), path)
    return Export(path, known("author", "created_utc", "id", "link_id", "parent_id", "score"))


@tool
def hugging_face_times(folder: Path) -> Export:
    """Hugging Face, Parquet made from a frame: times as timestamps, and the index as a column.

    https://huggingface.co/docs/datasets/loading
    """
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns: dict[str, Cell] = {"user": "author", "comment": "body", "timestamp": "date", "__index_level_0__": number}
    path = folder / "0000.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([row(one, columns) for one in COMMENTS]), path)
    return Export(path, known("author", "created_utc"))


@tool
def hugging_face_to_json(folder: Path) -> Export:
    """Hugging Face: `load_dataset("webis/tldr-17").to_json(name)`: `body`, and the same text again as `content`.

    https://huggingface.co/datasets/webis/tldr-17
    """
    columns: dict[str, Cell] = {"author": "author", "body": "body", "normalizedBody": "body", "content": "body"}
    columns |= {"summary": always("bread"), "subreddit": "subreddit", "subreddit_id": always("t5_2b4d1"), "id": "id"}
    path = write_lines(folder / "tldr.json", [row(one, columns) for one in COMMENTS])
    return Export(path, known("author", "subreddit", "id"))


@tool
def convokit(folder: Path) -> Export:
    """ConvoKit, utterances.jsonl: `speaker`, `conversation_id`, `reply-to`, the score inside `meta`.

    https://convokit.cornell.edu/documentation/data_format.html
    """
    columns: dict[str, Cell] = {"id": "id", "conversation_id": "link", "text": "body", "speaker": "author"}
    columns |= {"meta": lambda one: {"score": one.score, "stickied": False}, "vectors": always([])}
    columns |= {"reply-to": lambda one: one.parent or one.link, "timestamp": "created_utc"}
    path = write_lines(folder / "utterances.jsonl", [row(one, columns) for one in COMMENTS])
    return Export(path, known("id", "author", "created_utc", "link_id", "parent_id"))


@tool
def mongoexport(folder: Path) -> Export:
    """MongoDB, `mongoexport`: JSON lines, `_id` and large numbers as objects.

    https://www.mongodb.com/docs/database-tools/mongoexport/
    """
    rows = [{"_id": {"$oid": f"63c3ec00000000000000000{number(one)}"}} | reddit(one) for one in COMMENTS]
    rows = [one | {"created_utc": {"$numberLong": str(one["created_utc"])}} for one in rows]
    return Export(write_lines(folder / "comments.json", rows), known(*ALL), unsure=frozenset({"created_utc"}))


@tool
def elasticdump(folder: Path) -> Export:
    """Elasticsearch, `elasticdump`: JSON lines, the comment in `_source`.

    https://github.com/elasticsearch-dump/elasticsearch-dump
    """
    rows = [{"_index": "comments", "_id": one.id, "_score": 1, "_source": reddit(one)} for one in COMMENTS]
    return Export(write_lines(folder / "comments.json", rows), known(*ALL))


@tool
def jq_pretty(folder: Path) -> Export:
    """Jq: `jq . comments.jsonl > comments.json`: objects over several lines, one after another.

    https://jqlang.org/manual/
    """
    path = folder / "comments.json"
    path.write_text("".join(json.dumps(reddit(one), indent=2) + "\n" for one in COMMENTS))
    return Export(path, known(*ALL))


@tool
def powershell_convert_to_json(folder: Path) -> Export:
    """PowerShell 5.1: `$comments | ConvertTo-Json > comments.json`: UTF-16, wide indents.

    https://learn.microsoft.com/en-us/powershell/module/microsoft.powershell.utility/convertto-json
    """
    rows = [row(one, _FRAME) for one in COMMENTS]
    return Export(write_json(folder / "comments.json", rows, 20, encoding="utf-16"), known(*_FRAME_FIELDS))


@tool
def powershell_utf8_lines(folder: Path) -> Export:
    """PowerShell 5.1: `python scrape.py | Out-File -Encoding utf8 comments.jsonl`: a byte-order mark, CR LF.

    https://learn.microsoft.com/en-us/powershell/module/microsoft.powershell.utility/out-file
    """
    path = write_lines(folder / "comments.jsonl", map(reddit, COMMENTS), ascii_only=False)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    return Export(path, known(*ALL))


@tool
def apify_json(folder: Path) -> Export:
    """Apify, Reddit scraper: a list of posts and comments, told apart by `dataType`.

    https://apify.com/trudax/reddit-scraper
    """
    columns: dict[str, Cell] = {"id": "name", "parsedId": "id", "url": "url", "parentId": "parent_id"}
    columns |= {"username": "author", "communityName": lambda one: f"r/{SUBREDDIT}", "body": "body"}
    columns |= {"createdAt": "iso", "upVotes": "score", "dataType": always("comment")}
    post = {"id": POST_ID, "title": POST["title"], "username": "first_loaf", "body": POST["selftext"], "upVotes": 41}
    document = [
        post | {"createdAt": "2023-01-15T12:00:00.000Z", "dataType": "post"},
        *(row(one, columns) for one in COMMENTS),
    ]
    path = write_json(folder / "dataset_reddit-scraper.json", document)
    return Export(path, known("id", "author", "created_utc", "score", "parent_id"))


_YOUTUBE: dict[str, Cell] = {
    "cid": "id",
    "text": "body",
    "time": always("2 years ago"),
    "author": lambda one: f"@{one.author}",
    "channel": always("UCbread"),
    "votes": lambda one: str(one.score),
    "replies": always("0"),
    "photo": always("https://yt3.ggpht.com/a"),
    "heart": always(False),
    "reply": lambda one: bool(one.parent),
}


def _with_at(*fields: str) -> tuple[InventedComment, ...]:
    return known(*fields, of=[one._replace(author=f"@{one.author}") for one in COMMENTS])


@tool
def youtube_comment_downloader(folder: Path) -> Export:
    """Youtube-comment-downloader: JSON lines in a `.json`; `replies` is a number.

    https://github.com/egbertbouman/youtube-comment-downloader
    """
    path = write_lines(folder / "ScMzIvxBSi4.json", [row(one, _YOUTUBE) for one in COMMENTS], ascii_only=False)
    return Export(path, _with_at("author"))


@tool
def youtube_comment_downloader_pretty(folder: Path) -> Export:
    """Youtube-comment-downloader, `--pretty`: one document with `comments`.

    https://github.com/egbertbouman/youtube-comment-downloader
    """
    document = {"comments": [row(one, _YOUTUBE) for one in COMMENTS]}
    return Export(write_json(folder / "ScMzIvxBSi4.json", document, 4), _with_at("author"))


@tool
def youtube_api(folder: Path) -> Export:
    """YouTube's own API, commentThreads: `items`, the comment in `snippet.topLevelComment.snippet`.

    https://developers.google.com/youtube/v3/docs/commentThreads
    """

    def snippet(one: InventedComment) -> dict[str, object]:
        columns: dict[str, Cell] = {"textDisplay": "body", "textOriginal": "body", "authorDisplayName": "author"}
        columns |= {"likeCount": "score", "publishedAt": "iso", "videoId": always("dQw4")}
        return {"kind": "youtube#comment", "id": one.id, "snippet": row(one, columns)}

    items = []
    for one in (one for one in COMMENTS if one.parent is None):
        top = {"videoId": "dQw4", "topLevelComment": snippet(one), "canReply": True, "totalReplyCount": 2}
        replies = [
            snippet(reply) for reply in COMMENTS if reply.parent in (one.id, "k1aa02" if one.id == "k1aa01" else "-")
        ]
        items.append({"kind": "youtube#commentThread", "id": one.id, "snippet": top, "replies": {"comments": replies}})
    document = {"kind": "youtube#commentThreadListResponse", "pageInfo": {"totalResults": 2}, "items": items}
    path = write_json(folder / "comments.json", document, 2)
    return Export(path, known("author", "created_utc"), "(?i)json", _PARENTS)


@tool
def yt_dlp(folder: Path) -> Export:
    """Yt-dlp, `--write-comments`: the video's info with `comments`; `parent` is `root` or an id.

    https://github.com/yt-dlp/yt-dlp
    """
    columns: dict[str, Cell] = {"id": "id", "parent": lambda one: one.parent or "root", "text": "body"}
    columns |= {"like_count": "score", "author_id": always("UC1"), "author": "author", "timestamp": "created_utc"}
    document = {"id": "dQw4", "title": "Bread", "description": "How to.", "uploader": "Oven", "formats": [{"id": "1"}]}
    path = write_json(folder / "Bread.info.json", document | {"comments": [row(one, columns) for one in COMMENTS]})
    return Export(path, known("id", "author", "created_utc", "parent_id"))


@tool
def discord_chat_exporter(folder: Path) -> Export:
    """DiscordChatExporter: `messages`, the author an object, a reply in `reference`.

    https://github.com/Tyrrrz/DiscordChatExporter
    """
    columns: dict[str, Cell] = {"id": "id", "type": lambda one: "Reply" if one.parent else "Default"}
    columns |= {"timestamp": lambda one: one.date.isoformat(), "timestampEdited": always(None), "content": "body"}
    columns |= {
        "author": lambda one: {"id": f"9{number(one)}", "name": one.author, "nickname": "Bread", "isBot": False}
    }
    columns |= {"attachments": always([]), "reference": lambda one: {"messageId": one.parent} if one.parent else None}
    document = {"guild": {"id": "1", "name": "Bread"}, "channel": {"id": "2", "name": "general", "topic": "Dough"}}
    document_messages = {"messages": [row(one, columns) for one in COMMENTS], "messageCount": 5}
    path = write_json(folder / "Bread - general [2].json", document | document_messages, 2)
    return Export(path, known("id", "author", "created_utc"), unsure=_PARENTS)


@tool
def telegram(folder: Path) -> Export:
    """Telegram Desktop, result.json: service messages, and texts that are lists of parts where there is a link.

    https://core.telegram.org/import-export
    """

    def message(one: InventedComment) -> dict[str, object]:
        half = len(one.body) // 2
        parts = [one.body[:half], {"type": "bold", "text": one.body[half:]}]
        fields = {"id": number(one) + 1, "type": "message", "date": f"{one.date:%Y-%m-%dT%H:%M:%S}"}
        fields |= {"date_unixtime": str(one.created_utc), "from": one.author, "from_id": f"user{number(one)}"}
        return fields | {"text": one.body if number(one) % 2 else parts}

    service = {"id": 99, "type": "service", "date": "2023-01-15T11:00:00", "actor": "first_loaf", "text": ""}
    document = {"name": "Bread", "type": "private_supergroup", "id": 12, "messages": [service, *map(message, COMMENTS)]}
    return Export(write_json(folder / "result.json", document, 1), known("author", "created_utc"))


@tool
def discord_simple(folder: Path) -> Export:
    """A small Discord exporter: `messages` with `message`, `user`, `user_id`.

    https://github.com/opp/discord-export
    """
    columns: dict[str, Cell] = {"message": "body", "user_id": lambda one: f"9{number(one)}", "user": "author"}
    document = {"channel_id": "123", "messages": [row(one, columns) for one in ONE_LINE]}
    return Export(write_json(folder / "export.json", document, 4), known("author", of=ONE_LINE))


@tool
def slack(folder: Path) -> Export:
    """Slack, an export of a channel: one list a day; `ts` with a fraction, joining is a message too.

    https://slack.com/help/articles/220556107
    """
    columns: dict[str, Cell] = {"type": always("message"), "user": "author", "text": "body"}
    columns |= {"ts": lambda one: f"{one.created_utc}.000{number(one)}00", "client_msg_id": "id"}
    path = write_json(folder / "2023-01-15.json", [row(one, columns) for one in COMMENTS], 4)
    return Export(path, known("author", "created_utc"))


@tool
def hacker_news(folder: Path) -> Export:
    """Hacker News, the answer of Algolia's `items`: a story with `children`, each with `children`.

    https://hn.algolia.com/api
    """
    columns: dict[str, Cell] = {"id": lambda one: 34_000_000 + number(one), "created_at": "iso", "author": "author"}
    columns |= {"created_at_i": "created_utc", "type": always("comment"), "points": always(None), "text": "body"}
    story = {"id": 33_999_999, "type": "story", "title": "Bread", "text": None, "author": "first_loaf", "points": 41}
    document = story | {"children": tree(lambda one: row(one, columns), "children")}
    return Export(write_json(folder / "item.json", document), known("author", "created_utc"), unsure=_PARENTS)
