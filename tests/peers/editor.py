"""An editor without a window: speaks the Language Server Protocol with a server, as VS Code does.

It opens texts and asks for diagnostics, hovers and completions. Lines and columns count from 0.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


class Editor:
    """A session with one server. `settings` are what it is told under `yaml`."""

    def __init__(self, process: subprocess.Popen[bytes], settings: dict[str, Any]) -> None:
        assert process.stdin and process.stdout
        self._out: IO[bytes] = process.stdin
        self._in: IO[bytes] = process.stdout
        self._settings = settings
        self._asked = 0
        self._opened = 0

    def begin(self, folder: Path) -> None:
        """Greet the server."""
        markup = {"contentFormat": ["markdown"]}
        item = {"documentationFormat": ["markdown"], "snippetSupport": False}
        able = {"hover": markup, "completion": {"completionItem": item}}
        self._ask(
            "initialize",
            processId=None,
            rootUri=folder.as_uri(),
            capabilities={
                "textDocument": able,
                "workspace": {"configuration": True, "didChangeConfiguration": {}},
            },
        )
        self._tell("initialized")
        self._tell("workspace/didChangeConfiguration", settings={"yaml": self._settings})

    def open(self, text: str) -> str:
        """Open a text as a new file; return its address."""
        self._opened += 1
        uri = f"file:///films/{self._opened}.yaml"
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._tell("textDocument/didOpen", textDocument=document)
        return uri

    def diagnostics(self, *texts: str) -> list[list[str]]:
        """Return what the editor underlines in each text: `line:column: message`, from 1."""
        found: dict[str, list[str]] = {}
        uris = [self.open(text) for text in texts]
        while not found.keys() >= {*uris}:
            message = self._read()
            if message.get("method") == "textDocument/publishDiagnostics":
                published = message["params"]
                found[published["uri"]] = [_shown(one) for one in published["diagnostics"]]
        return [found[uri] for uri in uris]

    def hover(self, text: str, line: int, column: int) -> str:
        """Return what the editor says about the word at a place."""
        shown = self._at("textDocument/hover", text, line, column)
        return str(shown["contents"]["value"]) if shown else ""

    def completions(self, text: str, line: int, column: int) -> dict[str, str]:
        """Return what the editor proposes at a place: each with its documentation."""
        items = self._at("textDocument/completion", text, line, column)["items"]
        return {item["label"]: _words(item.get("documentation", "")) for item in items}

    def _at(self, method: str, text: str, line: int, column: int) -> Any:
        place = {"line": line, "character": column}
        return self._ask(method, textDocument={"uri": self.open(text)}, position=place)

    def _ask(self, method: str, **params: Any) -> Any:
        self._asked += 1
        self._send(id=self._asked, method=method, params=params)
        while True:
            message = self._read()
            if message.get("id") == self._asked and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def _tell(self, method: str, **params: Any) -> None:
        self._send(method=method, params=params)

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._out.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._out.flush()

    def _read(self) -> dict[str, Any]:
        """Return the server's next message, after answering what it asks."""
        length = 0
        while line := self._in.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the server has ended"
        message: dict[str, Any] = json.loads(self._in.read(length))
        if "method" in message and "id" in message:
            self._send(id=message["id"], result=self._answer(message))
        return message

    def _answer(self, message: dict[str, Any]) -> Any:
        if message["method"] != "workspace/configuration":
            return None
        asked = [item["section"] for item in message["params"]["items"]]
        return [self._settings if section == "yaml" else {} for section in asked]


def _shown(diagnostic: Any) -> str:
    start = diagnostic["range"]["start"]
    return f"{start['line'] + 1}:{start['character'] + 1}: {diagnostic['message']}"


def _words(documentation: Any) -> str:
    return str(documentation["value"] if isinstance(documentation, dict) else documentation)


@contextmanager
def editor(command: Sequence[str | Path], folder: Path, schema: Path) -> Iterator[Editor]:
    """Run a YAML language server that checks every file against `schema`."""
    settings = {
        "schemas": {schema.as_uri(): "*.yaml"},
        "schemaStore": {"enable": False},
        "validate": True,
        "hover": True,
        "completion": True,
        "customTags": [],
    }
    with subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            session = Editor(process, settings)
            session.begin(folder)
            session.diagnostics("version: 1\n")  # by then the server has read the schema
            yield session
        finally:
            process.kill()
