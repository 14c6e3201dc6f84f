"""Describe every operation as data: functions that return a `Call` and do no I/O."""
