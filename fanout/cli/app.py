"""The verbs and their order in `fanout --help`."""

from typing import Annotated

import typer

from fanout.cli.commands import (
    assets,
    attach,
    azure,
    cancel,
    deploy,
    failures,
    housekeeping,
    node,
    page,
    redrive,
    run,
    run_one,
    setup,
    status,
    trigger,
    validate,
    watch,
)
from fanout.version import __version__

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


app.command()(run.run)
app.command()(validate.validate)
app.command()(validate.plan)
app.command()(validate.schema)
app.command()(setup.init)
app.command()(run.resume)
app.command()(attach.attach)
app.command()(redrive.redrive)
app.command()(cancel.cancel)
app.command()(status.status)
app.command()(failures.failures)
app.command()(page.ui)
app.command()(page.report)
app.command("run-one")(run_one.run_one)
app.command("list")(status.list_)
app.command()(status.logs)
app.command()(housekeeping.rm)
app.command()(housekeeping.gc)
app.command()(watch.watch)
app.add_typer(trigger.trigger, name="trigger")
app.command(context_settings={"ignore_unknown_options": True})(azure.azure)
app.add_typer(assets.assets, name="assets")
app.command()(node.node)
app.command()(deploy.deploy)
app.command()(deploy.destroy)
app.command()(setup.completion)
