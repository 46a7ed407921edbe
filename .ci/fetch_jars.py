"""Fetches the jars of a lock file from Maven Central: `fetch_jars.py LOCK FOLDER`. No Maven, no Java needed.

A line of the lock file is `<sha256>  <path in the repository>`. A jar whose digest differs is not kept, and what is in
the folder already is not fetched again.
"""

import hashlib
import shutil
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = "https://repo1.maven.org/maven2/"
TRIES = 4
AT_ONCE = 6


def main(lock: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    locked = [line.split() for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    wanted = {folder / path.rpartition("/")[2]: (path, digest) for digest, path in locked}
    for stray in set(folder.iterdir()) - set(wanted):
        stray.unlink()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda jar: ensure(jar, *wanted[jar]), wanted))


def ensure(jar: Path, path: str, digest: str) -> None:
    """The jar is there, whole and with this digest; SystemExit when the repository has another one."""
    if jar.exists() and hashlib.sha256(jar.read_bytes()).hexdigest() == digest:
        return
    body = fetch(REPOSITORY + path)
    found = hashlib.sha256(body).hexdigest()
    if found != digest:
        raise SystemExit(f"{REPOSITORY}{path}: sha256 {found}, expected {digest}")
    partial = jar.with_suffix(".part")
    partial.write_bytes(body)
    shutil.move(partial, jar)


def fetch(url: str) -> bytes:
    """The body at `url`, tried several times."""
    for attempt in range(TRIES):
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - https, see REPOSITORY
                return bytes(answer.read())
        except OSError as exc:
            if attempt == TRIES - 1:
                raise SystemExit(f"{url}: {exc}") from exc
            time.sleep(2**attempt)
    raise AssertionError("unreachable")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
