"""A browser finds its desk as it left it; a damaged file, or one of somebody else, does no harm."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from pages import _state
from pages._cookie import KNOWN, NAME, BrowserCookie
from pages._desk import Desk
from pages._resume import FOLDER, keep, resume
from pages.components.messages import parse_log
from tests.pages.component import log

BROWSER = "0123456789abcdef" * 2


def working() -> Desk:
    desk = Desk(author="Ann", project="lungs", samples={"lungs": "s1", "demo": "s2"}, crosshairs={"s1": (2, 40, 7)},
                clicked={"s1": (1, 2, 3)})
    desk.seq, desk.layer = 7, "conflict"
    list(desk.ledger.new_ops(parse_log(log({"kind": "undo"}, client="canvas-1"))))
    list(desk.acts.new_ops(parse_log(log({"kind": "forget"}, {"kind": "forget"}, client="panel-1"))))
    return desk


def test_a_desk_comes_back_as_it_was(tmp_path):
    before, after = working(), Desk(author="somebody")
    keep(before, tmp_path, BROWSER)
    resume(after, tmp_path, BROWSER)
    for name in ("author", "project", "samples", "crosshairs", "clicked", "seq", "layer"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.sample == "s1" and after.token != before.token


def test_what_was_carried_out_before_a_restart_is_not_carried_out_again(tmp_path):
    keep(working(), tmp_path, BROWSER)
    after = Desk(author="x")
    resume(after, tmp_path, BROWSER)
    again = parse_log(log({"kind": "undo"}, {"kind": "redo"}, client="canvas-1"))
    assert [op["kind"] for op in after.ledger.new_ops(again)] == ["redo"]
    assert list(after.acts.new_ops(parse_log(log({"kind": "forget"}, {"kind": "forget"}, client="panel-1")))) == []


def test_two_tabs_keep_the_operations_of_both(tmp_path):
    keep(working(), tmp_path, BROWSER)
    other = Desk(author="Ann", project="lungs")
    list(other.ledger.new_ops(parse_log(log({"kind": "undo"}, client="canvas-2"))))
    keep(other, tmp_path, BROWSER)
    after = Desk(author="x")
    resume(after, tmp_path, BROWSER)
    assert {"canvas-1": 1, "canvas-2": 1, "panel-1": 2}.items() <= after.ledger.handled.items()


def test_nothing_is_written_while_nothing_changes(tmp_path):
    desk = working()
    keep(desk, tmp_path, BROWSER)
    file = tmp_path / FOLDER / f"{BROWSER}.json"
    file.unlink()
    keep(desk, tmp_path, BROWSER)
    assert not file.exists()
    desk.choose("s9")
    keep(desk, tmp_path, BROWSER)
    assert json.loads(file.read_text())["samples"]["lungs"] == "s9"


@pytest.mark.parametrize("browser", ["", "../../evil", "0" * 31, "G" * 32])
def test_a_cookie_that_we_did_not_make_names_no_file(tmp_path, browser):
    keep(working(), tmp_path, browser)
    assert not any(tmp_path.iterdir())
    resume(fresh := Desk(author="me"), tmp_path, browser)
    assert fresh.author == "me"


DAMAGES = [{"crosshairs": {"s": [7, 1]}}, {"crosshairs": {"s": 3}}, {"clicked": {"s": ["a"]}}, {"author": ""}, {"author": 5}, {"seq": -1},
           {"layer": "<b>"}, {"handled": {"c": "1"}}, {"samples": []}, {"samples": {"p": 3}}]  # fmt: skip


@pytest.mark.parametrize("change", DAMAGES)
def test_a_damaged_file_means_a_fresh_start(tmp_path, change):
    keep(working(), tmp_path, BROWSER)
    file = tmp_path / FOLDER / f"{BROWSER}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    resume(fresh := Desk(author="me"), tmp_path, BROWSER)
    assert (fresh.author, fresh.project, fresh.crosshairs, fresh.clicked) == ("me", "", {}, {})
    for text in (b"", b"{", b"[1]", b"\xff"):
        file.write_bytes(text)
        resume(fresh, tmp_path, BROWSER)
    assert fresh.author == "me"


def answer(path_type: str, cookie: str) -> dict[str, str]:
    """The headers of an answer that went through the middleware."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", path_type.encode())]})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "headers": [(b"cookie", cookie.encode())]}
    with ThreadPoolExecutor(1) as beside:  # Playwright, where it ran before, leaves a loop in this thread
        beside.submit(asyncio.run, BrowserCookie(app)(scope, None, send)).result()
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_only_a_page_gives_the_cookie_and_only_once():
    given = answer("text/html; charset=utf-8", "")["set-cookie"]
    name, value = given.split(";")[0].split("=")
    assert name == NAME and KNOWN.fullmatch(value) and "HttpOnly" in given
    assert "set-cookie" not in answer("text/html", f"{NAME}={value}") and "set-cookie" not in answer("image/png", "")
    assert "set-cookie" in answer("text/html", f"{NAME}=made-up")
    assert answer("text/html", "")["set-cookie"] != given


@pytest.mark.parametrize("name", ["annotate", "review", "memory", "evaluate", "export"])
def test_a_project_chosen_on_any_page_is_there_after_a_reload(at, picture, home, monkeypatch, name):
    """Regression: only the Annotate page wrote it down."""
    monkeypatch.setattr(_state, "_browser", lambda: BROWSER)
    (home / FOLDER / f"{BROWSER}.json").unlink(missing_ok=True)
    at.run().switch_page(f"{name}.py").run()
    next(box for box in at.selectbox if box.label == "Project").set_value(picture[0]).run()
    assert not at.exception
    resume(after := Desk(author="x"), home, BROWSER)
    assert after.project == picture[0]
