"""How good is a model? Figures, the guide's result files, and a page to look at."""
