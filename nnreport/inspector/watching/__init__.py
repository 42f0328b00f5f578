"""Watching a training loop of the user's own: a script under ``nnreport run``, or a block of code under :func:`nnreport.watch`.

Nothing is added to the script. Torch's own extension points (global optimizer hooks, module hooks, tensor hooks) and a few
wrapped functions tell what it does; everything is taken away again when the watch ends.
"""
