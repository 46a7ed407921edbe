"""What every store promises through `fanout.storage.objects`: a folder, memory, moto, LocalStack and MinIO alike."""

from fanout.testing.contracts import StoreContract


class TestStore(StoreContract):
    """`store` comes from conftest.py: every implementation in turn."""
