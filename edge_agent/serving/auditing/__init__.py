"""Who did what to which model, and what came of it: a trail that shows when it was changed afterwards."""
