"""Parts of the weight's gradient of depthwise convolutions."""
