"""A fake Reddit on loopback, for PRAW: signs in, lists the newest 1,000 comments, and fails as Reddit may."""

import base64
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from tests.reddit.comment_factory import Row
from tests.reddit.fetch.http_server import serve

RATE_LIMIT_RESET_SECONDS = 30
MAX_LISTING = 1_000


@dataclass
class FakeReddit:
    """The comments of the server, the oldest first, its behavior, and the requests it got.

    `faults`: one per listing request, from the front; None: a normal response. `sign_in_faults`: statuses, one per
    sign-in. `max_listing`: comments in a listing.
    """

    rows: list[Row]
    secret: str = "id:secret"
    faults: list[str | None] = field(default_factory=list)
    sign_in_faults: list[int] = field(default_factory=list)
    max_listing: int = MAX_LISTING
    requests: list[str] = field(default_factory=list)
    user_agents: set[str] = field(default_factory=set)
    url: str = ""


@contextlib.contextmanager
def serve_reddit(server: FakeReddit) -> Iterator[FakeReddit]:
    """Serve on a free port of loopback."""
    with serve(type("Handler", (_Handler,), {"fake": server})) as server.url:
        yield server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fake: FakeReddit

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/api/v1/access_token"
        self.fake.user_agents.add(str(self.headers["User-Agent"]))
        if self.fake.sign_in_faults:
            self.respond({}, self.fake.sign_in_faults.pop(0))
        elif self.headers["Authorization"] != "Basic " + base64.b64encode(self.fake.secret.encode()).decode():
            self.respond({"error": 401}, 401)
        else:
            self.respond({"access_token": "t", "token_type": "bearer", "expires_in": 3600, "scope": "*"})

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.fake.requests.append(self.path)
        if self.headers["Authorization"] != "bearer t":
            self.respond({"error": 401}, 401)
            return
        fault = self.fake.faults.pop(0) if self.fake.faults else None
        if fault is not None:
            REDDIT_FAULTS[fault](self, url.path, query)
        else:
            self.respond_listing(url.path, query)

    def respond_listing(self, path: str, query: dict[str, str], **headers: Any) -> None:
        """Send a page of a listing; for an unknown name a redirect to the search, or 404."""
        _, kind, name, _ = path.split("/")
        filter_field = "subreddit" if kind == "r" else "author"
        rows = [row for row in reversed(self.fake.rows) if row[filter_field].lower() == name.lower()][
            : self.fake.max_listing
        ]
        if not rows:
            self.respond({}, 302 if kind == "r" else 404, Location="/subreddits/search")
            return
        names = [f"t1_{row['id']}" for row in rows]
        begin = names.index(query["after"]) + 1 if "after" in query else 0
        page = rows[begin : begin + int(query["limit"])]
        has_more = begin + len(page) < len(rows)
        children = [{"kind": "t1", "data": {**row, "name": f"t1_{row['id']}"}} for row in page]
        after = f"t1_{page[-1]['id']}" if page and has_more else None
        self.respond({"kind": "Listing", "data": {"children": children, "after": after}}, **headers)

    def respond(self, document: object, status: int = 200, **headers: Any) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def respond_truncated(self) -> None:
        """Send a fraction of the announced length."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"data"')
        self.wfile.flush()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connection immediately."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            cast(socket.socket, self.connection).shutdown(socket.SHUT_RDWR)

    def log_message(self, *arguments: object) -> None:
        pass


REDDIT_FAULTS: dict[str, Callable[[_Handler, str, dict[str, str]], None]] = {
    "limited": lambda self, path, query: self.respond({"error": 429}, 429, Retry_After=RATE_LIMIT_RESET_SECONDS),
    "broken": lambda self, path, query: self.respond(b"<html>\x1b[2J", 500),
    "unavailable": lambda self, path, query: self.respond({}, 503),
    "signed out": lambda self, path, query: self.respond({}, 401),
    "forbidden": lambda self, path, query: self.respond(b"<html>blocked</html>", 403),
    "no JSON": lambda self, path, query: self.respond(b"<html>"),
    "no listing": lambda self, path, query: self.respond([{"kind": "t5"}]),
    "odd listing": lambda self, path, query: self.respond({"data": {"children": [5], "after": []}}),
    "odd limits": lambda self, path, query: self.respond_listing(
        path, query, x_ratelimit_remaining="soon", x_ratelimit_used="x", x_ratelimit_reset="\xff"
    ),
    "deep": lambda self, path, query: self.respond(b"[" * 100_000),
    "cut short": lambda self, path, query: self.respond_truncated(),
    "dropped": lambda self, path, query: self.hang_up(),
}
"""Every kind of fault; all are transient."""
