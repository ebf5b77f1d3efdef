"""The agent's interface: gRPC on a Unix socket."""
