"""Tools that write delimited files: scripts, exports of databases and spreadsheets, published data sets."""

import csv
import gzip
from pathlib import Path

from tests.formats.invented import (
    ALL,
    COMMENTS,
    ONE_LINE,
    POST,
    REDDIT,
    SUBREDDIT,
    Cell,
    Export,
    always,
    known,
    number,
    reddit,
    tool,
    write_table,
)

_NO_HEADER = r"(?s)header.*--no-header|--no-header"
_CHOOSE_COLUMN = r"(?s)--column.*"


@tool
def praw_pandas_with_index(folder: Path) -> Export:
    """PRAW with pandas: `df.to_csv(name)` writes the index as a first column without a name.

    https://github.com/hygao2/CourseProject/blob/main/data.py
    """
    columns: dict[str, Cell] = {"": number, "title": always(POST["title"]), "id": "id", "body": "body"}
    columns |= {"score": "score", "upvote_ratio": always(0), "created": "created_utc"}
    return Export(write_table(folder / "comments.csv", columns), known("id", "score", "created_utc"))


@tool
def praw_dict_of_lists(folder: Path) -> Export:
    """PRAW with a dictionary of lists: every column begins with `comment_`.

    https://github.com/SafalGautam997/2-years/blob/main/main.py
    """
    columns: dict[str, Cell] = {"": number, "comment_id": "id", "comment_parent_id": "parent_id"}
    columns |= {"comment_body": "body", "comment_link_id": "link_id"}
    return Export(write_table(folder / "comments.csv", columns), known("id", "parent_id", "link_id"))


@tool
def praw_text_user_submission(folder: Path) -> Export:
    """PRAW with other names: `user`, `submission_id`, and a file name without a suffix.

    https://github.com/mjkern/RedditSubcultures/blob/master/downloader.py
    """
    columns: dict[str, Cell] = {"": number, "id": "id", "submission_id": "link", "user": "author"}
    columns |= {"score": "score", "body": "body"}
    path = write_table(folder / "breadtalk-comments", columns)
    return Export(path, known("id", "author", "score"), refusal=r"(?s)unsupported file type.*\.csv")


@tool
def praw_deleted_authors(folder: Path) -> Export:
    """PRAW: `str(comment.author)` of a deleted account is `None`, its text `[deleted]` or still there.

    https://praw.readthedocs.io/en/stable/tutorials/comments.html
    """
    rows = [COMMENTS[0]._replace(author="None"), *COMMENTS[1:], COMMENTS[4]._replace(body="[deleted]", author="None")]
    path = write_table(folder / "comments.csv", {"author": "author", "body": "body", "score": "score"}, rows)
    return Export(path, known("author", "score", of=[COMMENTS[0]._replace(author=None), *COMMENTS[1:]]))


@tool
def praw_csv_writer_without_header(folder: Path) -> Export:
    """PRAW with `csv.writer` and no header row.

    https://github.com/AnilBalaramanNair/PRAW
    """
    columns: dict[str, Cell] = {"id": "id", "author": "author", "body": "body", "score": "score"}
    return Export(write_table(folder / "comments.csv", columns, header=False), refusal=_NO_HEADER)


@tool
def praw_date_and_flair(folder: Path) -> Export:
    """PRAW, columns renamed: `flair`, `time_unix`.

    https://github.com/andrewjbe/sports-bs/blob/main/inst/scripts/reddit_scraper.py
    """
    columns: dict[str, Cell] = {"": always(0), "body": "body", "author": "author", "flair": always("")}
    columns |= {"time_unix": lambda comment: f"{comment.created_utc}.0", "score": "score"}
    return Export(write_table(folder / "thread.csv", columns), known("author", "created_utc", "score"))


@tool
def praw_posts(folder: Path) -> Export:
    """PRAW posts: the text is in `selftext`, beside `title`.

    https://praw.readthedocs.io/en/stable/code_overview/models/submission.html
    """
    columns: dict[str, Cell] = {"id": "id", "title": always(POST["title"]), "author": "author", "score": "score"}
    columns |= {"created_utc": "created_utc", "num_comments": always(3), "selftext": "body", "url": "url"}
    path = write_table(folder / "submissions.csv", columns)
    return Export(path, known("id", "author", "score", "created_utc")).or_refused(
        r"(?s)posts.*selftext|selftext.*posts"
    )


