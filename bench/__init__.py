"""Measure oxmq beside its peers, all in one run on one machine."""
