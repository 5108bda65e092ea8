"""The heart: message parts, the turn, runs. Knows protocols of providers and storage, never their implementations."""
