"""The HTTP room: site, router, files and the lab."""
