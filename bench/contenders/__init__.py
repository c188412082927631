"""What the shop is measured beside: the least that could answer, and what tutorials build."""
