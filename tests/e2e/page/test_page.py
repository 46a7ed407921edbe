"""Report and live page in a real browser: each view on real runs, hostile names, keyboard, narrow and dark screens."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import PIPELINE, SCRIPT, Project, wait_until
from tests.e2e.page.conftest import AXE, Watch

VIEWS = ("run", "step", "map", "timeline", "failures", "distributions", "nodes", "settings", "logs", "cost", "cards")
VIEWS += ("mini-batch?index=0",)
HOSTILE = "<img src=x onerror=alert(1)>.txt"
FAILS = """\
    for path in mini_batch:
        if "<" in path or "f3" in path:
            print("</script><script>alert(2)</script>")
            raise ValueError(f"cannot score {path} <script>window.pwned = 1</script>")
"""


@pytest.fixture
def failed(empty_project: Project) -> Project:
    """A run of 20 files in mini-batches of four, two of them fail and are isolated; one has a hostile name."""
    text = PIPELINE.replace('mini_batch_size: "1"', 'mini_batch_size: "4"\n    isolate_failures: true')
    empty_project.write("pipeline.yml", text.replace("max_retries: 2", "max_retries: 0"))
    empty_project.write("src/score.py", SCRIPT.replace("    time.sleep(0.05)\n", FAILS).replace("def run", CARD))
    for name in [HOSTILE, *(f"f{number}.txt" for number in range(19))]:
        (empty_project.folder / "in").mkdir(exist_ok=True)
        (empty_project.folder / "in" / name).write_text("content")
    ended = empty_project.fanout("run", "pipeline.yml", "--name", "failed")
    assert "report" in ended.stdout
    return empty_project


CARD = """\
def init():
    from azureml_user.parallel_run import EntryScript
    EntryScript().card("summary", "<h1>From the script</h1><script>parent.pwned = 1</script>")

