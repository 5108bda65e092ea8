"""What relaying a model's answer costs, beside a raw aiohttp pass-through that is measured in the same run."""
