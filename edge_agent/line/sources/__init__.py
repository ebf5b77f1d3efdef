"""Where parts come from."""
