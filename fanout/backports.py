"""Names of the standard library that Python 3.8 to 3.10 lack, for the modules that a slot's child process imports.

A step's own environment may have such a Python (docs/environments.md). All other modules use the standard library
itself. On Python 3.11 and newer every name here is the standard library's own.
"""

import sys

__all__ = ["StrEnum", "cache", "dataclass", "stdlib_module_names"]

if sys.version_info >= (3, 11):
    from dataclasses import dataclass
    from enum import StrEnum
    from functools import cache

    stdlib_module_names = sys.stdlib_module_names
else:
    import dataclasses
    import enum
    import functools
    from pathlib import Path

    def dataclass(cls=None, *, slots=False, **options):  # noqa: ARG001 - equal values without slots, which only save memory
        return dataclasses.dataclass(cls, **options)

    class StrEnum(str, enum.Enum):
        __str__ = str.__str__
        __format__ = str.__format__

    cache = functools.lru_cache(maxsize=None)
    _folder = Path(dataclasses.__file__).parent
    _files = {path.name.partition(".")[0] for path in (*_folder.iterdir(), *_folder.glob("lib-dynload/*"))}
    stdlib_module_names = frozenset(sys.builtin_module_names) | _files - {"site-packages", "lib-dynload"}
