"""Where time and memory go, and what this machine can do."""
