"""Dates and times in text: which formats a column shows, and what they read."""

import pytest

from fanout.tables.values.datetimes import OUT_OF_RANGE, compile_moment, parse_moment, recognize, settled


@pytest.mark.parametrize(
    ("texts", "moments"),
    [
        (
            ["2020-01-31", "2020-1-5", " 2020- 1-31"],
            ["2020-01-31T00:00:00", "2020-01-05T00:00:00", "2020-01-31T00:00:00"],
        ),
        (["2020/01/31"], ["2020-01-31T00:00:00"]),
        (["2020-01-31T10:11:12", "2020-01-31 1:2:3"], ["2020-01-31T10:11:12", "2020-01-31T01:02:03"]),
        (["2020-01-31 10:11:12.5", "2020-01-31 10:11:12"], ["2020-01-31T10:11:12.5", "2020-01-31T10:11:12"]),
        (["2020-01-31T10:11:12.1234567891Z"], ["2020-01-31T10:11:12.123456789"]),
        (["2020-01-31T10:11:12+02:00", "2020-01-31T10:11:12 UTC"], ["2020-01-31T08:11:12", "2020-01-31T10:11:12"]),
        (["2020-01-31 10:11:12 -0830"], ["2020-01-31T18:41:12"]),
        (["2016-12-31T23:59:60"], ["2017-01-01T00:00:00"]),
        (["31-Jan-2020", "1-feb-2020"], ["2020-01-31T00:00:00", "2020-02-01T00:00:00"]),
        (["31/JAN/20 10:11:12.5"], ["2020-01-31T10:11:12.5"]),
        (["13/02/2020", "01/02/2020"], ["2020-02-13T00:00:00", "2020-02-01T00:00:00"]),
        (["01/02/2020", "02/13/2020"], ["2020-01-02T00:00:00", "2020-02-13T00:00:00"]),
        (["13-02-2020 10:11"], ["2020-02-13T10:11:00"]),
        (["1/13/2020 1:11:12 PM", "1/2/2020 12:00:00am"], ["2020-01-13T13:11:12", "2020-01-02T00:00:00"]),
        (["01/31/20", "1/2/69", "1/2/70"], ["2020-01-31T00:00:00", "2069-01-02T00:00:00", "1970-01-02T00:00:00"]),
        (["31-01-20 10:11"], ["2020-01-31T10:11:00"]),
        (["13/02/2020", "02-13-2020"], ["2020-02-13T00:00:00", "2020-02-13T00:00:00"]),
        (["9999-12-31", "1600-01-01"], [OUT_OF_RANGE, OUT_OF_RANGE]),
        (["31/01/20"], [OUT_OF_RANGE]),  # the year 31, as ISO order comes first
        (["2262-04-11T23:47:15.9", "2262-04-11T23:47:16"], ["2262-04-11T23:47:15.9", OUT_OF_RANGE]),
    ],
)
def test_a_column_of_times_shows_its_formats(texts: list[str], moments: list[str]) -> None:
    """Each value may add one; they are tried in the order in which they came up (measured with the original)."""
    formats = recognize(texts)
    assert formats is not None
    assert [parse_moment(text, formats) for text in texts] == moments


@pytest.mark.parametrize(
    "texts",
    [
        ["2020-01-31", "x"],
        ["2020-02-30"],
        ["2020-01-31 "],
        ["2020-01-31 10:11"],
        ["2020-01-31t10:11:12Z"],
        ["2020-01-31T10:11:12+25:00"],
        ["31.01.2020"],
        ["January 31, 2020"],
        ["31-January-2020"],
        ["10:11:12"],
        ["13/02/2020 13:00 PM"],
        ["13/02/2020", "02/13/2020"],
        ["2020-01-31T10:11:12" + "0" * 100],
    ],
)
def test_what_is_no_column_of_times(texts: list[str]) -> None:
    """One value that fits nothing, or values that contradict each other, make it one of text."""
    assert recognize(texts) is None


def test_days_and_months_that_nothing_tells_apart_have_no_format() -> None:
    """A column of times all the same, but none that can be read: as in the original, which makes nulls of it."""
    assert recognize(["01/02/2020", "3/4/2020"]) == ()
    assert recognize(["01/02/2020", "2020-01-31"]) == ("%Y-%m-%d",)
    assert recognize(["13/02/2020 10:11", "01/02/2020"]) == ("%d/%m/%Y %H:%M",)


@pytest.mark.parametrize(
    ("form", "text", "moment"),
    [
        ("%+", "2020-01-31T10:11:12.5+02:00", "2020-01-31T08:11:12.5"),
        ("%F %T", "2020-01-31 10:11:12", "2020-01-31T10:11:12"),
        ("%Y-%m-%d %H:%M:%S.%f", "2020-01-31 10:11:12", "2020-01-31T10:11:12"),
        ("%Y-%m-%d %H:%M:%S.%3f", "2020-01-31 10:11:12.123", "2020-01-31T10:11:12.123"),
        ("%Y-%m-%d %H:%M:%S.%3f", "2020-01-31 10:11:12.1", None),
        ("%Y-%m-%dT%H:%M:%S.%fZ", "2020-01-31T10:11:12.5Z", "2020-01-31T10:11:12.5"),
        ("%-d/%-m/%Y", "1/2/2020", "2020-02-01T00:00:00"),
        ("%B %d, %Y", "January 31, 2020", "2020-01-31T00:00:00"),
        ("%a %b %d %Y", "Fri Jan 31 2020", "2020-01-31T00:00:00"),
        ("%Y%m%d", "20200131", "2020-01-31T00:00:00"),
        ("%Y-%j", "2020-031", "2020-01-31T00:00:00"),
        ("%H:%M:%S", "10:11:12", None),  # no day
        ("%Y-%m", "2020-01", None),
        ("%Y-%m-%d*", "2020-01-31", None),
        ("%%%Y-%m-%d", "%2020-01-31", "2020-01-31T00:00:00"),
    ],
)
def test_given_formats(form: str, text: str, moment: str | None) -> None:
    """Those of `convert_column_types`, in the letters that the original knows."""
    assert compile_moment(form).parse(text) == moment


@pytest.mark.parametrize(
    ("form", "why"), [("%Q", "%Q is no letter"), ("%d %d", "names the day twice"), ("%Y %", "a letter is missing")]
)
def test_a_format_that_is_none_says_why(form: str, why: str) -> None:
    """Before anything is read by it."""
    with pytest.raises(ValueError, match=why):
        compile_moment(form)


def test_of_two_orders_of_day_and_month_the_first_counts() -> None:
    """Given formats that differ in nothing else never read a column both ways (measured with the original)."""
    assert settled(("%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d")) == ("%d/%m/%Y", "%Y-%m-%d")
