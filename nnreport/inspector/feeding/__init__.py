"""What goes in: ``--input`` and ``--data`` to tensors and batches."""
