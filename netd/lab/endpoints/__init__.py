"""The endpoints of the lab, a module for each theme."""
