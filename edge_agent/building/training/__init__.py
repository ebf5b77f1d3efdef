"""Building a model component from labelled pictures."""
