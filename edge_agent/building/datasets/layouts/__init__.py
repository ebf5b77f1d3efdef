"""Folders of pictures, in the layouts that people and public datasets have."""
