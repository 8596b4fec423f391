"""The viewer as its user meets it, in a real headless Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from asyncio_trace.model import Loop, Program, Run, Task, Trace
from viewer.conftest import Open
from viewer.pages import MS, contended, finding, written

if TYPE_CHECKING:
    from playwright.sync_api import Page

WRITERS = ("writer-0", "writer-1", "writer-2")

POINT = """([task, ns]) => {
    const scene = viewer.scene(), row = viewer.rows.of(task), box = viewer.canvas.getBoundingClientRect();
    const x = scene.gutter + ((ns - scene.view.from) / (scene.view.to - scene.view.from)) * (scene.width - scene.gutter - 14);
    return [box.left + x, box.top + 24 + viewer.rows.tops[row] - viewer.scroll + 11];
}"""
"""Where a task's row shows an instant, in pixels of the window."""


def click_at(page: Page, row: int, ns: int) -> None:
    """Click on the bar of a task at an instant."""
    x, y = page.evaluate(POINT, [row, ns])
    page.mouse.click(x, y)


def hashed(page: Page, word: str) -> None:
    """Wait until the address says `word`."""
    page.wait_for_url(lambda url: word in url.partition("#")[2].split("&"))


@pytest.fixture
def lock_page(tmp_path: Path) -> Path:
    """Three writers of one lock, and a finding about the second."""
    return written(contended(WRITERS), tmp_path, [finding()])


def test_a_finding_leads_to_the_guilty_line_with_one_click(lock_page: Path, opened: Open) -> None:
    """The list of findings is what one sees first; a click zooms to the place, and names function, file and line."""
    page = opened(lock_page)
    page.get_by_role("button", name="deadlock").click()
    details = page.locator("#details")
    assert "writer-1 waits for a lock that nobody gives back" in details.inner_text()
    assert "app.py:14" in details.inner_text()
    hashed(page, "s=f0")
    assert page.evaluate("[viewer.view.from < 12e6, viewer.view.to > 290e6, viewer.view.to < viewer.trace.end]") == [True] * 3


def test_a_wait_says_what_woke_it_and_leads_there(lock_page: Path, opened: Open) -> None:
    """A click on a bar tells kind, line and waker; 'Go to waker' selects the run in which it was woken; the chain its cause."""
    page = opened(lock_page)
    click_at(page, 2, 150 * MS)
    details = page.locator("#details")
    text = details.inner_text()
    assert "wait Lock.acquire" in text
    assert "Lock #99" in text
    assert "task writer-0 at 200.000 ms" in text
    assert "Back to the root cause" in text
    assert "ended by timer call_later" in text
    page.get_by_role("button", name="Go to waker").click()
    assert "run writer-0" in details.inner_text()


def test_a_task_says_who_made_it_and_lists_its_waits(lock_page: Path, opened: Open) -> None:
    """A click on a name tells parent, outcome, times and the stack of each wait."""
    page = opened(lock_page)
    page.evaluate("viewer.actions.select({kind: 'task', index: 2}, true)")
    text = page.locator("#details").inner_text()
    for words in "task writer-1", "returned", "Task-1", "Its 1 waits", "app.py:14":
        assert words in text
    page.locator("#details").get_by_role("button", name="Task-1", exact=True).first.click()
    assert "task Task-1" in page.locator("#details").inner_text()


def test_everything_can_be_done_with_the_keyboard(lock_page: Path, opened: Open) -> None:
    """Rows, waits, the waker, zooming, the critical path and findings have keys, and `?` lists them."""
    page = opened(lock_page)
    page.locator("#timeline").focus()
    for key in "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "Enter":
        page.keyboard.press(key)
    hashed(page, "s=t2")
    page.keyboard.press("]")
    hashed(page, "s=w2")
    page.keyboard.press("g")
    assert "run writer-0" in page.locator("#details").inner_text()
    page.keyboard.press("p")
    hashed(page, "path=1")
    assert page.get_by_role("tab", name="Critical path").get_attribute("aria-selected") == "true"
    before = page.evaluate("viewer.view.to - viewer.view.from")
    page.keyboard.press("w")
    assert page.evaluate("viewer.view.to - viewer.view.from") < before
    start = page.evaluate("viewer.view.from")
    page.keyboard.press("d")
    assert page.evaluate("viewer.view.from") > start
    page.keyboard.press("0")
    assert page.evaluate("viewer.view.to - viewer.view.from") == page.evaluate("viewer.trace.end")
    page.keyboard.press("n")
    hashed(page, "s=f0")
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.get_by_role("dialog").is_visible()


