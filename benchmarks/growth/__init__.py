"""How what a call costs grows with the models that run, the clients, and the size of the picture."""
