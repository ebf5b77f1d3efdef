"""The lines of this device: their files, what would be wrong with them, trials, and starting and stopping them."""
