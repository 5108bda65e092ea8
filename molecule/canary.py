"""The secrets that scenarios give to the role, to be looked for wherever it must not be; see their inventories."""

API_KEY = "sk-canary-0123456789abcdef"
PROXY_SECRET = "canary-of-the-proxy-0123456789"
