"""Pictures that are kept: the worker that has one in hand copies it, a process beside the daemon stores it."""
