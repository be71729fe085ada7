"""The lab: endpoints that are pure functions from a Call to a Reply, one table of them all."""
