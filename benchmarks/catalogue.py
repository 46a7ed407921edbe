"""Every scenario by its name, in the order in which they are run."""

from collections.abc import Callable, Iterator, Mapping

from benchmarks.bucket_queue import over_minio
from benchmarks.dispatch import efficiency, files, hello, noop
from benchmarks.maps import maps
from benchmarks.report import Measured
from benchmarks.servers import over_localstack
from benchmarks.sizes import reduce, scale
from benchmarks.startup import startup
from benchmarks.tables import tabular
from benchmarks.turns import Terms

SCENARIOS: Mapping[str, Callable[[Terms], Iterator[Measured]]] = {
    "noop": noop,
    "efficiency": efficiency,
    "hello": hello,
    "startup": startup,
    "files": files,
    "tabular": tabular,
    "map": maps,
    "scale": scale,
    "reduce": reduce,
    "localstack": over_localstack,
    "bucket": over_minio,
}
