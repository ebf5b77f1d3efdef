"""The database of records: its tables, its one writer, and those who read it."""
