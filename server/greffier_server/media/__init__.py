"""Audio as other people's equipment sends it: packets that get lost, containers, odd rates."""
