import io
from typing import Any

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.run.choose import choose_view
from fanout.cli.render.run.json_lines import JsonLinesView
from fanout.cli.render.run.live import LiveView
from fanout.cli.render.run.plain import PlainView


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_stream_decides(manual_clock: Any) -> None:
    """JSON when asked for, even on a terminal; a live table there; plain lines elsewhere."""
    chosen = [
        choose_view(stream, Commands(), manual_clock, json=json)
        for stream, json in ((Terminal(), True), (Terminal(), False), (io.StringIO(), False))
    ]
    assert [type(view) for view in chosen] == [JsonLinesView, LiveView, PlainView]
