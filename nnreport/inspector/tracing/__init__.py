"""The tree of modules and the graph of one forward pass: shapes, FLOPs, source lines, what a gradient reaches."""
