"""Which view a run is shown in."""

from typing import TextIO

from fanout.clock import Clock
from fanout.view.commands import Commands
from fanout.view.output import Output, output_to
from fanout.view.view import RunView


def choose_view(stream: TextIO, commands: Commands, clock: Clock, *, json: bool) -> RunView:
    """JSON lines when asked for, a live table on a terminal, plain lines elsewhere."""
    if json:
        from fanout.view.json_lines import JsonLinesView

        return JsonLinesView(Output(stream), clock)
    if stream.isatty():
        from fanout.view.live import LiveView

        return LiveView(stream, commands, clock)
    from fanout.view.plain import PlainView

    return PlainView(output_to(stream), commands, clock)
