"""Runs the whole system on one machine: processes, replica set, faults, and the command line on top."""