@tool
def praw_posts_with_count_of_comments(folder: Path) -> Export:
    """PRAW posts with other names: the text is in `text`, and `comments` is a number.

    https://github.com/dataesilva/subreddit-data-collection-praw/blob/master/sdcp-subreddit-top.py
    """
    columns: dict[str, Cell] = {"url": "url", "id": "id", "created": lambda one: f"{one.created_utc}.0"}
    columns |= {"title": always(POST["title"]), "author": "author", "author_flair": always(""), "text": "body"}
    columns |= {"score": "score", "ups": "score", "downs": always(0), "comments": always(14)}
    path = write_table(folder / "loseitdat.csv", columns)
    return Export(path, known("id", "created_utc", "author", "score"), "(?s)posts.*text", frozenset({"score"}))


@tool
def praw_dict_writer(folder: Path) -> Export:
    """PRAW with `csv.DictWriter`: `author`, `comment`, `upvotes`.

    https://github.com/MichalMSlusarski/Klastrowanie-danych-Reddit/blob/main/get_reddit_data.py
    """
    columns: dict[str, Cell] = {"author": "author", "comment": "body", "upvotes": "score"}
    return Export(write_table(folder / "comments_t3_loaf01.csv", columns, line_end="\r\n"), known("author", "score"))


@tool
def requests_of_one_profile(folder: Path) -> Export:
    """A script with `requests`: names end in `_com` and `_post`; `comments_post` is a number.

    https://github.com/inesgrd/Scraping-Reddit/blob/main/reddit_scrape_author_comments.py
    """
    columns: dict[str, Cell] = {"subreddit": "subreddit", "subreddit_id": always("t5_2b4d1")}
    columns |= {"title_post": always(POST["title"]), "link_post": "url", "date_utc": lambda one: one.iso[:19]}
    columns |= {"text_com": "body", "link_joined": always(POST["url"]), "score_com": "score"}
    columns |= {"comments_post": always(14), "awards_com": always(0)}
    path = write_table(folder / "comments_crumb_counter_scrape_reddit.csv", columns, line_end="\r\n")
    return Export(path, known("subreddit")).or_refused(_CHOOSE_COLUMN + "text_com")


@tool
def psaw_all_fields(folder: Path) -> Export:
    """PSAW: `pd.DataFrame([thing.d_ for thing in gen]).to_csv(name)`; `created` is local time, beside `created_utc`.

    https://github.com/dmarx/psaw
    """
    columns: dict[str, Cell] = {"": number, "all_awardings": always("[]"), **REDDIT}
    columns |= {"created": lambda comment: f"{(comment.created_utc or 0) + 18_000}.0"}
    return Export(write_table(folder / "reddit_bread.csv", columns), known(*ALL))


@tool
def psaw_named_tuples(folder: Path) -> Export:
    """PSAW: a frame of its named tuples has a column `d_` with the dictionary of each comment as text.

    https://psaw.readthedocs.io/en/latest/
    """
    columns: dict[str, Cell] = {"": number, "author": "author", "body": "body", "created_utc": "created_utc"}
    columns |= {"id": "id", "created": lambda comment: f"{comment.created_utc}.0", "d_": lambda one: str(reddit(one))}
    return Export(write_table(folder / "comments.csv", columns), known("author", "created_utc", "id"))


@tool
def pmaw(folder: Path) -> Export:
    """PMAW: `comments_df.to_csv(name, header=True, index=False, columns=...)`, all fields, some only in some rows.

    https://github.com/mattpodolak/pmaw
    """
    columns: dict[str, Cell] = {**REDDIT, "utc_datetime_str": "clock"}
    columns |= {"media_metadata": lambda one: "{'x': 1}" if number(one) == 2 else ""}
    return Export(write_table(folder / "wsb_comments.csv", columns), known(*ALL))


@tool
def pushshift_to_csv(folder: Path) -> Export:
    """PushshiftDumps, to_csv.py: names as `u/NAME`, times to the minute, the id only in the link.

    https://github.com/Watchful1/PushshiftDumps/blob/master/scripts/to_csv.py
    """
    columns: dict[str, Cell] = {"author": "user", "score": "score", "created": lambda one: one.clock[:-3]}
    columns |= {"link": "url", "body": "body"}
    path = write_table(folder / "comments.csv", columns, line_end="\r\n")
    return Export(path, known("author", "score", "created_utc"))


@tool
def pushshift_filter_file(folder: Path) -> Export:
    """PushshiftDumps, filter_file.py as CSV: score, date, author, link and text, without a header.

    https://github.com/Watchful1/PushshiftDumps/blob/master/scripts/filter_file.py
    """
    columns: dict[str, Cell] = {"1": "score", "2": lambda one: one.clock[:10], "3": "user", "4": "url", "5": "body"}
    path = write_table(folder / "output.csv", columns, header=False, line_end="\r\n")
    return Export(path, refusal=_NO_HEADER)


