"""Text to values, and what type a column has."""

import pytest

from fanout.errors import InputError
from fanout.tables.values.datetimes import OUT_OF_RANGE
from fanout.tables.values.types import STRING, ColumnType, Kind, infer, parse_float, parse_int, parser


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
        (["Y", "No", " true", "f "], Kind.BOOLEAN),
        (["tRuE"], Kind.STRING),
        (["00", "+1", "true"], Kind.BOOLEAN),
        (["true", "2"], Kind.STRING),
        (["1", "nan"], Kind.FLOAT),
        (["\u20035", "\u00a06"], Kind.INT),
        ([" "], Kind.STRING),
        (["5%"], Kind.STRING),
        (["NA", "1"], Kind.STRING),
        (["nan", "1.5", "+NaN"], Kind.FLOAT),
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


def test_a_whole_number_that_is_not_written_as_0_or_1_is_no_boolean() -> None:
    """Though it counts as one when the type is found: as the original does it, which loses 01."""
    column = infer(["00", "01", "1"])
    assert [parser(column)(text) for text in ("00", "01", "1")] == [None, None, True]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2**63 - 1),
        ("-1e30", -(2**63)),
        ("+3", 3),
        ("\u00a07 ", 7),
        ("-2.7", -2),
        ("1e3", 1000),
        ("nan", 0),
        ("0x1F", None),
        ("9" * 5000, 2**63 - 1),
        ("", None),
    ],
)
def test_whole_numbers_are_those_of_64_bits(text: str, value: int | None) -> None:
    """Fractions are cut off and large ones kept within range; anything else is a misfit."""
    assert parse_int(text) == value


def test_infinity_and_nan_are_numbers() -> None:
    """In any case, with a sign and blanks around them."""
    assert parse_float(" -inf") == float("-inf")
    assert str(parse_float("NaN")) == "nan"
    assert parse_float("infinite") is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-02-13", "2020-02-13T00:00:00"),
        ("2020-02-13T10:11:12.123456789+02:00", "2020-02-13T08:11:12.123456789"),
        ("2020-02-13 10:11", None),
        ("9999-12-31", OUT_OF_RANGE),
        ("2020-13-01", None),
        ("20200213", None),
    ],
)
def test_datetime_alone_means_iso_times(text: str, moment: str | None) -> None:
    """Those with an offset in UTC."""
    assert parser(ColumnType(Kind.DATETIME))(text) == moment


def test_a_constant_date_makes_moments_of_times() -> None:
    """date_constant, for texts that no format fits by themselves."""
    column = ColumnType(Kind.DATETIME, formats=("%Y-%m-%d %H:%M",), date_constant="2020-01-31")
    assert [parser(column)(text) for text in ("10:11", "2021-02-03 4:05", "x")] == [
        "2020-01-31T10:11:00",
        "2021-02-03T04:05:00",
        None,
    ]


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
