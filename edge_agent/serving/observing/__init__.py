"""What the daemon tells of what it does: metrics, refused calls, traces."""
