"""The ports of a simulated world: object store, queues, engine and slots, with the faults that its seed draws."""
