"""What was built on this device and takes long to build, kept for the next start."""
