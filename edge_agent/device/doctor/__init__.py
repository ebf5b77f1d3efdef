"""What this device is and has."""
