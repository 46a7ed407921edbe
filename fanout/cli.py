"""The command `fanout`."""


def main() -> None:
    raise SystemExit(0)
