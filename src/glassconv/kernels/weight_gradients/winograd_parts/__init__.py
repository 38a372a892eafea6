"""Parts of the weight's gradient by Winograd's transforms."""
