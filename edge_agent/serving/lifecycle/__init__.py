"""The life of a model, from STOPPED to RUNNING and back."""
