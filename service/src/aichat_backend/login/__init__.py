"""Who is logged in, on servers where this service has to find out by itself."""
