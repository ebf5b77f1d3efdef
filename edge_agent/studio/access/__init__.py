"""Who is in front of the page, and what that person may do."""
