"""What the device is: its processor, its GPU and the libraries for it, and whether a component was made for that."""
