"""The queue `bucket:`: messages in the store itself, so that one bucket is all that nodes have to reach.

`state` is pure: what has become of the messages of a pack, and how each call changes that. `pack` is what one process
knows of a pack, and since when; `known` is that of all packs. `objects` names, creates, lists and removes the objects,
`writer` makes the next versions of packs. `queue` carries the calls of the port out; `service` makes and removes pairs.
docs/adr/0030-a-queue-in-the-store.md says why it is built so.
"""