@tool
def pandas_gzip(folder: Path) -> Export:
    """Pandas: `df.to_csv("comments.csv.gz", index=False)`; integers beside missing values become `12.0`.

    https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_csv.html
    """
    columns: dict[str, Cell] = {**REDDIT, "score": lambda one: f"{one.score}.0"}
    path = write_table(folder / "comments.csv", columns)
    packed = folder / "comments.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return Export(packed, known(*ALL))


@tool
def pandas_tabs_named_csv(folder: Path) -> Export:
    r"""Pandas: `df.to_csv("comments.csv", sep="\t")`.

    https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_csv.html
    """
    columns: dict[str, Cell] = {"": number, "author": "author", "comment": "body", "score": "score"}
    return Export(write_table(folder / "comments.csv", columns, delimiter="\t"), known("author", "score"))


@tool
def pandas_tsv(folder: Path) -> Export:
    r"""Pandas: `df.to_csv("comments.tsv", sep="\t", index=False)`: quotes as in a CSV, with line breaks in them.

    https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_csv.html
    """
    path = write_table(folder / "comments.tsv", {"author": "author", "score": "score", "body": "body"}, delimiter="\t")
    return Export(path, known("author", "score"))


@tool
def bigquery_csv(folder: Path) -> Export:
    """BigQuery, table fh-bigquery.reddit_comments: CSV from "save results", nulls empty.

    https://cloud.google.com/bigquery/docs/exporting-data
    """
    names = "body score_hidden archived name author author_flair_text downs created_utc subreddit_id link_id parent_id"
    names += " score retrieved_on controversiality gilded id subreddit ups distinguished author_flair_css_class"
    columns = {name: REDDIT.get(name, "name" if name == "name" else always(None)) for name in names.split()}
    columns |= {"ups": "score", "controversiality": always(0)}
    return Export(write_table(folder / "bquxjob_3f2a.csv", columns), known(*ALL))


@tool
def kaggle_socialgrep(folder: Path) -> Export:
    """Kaggle, data sets of SocialGrep: dotted names such as `subreddit.name`.

    https://www.kaggle.com/datasets/pavellexyr/the-reddit-dataset-dataset
    """
    columns: dict[str, Cell] = {"type": always("comment"), "id": "id", "subreddit.id": always("2b4d1")}
    columns |= {"subreddit.name": "subreddit", "subreddit.nsfw": always("false"), "created_utc": "created_utc"}
    columns |= {"permalink": "url", "body": "body", "sentiment": always(0.25), "score": "score"}
    path = write_table(folder / "the-bread-dataset-comments.csv", columns)
    return Export(path, known("id", "subreddit", "created_utc", "score"))


@tool
def kaggle_sarcasm(folder: Path) -> Export:
    """Kaggle, sarcasm on Reddit: `parent_comment` is the parent's text, no id; `date` is a month.

    https://www.kaggle.com/datasets/danofer/sarcasm
    """
    columns: dict[str, Cell] = {"label": always(0), "comment": "body", "author": "author", "subreddit": "subreddit"}
    columns |= {"score": "score", "ups": "score", "downs": always(0), "date": lambda one: one.clock[:7]}
    columns |= {"created_utc": "clock", "parent_comment": always("Why did it collapse?")}
    path = write_table(folder / "train-balanced-sarcasm.csv", columns)
    return Export(path, known("author", "subreddit", "score", "created_utc"))


@tool
def kaggle_negative_comments(folder: Path) -> Export:
    """Kaggle, Reddit comment scores: `text`, `time`, and counts of `ups`, `downs` and karma.

    https://www.kaggle.com/datasets/ehallmar/reddit-comment-score-prediction
    """
    columns: dict[str, Cell] = {"text": "body", "id": "id", "subreddit": "subreddit", "meta": always("Cooking")}
    columns |= {"time": "created_utc", "author": "author", "ups": "score", "downs": always(0)}
    columns |= {"authorlinkkarma": always(10), "authorkarma": always(300), "authorisgold": always(0)}
    path = write_table(folder / "comments_negative.csv", columns)
    return Export(path, known("id", "subreddit", "created_utc", "author"))


@tool
def kaggle_clean_comment(folder: Path) -> Export:
    """Kaggle, Reddit sentiment: two columns, `clean_comment` and `category`.

    https://www.kaggle.com/datasets/cosmos98/twitter-and-reddit-sentimental-analysis-dataset
    """
    path = write_table(folder / "Reddit_Data.csv", {"clean_comment": "body", "category": always(1)})
    return Export(path, known()).or_refused(r"(?s)--column.*clean_comment")


