"""A fuzzer for everything that fanout reads from outside: `python -m tests.fuzz --seconds 60`, or `make fuzz`.

It mutates valid inputs, blind to coverage, with a seeded generator, so that each input is replayed by its number. A
reader may refuse an input with an error of ours, or take it; anything else it does is a finding: another exception,
more than a few seconds, or a value that does not survive being written and read again.
"""
