"""What another model says of the same pictures: passed on by workers, judged in a process of its own, kept beside."""
