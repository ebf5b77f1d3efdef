"""Which model components there are on this device."""
