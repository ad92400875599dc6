"""Values and Protocols that every layer may use; nothing here touches the outside world."""
