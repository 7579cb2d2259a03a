"""The outside world: databases, HTTP, processes for the user's code, approvals. The only home of drivers."""
