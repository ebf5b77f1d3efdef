"""Who is at the other end of the socket, and what that user may do."""
