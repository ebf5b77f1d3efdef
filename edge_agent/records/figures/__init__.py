"""What a dashboard shows, from what was added up when it was written: periods, sums, limits and their signals."""
