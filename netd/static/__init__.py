"""The static tree: names, types and pages as pure functions, the disk, and one Resource."""