@tool
def kaggle_plural_names(folder: Path) -> Export:
    """Kaggle, classification of subreddits: `id`, `comments`, `subreddits`.

    https://github.com/JairParra/Kaggle_Reddit_Multiclass_Classification
    """
    columns: dict[str, Cell] = {"id": number, "comments": "body", "subreddits": "subreddit"}
    path = write_table(folder / "reddit_train.csv", columns)
    return Export(path, known("subreddit")).or_refused(_CHOOSE_COLUMN + "comments")


@tool
def parent_and_own_content(folder: Path) -> Export:
    """A parody data set: `content` beside `parent_content`, `comment_id` beside a running `id`, people as `user_id`.

    https://github.com/Lisaaa1017/Fanchuan/tree/main/Parody_datasets/Reddit-Trump
    """
    columns: dict[str, Cell] = {"id": number, "comment_id": "id", "parent_comment_id": "parent"}
    columns |= {"user_id": "author", "parent_user_id": always("somebody"), "parent_content": always("Why?")}
    columns |= {"content": "body", "support": always(0), "parody": always(1)}
    path = write_table(folder / "comments_train.csv", columns)
    return Export(path, known("author"), unsure=frozenset({"author", "parent_id"}))


@tool
def apify_csv(folder: Path) -> Export:
    """Apify, Reddit scraper: posts and comments in one table, told apart by `dataType`.

    https://apify.com/trudax/reddit-scraper
    """
    columns: dict[str, Cell] = {"id": "name", "parsedId": "id", "url": "url", "username": "author"}
    columns |= {"communityName": lambda one: f"r/{SUBREDDIT}", "parsedCommunityName": "subreddit", "title": always("")}
    columns |= {"body": "body", "createdAt": "iso", "scrapedAt": always("2023-02-01T00:00:00.000Z")}
    columns |= {"upVotes": "score", "numberOfreplies": always(0), "parentId": "parent_id"}
    columns |= {"dataType": lambda one: "post" if one.author == POST["author"] else "comment"}
    post = COMMENTS[0]._replace(id="loaf01", author="first_loaf", body=str(POST["selftext"]), parent_id=None)
    path = write_table(folder / "dataset_reddit-scraper.csv", columns, [post, *COMMENTS], encoding="utf-8-sig")
    return Export(path, known("id", "author", "subreddit", "created_utc", "score", "parent_id"))


@tool
def apify_thread_csv(folder: Path) -> Export:
    """Apify, scrapers of one thread: names in camel case, `postId`, `parentId`, `createdUtc`.

    https://apify.com/actorforgehq/reddit-data-scraper
    """
    columns: dict[str, Cell] = {"type": always("comment"), "id": "id", "postId": "link", "subreddit": "subreddit"}
    columns |= {"author": "author", "score": "score", "depth": always(0), "parentId": "parent_id"}
    columns |= {"createdUtc": "iso", "body": "body", "permalink": "permalink"}
    return Export(write_table(folder / "dataset.csv", columns, encoding="utf-8-sig"), known(*ALL))


@tool
def instant_data_scraper(folder: Path) -> Export:
    """Instant Data Scraper, a browser extension: columns are named by the classes of the page's elements.

    https://webrobots.io/instantdata/
    """
    columns: dict[str, Cell] = {"_23wugcdiaj44hdfugIAlnX href": "url", "_23wugcdiaj44hdfugIAlnX": "author"}
    columns |= {"_1qeIAgB0cPwnLhDF9XSiJM": "body", "_1rZYMD_4xY3gRcSS3p8ODO": "score"}
    columns |= {"_3yx4Dn0W3Yunucf5sVJeFU": always("2 hours ago")}
    path = write_table(folder / "reddit.csv", columns, quoting=csv.QUOTE_ALL, encoding="utf-8-sig")
    return Export(path, refusal=r"(?s)--column.*_1qeIAgB0cPwnLhDF9XSiJM")


@tool
def web_scraper_io(folder: Path) -> Export:
    """Web Scraper, a browser extension: its own columns before the user's.

    https://webscraper.io/documentation
    """
    columns: dict[str, Cell] = {"web-scraper-order": lambda one: f"1673784000-{number(one)}"}
    columns |= {"web-scraper-start-url": always(POST["url"]), "author": "author", "comment": "body"}
    columns |= {"score": lambda one: f"{one.score} points"}
    path = write_table(folder / "breadtalk.csv", columns, quoting=csv.QUOTE_ALL, line_end="\r\n", encoding="utf-8-sig")
    return Export(path, known("author"))


