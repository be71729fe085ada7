"""The static files: one Resource for a tree on the disk."""
