"""Tables as text: whatever a table is, its MLTable file reads back as the same table."""

from hypothesis import given
from hypothesis import strategies as st

from fanout.mltable.text import to_text
from fanout.tables.formats.readers import CODECS, Delimited, DeltaLake, HeaderMode, JsonLines, Parquet
from fanout.tables.mltable_file import MLTableFile, PathEntry, parse_mltable
from fanout.tables.transformations import (
    Conversion,
    ConvertColumnTypes,
    DropColumns,
    ExtractPartitions,
    Filter,
    KeepColumns,
    Skip,
    Take,
    TakeSample,
)
from fanout.tables.values.types import ColumnType, Kind

TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp")), min_size=1, max_size=12).filter(
    str.strip  # a name of blanks alone is refused in every file
)
NAMES = st.lists(TEXT, min_size=1, max_size=3, unique=True).map(tuple)
SHARES = st.floats(0, 1, exclude_min=True)
TYPES = st.one_of(
    st.sampled_from([kind for kind in Kind if kind is not Kind.OBJECT]).map(ColumnType),
    st.sampled_from(["%Y", "%d/%m/%Y %H:%M"]).map(lambda form: ColumnType(Kind.DATETIME, formats=(form,))),
    st.builds(
        ColumnType,
        st.just(Kind.BOOLEAN),
        true_values=NAMES,
        false_values=NAMES,
        mismatch_as=st.sampled_from(["null", "error", "true", "false"]),
    ),
)
READERS = st.one_of(
    st.none(),
    st.builds(Parquet, st.booleans()),
    st.builds(DeltaLake, st.none() | st.integers(0, 9), st.none(), st.booleans()),
    st.builds(DeltaLake, st.none(), st.just("2020-01-01T00:00:00+02:00"), st.booleans()),
    st.builds(JsonLines, st.sampled_from(sorted(CODECS)), st.sampled_from(["error", "drop"]), st.booleans()),
    st.builds(
        Delimited,
        delimiter=st.sampled_from([",", "\t", ";", "|", "§", "0", " "]),
        encoding=st.sampled_from(sorted(CODECS)),
        header=st.sampled_from(HeaderMode),
        empty_as_string=st.booleans(),
        include_path_column=st.booleans(),
        support_multi_line=st.booleans(),
    ),
    st.builds(
        Delimited, sample_rows=st.integers(1, 999), overrides=st.lists(st.tuples(TEXT, TYPES), max_size=3).map(tuple)
    ),
)
STEPS = st.one_of(
    st.builds(KeepColumns, NAMES),
    st.builds(DropColumns, NAMES),
    st.sampled_from(['col("a") > 1', "a == 'x: #y' and not b < -2.5"]).map(Filter),
    st.lists(st.builds(Conversion, NAMES, TYPES), min_size=1, max_size=3).map(tuple).map(ConvertColumnTypes),
    st.sampled_from(["/{a}/{b:yyyy/MM/dd}/{c}.csv", "k={k}/"]).map(ExtractPartitions),
    st.builds(Take, st.integers(0, 2**53)),
    st.builds(Skip, st.integers(0, 2**53)),
    st.builds(TakeSample, SHARES, st.integers(0, 2**31), st.just(0.0) | SHARES),
)
PATHS = st.sampled_from(
    [
        PathEntry("file", "file:///data/a.csv"),
        PathEntry("folder", "s3://bucket/with blank"),
        PathEntry("pattern", "file:///data/sub%20folder", "**/*.csv"),
    ]
)
TABLES = st.builds(
    MLTableFile,
    st.just("file:///data/t/MLTable"),
    st.lists(PATHS, min_size=1, max_size=3).map(tuple),
    READERS,
    st.lists(STEPS, max_size=4).map(tuple),
)


@given(TABLES)
def test_the_text_of_a_table_is_that_table(table: MLTableFile) -> None:
    """Paths, reader and every transformation come back equal."""
    text = to_text(table, [{path.kind: path.full} for path in table.paths])
    assert parse_mltable(text.encode(), table.uri) == table
