"""The two streams of DWC, their losses, and the bundle they are saved as."""
