"""Model providers, one file a vendor. They know the chat's parts and their own wire, nothing else."""
