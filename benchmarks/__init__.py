"""What fanout costs beside its peers: `python -m benchmarks` (docs/benchmarks/README.md)."""
