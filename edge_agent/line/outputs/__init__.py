"""What is done with a decision: pins and events."""
