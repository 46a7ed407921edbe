"""The verbs and their order in `fanout --help`."""

from typing import Annotated

import typer

from fanout import __version__
from fanout.cli import (
    canceling,
    checking,
    deploying,
    failing,
    looking,
    redriving,
    running,
    single,
    triggering,
    watching,
    working,
)

# Without rich: it takes longer to load than help takes to read.
app = typer.Typer(
    name="fanout",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fanout {__version__}")
        raise typer.Exit


@app.callback()
def fanout(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Runs run(mini_batch) over a large input, in parallel, on this machine or on AWS."""


app.command()(running.run)
app.command()(checking.validate)
app.command()(checking.plan)
app.command()(running.resume)
app.command()(redriving.redrive)
app.command()(canceling.cancel)
app.command()(looking.status)
app.command()(failing.failures)
app.command("run-one")(single.run_one)
app.command("list")(looking.list_)
app.command()(looking.logs)
app.command()(watching.watch)
app.add_typer(triggering.trigger, name="trigger")
app.command()(working.node)
app.command()(deploying.deploy)
app.command()(deploying.destroy)
