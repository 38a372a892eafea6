"""Parts of the depthwise kernel."""
