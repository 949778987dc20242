"""Ethernet, ARP, ping and UDP at the gigabit rate of a PHY: frames in datagrams, and back."""
