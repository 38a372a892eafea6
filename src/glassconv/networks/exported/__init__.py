"""Programs of `torch.export.save`, read without executing anything that is in the file.

`torch.export.load` unpickles samples and constants and evaluates strings of the file. Here the
graph is read as JSON, operators come from a list, and weights are bytes whose shape is checked.
"""
