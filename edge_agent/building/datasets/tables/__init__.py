"""Tables of pictures and classes, CSV in all the ways in which programs write it."""
