"""`python -m fanout` is `fanout`."""

from fanout.cli import main

if __name__ == "__main__":
    main()
