"""Stand-ins for the parts of PMM that the chat backend meets: Grafana's login and pmm-managed's authentication."""
