"""How a line is: whether scores are distributed as they were, and whether the camera sees what it should."""