def run"""


def _open(browser: Any, url: str, **options: Any) -> tuple[Any, Watch]:
    page = browser.new_context(**options).new_page()
    watch = Watch(page)
    page.goto(url)
    return page, watch


def _is_narrow_enough(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_every_view_of_a_report(failed: Project, chromium: Any) -> None:
    """From its file, wide and light, narrow and dark: all drawn, nothing runs that a user named or printed."""
    url = (failed.folder / ".fanout/runs/failed/report.html").as_uri()
    for width, scheme in ((1440, "light"), (375, "dark")):
        page, watch = _open(chromium, url, viewport={"width": width, "height": 800}, color_scheme=scheme)
        for view in VIEWS:
            page.goto(f"{url}#/{view}")
            page.wait_for_selector("main .panel h2, main .verdict")
            assert _is_narrow_enough(page), f"{view} at {width}"
        assert "ValueError" in page.inner_text("main")
        assert HOSTILE in page.inner_text("main")
        page.goto(f"{url}#/cards")
        page.frame_locator("iframe >> nth=0").locator("h1:text-is('From the script')").wait_for()
        # The browser says that it has refused to run the script of the card.
        watch.seen = [seen for seen in watch.seen if "sandboxed" not in seen]
        assert (watch.seen, page.evaluate("window.pwned")) == ([], None)
        page.context.close()


def test_the_map_with_the_keyboard(failed: Project, chromium: Any) -> None:
    """Arrows move, what is there is said in words, Enter opens the mini-batch."""
    url = (failed.folder / ".fanout/runs/failed/report.html").as_uri()
    page, watch = _open(chromium, f"{url}#/map", viewport={"width": 1440, "height": 800})
    page.focus("canvas")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('mini-batch 1:')")
    page.keyboard.press("Enter")
    page.wait_for_selector("h2:has-text('Mini-batch 1 of score')")
    assert watch.seen == []
    page.context.close()


def test_axe_finds_nothing_serious(failed: Project, chromium: Any) -> None:
    """In any view, light and dark."""
    if not AXE.exists():
        pytest.skip("axe is missing; `make browser` installs it")
    url = (failed.folder / ".fanout/runs/failed/report.html").as_uri()
    for scheme in ("light", "dark"):
        page, _ = _open(chromium, url, color_scheme=scheme, bypass_csp=True)
        for view in VIEWS:
            page.goto(f"{url}#/{view}")
            page.wait_for_selector("main .panel h2, main .verdict")
            page.evaluate(AXE.read_text("utf-8"))
            found = page.evaluate("axe.run().then((done) => done.violations.map((one) => [one.id, one.impact]))")
            assert [one for one in found if one[1] in ("serious", "critical")] == [], view
        page.context.close()


@pytest.fixture
def served(project: Project) -> Iterator[str]:
    """The address of `fanout ui` with actions, over the store of `project`, in which one run is over."""
    assert project.fanout("run", "pipeline.yml", "--name", "first").code == 0
    process = project.start("ui", "--port", "0", "--allow-actions")
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, "")


def test_a_run_under_way_is_seen_to_its_end(project: Project, served: str, chromium: Any) -> None:
    """Without loading the page again: list, progress, then the verdict; and the actions cancel it."""
    project.hold_after(80)
    run = project.start("run", "pipeline.yml", "--name", "second")
    project.wait_for_attempts(60 + 21, run)
    page, watch = _open(chromium, served, viewport={"width": 1440, "height": 800})
    assert "token" not in page.url
    page.click("main table a:text-is('second')")
    page.wait_for_selector("main .verdict:has-text('Running')")
    page.click(".tabs a:text-is('Map')")
    page.wait_for_selector("main .key:text-matches('running [0-9]+')")
    project.let_go()
    page.wait_for_selector("header .chip:text-is('Completed')", timeout=90_000)
    page.wait_for_selector("main .key:has-text('succeeded 60')")
    assert run.wait(90) == 0
    assert watch.seen == []
    run.communicate()
    page.context.close()


def test_a_run_is_canceled_from_the_page(project: Project, served: str, chromium: Any) -> None:
    """After a question; other pages cannot do it, as they have neither token nor header."""
    project.hold_after(60)
    run = project.start("run", "pipeline.yml", "--name", "second")
    project.wait_for_attempts(60 + 1, run)
    page, _ = _open(chromium, served)
    page.goto(f"{re.sub('[?].*', '', served)}#/second/actions")
    page.on("dialog", lambda dialog: dialog.accept())
    page.wait_for_selector("button:text-is('Cancel the run')")
    page.evaluate("window.confirm = () => true")
    page.click("button:text-is('Cancel the run')")
    page.wait_for_selector("header .chip:text-is('Canceled')", timeout=90_000)
    project.let_go()
    _, _ = run.communicate(timeout=90)
    page.context.close()


def test_without_the_token_nothing_is_answered(served: str) -> None:
    """Nor by another name of the host, nor an action without the page's own header."""
    base, token = re.fullmatch(r"(http://[^/]+/)\?token=(.+)", served).groups()  # type: ignore[union-attr]

    def status(*options: str, path: str = "api/runs") -> str:
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", *options, base + path]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    bearer = ("-H", f"Authorization: Bearer {token}")
    assert status() == "403"
    assert status(*bearer) == "200"
    assert status(*bearer, "-H", "Host: evil.example:80") == "403"
    assert status(*bearer, path="assets/../bundle.py") == "404"
    assert status(*bearer, path="api/log?run=first&step=score&name=../../run.json") == "200"  # null: no such log
    assert status(*bearer, path="api/run?run=nosuch") == "404"
    post = ("-X", "POST", "-d", '{"run": "first", "action": "cancel"}')
    assert status(*bearer, *post, path="api/action") == "403"
    origin = ("-H", "Origin: http://evil.example", "-H", "X-Fanout-Action: 1")
    assert status(*bearer, *post, *origin, path="api/action") == "403"


def test_without_allow_actions_the_page_only_reads(empty_project: Project) -> None:
    """Even when token, origin and header are right."""
    (empty_project.folder / ".fanout").mkdir()
    process = empty_project.start("ui", "--port", "0")
    assert process.stdout is not None
    found = re.fullmatch(r"(http://[^/]+)/\?token=(.+)", process.stdout.readline().strip())
    assert found is not None
    base, token = found.groups()
    command = ["curl", "-s", "-w", " %{http_code}", "-H", f"Authorization: Bearer {token}", "-H", f"Origin: {base}"]
    command += ["-H", "X-Fanout-Action: 1", "-d", '{"run": "first", "action": "cancel"}', f"{base}/api/action"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    assert "--allow-actions" in answer
    assert answer.endswith(" 403")


def test_a_store_without_runs(empty_project: Project, chromium: Any) -> None:
    """The page says so."""
    (empty_project.folder / ".fanout").mkdir()
    process = empty_project.start("ui", "--port", "0")
    assert process.stdout is not None
    page, watch = _open(chromium, process.stdout.readline().strip())
    page.wait_for_selector("main:has-text('no runs yet')")
    assert watch.seen == []
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    wait_until(lambda: process.poll() is not None)
    page.context.close()
