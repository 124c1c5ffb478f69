"""The indices as numbers, each with its bound, its age in words, or the reason why it is withheld."""

from kivy.lang import Builder
from kivy.properties import BooleanProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout

Builder.load_string(
    """
#:import theme becalm_kivy.theme

<NumberRow>:
    size_hint_y: None
    height: max(name.height, number.height)
    spacing: dp(8)
    Caption:
        id: name
        text: root.name
        size_hint_x: 0.75
        pos_hint: {'top': 1}
    Words:
        id: number
        text: root.number
        font_size: '15sp' if root.is_now else '13sp'
        color: theme.TEXT if root.is_now else theme.MUTED
        halign: 'right'
        pos_hint: {'top': 1}
"""
)


class NumberRow(BoxLayout):
    """One index."""

    name = StringProperty("")
    number = StringProperty("")
    is_now = BooleanProperty(defaultvalue=False)