@tool
def excel_semicolons(folder: Path) -> Export:
    """Excel where the comma is the decimal sign: "CSV UTF-8" has semicolons and a byte-order mark.

    https://support.microsoft.com/en-us/office/import-or-export-text-txt-or-csv-files-5250ac4c-663c-47ce-937b-339e391393ba
    """
    columns: dict[str, Cell] = {"id": "id", "author": "author", "body": "body", "score": "score"}
    path = write_table(folder / "Mappe1.csv", columns, delimiter=";", line_end="\r\n", encoding="utf-8-sig")
    return Export(path, known("id", "author", "score"))


@tool
def excel_windows_1252(folder: Path) -> Export:
    """Excel: plain "CSV" is in the code page of Windows.

    https://support.microsoft.com/en-us/office/save-a-workbook-to-text-format-txt-or-csv-3e9a9d6c-70da-4255-aa28-fcacf1f081e6
    """
    columns: dict[str, Cell] = {"Author": "author", "Comment Text": "body", "Score": "score"}
    path = write_table(folder / "Mappe1.csv", columns, delimiter=";", line_end="\r\n", encoding="cp1252")
    return Export(path, known("author", "score"))


@tool
def excel_windows_1251(folder: Path) -> Export:
    """Excel on a Russian Windows: its code page is another, which bytes alone do not tell.

    https://learn.microsoft.com/en-us/windows/win32/intl/code-page-identifiers
    """
    russian = ["Тесто поднялось дважды, а потом осело.", "У меня было так же, печь виновата.", "Поставлю на батарею."]
    rows = [comment._replace(body=text) for comment, text in zip(COMMENTS, russian, strict=False)]
    path = write_table(
        folder / "kniga.csv", {"author": "author", "body": "body"}, rows, delimiter=";", encoding="cp1251"
    )
    return Export(path, refusal="--encoding")


@tool
def excel_for_mac(folder: Path) -> Export:
    """Excel for Mac: "CSV (Macintosh)" is in Mac OS Roman with lone carriage returns.

    https://support.microsoft.com/en-us/office/save-a-workbook-to-text-format-txt-or-csv-3e9a9d6c-70da-4255-aa28-fcacf1f081e6
    """
    columns: dict[str, Cell] = {"author": "author", "body": "body"}
    path = write_table(folder / "Workbook1.csv", columns, ONE_LINE * 10, line_end="\r", encoding="mac_roman")
    return Export(path, known("author", of=ONE_LINE * 10)).or_refused("--encoding|line ends|carriage return")


@tool
def excel_unicode_text(folder: Path) -> Export:
    """Excel: "Unicode Text" is UTF-16 with tabs.

    https://support.microsoft.com/en-us/office/save-a-workbook-to-text-format-txt-or-csv-3e9a9d6c-70da-4255-aa28-fcacf1f081e6
    """
    columns: dict[str, Cell] = {"id": "id", "author": "author", "body": "body", "score": "score"}
    path = write_table(folder / "Book1.tsv", columns, delimiter="\t", line_end="\r\n", encoding="utf-16")
    return Export(path, known("id", "author", "score"))


@tool
def excel_sep_line(folder: Path) -> Export:
    """Tools that write for Excel begin with a line `sep=;`.

    https://superuser.com/questions/773644/what-is-the-sep-metadata-you-can-add-to-csvs
    """
    columns: dict[str, Cell] = {"id": "id", "author": "author", "body": "body"}
    path = write_table(folder / "export.csv", columns, delimiter=";", line_end="\r\n", before="sep=;\r\n")
    return Export(path, known("id", "author"))


@tool
def excel_empty_columns(folder: Path) -> Export:
    """Excel keeps columns and rows that once held something: names and fields of nothing at the end.

    https://learn.microsoft.com/en-us/answers/questions/5165583/extra-commas-at-the-end-of-csv-file
    """
    columns: dict[str, Cell] = {"author": "author", "body": "body", "score": "score", "A": always(""), "B": always("")}
    path = write_table(folder / "Book1.csv", columns, line_end="\r\n", after=",,,,\r\n,,,,\r\n")
    path.write_bytes(path.read_bytes().replace(b"score,A,B", b"score,,", 1))
    return Export(path, known("author", "score"))


@tool
def google_sheets_tsv(folder: Path) -> Export:
    """Google Sheets: TSV without quotes; line breaks in a cell become spaces.

    https://support.google.com/docs/answer/49114
    """
    path = folder / "comments - Sheet1.tsv"
    rows = [f"{one.id}\t{one.user}\t{one.body}\t{one.date:%m/%d/%Y %H:%M:%S}" for one in ONE_LINE]
    path.write_bytes("\r\n".join(["ID\tUser\tComment\tDate", *rows]).encode())
    return Export(path, known("id", "author", "created_utc", of=ONE_LINE))


