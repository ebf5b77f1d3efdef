"""What says that a part is there."""
