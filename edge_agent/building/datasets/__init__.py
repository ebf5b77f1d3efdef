"""Labelled pictures: reading them from folders and manifests, checking them, showing and exporting them."""