@tool
def powershell_redirect(folder: Path) -> Export:
    """PowerShell 5.1: `python scrape.py > comments.csv` writes UTF-16.

    https://learn.microsoft.com/en-us/powershell/module/microsoft.powershell.core/about/about_character_encoding
    """
    columns: dict[str, Cell] = {"id": "id", "author": "author", "body": "body"}
    path = write_table(folder / "comments.csv", columns, line_end="\r\n", encoding="utf-16")
    return Export(path, known("id", "author"))


@tool
def powershell_export_csv(folder: Path) -> Export:
    """PowerShell 5.1: `Export-Csv` begins with a line `#TYPE`, and writes `?` for other letters than ASCII.

    https://learn.microsoft.com/en-us/powershell/module/microsoft.powershell.utility/export-csv
    """
    columns: dict[str, Cell] = {"author": "author", "body": "body", "score": "score"}
    before = "#TYPE System.Management.Automation.PSCustomObject\r\n"
    path = write_table(folder / "c.csv", columns, COMMENTS[:3], quoting=csv.QUOTE_ALL, line_end="\r\n", before=before)
    return Export(path, known("author", "score", of=COMMENTS[:3]))


@tool
def mysql_batch(folder: Path) -> Export:
    """MySQL: `mysql --batch -e 'SELECT ...' > comments.tsv`; a missing value is `NULL`.

    https://dev.mysql.com/doc/refman/8.4/en/mysql-command-options.html
    """
    rows = [*ONE_LINE, ONE_LINE[4]._replace(body="NULL", author="NULL", id="k1aa09")]
    columns: dict[str, Cell] = {"id": "id", "author": "author", "created_at": "clock", "body": "body"}
    path = write_table(folder / "comments.tsv", columns, rows, delimiter="\t", quoting=csv.QUOTE_NONE)
    return Export(path, known("id", "author", "created_utc", of=ONE_LINE))


@tool
def mysql_outfile(folder: Path) -> Export:
    r"""MySQL: `SELECT ... INTO OUTFILE`, and PostgreSQL's `COPY`: tabs, no header, `\N` for a missing value.

    https://dev.mysql.com/doc/refman/8.4/en/select-into.html
    """
    columns: dict[str, Cell] = {"1": "id", "2": "author", "3": always(r"\N"), "4": "body"}
    path = write_table(folder / "c.tsv", columns, ONE_LINE, header=False, delimiter="\t", quoting=csv.QUOTE_NONE)
    return Export(path, refusal=_NO_HEADER)


@tool
def postgresql_copy_csv(folder: Path) -> Export:
    r"""PostgreSQL: `\copy comments TO 'comments.csv' CSV HEADER`; times with an offset, booleans as `t`.

    https://www.postgresql.org/docs/current/app-psql.html
    """
    columns: dict[str, Cell] = {"comment_id": "id", "post_id": "link", "author_name": "author", "comment_text": "body"}
    columns |= {"created_at": lambda one: f"{one.clock}+00", "score": "score", "is_deleted": always("f")}
    path = write_table(folder / "comments.csv", columns)
    return Export(path, known("id", "author", "created_utc", "score"))


@tool
def sqlite_csv(folder: Path) -> Export:
    """SQLite: `sqlite3 -header -csv database.sqlite 'SELECT ...'`, the table of Kaggle's May 2015.

    https://www.kaggle.com/datasets/kaggle/reddit-comments-may-2015
    """
    names = "created_utc ups subreddit_id link_id name score_hidden author_flair_css_class author_flair_text subreddit"
    names += " id removal_reason gilded downs archived author score retrieved_on body distinguished edited parent_id"
    columns = {name: REDDIT.get(name, "name" if name == "name" else always(None)) for name in names.split()}
    return Export(write_table(folder / "May2015.csv", columns, line_end="\r\n"), known(*ALL))


@tool
def sqlite_list(folder: Path) -> Export:
    """SQLite: `sqlite3 -header database.sqlite 'SELECT ...' > comments.csv` writes bars without quotes.

    https://sqlite.org/cli.html
    """
    rows = [f"{one.id}|{one.author}|{one.body}" for one in ONE_LINE]
    path = folder / "comments.csv"
    path.write_text("\n".join(["id|author|body", *rows, ""]), "utf-8")
    return Export(path, known("id", "author", of=ONE_LINE))


