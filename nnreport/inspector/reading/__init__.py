"""The user's source files, without running them."""
