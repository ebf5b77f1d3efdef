"""What the studio keeps: files that the command line reads too, and an index over them."""