def test_what_has_the_focus_says_so_to_a_screen_reader(lock_page: Path, opened: Open) -> None:
    """Moving through rows is told in words, with the times of the task."""
    page = opened(lock_page)
    page.locator("#timeline").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert page.locator("#live").inner_text() == "writer-0 · writer: returned, running 98.5 ms, ready 11.0 ms, waiting 88.5 ms"


def test_every_view_has_an_address(lock_page: Path, opened: Open) -> None:
    """The address follows the view, and opens the same view again."""
    page = opened(lock_page)
    click_at(page, 2, 150 * MS)
    page.locator("#search").fill("writer-1")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("tab", name="Waits").click()
    page.locator("#timeline").focus()
    page.keyboard.press("w")
    page.wait_for_url(lambda url: "t=" in url.partition("#")[2].split("&")[0])
    view = "(({selected, query, filter, tab, from}) => [selected, query, filter, tab, Math.round(from)])(viewer.view)"
    again = opened(lock_page, f"#{page.url.partition('#')[2]}")
    assert again.evaluate(view) == page.evaluate(view)
    assert again.evaluate("viewer.rows.all.map(({task}) => task)") == [2]
    again.evaluate("location.hash = 's=t1'")
    again.locator("#details h2", has_text="writer-0").wait_for()


@pytest.mark.parametrize(("query", "rows"), [("writer", [1, 2, 3]), ("kind:lock writer-2", [3]), ("outcome:returned", [1, 2])])
def test_a_search_filters_rows(query: str, rows: list[int], lock_page: Path, opened: Open) -> None:
    """What fits is counted, Enter goes from one to the next, and the filter hides the rest."""
    page = opened(lock_page)
    page.locator("#search").fill(query)
    assert page.locator("#matches").inner_text() == f"{len(rows)} of 4 tasks"
    page.locator("#search").press("Enter")
    assert page.evaluate("viewer.view.selected") == {"kind": "task", "index": rows[0]}
    page.get_by_role("button", name="Filter").click()
    assert sorted(page.evaluate("viewer.rows.all.filter(({kind}) => kind === 'task').map(({task}) => task)")) == rows


def test_wheel_and_drag_move_the_view(lock_page: Path, opened: Open) -> None:
    """Ctrl+wheel zooms where the pointer is, dragging pans, shift+drag measures, double click zooms to a bar."""
    page = opened(lock_page)
    x, y = page.evaluate(POINT, [2, 150 * MS])
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    assert abs(page.evaluate(POINT, [2, 150 * MS])[0] - x) < 1
    start = page.evaluate("viewer.view.from")
    page.mouse.down()
    page.mouse.move(x + 100, y, steps=3)
    page.mouse.up()
    assert page.evaluate("viewer.view.from") < start
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(x, y, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    from_ns, to_ns = page.evaluate("viewer.view.measured")
    assert 0 < to_ns - from_ns < page.evaluate("viewer.view.to - viewer.view.from")
    assert page.evaluate("viewer.view.selected") is None


TABS = {
    "Coroutines": "main 1 10.0 ms",
    "Waits": "lock Lock.acquire 3",
    "Locks, queues, …": "lock Lock #99 3",
    "Tasks": "writer-2 writer pending",
    "Flame graphs": "writer · app.py:14",
    "Lag": "Lag: from ready to running",
    "At an instant": "lock Lock.acquire #99 holds up 2: writer-1 writer-2 ended by writer-0",
    "Critical path": "Select a task and press P",
}


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_answers_in_text(tab: str, lock_page: Path, opened: Open) -> None:
    """Tables, flame graphs and lists hold what the picture shows, as text."""
    page = opened(lock_page, "#at=150000000")
    page.get_by_role("tab", name=tab).click()
    panel = page.locator("#panel")
    panel.get_by_text(TABS[tab].split()[0]).first.wait_for()
    assert TABS[tab] in " ".join(panel.inner_text().split())


def test_tables_sort_and_follow_the_view(lock_page: Path, opened: Open) -> None:
    """A click on a heading sorts, which is told to screen readers too; numbers are those of the stretch shown."""
    page = opened(lock_page, "#tab=tasks")
    created = page.get_by_role("button", name="created")
    created.click()
    heading = page.get_by_role("columnheader", name="created")
    assert heading.get_attribute("aria-sort") == "descending"
    assert page.locator("#panel tbody tr").first.inner_text().startswith("writer-2")
    created.click()
    assert page.locator("#panel tbody tr").first.inner_text().startswith("Task-1")
    page.evaluate("viewer.actions.tab('coroutines')")
    page.evaluate("viewer.change({from: 110e6, to: 190e6})")
    page.get_by_text("Of the 80.0 ms that are shown.").wait_for()
    row = page.locator("#panel tbody tr", has_text="writer").inner_text().split()
    assert row[:6] == ["writer", "3", "80.0", "ms", "0", "ns"]


HOSTILE = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "</script><script>window.hacked = 1</script>",
    "x" * 10_000,
    "\u202egnirts a\u202c \u200f",
    "👩‍🚀 שלום مرحبا ｆｕｌｌ",
    "javascript:window.hacked=1",
    "\x00\x1b[31m\r\n\ttab",
    "${window.hacked = 1}",
    "\udcff",
    "",
]


