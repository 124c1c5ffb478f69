"""Virtual sensors, written from the device's side: a chest strap, a breathing belt and a skin-conductance sensor."""
