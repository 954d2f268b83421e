"""Radios, rooms and telephones that speak no protocol of ours, brought to a server."""