def test_hostile_names_are_shown_as_text(tmp_path: Path, opened: Open) -> None:
    """Whatever tasks, coroutines, findings and files are called, nothing of it runs, becomes an element or breaks the page."""
    from asyncio_trace.model import Site

    trace = contended(HOSTILE, coroutine=HOSTILE[0])
    trace.program.argv = list(HOSTILE)
    evil = finding(HOSTILE[1])
    evil = type(evil)(
        "<b>rule</b>", "<i>", 11, 0, 100 * MS, Site(HOSTILE[2], "/x/javascript:alert(1)<img src=x>", 1), HOSTILE[1], HOSTILE[0]
    )
    page = opened(written(trace, tmp_path, [evil]))
    elements = page.evaluate("document.querySelectorAll('img, b b, script').length")
    for index in range(len(HOSTILE)):
        page.evaluate("(index) => viewer.select({kind: 'task', index: index + 1}, true)", index)
        page.evaluate("(index) => viewer.select({kind: 'wait', index: index + 1}, true)", index)
    page.evaluate("viewer.select({kind: 'finding', index: 0}, true)")
    assert HOSTILE[1] in page.locator("#details").inner_text()
    for number in range(1, 10):
        page.locator("#timeline").focus()
        page.keyboard.press(str(number))
    page.locator("#search").fill(HOSTILE[0])
    page.mouse.move(600, 200)
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.querySelectorAll('img, b b, script').length") == elements
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    links = page.evaluate("[...document.querySelectorAll('a')].map((link) => link.href)")
    assert all(link.startswith("vscode://file/") for link in links)


