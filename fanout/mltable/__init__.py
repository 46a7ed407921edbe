"""Tables for scripts: `from fanout import mltable`, and in a step's own processes also `import mltable`.

The public functions of the package `mltable` 1.7 (reference, section 12), on the same readers that cut a step's input
into mini-batches: a table that a script loads has the names, types and order that `run` sees.
"""

from fanout.mltable.make import (
    from_delimited_files,
    from_delta_lake,
    from_json_lines_files,
    from_parquet_files,
    from_paths,
    load,
)
from fanout.mltable.options import DataType, MLTableFileEncoding, MLTableHeaders
from fanout.mltable.table import MLTable

__all__ = [
    "DataType",
    "MLTable",
    "MLTableFileEncoding",
    "MLTableHeaders",
    "from_delimited_files",
    "from_delta_lake",
    "from_json_lines_files",
    "from_parquet_files",
    "from_paths",
    "load",
]
