"""End to end: netd as a process of its own, and the programs that people point at it."""
