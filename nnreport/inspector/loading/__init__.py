"""TARGET to a module: importing the user's file, finding the class, building it, loading a checkpoint into it."""
