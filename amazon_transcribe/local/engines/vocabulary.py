"""A custom vocabulary: phrases that a recogniser should expect."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Vocabulary", "spell"]


class Vocabulary:
    """Phrases to expect, and how each is written.

    They are a tree of letters. Its nodes are the beginnings of phrases as `spell` returns
    them, with a space before and behind each phrase.

    :param phrases: What is written for each phrase; hyphens part its words.
    :ivar written: What is written for each spelling of a phrase, without spaces around it.
    :ivar nodes: The letters that may follow each beginning.
    """

    def __init__(self, phrases: Mapping[str, str]) -> None:
        self.written: dict[str, str] = {}
        for phrase, written in phrases.items():
            self.written.setdefault(spell(phrase).strip(), written)
            if not phrase.isupper():  # "Mcdonald" is McDonald, but "it" is not I.T.
                self.written.setdefault(spell(phrase.lower()).strip(), written)
        self.nodes: dict[str, str] = {"": " "}
        for spelling in self.written:
            whole = f" {spelling} "
            for length, letter in enumerate(whole):
                if letter not in self.nodes.setdefault(whole[:length], ""):
                    self.nodes[whole[:length]] += letter
            self.nodes.setdefault(whole, "")

    def ends_at(self, node: str) -> bool:
        """Tell whether a phrase ends at a node, if its word does.

        :param node: A beginning of phrases.
        """
        return node.strip() in self.written


def spell(text: str) -> str:
    """Return a text as it is compared: in lower case, with a space for what parts its words.

    Capitals part words too: "CLI", "C.L.I." and "C-L-I" are the same.

    >>> spell(" Dynamo-D.B.")
    ' dynamo d b '
    """
    spelled = ""
    for letter in text:
        if letter.isupper() or not (letter.isalnum() or letter in "'\u2019"):
            spelled = spelled.rstrip(" ") + " "
        if letter.isalnum():
            spelled += letter.lower()
    return spelled
