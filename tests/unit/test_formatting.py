import pytest

from fanout.formatting import duration, indented, location, many, mini_batches, printable, rate


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7620, "2 h 07 min"),
        (86400 * 3 + 4 * 3600, "3 d 04 h"),
    ],
)
def test_duration_takes_the_unit_that_fits(seconds: float, shown: str) -> None:
    """Two units at most, and never sixty of the smaller one."""
    assert duration(seconds) == shown


def test_counts_and_rates_are_readable() -> None:
    """Thousands are separated, one is one, and slow rates have a decimal."""
    assert many(1, "item") == "1 item"
    assert mini_batches(12000) == "12,000 mini-batches"
    assert (rate(0.42), rate(20100.4)) == ("0.4/s", "20,100/s")


def test_places_are_paths_here_and_uris_elsewhere() -> None:
    """One can open what is shown, and a signature is not shown."""
    assert location("file:///a%20b/c") == "/a b/c"
    assert location("s3://bucket/key") == "s3://bucket/key"
    assert location("https://host/data?sig=secret") == "https://host/data"


def test_user_code_cannot_write_on_the_terminal() -> None:
    """Escape sequences, carriage returns and credentials do not get through; tabs and newlines do."""
    assert printable("a\x1b[2Jb\rc\td\ne") == "a\ufffd[2Jb\ufffdc\td\ne"
    assert printable("password=hunter2") == "password=[hidden]"


def test_indented_leaves_empty_lines_empty() -> None:
    """No blanks at the end of lines."""
    assert indented("a\n\nb\n", "  ") == "  a\n\n  b"
