"""Shadow models: which there are, and the process that each of them judges in."""
