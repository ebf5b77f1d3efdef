"""What a person asks of a device."""
