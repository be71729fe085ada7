"""
End-to-end tests: netd in a process of its own, and the programs that people use with netd.
"""
