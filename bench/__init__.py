"""Measurements of the running system, of its speed, and of the measurement model on simulated students."""
