"""Where access lines and log events are written, and in which format."""
