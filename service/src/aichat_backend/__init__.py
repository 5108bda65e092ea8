"""The AI chat backend of PMM."""

__version__ = "0.1.0"
