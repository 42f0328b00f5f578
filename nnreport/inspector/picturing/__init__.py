"""Small pictures of what goes into the model and what comes out: a few values, 8 bits each, and how they are to be drawn."""
