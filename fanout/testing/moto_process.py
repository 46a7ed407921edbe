"""`python -m fanout.testing.moto_process`: a moto server that says its port, and ends when its standard input does.

The kernel closes that when the process that started it is killed: no orphans. And no other process can take the port
between its choice and its use.
"""

import logging
import sys


def serve() -> None:
    """Serves S3 and SQS on a free loopback port; the port is the first line on stdout."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    sys.stdout.write(f"{server.get_host_and_port()[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    serve()
