"""Stand-in for NVIDIA's cuda-bindings; see README.md."""
