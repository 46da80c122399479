"""Beyond one machine: `make scale`, or `python -m benchmarks.scale.NAME` for one of them."""