def test_the_browser_itself_keeps_the_page_from_the_network(lock_page: Path, browser: Any) -> None:
    """The policy holds in the browser: a request from within the page is refused."""
    page = browser.new_page()
    page.goto(lock_page.as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    refused = """() => new Promise((resolve) => {
        document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
        fetch('http://127.0.0.1:9/').catch(() => {});
    })"""
    assert page.evaluate(refused) == "connect-src"
    page.close()


def _crowd(size: int) -> Trace:
    loop = Loop(1, "Loop", 7, "MainThread", 0)
    tasks = [Task(1, "Task-1", "main", None, 1, 0, 0, size * 1000 + 1000, "returned")]
    tasks += [
        Task(2 + n, f"Task-{2 + n}", "worker", 1, 1, 10 + n * 10, 1000 + n * 1000, 1500 + n * 1000, "returned")
        for n in range(size)
    ]
    runs = [Run(1, None, 1, 0, 900)] + [Run(2 + n, None, 1, 1000 + n * 1000, 1500 + n * 1000) for n in range(size)]
    return Trace(Program(["crowd"], "3.14", "linux", 1, [loop], 0, size * 1000 + 1000, "python"), tasks=tasks, runs=runs)


def test_eleven_thousand_tasks_fit_on_a_screen_and_unfold(tmp_path: Path, opened: Open) -> None:
    """Tasks of one coroutine are one row with their number; unfolded they scroll, and one is found by its name."""
    page = opened(written(_crowd(11_000), tmp_path))
    assert page.evaluate("viewer.rows.all.map(({kind}) => kind)") == ["loop", "task", "group"]
    page.locator("#search").fill("name:task-9876")
    page.locator("#search").press("Enter")
    assert "task Task-9876" in page.locator("#details").inner_text()
    assert page.evaluate("viewer.rows.all.length") == 11_003
    top = page.evaluate("viewer.rows.tops[viewer.focus] - viewer.scroll")
    assert 0 <= top < page.evaluate("viewer.size.height")


def test_grouped_by_coroutine_each_is_a_row(lock_page: Path, opened: Open) -> None:
    """The switch lays rows out anew: one for each coroutine, that unfolds by a click on it."""
    page = opened(lock_page)
    page.locator("#grouping").select_option("coroutine")
    assert page.evaluate("viewer.rows.all.map(({kind}) => kind)") == ["loop", "group", "group"]
    page.locator("#timeline").focus()
    for key in "ArrowDown", "ArrowDown", "ArrowDown", "Enter":
        page.keyboard.press(key)
    assert page.evaluate("viewer.rows.all.length") == 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_the_systems_unless_chosen(scheme: str, lock_page: Path, opened: Open) -> None:
    """The page takes the system's light or dark, and the switch overrules it; text stands out from its ground either way."""
    page = opened(lock_page, color_scheme=scheme)
    back = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(255, 255, 255)", "rgb(20, 24, 29)"
    assert page.evaluate(back) == (light if scheme == "light" else dark)
    page.locator("#theme").select_option("dark" if scheme == "light" else "light")
    assert page.evaluate(back) == (dark if scheme == "light" else light)
    assert page.evaluate("viewer.palette.back") == ("#14181d" if scheme == "light" else "#ffffff")


@pytest.mark.parametrize(("width", "height"), [(320, 200), (1500, 1000), (400, 900)])
def test_nothing_is_cut_off_at_any_zoom(width: int, height: int, lock_page: Path, opened: Open) -> None:
    """At 400 % (a window of 320 by 200) as at 80 %, the page scrolls in one direction only, and every part can be reached."""
    page = opened(lock_page, "#s=w2", width=width, height=height)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for part in "#picture", "#panel", "#details", "#ask":
        element = page.locator(part)
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        assert box is not None
        assert box["width"] > 10
        assert box["height"] > 10


def test_paper_gets_the_picture_and_the_answers(lock_page: Path, opened: Open) -> None:
    """Printed, the page has no buttons of its own, no inner scrolling, and black text on white."""
    page = opened(lock_page, "#s=w2", color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("#filter").is_visible()
    assert page.locator("#details").is_visible()
    assert page.evaluate("getComputedStyle(document.querySelector('#panel')).overflow") == "visible"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_an_empty_trace_opens(tmp_path: Path, opened: Open) -> None:
    """A page of a program that did nothing is no error."""
    page = opened(written(Trace(Program(["nothing"], "3.14", "linux", 1, [], 0, 0, "")), tmp_path))
    assert "0 tasks" in page.locator("#summary").inner_text()


def test_a_page_that_was_cut_says_so(lock_page: Path, browser: Any) -> None:
    """A file that lost its columns on the way tells what is wrong in the window."""
    text = lock_page.read_text("utf-8")
    start = text.index('<script type="text/plain" data-column="wait.end"')
    lock_page.write_text(text[:start] + text[text.index("</script>", start) + len("</script>") :], "utf-8")
    page = browser.new_page()
    page.goto(lock_page.as_uri())
    page.wait_for_selector("html[data-ready=failed]")
    assert "there is no column wait.end" in page.locator("#wait").inner_text()
    page.close()
