"""Proves on a running system that stock, orders, money and letters agree, and names what doesn't."""
