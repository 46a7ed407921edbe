"""What every queue promises (fanout.queues.base): embedded, moto, LocalStack, ElasticMQ and fauxqs alike."""

from fanout.testing.contracts import QueueContract


class TestQueue(QueueContract):
    """`bench` comes from conftest.py: every implementation in turn."""
