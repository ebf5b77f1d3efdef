"""Who is told of verdicts: rules, an outbox on disk, and senders that each work for themselves."""
