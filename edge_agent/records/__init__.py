"""What a device remembers of its verdicts: written down beside the daemon, which never waits for it."""