@tool
def sqlite_database(folder: Path) -> Export:
    """SQLite: the database itself, as Kaggle gives it.

    https://www.kaggle.com/datasets/kaggle/reddit-comments-may-2015
    """
    path = folder / "database.sqlite"
    path.write_bytes(b"SQLite format 3\0" + bytes(4080))
    return Export(path, refusal="(?i)unsupported file type|database")


@tool
def r_write_csv(folder: Path) -> Export:
    """R: `write.csv(df, name)`: row names in a first column without a name, `NA` for a missing value.

    https://stat.ethz.ch/R-manual/R-devel/library/utils/html/write.table.html
    """
    rows = [*COMMENTS, COMMENTS[4]._replace(body="NA", author="NA", id="k1aa09")]
    columns: dict[str, Cell] = {"": lambda one: str(number(one) + 1), "author": "author", "comment": "body"}
    path = write_table(folder / "comments.csv", columns, rows, quoting=csv.QUOTE_NONNUMERIC)
    path.write_bytes(path.read_bytes().replace(b'"NA","NA"', b"NA,NA"))
    return Export(path, known("author"))


@tool
def r_write_csv2(folder: Path) -> Export:
    """R: `write.csv2(df, name, row.names = FALSE)`: semicolons, and commas in numbers.

    https://stat.ethz.ch/R-manual/R-devel/library/utils/html/write.table.html
    """
    columns: dict[str, Cell] = {"author": "author", "text": "body", "score": "score", "sentiment": always("0,25")}
    path = write_table(folder / "comments.csv", columns, delimiter=";", quoting=csv.QUOTE_NONNUMERIC)
    return Export(path, known("author", "score"))


@tool
def r_write_table(folder: Path) -> Export:
    """R: `write.table(df, name)`: spaces, everything quoted, one name less than there are fields.

    https://stat.ethz.ch/R-manual/R-devel/library/utils/html/write.table.html
    """
    of = [one for one in ONE_LINE if '"' not in one.body]
    rows = [f'"{number(one) + 1}" "{one.author}" "{one.body}"' for one in of]
    path = folder / "comments.csv"
    path.write_text("\n".join(['"author" "comment"', *rows, ""]), "utf-8")
    return Export(path, known("author", of=of)).or_refused("(?i)--delimiter|space")


@tool
def reddit_extractor(folder: Path) -> Export:
    """RedditExtractoR 3, data frame `comments`: ids such as `1_2` are places in the thread.

    https://github.com/ivan-rivera/RedditExtractor/blob/master/R/get_thread_content.R
    """
    places = dict(
        zip(("k1aa01", "k1aa02", "k1aa03", "k1aa04", "k1aa05"), ("1", "1_1", "1_1_1", "2", "2_1"), strict=True)
    )
    columns: dict[str, Cell] = {"": lambda one: str(number(one) + 1), "url": always(POST["url"]), "author": "author"}
    columns |= {"date": lambda one: one.clock[:10], "timestamp": "created_utc", "score": "score", "upvotes": "score"}
    columns |= {"downvotes": always(0), "golds": always(0), "comment": "body"}
    columns |= {"comment_id": lambda one: places[one.id or ""]}
    path = write_table(folder / "test_scrape.csv", columns, quoting=csv.QUOTE_NONNUMERIC)
    return Export(path, known("author", "score", "created_utc"), unsure=frozenset({"created_utc", "score"}))


@tool
def reddit_extractor_2(folder: Path) -> Export:
    """RedditExtractoR 2, `get_reddit()`: `author` wrote the post, `user` the comment.

    https://www.rdocumentation.org/packages/RedditExtractoR/versions/2.1.5/topics/reddit_content
    """
    columns: dict[str, Cell] = {"id": number, "structure": always("1"), "post_date": always("15-01-23")}
    columns |= {"comm_date": lambda one: f"{one.date:%d-%m-%y}", "num_comments": always(5), "subreddit": "subreddit"}
    columns |= {"upvote_prop": always(0.9), "post_score": always(41), "author": always("first_loaf"), "user": "author"}
    columns |= {"comment_score": "score", "controversiality": always(0), "comment": "body"}
    columns |= {"title": always(POST["title"]), "post_text": always(POST["selftext"]), "link": always(POST["url"])}
    path = write_table(folder / "reddit.csv", columns)
    return Export(path, known("author", "subreddit", "score"), unsure=frozenset({"author", "score"}))


