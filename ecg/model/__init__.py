"""The trained ensemble: network, device and dtype, model folder."""
