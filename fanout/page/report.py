"""report.html: a run to look at without a server, in one file that asks no other host for anything.

Data is in it twice packed: columns of attempts (queries/page/columns.py) in base64, everything else as JSON. The
browser runs one script, which the page names by its digest; whatever else is in the file cannot run.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from fanout.errors import FanoutError
from fanout.page.bundle import asset, one_script
from fanout.queries.page.columns import packed
from fanout.queries.page.log_files import list_logs, read_log
from fanout.queries.page.node_usage import read_usage
from fanout.queries.page.outcomes import AGAIN, DEAD, FAILED, PARTLY, SHORT
from fanout.queries.page.peek import peek
from fanout.queries.page.plain_fields import plain_fields
from fanout.queries.page.run_reader import RunReader
from fanout.queries.page.step_data import StepData
from fanout.queries.page.tries import read_mini_batch_page
from fanout.storage import keys
from fanout.tasks import each

if TYPE_CHECKING:
    from obstore.store import ObjectStore

MOST_DETAILS = 300
"""Mini-batches of a step, failed ones, that a report has items and tracebacks of."""
TEXTS = ("job_result.txt", "job_error.txt", "readme.txt", "user/error.txt", "user_logs/std_log.txt")
MOST_TEXTS = 40
"""Other logs of a step whose ends are in a report."""
TEXT = 16 * 1024
CARD = 256 * 1024
MOST_LISTED = 500


@dataclass(frozen=True, slots=True)
class Report:
    """The file, and how many attempts it shows."""

    html: bytes
    attempts: int


async def make_report(reader: RunReader) -> Report:
    """The report of the run as it stands now."""
    await reader.refresh()
    page, blocks = await reader.page(), list[bytes]()
    fields: dict[str, Any] = {"page": plain_fields(page), "blocks": {}, "peeks": {}}
    fields |= {"usage": {}, "logs": {}, "texts": {}, "details": {}}
    assert reader.record is not None  # noqa: S101 - refresh has read it
    for step in page.steps:
        fields["peeks"][step.name] = {name: {"text": peek(uri)} for name, uri in step.outputs.items()}
        prefix = keys.logs(reader.record.at(step.name))
        fields["logs"][step.name] = plain_fields((await list_logs(reader.store, prefix))[:MOST_LISTED])
        fields["texts"][step.name] = await _texts(reader.store, prefix)
        if (data := reader.data.get(step.name)) is None:
            continue
        fields["usage"][step.name] = plain_fields(await read_usage(reader.store, prefix))
        fields["details"][step.name] = await _details(reader.store, data)
        fields["blocks"][step.name] = len(blocks)
        blocks.append(packed(data.attempts, data.codes, {"epoch": 0}))
    return Report(_html(page.run, fields, blocks), sum(len(data.attempts) for data in reader.data.values()))


async def _texts(store: "ObjectStore", prefix: str) -> dict[str, Any]:
    """The ends of the logs that people open first."""
    names = [listed.name for listed in await list_logs(store, prefix) if listed.size]
    cards = [name for name in names if name.startswith("user/cards/")][:MOST_TEXTS]
    first = [name for name in names if name in TEXTS]
    printed = [name for name in names if name.startswith(("user/stdout/", "user/stderr/"))][:MOST_TEXTS]
    wanted = dict.fromkeys((*first, *cards, *printed))
    found = await each(
        lambda name: read_log(store, prefix, name, CARD if name.startswith("user/cards/") else TEXT), list(wanted)
    )
    return {text.name: plain_fields(text) for text in found if text is not None}


async def _details(store: "ObjectStore", data: StepData) -> dict[int, Any]:
    """Of the first mini-batches that failed, or failed in part: their items and tries."""
    codes = data.codes
    failed = [index for index, code in enumerate(codes) if code in (FAILED, DEAD, SHORT, PARTLY, AGAIN)]
    found = {}
    for index in failed[:MOST_DETAILS]:
        try:
            found[index] = plain_fields(await read_mini_batch_page(store, data, index))
        except FanoutError:
            continue  # the report is there all the same
    return found


def _html(run: str, fields: dict[str, Any], blocks: list[bytes]) -> bytes:
    script, style = one_script(), asset("style.css") or ""
    policy = (
        f"default-src 'none'; script-src 'sha256-{_digest(script)}'; style-src 'sha256-{_digest(style)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    # "<" ends nothing inside JSON: what users named or printed cannot leave the block of data.
    data = json.dumps(fields, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f'<meta name="color-scheme" content="light dark">\n<title>{escape(run)}</title>\n',
        '<link rel="icon" href="data:,">\n',
        f"<style>{style}</style>\n",
        '</head>\n<body>\n<noscript>This report draws with a script of its own.</noscript>\n<div id="app"></div>\n',
        f'<script type="application/json" id="report">{data}</script>\n',
        *(
            f'<script type="application/octet-stream" id="attempts-{number}">'
            f"{base64.b64encode(block).decode()}</script>\n"
            for number, block in enumerate(blocks)
        ),
        f"<script>{script}</script>\n</body>\n</html>\n",
    ]
    return "".join(parts).encode()


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
