"""The processes in which engines live, and the front process's side of them."""
