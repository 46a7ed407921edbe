"""By what an input is divided into mini-batches: decided from the step's settings and the kind of input. Pure."""

from dataclasses import dataclass

from fanout.errors import InputError
from fanout.pipeline.model import ParallelStep

DEFAULT_FILES = 1
DEFAULT_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ByCount:
    """So many files a mini-batch, the last one may have fewer (reference, section 5.1)."""

    files: int


@dataclass(frozen=True, slots=True)
class ByBytes:
    """Blocks of so many bytes of each file of a table; parquet by row group instead (reference, section 5.2)."""

    block_bytes: int


@dataclass(frozen=True, slots=True)
class ByRows:
    """So many rows of the table a mini-batch, across its files; the last one may have fewer. Ours."""

    rows: int


@dataclass(frozen=True, slots=True)
class ByPartition:
    """One mini-batch for each distinct tuple of values of these keys (reference, section 5.3)."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ByRank:
    """So many mini-batches without data (reference, section 5.4)."""

    ranks: int


Division = ByCount | ByBytes | ByRows | ByPartition | ByRank


def decide_division(step: ParallelStep, *, table: bool) -> Division:
    """What the settings of `step` mean for a table or for a list of files; InputError when they do not fit it.

    partition_keys win over a size (reference, section 2), and mini_batch_rows over mini_batch_size.
    """
    if step.partition_keys:
        return ByPartition(step.partition_keys)
    if step.mini_batch_rows is not None:
        return _by_rows(step, step.mini_batch_rows, table=table)
    size = step.mini_batch_size
    if table:
        return ByBytes(size.bytes if size is not None and size.number > 0 else DEFAULT_BLOCK_BYTES)
    if size is not None and size.unit:
        raise InputError(
            f"{step.name}: mini_batch_size {size.number}{size.unit} is a size, but {step.input_data!r} is a list "
            'of files; write a count of files, such as "10"'
        )
    return ByCount(size.number if size is not None and size.number > 0 else DEFAULT_FILES)


def _by_rows(step: ParallelStep, rows: int, *, table: bool) -> Division:
    if not table:
        raise InputError(
            f"{step.name}: mini_batch_rows needs a table, but {step.input_data!r} is a list of files; "
            "use mini_batch_size, or an mltable with a reader and mode direct"
        )
    if rows < 1:
        raise InputError(f"{step.name}: mini_batch_rows: expected at least 1, got {rows}")
    return ByRows(rows)
