"""Networks after their passes, saved in a `.safetensors` file and read without pickle.

The file's metadata has the operations, their arguments and the shapes of values as JSON; its
tensors are the folded weights. A file calls operators of a list only, and every shape that it
states is computed anew before a kernel relies on it.
"""
