"""The page of a film: who may ask what, what is written there, and the page as a folder."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote

import anyio
import httpx
import pytest

from klingflow.api.gallery import Gallery, Video
from klingflow.decide.spending import SHARES
from klingflow.errors import UsageError
from klingflow.ledger.lifecycle import STATES
from klingflow.model import PickWord, Sound
from klingflow.pages import report
from klingflow.pages.posters import Posters
from klingflow.pages.server import SCRIPTS, Guard, Page, static
from klingflow.pages.sessions import GRACE_S
from klingflow.pages.watching import Watch
from klingflow.results.arrived import REMARKS

PORT = 8123
HOME = f"http://127.0.0.1:{PORT}"
EVIL = '</script><img src=x onerror=alert(1)>\u202e"; javascript:alert(1) {color:red}'
VIDEO = b"0123456789"
# What stands in a call of `t` and is compared, not said.
OTHER_LITERALS = {"pick", "zh"}


def gallery_at(folder: Path, **more: Any) -> Gallery:
    """A page of one take, whose video and reference lie in `folder`."""
    video, still = folder / "outputs" / "a.mp4", folder / "a.png"
    video.parent.mkdir(exist_ok=True)
    video.write_bytes(VIDEO)
    still.write_bytes(b"png")
    take = {"key": "a", "id": "a", "take": 1, "uid": "u1", "state": "done", "prompt": EVIL}
    data = {"name": EVIL, "takes": [{**take, "versions": [], **more}], "command": "film.yaml"}
    lock = folder / "film.lock"
    lock.touch()
    return Gallery(data, {"u1": Video(video, "a" * 64)}, {"b" * 64: still}, (lock,))


class Film:
    """A page without a socket, and what was written there."""

    def __init__(self, folder: Path) -> None:
        self.picks: list[tuple[str, ...]] = []
        self.rest: dict[str, str] = {}
        self.reading: Callable[[], object] = lambda: None
        self.watch = Watch(lambda: (self.reading(), gallery_at(folder, **self.rest))[1])
        self.posters = Posters(folder / "posters")
        self.page = Page(self.watch, self.posters, self.pick, lambda: None)
        self.transport = httpx.ASGITransport(Guard(self.page.app(), PORT))

    def pick(self, *said: str) -> None:
        if said[1] == "gone":
            raise UsageError("there is no shot 'gone'")
        self.picks.append(said)

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A browser on the page itself, with headers of its own or other ones."""
        return httpx.AsyncClient(
            transport=self.transport, base_url=HOME, headers={"origin": HOME, **headers}
        )

    @asynccontextmanager
    async def begun(self, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        """A browser with a session."""
        async with self.client() as client:
            ticket = {"ticket": self.page.sessions.ticket}
            session = (await client.post("/session", json=ticket)).json()["session"]
            client.headers.update({"x-klingflow-session": session, **headers})
            yield client


@pytest.fixture
def film(tmp_path: Path) -> Iterator[Film]:
    made = Film(tmp_path)
    with made.posters:
        yield made


pytestmark = pytest.mark.anyio


async def test_the_page_itself_holds_nothing_of_the_film(film: Film) -> None:
    """Anybody on this machine may load it."""
    async with film.client() as client:
        page = await client.get("/")
    assert page.status_code == 200
    assert "alert" not in page.text
    assert page.headers["content-security-policy"].startswith(
        "default-src 'none'; script-src 'self'"
    )
    assert "access-control-allow-origin" not in page.headers


ASKED: list[tuple[str, str]] = [
    ("GET", "/data"),
    ("GET", "/changes"),
    ("POST", "/picks"),
    ("GET", "/media/{media}/u1.mp4"),
    ("GET", "/posters/{media}/u1.jpg"),
    ("GET", f"/stills/{{media}}/{'b' * 64}"),
]


@pytest.mark.parametrize(("method", "path"), ASKED)
@pytest.mark.parametrize("word", ["", "x", "{ticket}"])
async def test_nothing_of_the_film_is_told_without_the_session(
    film: Film, method: str, path: str, word: str
) -> None:
    """Neither without a word, nor with a wrong one, nor with the next ticket."""
    async with film.begun() as client:
        word = word.format(ticket=film.page.sessions.ticket)
        client.headers["x-klingflow-session"] = word
        answer = await client.request(method, path.format(media=word or "-"), json={})
    assert answer.status_code == 403
    assert "alert" not in answer.text


@pytest.mark.parametrize(("method", "path"), ASKED)
async def test_what_was_stolen_from_a_page_is_worth_nothing_once_it_was_closed(
    film: Film, method: str, path: str
) -> None:
    """Neither the session's word, nor the one in the addresses of its videos."""
    async with film.begun() as client:
        path = path.format(media=film.page.sessions.media)
        assert film.page.sessions.over(time.monotonic() + GRACE_S)
        answer = await client.request(method, path, json={"verb": "pick", "key": "a"})
    assert (answer.status_code, film.picks) == (403, [])


FOREIGN: list[dict[str, str]] = [
    {"host": f"evil.example:{PORT}"},
    {"host": "127.0.0.1"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize(("method", "path"), [*ASKED, ("GET", "/"), ("GET", "/page.js")])
async def test_a_foreign_page_gets_nothing(
    film: Film, headers: dict[str, str], method: str, path: str
) -> None:
    """Even one that knows the port and the session: a browser says where a request comes from."""
    async with film.begun(**headers) as client:
        path = path.format(media=film.page.sessions.media)
        answer = await client.request(method, path, json={})
    assert answer.status_code == 403
    assert film.picks == []


async def test_a_request_that_changes_something_names_its_origin(film: Film) -> None:
    """Browsers do; a form of another page that hides it is refused."""
    async with film.begun() as client:
        del client.headers["origin"]
        answer = await client.post("/picks", json={"verb": "pick", "key": "a"})
    assert (answer.status_code, film.picks) == (403, [])


async def test_a_form_of_another_page_is_no_question(film: Film) -> None:
    """A form can be sent anywhere without being asked about first; JSON cannot."""
    async with film.begun() as client:
        answer = await client.post("/picks", data={"verb": "pick"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"[]", 400), (b"{", 400), (b" " * 65_537, 413), (b'{"verb":"x"}', 400), (b"[" * 65_536, 400)],
)
async def test_a_question_that_is_none_is_refused(film: Film, body: bytes, status: int) -> None:
    """Nothing is written."""
    async with film.begun() as client:
        headers = {"content-type": "application/json"}
        answer = await client.post("/picks", content=body, headers=headers)
    assert (answer.status_code, film.picks) == (status, [])


async def test_what_is_said_of_a_take_is_written_with_the_video_that_was_seen(film: Film) -> None:
    """So that another one, which came meanwhile, is not meant."""
    said = {"verb": "reject", "key": "a", "uid": "u1", "note": "手变形"}
    async with film.begun() as client:
        answer = await client.post("/picks", json=said)
    assert answer.status_code == 200
    assert film.picks == [("reject", "a", "u1", "手变形")]


async def test_a_name_that_is_no_utf_8_is_shown(film: Film) -> None:
    """As Python holds it: file names on Linux are any bytes."""
    film.rest["file"] = "a\udcff.mp4"
    assert film.watch.now()
    async with film.begun() as client:
        answer = await client.get("/data")
    assert json.loads(answer.content)["takes"][0]["file"] == "a\udcff.mp4"


async def test_the_film_is_read_by_one_at_a_time(film: Film) -> None:
    """Otherwise the older of two readings could end last, and stay on the page."""
    met: list[bool] = []
    both = threading.Barrier(2)

    def reading() -> None:
        try:
            both.wait(0.2)
            met.append(True)
        except threading.BrokenBarrierError:
            met.append(False)

    film.reading = reading
    async with film.begun() as client, anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(partial(client.post, "/picks", json={"verb": "pick", "key": "a"}))
    assert met == [False, False]


async def test_what_cannot_be_written_is_said_on_the_page(film: Film) -> None:
    """In the words of the command."""
    async with film.begun() as client:
        answer = await client.post("/picks", json={"verb": "pick", "key": "gone"})
    assert (answer.status_code, answer.json()) == (409, {"error": "there is no shot 'gone'"})


async def test_a_video_is_served_by_ranges(film: Film) -> None:
    """A browser that seeks asks for a part."""
    async with film.begun() as client:
        address = (await client.get("/data")).json()["videos"]["u1"]
        whole = await client.get(address)
        part = await client.get(address, headers={"range": "bytes=2-4"})
    assert (whole.content, whole.headers["content-type"]) == (VIDEO, "video/mp4")
    assert (part.status_code, part.content) == (206, VIDEO[2:5])


@pytest.mark.parametrize("name", ["../film.lock", "..%2ffilm.lock", "u2", "%2fetc%2fpasswd"])
async def test_only_videos_of_the_ledger_have_an_address(film: Film, name: str) -> None:
    """The address holds an id, never a path."""
    async with film.begun() as client:
        answer = await client.get(f"/media/{film.page.sessions.media}/{name}.mp4")
    assert answer.status_code == 404


async def test_a_ticket_that_was_used_opens_nothing(film: Film) -> None:
    """The page says where the next one is."""
    ticket = film.page.sessions.ticket
    async with film.begun() as client:
        answer = await client.post("/session", json={"ticket": ticket})
    assert answer.status_code == 403
    assert "terminal" in answer.json()["error"]


def test_a_page_hears_of_changes(film: Film, tmp_path: Path) -> None:
    """When a file of it has changed, and what the page shows with it."""
    assert not film.watch.again()
    (tmp_path / "film.lock").write_bytes(b"more")
    assert not film.watch.again()
    assert film.watch.version == 1
    film.rest["prompt"] = "new"
    (tmp_path / "film.lock").write_bytes(b"yet more")
    assert film.watch.again()
    assert film.watch.version == 2


def test_a_film_that_cannot_be_read_keeps_its_page(tmp_path: Path) -> None:
    """While a manifest is being edited it is often wrong."""
    looks: list[Callable[[], Gallery]] = [lambda: gallery_at(tmp_path)]

    def look() -> Gallery:
        return looks.pop(0)()

    def broken() -> Gallery:
        raise UsageError("line 3: what is this?")

    watch = Watch(look)
    looks += [broken, lambda: gallery_at(tmp_path, prompt="new")]
    assert watch.now()
    assert (watch.trouble, watch.gallery.data["name"]) == ("line 3: what is this?", EVIL)
    assert watch.now()
    assert (watch.trouble, watch.gallery.data["takes"][0]["prompt"], watch.version) == (
        "",
        "new",
        3,
    )


def written(folder: Path, *, copies: bool = False) -> Path:
    """A report in `folder`."""
    target = folder / "report"
    write(gallery_at(folder), target, copies=copies)
    return target


def write(gallery: Gallery, target: Path, *, copies: bool = False) -> None:
    with Posters(target.parent / "posters") as posters:
        report.write(gallery, target, posters, copies=copies, tell=lambda *_: None)


def data_in(folder: Path) -> Any:
    """What a report's script says."""
    text = (folder / "data.js").read_text("utf-8")
    return json.loads(text.removeprefix("const DATA = ").removesuffix(";\n"))


@pytest.mark.parametrize("copies", [False, True])
def test_a_report_finds_its_videos_from_disk(tmp_path: Path, copies: bool) -> None:
    """Where they lie, or as copies of its own."""
    folder = written(tmp_path, copies=copies)
    address = data_in(folder)["videos"]["u1"]
    assert (folder / unquote(address)).read_bytes() == VIDEO
    assert address.startswith("videos/") == copies


def test_a_report_holds_no_text_of_the_film_as_code(tmp_path: Path) -> None:
    """Its texts are values in a script of their own, without a tag in them."""
    folder = written(tmp_path)
    assert data_in(folder)["takes"][0]["prompt"] == EVIL
    assert "<" not in (folder / "data.js").read_text("utf-8")
    assert "alert" not in (folder / "index.html").read_text("utf-8")


@pytest.mark.parametrize("name", ["mine.txt", "data.js"])
def test_a_report_is_written_again_but_over_nothing_else(tmp_path: Path, name: str) -> None:
    """A folder with other files is refused, even if one is called as a report's is."""
    written(tmp_path)
    written(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / name).write_text("let mine;", "utf-8")
    with pytest.raises(UsageError, match="holds other files"):
        write(gallery_at(tmp_path), tmp_path / "other")


def test_a_report_that_is_given_away_has_its_references(tmp_path: Path) -> None:
    """It is whole by itself: no address in it leads out of it."""
    folder = written(tmp_path, copies=True)
    still = data_in(folder)["stills"]["b" * 64]
    assert (still, (folder / still).read_bytes()) == (f"stills/{'b' * 64}.png", b"png")


@pytest.mark.parametrize("name", ["posters", "videos", "stills"])
def test_a_link_in_an_earlier_report_leads_no_file_elsewhere(tmp_path: Path, name: str) -> None:
    """A folder that says it is a report may come from a stranger."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "data.js").write_bytes(b"const DATA = {};")
    (tmp_path / "report" / name).symlink_to(tmp_path / "mine")
    with pytest.raises(UsageError, match=f"{name} is a link; remove it"):
        written(tmp_path, copies=True)
    assert [*(tmp_path / "mine").iterdir()] == []


def test_a_copy_takes_the_place_of_a_link(tmp_path: Path) -> None:
    """Otherwise a report that is given away would hold what a stranger's link leads to."""
    (tmp_path / "secret").write_bytes(b"mine")
    copy = tmp_path / "report" / "videos" / f"{'a' * 64}.mp4"
    copy.parent.mkdir(parents=True)
    (tmp_path / "report" / "data.js").write_bytes(b"const DATA = {};")
    copy.symlink_to(tmp_path / "secret")
    written(tmp_path, copies=True)
    assert (copy.is_symlink(), copy.read_bytes()) == (False, VIDEO)


def sources() -> str:
    return "\n".join(static(name).decode() for name in (*SCRIPTS, "page.html"))


def said_by(code: str) -> set[str]:
    """The sentences that code hands to `t`, and the words of page.html and of tables."""
    said = {*re.findall(r'data-t="([^"]+)"', code)}
    said |= {*re.findall(r'^  \w+: "([^"]+)",$', code, re.MULTILINE)}
    for call in re.finditer(r"\bt\(", code):
        depth, end = 1, call.end()
        quoted = False
        while depth and (quoted or depth > 1 or code[end] != ","):
            quoted ^= code[end] == '"'
            depth += 0 if quoted else {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        said |= {*re.findall(r'"([^"]+)"', code[call.end() : end])}
    return said


def test_the_page_is_whole_in_chinese() -> None:
    """Every sentence of it has its Chinese, with the same values in it, and none is left over."""
    words = static("words.js").decode()
    chinese = dict(re.findall(r'^  "(.*)": "(.*)",$', words, re.MULTILINE))
    said = said_by(sources().replace(words, "")) - OTHER_LITERALS
    assert {*chinese} == said
    values = re.compile(r"\{\w+\}")
    differing = [en for en, zh in chinese.items() if {*values.findall(en)} != {*values.findall(zh)}]
    assert differing == []


def table(name: str) -> dict[str, str]:
    """One of the tables of the scripts."""
    found = re.search(rf"const {name} = \{{(.*?)\}};", sources(), re.DOTALL)
    assert found is not None
    return dict(re.findall(r'^  (\w+): "(.*)",$', found[1], re.MULTILINE))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("STATES", {"new", *STATES}),
        ("PICKS", {*get_args(PickWord)}),
        ("SOUNDS", {*get_args(Sound)}),
        ("REMARKS", {*REMARKS}),
    ],
)
def test_every_name_has_its_words(name: str, words: set[str]) -> None:
    """A new one would be shown as nothing."""
    assert {*table(name)} == words


def test_headings_of_money_read_as_in_the_terminal() -> None:
    """A new one would be shown as nothing."""
    assert table("HEADINGS") == {heading: row.words for heading, row in SHARES.items()}


def test_remarks_read_as_in_the_terminal() -> None:
    """One wording for one thing."""
    said = {kind: row.words.replace("{got:g}", "{got}") for kind, row in REMARKS.items()}
    assert table("REMARKS") == said


def test_the_page_asks_no_other_host_and_makes_no_text_code() -> None:
    """What a browser would turn into elements or run is not there at all."""
    code = sources()
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "style=",
    ):
        assert word not in code
    hosts = {*re.findall(r"https?://[\w.]+", code)}
    assert hosts <= {"http://www.w3.org"}  # the name of SVG, which nobody asks for
