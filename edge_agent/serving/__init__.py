"""The daemon: the front process, the workers, and the life of each model; it knows nothing of building."""
