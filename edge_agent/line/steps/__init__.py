"""What is done to a picture before the model sees it."""
