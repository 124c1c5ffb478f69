"""The client's screens: layout in .kv, behaviour beside it. Import only after `kivy_setup.prepare_kivy`."""
