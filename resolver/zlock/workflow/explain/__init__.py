"""Why a lock holds what it holds, and what differs between two."""
