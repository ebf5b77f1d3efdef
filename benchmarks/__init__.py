"""What measures the agent, and against whom: `python -m benchmarks.NAME`."""
