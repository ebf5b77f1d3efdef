"""From what a manifest or table calls a picture to a file."""
