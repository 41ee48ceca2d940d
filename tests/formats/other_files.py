"""Tools that write plain text, and files that are no rows of text at all."""

import io
import pickle
import zipfile
from pathlib import Path

from tests.formats.invented import COMMENTS, ONE_LINE, POST, Export, known, reddit, tool

_UNSUPPORTED = "(?i)unsupported file type"


@tool
def selenium_lines(folder: Path) -> Export:
    """Selenium or `print(comment.body) > comments.txt`: a line a comment.

    https://github.com/maslenj/jumbohack24-political_dashboard/blob/main/texaspolitics.py
    """
    path = folder / "comments.txt"
    path.write_text("".join(f"{one.body}\n" for one in ONE_LINE), "utf-8")
    return Export(path, known(of=ONE_LINE), "running text", is_running_text=True)


@tool
def praw_labelled_text(folder: Path) -> Export:
    """PRAW: paragraphs with `Username:` and `Upvotes:` before each text.

    https://github.com/AnilBalaramanNair/PRAW/blob/main/extract_comments.py
    """
    path = folder / "comments.txt"
    path.write_text("".join(f"Username: {c.user}\nUpvotes: {c.score}\n{c.body}\n\n" for c in COMMENTS), "utf-8")
    return Export(path, COMMENTS, "running text", is_running_text=True)


@tool
def whatsapp(folder: Path) -> Export:
    """WhatsApp, an exported chat: date, name and text in a line; a name learned as text is a person's name.

    https://faq.whatsapp.com/1180414079177245
    """
    path = folder / "WhatsApp Chat with Bread.txt"
    path.write_text("".join(f"[{c.date:%d/%m/%Y, %H:%M:%S}] {c.author}: {c.body}\n" for c in COMMENTS), "utf-8")
    return Export(path, COMMENTS, "running text", is_running_text=True)


@tool
def bulk_downloader_yaml(folder: Path) -> Export:
    """Bulk Downloader for Reddit, `--format yaml`.

    https://github.com/Serene-Arc/bulk-downloader-for-reddit
    """
    path = folder / "loaf01.yaml"
    path.write_text("".join(f"- author: {one.author}\n  body: '{one.body}'\n" for one in ONE_LINE), "utf-8")
    return Export(path, refusal=_UNSUPPORTED)


@tool
def bulk_downloader_xml(folder: Path) -> Export:
    """Bulk Downloader for Reddit, `--format xml`.

    https://github.com/Serene-Arc/bulk-downloader-for-reddit
    """
    path = folder / "loaf01.xml"
    path.write_text("<root>" + "".join(f"<comments><body>{one.body}</body></comments>" for one in COMMENTS) + "</root>")
    return Export(path, refusal=_UNSUPPORTED)


@tool
def reddit_feed(folder: Path) -> Export:
    """Reddit, the address of a subreddit with `.rss`.

    https://www.reddit.com/wiki/rss/
    """
    path = folder / "breadtalk.rss"
    path.write_text("<feed>" + "".join(f"<entry><content>{one.body}</content></entry>" for one in COMMENTS) + "</feed>")
    return Export(path, refusal=_UNSUPPORTED)


@tool
def praw_pickle(folder: Path) -> Export:
    """Pandas: `df.to_pickle(name)`; a pickle can run code, so that none is ever opened.

    https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_pickle.html
    """
    path = folder / "comments.pkl"
    path.write_bytes(pickle.dumps([reddit(one) for one in COMMENTS]))
    return Export(path, refusal="(?i)unsupported file type|pickle")


@tool
def pickle_named_csv(folder: Path) -> Export:
    """The same under the name of a table.

    https://pandas.pydata.org/docs/reference/api/pandas.DataFrame.to_pickle.html
    """
    path = folder / "comments.csv"
    path.write_bytes(pickle.dumps([reddit(one) for one in COMMENTS]))
    return Export(path, refusal="(?i)binary|not text|pickle")


def _workbook() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/sharedStrings.xml", "".join(f"<t>{one.body}</t>" for one in COMMENTS))
    return content.getvalue()


@tool
def excel_workbook(folder: Path) -> Export:
    """Excel: a workbook.

    https://learn.microsoft.com/en-us/openspecs/office_standards/ms-xlsx/
    """
    path = folder / "comments.xlsx"
    path.write_bytes(_workbook())
    return Export(path, refusal="(?is)(excel|workbook|spreadsheet).*csv")


@tool
def excel_workbook_named_csv(folder: Path) -> Export:
    """Excel: a workbook renamed to `.csv`.

    https://learn.microsoft.com/en-us/openspecs/office_standards/ms-xlsx/
    """
    path = folder / "comments.csv"
    path.write_bytes(_workbook())
    return Export(path, refusal="(?is)(excel|workbook|spreadsheet|zip).*")


@tool
def web_page_named_json(folder: Path) -> Export:
    """A browser or `curl`: the page that says "blocked" instead of the JSON.

    https://www.reddit.com/r/redditdev/
    """
    path = folder / "comments.json"
    path.write_text(f"<!doctype html>\n<html><head><title>{POST['title']}</title></head><body>Blocked</body></html>\n")
    return Export(path, refusal="(?i)web page|html")


@tool
def git_lfs_pointer(folder: Path) -> Export:
    """Git without LFS: the pointer instead of the file.

    https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
    """
    path = folder / "train.csv"
    path.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d7a' * 16}\nsize 12345678\n")
    return Export(path, refusal="(?i)lfs")


@tool
def reddit_data_request_archive(folder: Path) -> Export:
    """Reddit's answer to a data request as it comes: a zip archive of CSV files.

    https://support.reddithelp.com/hc/en-us/articles/360043048352
    """
    path = folder / "export_crumb_counter_20230115.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("comments.csv", "id,body\n1,Bread\n")
    return Export(path, refusal="(?i)unsupported file type|zip")
