"""The live page's side of the daemon: what it is sent, and who may look and press."""

import asyncio
import re
from pathlib import Path

import aiohttp
import msgpack
import pytest
from daemon_process import Client, DaemonProcess, config_text, daemon

from streamfit.daemon.web import page_feed
from streamfit.daemon.web.page_feed import PageFeed


def views(t: float = 0.0) -> list[dict[str, object]]:
    return [{"camera": f"cam_0{i}", "xyc": [[100.0 + i, 100.0, 0.9]] * 17} for i in (1, 2)]


async def taken(page: page_feed.Page, count: int) -> list[bytes]:
    out = []
    async with asyncio.timeout(5):
        async for message in page.messages():
            out.append(message)
            if len(out) == count:
                break
    return out


async def test_poses_are_thinned_and_events_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(page_feed.time, "monotonic", lambda: now)
    pages = PageFeed()
    with pages.page() as page:
        for i in range(100):
            now = 10.0 + i / 100
            for topic in ("kinematics/a/0", "kinematics/a/1", "bodies/a/0", "smoothed/a/0", "gait/a/0"):
                pages.offer(topic, f"{topic} {i}".encode())
        got = await taken(page, 25 * 3 + 100)
    assert sum(message.startswith(b"gait") for message in got) == 100
    for topic in (b"kinematics/a/0", b"kinematics/a/1", b"bodies/a/0"):
        assert sum(message.startswith(topic) for message in got) == 25
    assert not any(message.startswith(b"smoothed") for message in got)


async def test_a_page_that_does_not_read_is_let_go_and_costs_the_others_nothing() -> None:
    pages = PageFeed()
    with pages.page() as slow, pages.page() as quick:
        got: list[bytes] = []
        for i in range(3 * page_feed.MAX_QUEUE):
            pages.offer("gait/a/0", b"%d" % i)
            got += await taken(quick, 1)
        assert got == [b"%d" % i for i in range(3 * page_feed.MAX_QUEUE)]
        assert len([message async for message in slow.messages()]) <= page_feed.MAX_QUEUE


async def test_pages_are_bounded_and_nothing_is_kept_without_one() -> None:
    pages = PageFeed()
    pages.offer("gait/a/0", b"for nobody")
    contexts = [pages.page() for _ in range(page_feed.MAX_PAGES + 1)]
    opened = [context.__enter__() for context in contexts]
    assert [page is None for page in opened] == [False] * page_feed.MAX_PAGES + [True]
    for context in contexts:
        context.__exit__(None, None, None)
    assert pages.pages == 0


async def test_a_page_is_told_who_is_there_and_then_all_that_moves(fake_daemon: DaemonProcess, client: Client) -> None:
    client.keypoints("pages", 0.0, views())
    client.wait_for("kinematics/pages/0")
    kinds: dict[str, int] = {}
    async with aiohttp.ClientSession() as browser, browser.ws_connect(f"{fake_daemon.endpoints['http']}/live") as live:
        told = {"session": None}
        while told["session"] != "pages":  # other tests may have left sessions
            told = msgpack.unpackb(await live.receive_bytes())
            assert told["type"] == "model"
        client.keypoints("pages", 0.1, views())
        async with asyncio.timeout(10):
            while not {"kinematics", "bodies", "status"} <= kinds.keys():
                message = msgpack.unpackb(await live.receive_bytes())
                kinds[message["type"]] = kinds.get(message["type"], 0) + 1
        scene = await (await browser.get(f"{fake_daemon.endpoints['http']}/scene/pages")).json()
        assert (await browser.get(f"{fake_daemon.endpoints['http']}/scene/nobody")).status == 404
    assert [camera["name"] for camera in scene["cameras"]][:2] == ["cam_01", "cam_02"]
    assert len(scene["bodies"]) == len(scene["parents"])
    assert client.ask("close", session="pages")["ok"]


async def test_who_may_look(fake_daemon: DaemonProcess) -> None:
    """A page elsewhere may not, nor one that has a name of its own resolved to our address."""
    http = fake_daemon.endpoints["http"]
    port = http.rpartition(":")[2]
    async with aiohttp.ClientSession() as browser:
        for path in ("/", "/status.json", "/live", "/scene/x"):
            for headers in (
                {"Host": f"evil.example:{port}"},
                {"Host": "evil.example"},
                {"Origin": "http://evil.example"},
            ):
                assert (await browser.get(http + path, headers=headers)).status == 403, (path, headers)
        for host in (f"localhost:{port}", f"127.0.0.1:{port}", "localhost", f"[::1]:{port}"):
            assert (await browser.get(http, headers={"Host": host})).status == 200


async def test_the_buttons_want_our_own_page(fake_daemon: DaemonProcess, client: Client) -> None:
    client.keypoints("buttons", 0.0, views())
    client.wait_for("kinematics/buttons/0")
    http = fake_daemon.endpoints["http"]
    async with aiohttp.ClientSession() as browser:
        token = re.search(r'name="token" content="([^"]+)"', await (await browser.get(http)).text()).group(1)
        ours = {"Origin": http, "X-Streamfit-Token": token}
        press = {"operation": "record", "session": "buttons", "on": True}

        async def pressed(headers: dict[str, str], fields: object = press) -> aiohttp.ClientResponse:
            return await browser.post(f"{http}/control", headers=headers, json=fields)

        for wrong in (
            {},
            {"Origin": http},
            ours | {"X-Streamfit-Token": "guess"},
            ours | {"Origin": "http://evil.example"},
        ):
            assert (await pressed(wrong)).status == 403
        del ours["Origin"]
        assert (await pressed(ours)).status == 403
        ours["Origin"] = http
        for bad in ({"operation": "shutdown"}, {"operation": ["record"]}, [], 3):
            assert (await pressed(ours, bad)).status == 400
        assert (await browser.post(f"{http}/control", headers=ours, data=b"\xff")).status == 400
        assert (await browser.post(f"{http}/control", headers=ours, data=b"x" * 9000)).status == 413
        assert await (await pressed(ours)).json() == {
            "ok": False,
            "error": "no folder for recordings: set directory in [record]",
        }
        off = await (await pressed(ours, press | {"on": False})).json()
        assert off == {"ok": True, "result": {"session": "buttons", "file": None}}
    assert client.ask("close", session="buttons")["ok"]


def test_the_page_can_do_nothing_where_others_can_reach_it(tmp_path: Path) -> None:
    text = config_text(http="0.0.0.0:0").replace('bind = "0.0.0.0:0"', 'bind = "0.0.0.0:0"\nallow_remote = true')
    with daemon(tmp_path, text) as process:
        process.endpoints["http"] = process.endpoints["http"].replace("0.0.0.0", "127.0.0.1")
        assert 'name="token" content=""' in process.get("/")[1]


def test_the_page_is_whole(fake_daemon: DaemonProcess) -> None:
    """Every file that it names is there, and nothing but those."""
    _, page = fake_daemon.get("/")
    names = re.findall(r'(?:src|href)="(page/[^"]+)"', page)
    assert len(names) == 5
    _, main = fake_daemon.get("/page/main.js")
    for name in [*names, *(f"page/{module}" for module in re.findall(r'from "\./([^"]+)"', main))]:
        assert fake_daemon.get(f"/{name}")[0] == 200, name
    for outside in (
        "/page/../http.py",
        "/page/%2e%2e/http.py",
        "/page/index.html",
        "/page/vendor/uPlot.LICENSE",
        "/page/",
    ):
        assert fake_daemon.get(outside)[0] == 404
