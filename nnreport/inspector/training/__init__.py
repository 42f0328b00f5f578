"""The probe: loss, optimizer and labels of a training step, and what is watched while a copy learns."""
