"""Text to values, and what type a column has."""

import pytest

from fanout.data.types import STRING, ColumnType, Kind, infer, parse_float, parse_int, parse_iso, parser
from fanout.errors import InputError


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["001", "-5", " 7 "], Kind.INT),
        (["1", "2.5"], Kind.FLOAT),
        (["1e5", "-.5", "5."], Kind.FLOAT),
        (["9223372036854775808"], Kind.FLOAT),
        (["0", "1", "1"], Kind.BOOLEAN),
        (["t", "FALSE", "True"], Kind.BOOLEAN),
        (["0", "1", "2"], Kind.INT),
        (["yes", "no"], Kind.STRING),
        (["5%"], Kind.STRING),
        (["NA", "1"], Kind.STRING),
        (["nan", "1.5"], Kind.STRING),
        (["null"], Kind.STRING),
        (["0x10"], Kind.STRING),
        (["1_000"], Kind.STRING),
        (["٣"], Kind.STRING),
        (["2020-02-13", "2020-02-13T10:11:12.5Z"], Kind.DATETIME),
        (["2020-02-30"], Kind.STRING),
        ([], Kind.STRING),
        ([""], Kind.STRING),
    ],
)
def test_the_first_type_that_every_value_fits_is_taken(texts: list[str], kind: Kind) -> None:
    """Booleans before whole numbers before fractions before times before text (reference, section 12)."""
    assert infer(texts).kind is kind


def test_missing_values_fit_every_type_and_alone_are_text() -> None:
    """Nulls say nothing about a column."""
    assert infer([None, "3", None]) == ColumnType(Kind.INT)
    assert infer([None, None]) == STRING


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["13/02/2020", "01/02/2020"], "2020-02-01T00:00:00"),
        (["02/13/2020", "01/02/2020"], "2020-01-02T00:00:00"),
        (["01/02/2020"], "2020-01-02T00:00:00"),
    ],
)
def test_day_or_month_first_is_seen_in_the_data(texts: list[str], expected: str) -> None:
    """A number above 12 decides for the whole column."""
    column = infer(texts)
    assert column.kind is Kind.DATETIME
    assert parser(column)(texts[-1]) == expected


def test_slashed_dates_that_contradict_each_other_are_text() -> None:
    """No order fits both."""
    assert infer(["13/02/2020", "02/13/2020"]) == STRING


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("+3", 3),
        ("0x1F", 31),
        ("0xFFFFFFFFFFFFFFFF", -1),
        ("1.0", None),
        ("9" * 5000, None),
        ("", None),
    ],
)
def test_whole_numbers_are_those_of_64_bits(text: str, value: int | None) -> None:
    """Anything else is a misfit."""
    assert parse_int(text) == value


def test_infinity_is_a_number_and_nan_is_not() -> None:
    """What pandas writes for infinity survives; nan ends as null like every misfit."""
    assert parse_float("-inf") == float("-inf")
    assert parse_float("nan") is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-02-13", "2020-02-13T00:00:00"),
        ("2020-02-13 10:11", "2020-02-13T10:11:00"),
        ("2020-02-13T10:11:12.123456789+02:00", "2020-02-13T10:11:12.123456789"),
        ("9999-12-31", None),
        ("2020-13-01", None),
        ("20200213", None),
    ],
)
def test_iso_times_lose_their_offset_and_must_fit_nanoseconds(text: str, moment: str | None) -> None:
    """The time stays as it was written (reference, section 12)."""
    assert parse_iso(text) == moment


@pytest.mark.parametrize(("mismatch", "value"), [("null", None), ("true", True), ("false", False)])
def test_words_that_are_no_boolean_become_what_was_asked_for(mismatch: str, value: bool | None) -> None:
    """mismatch_as of the reference, section 12."""
    column = ColumnType(Kind.BOOLEAN, true_values=("yes",), false_values=("no",), mismatch_as=mismatch)  # type: ignore[arg-type]
    assert [parser(column)(text) for text in ("yes", "no", "perhaps")] == [True, False, value]


def test_a_word_that_is_no_boolean_is_an_error_when_asked_for() -> None:
    """The message shows the word and what would be right."""
    column = ColumnType(Kind.BOOLEAN, true_values=("yes",), false_values=("no",), mismatch_as="error")
    with pytest.raises(InputError, match="'perhaps' is no boolean; expected one of 'yes', 'no'"):
        parser(column)("perhaps")
