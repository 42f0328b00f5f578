"""Statistics of weights, of a module or of a checkpoint alone."""
