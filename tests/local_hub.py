"""A hub on this machine: the part of the Hugging Face hub's HTTP interface that reading needs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]  # path in the repository -> content


def commit_of(files: Files) -> str:
    """A commit's hash, made of what is in it."""
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()


class LocalHub:
    """One data set with several revisions; nothing is to be had without naming one of them."""

    def __init__(self, dataset: str, revisions: dict[str, Files]) -> None:
        """
        Args:
            revisions: what lies at each branch or tag.
        """
        self.dataset = dataset
        self.commits = {name: commit_of(files) for name, files in revisions.items()}
        self._files = {commit_of(files): files for files in revisions.values()}
        self.read: list[tuple[str, str]] = []  # commit and path of every file that was asked for
        self.fail_after = -1  # requests for a file's bytes behind so many are refused; -1: none
        self.url = ""

    def files(self, revision: str) -> tuple[str, Files] | None:
        commit = self.commits.get(revision, revision)
        return (commit, self._files[commit]) if commit in self._files else None

    @contextmanager
    def serve(self) -> Iterator[LocalHub]:
        handler = type("Handler", (_Handler,), {"hub": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: LocalHub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path)
        api = f"/api/datasets/{self.hub.dataset}"
        if path == api:
            path = f"{api}/revision/main"
        rest = re.fullmatch(
            rf"{api}/(revision|tree|paths-info)/([^/]+)/?(.*)|"
            rf"/datasets/{self.hub.dataset}/(resolve)/([^/]+)/(.+)",
            path,
        )
        if rest is None:
            return self._fail("EntryNotFound")
        what, revision, name = [group for group in rest.groups() if group is not None]
        found = self.hub.files(revision)
        if found is None:
            return self._fail("RevisionNotFound")
        commit, files = found
        if what == "resolve":
            return self._file(commit, files, name)
        if what == "revision":
            siblings = [{"rfilename": file} for file in files]
            return self._json(
                {"id": self.hub.dataset, "sha": commit, "siblings": siblings, "private": False}
            )
        entries = _entries(files)
        if what == "paths-info":
            wanted = json.loads(body)["paths"]
            return self._json([entry for entry in entries if entry["path"] in wanted])
        return self._json(
            [entry for entry in entries if os.path.dirname(str(entry["path"])) == name]
        )

    def _file(self, commit: str, files: Files, name: str) -> None:
        if name not in files:
            return self._fail("EntryNotFound")
        content = files[name]
        if self.command == "GET":
            self.hub.read.append((commit, name))
        begin, end = 0, len(content)
        if wanted := re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            begin = int(wanted[1])
            end = min(int(wanted[2]) + 1, end) if wanted[2] else end
        if 0 <= self.hub.fail_after < end and name != "README.md":
            return self._fail("Refused", 403)
        self.send_response(206 if wanted else 200)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        if wanted:
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(content)}")
        self.send_header("Content-Length", str(end - begin))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[begin:end])
        return None

    def _json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _fail(self, code: str, status: int = 404) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _entries(files: Files) -> list[dict[str, object]]:
    directories = {os.path.dirname(path) for path in files} - {""}
    entries: list[dict[str, object]] = [
        {"type": "directory", "path": path, "oid": "0" * 40} for path in sorted(directories)
    ]
    for path, content in files.items():
        oid = hashlib.sha1(content).hexdigest()
        entries.append({"type": "file", "path": path, "size": len(content), "oid": oid})
    return entries
