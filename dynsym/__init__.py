"""dynsym."""
