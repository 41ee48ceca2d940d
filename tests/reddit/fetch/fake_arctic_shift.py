"""A fake Arctic Shift on loopback: pages like the real one, and fails in every way that it may."""

import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from tests.reddit.comment_factory import Row
from tests.reddit.fetch.http_server import serve

RATE_LIMIT_RESET_SECONDS = 30


@dataclass
class FakeArcticShift:
    """The comments of the server, its behavior, and the requests it got.

    `faults`: one per request, from the front; None: a normal response. After them, `default_fault` gives the fault of
    each request. `max_window`: the longest window, in seconds, that does not time out; `max_limit`: the largest page,
    with `only_heavy` only in windows of more comments. `on_request` is called with the number of each request.
    """

    rows: list[Row]
    faults: list[str | None] = field(default_factory=list)
    default_fault: Callable[[], str | None] | None = None
    max_window: int | None = None
    max_limit: int = 100
    only_heavy: bool = False
    requests: list[dict[str, str]] = field(default_factory=list)
    user_agents: set[str] = field(default_factory=set)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    on_request: Callable[[int], None] | None = None

    def next_fault(self) -> str | None:
        with self.lock:
            if self.faults:
                return self.faults.pop(0)
            return self.default_fault() if self.default_fault is not None else None

    def times_out(self, query: dict[str, str]) -> bool:
        """Return True if the request asks for too much."""
        if self.max_window is not None and int(query["before"]) - int(query["after"]) > self.max_window + 1:
            return True
        is_heavy = not self.only_heavy or len(self.search({**query, "limit": "1000"})) > self.max_limit
        return int(query["limit"]) > self.max_limit and is_heavy

    def search(self, query: dict[str, str]) -> list[Row]:
        """Return the requested page."""
        filter_field = "subreddit" if "subreddit" in query else "author"
        rows = [
            row
            for row in self.rows
            if str(row[filter_field]).lower() == query[filter_field].lower()
            and int(query["after"]) < int(float(row["created_utc"])) < int(query["before"])
        ]
        fields = query["fields"].split(",")
        return [{name: row.get(name) for name in fields} for row in rows[: int(query["limit"])]]


def random_faults(probability: float, seed: int, excluded: frozenset[str] = frozenset()) -> Callable[[], str | None]:
    """Return a function that draws a fault with the given probability; every kind occurs before any repeats."""
    rng, deck = random.Random(seed), list[str]()

    def next_fault() -> str | None:
        if rng.random() >= probability:
            return None
        if not deck:
            deck.extend(rng.sample(sorted(set(FAULTS) - excluded), len(FAULTS) - len(excluded)))
        return deck.pop()

    return next_fault


@contextlib.contextmanager
def serve_arctic_shift(server: FakeArcticShift) -> Iterator[FakeArcticShift]:
    """Serve on a free port of loopback."""
    with serve(type("Handler", (_Handler,), {"fake": server})) as server.url:
        yield server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fake: FakeArcticShift

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        assert url.path == "/api/comments/search", self.path
        query = {name: values[0] for name, values in parse_qs(url.query, strict_parsing=True).items()}
        assert query["sort"] == "asc"
        assert 1 <= int(query["limit"]) <= 100
        self.fake.requests.append(query)
        self.fake.user_agents.add(str(self.headers["User-Agent"]))
        if self.fake.on_request is not None:
            self.fake.on_request(len(self.fake.requests))
        fault = self.fake.next_fault()
        with contextlib.suppress(ConnectionError):
            if fault is not None:
                FAULTS[fault](self, query)
            elif self.fake.times_out(query):
                FAULTS["timeout"](self, query)
            else:
                self.respond(self.ok_body(query))

    def ok_body(self, query: dict[str, str]) -> bytes:
        return json.dumps({"data": self.fake.search(query)}).encode()

    def respond(self, body: bytes, status: int = 200, content_type: str = "application/json", **headers: Any) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": content_type, "Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def respond_error(self, text: str, status: int, **headers: Any) -> None:
        self.respond(json.dumps({"data": None, "error": text}).encode(), status, **headers)

    def respond_truncated(self, query: dict[str, str]) -> None:
        """Send half of the announced length."""
        body = self.ok_body(query)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connection immediately."""
        self.wfile.flush()
        self.close_connection = True
        with contextlib.suppress(OSError):
            cast(socket.socket, self.connection).shutdown(socket.SHUT_RDWR)

    def respond_slowly(self, query: dict[str, str]) -> None:
        """Respond after a delay."""
        time.sleep(0.05)
        self.respond(self.ok_body(query))

    def respond_rate_limited(self, reset: float) -> None:
        self.respond_error("Too many requests, slow down", 429, X_RateLimit_Remaining=0, X_RateLimit_Reset=reset)

    def log_message(self, *arguments: object) -> None:
        pass


def out_of_order_row(rows: list[Row]) -> Row:
    """Return a comment that is older than all of `rows`."""
    return {**rows[0], "id": "early", "created_utc": rows[0]["created_utc"] - 1} if rows else {}


FAULTS: dict[str, Callable[[_Handler, dict[str, str]], None]] = {
    "timeout": lambda self, query: self.respond_error("Timeout. Maybe slow down a bit", 422),
    "timeout within 200": lambda self, query: self.respond_error("Timeout. Maybe slow down a bit", 200),
    "query timed out": lambda self, query: self.respond_error("Query timed out", 500),
    "maintenance": lambda self, query: self.respond_error("Under maintenance", 200),
    "maintenance 503": lambda self, query: self.respond_error(
        "Under maintenance", 503, Retry_After=RATE_LIMIT_RESET_SECONDS
    ),
    "limited, seconds": lambda self, query: self.respond_rate_limited(RATE_LIMIT_RESET_SECONDS),
    "limited, epoch": lambda self, query: self.respond_rate_limited(round(time.time() + RATE_LIMIT_RESET_SECONDS, 2)),
    "forbidden": lambda self, query: self.respond(b"<html>Just a moment...</html>", 403, "text/html"),
    "broken": lambda self, query: self.respond(b"<html>\x1b[2J 500</html>", 500, "text/html"),
    "bad gateway": lambda self, query: self.respond(b"", 502),
    "half JSON": lambda self, query: self.respond(self.ok_body(query)[:-20]),
    "no JSON": lambda self, query: self.respond(b"<html>all is well</html>"),
    "no data": lambda self, query: self.respond(b"{}"),
    "cut short": lambda self, query: self.respond_truncated(query),
    "dropped": lambda self, query: self.hang_up(),
    "empty": lambda self, query: self.respond(b'{"data":[]}'),
    "slow": lambda self, query: self.respond_slowly(query),
    "out of order": lambda self, query: self.respond(
        json.dumps({"data": [*self.fake.search(query), out_of_order_row(self.fake.search(query))]}).encode()
    ),
    "refused": lambda self, query: self.respond(b'{"error":"Invalid \x1b[31m parameter"}', 400),
}
"""Every kind of fault; only "slow" returns a page, and only "refused" is permanent."""
