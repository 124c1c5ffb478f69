"""The client's own small widgets: each draws one thing, none knows the network or the model."""
