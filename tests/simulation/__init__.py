"""Deterministic simulation: the real planner, supervisor, nodes and reducer on a virtual clock.

    python -m tests.simulation --seeds 10000 [--first 0] [--jobs 2]      many worlds, until one breaks a promise
    python -m tests.simulation --seed 1234 --trace                        one world again, with its history
    python -m tests.simulation --variant no-dedup --seeds 200             fanout broken on purpose: must be found

A seed draws a world (`scenario`): how many mini-batches, nodes and slots, what user code does with each attempt, and
what goes wrong. Everything of it runs in one thread on a loop without real time (`loop`): `story.start` and
`story.resume`, the supervisor, `node.serve.serve` with its intake, committer, heartbeat and slots, dead letters, seal
and reduce are the product's own. Made up is what surrounds them: obstore's functions (`objects`), the queues
(`queues`), the processes of user code (`slots`) and the placing of nodes (`engine`). Each call of store and queue may
be slow, fail before or after its effect, or be the last thing its process does (`world`); processes are killed and
stopped for a while, queues are purged, clocks jump (`simulate`). A killed supervisor is followed by another one that
resumes, until the run has its end. Then the promises of docs/design.md are checked on what lies in the store and on the
history of the calls (`promises`).

The same seed gives the same history, whatever the machine and PYTHONHASHSEED.
"""
