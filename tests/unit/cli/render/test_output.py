import io
import os

import pytest

from fanout.cli.render.output import Console, Paint, colours_wanted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "wanted"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(stream: io.StringIO, environ: dict[str, str], wanted: bool) -> None:
    """Never in files and pipes, and not against NO_COLOR."""
    assert colours_wanted(stream, environ) is wanted


def test_paint_colours_or_leaves_alone() -> None:
    """Without colours the text is the text."""
    assert Paint(on=False).bad("x") == "x"
    assert Paint(on=True).bad("x") == "\x1b[31m\x1b[1mx\x1b[0m"


def test_a_reader_that_has_gone_is_no_error() -> None:
    """A view never fails the run it shows: after a broken pipe nothing is written any more."""
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    output = Console(stream)
    output.line("first")
    output.line("second")
    assert output.gone
    with pytest.raises(BrokenPipeError):
        stream.close()
