"""The servers that the agent is measured against: python -m benchmarks.against_peers."""