@tool
def hugging_face_joined_posts(folder: Path) -> Export:
    """A data set with the post's fields in every row, and the comment's under `comment_`.

    https://huggingface.co/datasets/mangoesai/2024_batch10_comments
    """
    columns: dict[str, Cell] = {"title": always(POST["title"]), "id": always("loaf01"), "url": always(POST["url"])}
    columns |= {"created_utc": always("2023-01-15 11:00:00"), "author": always("first_loaf"), "subreddit": "subreddit"}
    columns |= {"selftext": always(POST["selftext"]), "score": always(41), "comments_id": "id"}
    columns |= {"comment_author": "author", "comment_content": "body", "comment_score": "score"}
    path = write_table(folder / "train.csv", columns)
    unsure = frozenset({"author", "id", "score"})
    return Export(path, known("author", "subreddit"), _CHOOSE_COLUMN + "comment_content", unsure)


@tool
def reddit_data_request(folder: Path) -> Export:
    """Reddit's answer to a data request, comments.csv: one person's, times as `2023-01-15 12:00:00 UTC`.

    https://support.reddithelp.com/hc/en-us/articles/360043048352
    """
    columns: dict[str, Cell] = {"id": "id", "permalink": "url", "date": lambda one: f"{one.clock} UTC"}
    columns |= {"ip": always(""), "subreddit": "subreddit", "gildings": always(0), "link": always(POST["url"])}
    columns |= {"parent": "parent", "body": "body", "media": always("")}
    return Export(write_table(folder / "comments.csv", columns), known("id", "subreddit", "created_utc", "parent_id"))


@tool
def scrapy_csv(folder: Path) -> Export:
    """Scrapy, `-O comments.csv`: the item's fields, the text as the page had it.

    https://docs.scrapy.org/en/latest/topics/feed-exports.html
    """
    columns: dict[str, Cell] = {"author": "author", "com_text": "body", "datetime": lambda one: one.date.isoformat()}
    path = write_table(folder / "reddit.csv", columns, line_end="\r\n")
    return Export(path, known("author", "created_utc")).or_refused(_CHOOSE_COLUMN + "com_text")


@tool
def minet(folder: Path) -> Export:
    """Minet, `minet reddit comments`: `id`, `parent`, `comment`.

    https://github.com/medialab/minet/blob/master/minet/reddit/types.py
    """
    columns: dict[str, Cell] = {"post_url": always(POST["url"]), "id": "name", "parent": "parent_id", "comment": "body"}
    return Export(write_table(folder / "comments.csv", columns), known("id", "parent_id"))


@tool
def youtube_comments_csv(folder: Path) -> Export:
    """A YouTube downloader: `published_time`, `likes`, `comment_id`, `parent_id`, `comment`.

    https://github.com/vladzhila/yt-comments-downloader
    """
    columns: dict[str, Cell] = {"published_time": always("2 years ago"), "author": "author", "likes": "score"}
    columns |= {"comment_id": "id", "parent_id": "parent", "comment": "body"}
    path = write_table(folder / "dQw4_comments.csv", columns)
    return Export(path, known("author", "score", "id", "parent_id"))


@tool
def discord_chat_exporter_csv(folder: Path) -> Export:
    """DiscordChatExporter: CSV, every field quoted, times with seven digits of a second.

    https://github.com/Tyrrrz/DiscordChatExporter
    """
    columns: dict[str, Cell] = {"AuthorID": lambda one: f"90000000000000000{number(one)}", "Author": "author"}
    columns |= {"Date": lambda one: f"{one.date:%Y-%m-%dT%H:%M:%S}.0000000+00:00", "Content": "body"}
    columns |= {"Attachments": always(""), "Reactions": always("")}
    path = write_table(folder / "Bread - general.csv", columns, quoting=csv.QUOTE_ALL, line_end="\r\n")
    return Export(path, known("author", "created_utc"))


@tool
def discord_data_package(folder: Path) -> Export:
    """Discord's answer to a data request, messages.csv: one person's, the text in `Contents`.

    https://support.discord.com/hc/en-us/articles/360004957991
    """
    columns: dict[str, Cell] = {"ID": "id", "Timestamp": lambda one: f"{one.clock}.123000+00:00", "Contents": "body"}
    columns |= {"Attachments": always("")}
    return Export(write_table(folder / "messages.csv", columns), known("id", "created_utc"))


@tool
def unquoted_commas(folder: Path) -> Export:
    """Scripts that join with commas: `f.write(author + "," + body)`; a comma in a text makes a field more.

    https://stackoverflow.com/questions/4617034/how-can-i-open-multiple-files-using-with-open-in-python
    """
    path = folder / "comments.csv"
    path.write_text("".join([f"{a},{b}\n" for a, b in [("author", "body"), *((c.author, c.body) for c in ONE_LINE)]]))
    return Export(path, known("author", of=ONE_LINE)).or_refused(r"(?i)too many fields|quote|comma")
