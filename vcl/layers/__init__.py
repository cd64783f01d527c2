"""Tensor in, tensor out: layers that carry masks, and the parts that networks are made of. Knows no config."""
