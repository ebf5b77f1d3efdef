"""The tables of line.toml. docs/line.md explains each key."""
