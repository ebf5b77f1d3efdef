"""The operations, each a function from a call to the members of its answer."""
