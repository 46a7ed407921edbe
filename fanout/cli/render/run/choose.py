"""Which view a run is shown in."""

from typing import TextIO

from fanout.cli.render.advised_commands import Commands
from fanout.cli.render.output import Console, output_to
from fanout.cli.render.run.view import RunView
from fanout.clock import Clock


def choose_view(stream: TextIO, commands: Commands, clock: Clock, *, json: bool, quiet: bool = False) -> RunView:
    """JSON lines or only what goes wrong when asked for, a live table on a terminal, plain lines elsewhere."""
    if json:
        from fanout.cli.render.run.json_lines import JsonLinesView

        return JsonLinesView(Console(stream), clock)
    if quiet:
        from fanout.cli.render.run.quiet import QuietView

        return QuietView(output_to(stream), commands, clock)
    if stream.isatty():
        from fanout.cli.render.run.live import LiveView

        return LiveView(stream, commands, clock)
    from fanout.cli.render.run.plain import PlainView

    return PlainView(output_to(stream), commands, clock)
