"""Sentences, fields and figures of a synthetic page, from its class's words and those that it shares with others."""

from random import Random

from app.workloads.documents.synthetic import words as words

OWN_SHARE, GROUP_SHARE = 0.15, 0.25
"""Shares of the nouns of a sentence that are the class's and its group's; the rest is common to all (assumed)."""
PHRASE_SHARE = 0.12
"""Share of sentences that are one of the class's own phrases."""
TITLE_SHARE, LABEL_SHARE = 0.75, 0.75
"""Share of titles and labels that are the class's own; the rest could stand on any page."""


class Writer:
    """Writes what a page says. Everything comes from `rng`, so equal seeds write equal pages.

    `kind` is one of the 16 classes; None writes what could stand on any page.
    """

    def __init__(self, rng: Random, kind: str | None) -> None:
        self.rng = rng
        self.words = words.GENERIC if kind is None else words.CLASSES[kind]
        self.kind = kind
        self._labels: list[str] = []

    def noun(self) -> str:
        draw = self.rng.random()
        if draw < OWN_SHARE:
            return self.rng.choice(self.words.nouns)
        if draw < OWN_SHARE + GROUP_SHARE:
            return self.rng.choice(words.GROUPS[self.words.group])
        return self.rng.choice(words.NOUNS)

    def noun_phrase(self) -> str:
        start = self.rng.choice(("the", "the", "a", "this", "our", "each"))
        return (
            f"{start} {self.rng.choice(words.ADJECTIVES)} {self.noun()}"
            if self.rng.random() < 0.45
            else (f"{start} {self.noun()}")
        )

    def sentence(self) -> str:
        rng = self.rng
        if rng.random() < PHRASE_SHARE:
            return rng.choice(self.words.phrases) + "."
        parts = [self.noun_phrase(), rng.choice(("was", "has been", "will be", "is")), rng.choice(words.VERBS)]
        parts += [rng.choice(words.PREPOSITIONS), self.noun_phrase()]
        if rng.random() < 0.4:
            parts += ["and", self.noun_phrase()]
        if rng.random() < 0.2:
            parts.insert(0, rng.choice(words.ADVERBS) + ",")
        text = " ".join(parts)
        return text[0].upper() + text[1:] + "."

    def paragraph(self, num_sentences: int) -> str:
        return " ".join(self.sentence() for _ in range(num_sentences))

    def phrase(self) -> str:
        return self.rng.choice(self.words.phrases)

    def item(self) -> str:
        """A few words for a table's row or a list."""
        text = f"{self.rng.choice(words.ADJECTIVES)} {self.noun()}"
        if self.rng.random() < 0.4:
            text += f" {self.rng.choice(words.PREPOSITIONS)} {self.noun()}"
        return text[0].upper() + text[1:]

    def title(self) -> str:
        own = self.rng.random() < TITLE_SHARE
        return self.rng.choice(self.words.titles if own else words.GENERIC.titles)

    def headline(self) -> str:
        """A title and some words after it, different on each page."""
        return f"{self.title()}: {self.item()}" if self.rng.random() < 0.5 else f"{self.item()}, {self.title()}"

    def label(self) -> str:
        """Labels do not come again until all were used."""
        if not self._labels:
            own = [name for name in self.words.labels if self.rng.random() < LABEL_SHARE]
            self._labels = own + self.rng.sample(words.GENERIC.labels, 4)
            self.rng.shuffle(self._labels)
        return self._labels.pop()

    def usual(self, kind: str, *choices: str) -> str:
        """Words that belong to pages of `kind`; a label where this page is of another or of none.

        So a borrowed layout says nothing about its class in words.
        """
        return self.rng.choice(choices) if self.kind == kind else self.label()

    def labels(self, preferred: tuple[str, ...]) -> list[str]:
        """The layout's usual labels where they are the class's own too, others in place of the rest."""
        return [name if name in self.words.labels else self.label() for name in preferred]

    def value_of(self, label: str) -> str:
        """What stands behind a label, such as a name behind From."""
        if label in ("To", "From", "Cc", "Copies", "Through", "Distribution", "Copies to", "Approved by", "Applicant"):
            return self.name()
        if label in ("Date", "Sent", "Effective date"):
            return self.date()
        return self.title() if label == "Subject" else self.value()

    def value(self) -> str:
        draw = self.rng.randrange(5)
        return (self.name, self.date, self.code, self.item, self.number)[draw]()

    def name(self) -> str:
        initial = self.rng.choice("ABCDEFGHJKLMRSTW")
        return f"{self.rng.choice(words.FIRST_NAMES)} {initial}. {self.rng.choice(words.LAST_NAMES)}"

    def company(self) -> str:
        return self.rng.choice(words.COMPANIES)

    def date(self) -> str:
        rng = self.rng
        year, month, day = rng.randint(1962, 1999), rng.randrange(12), rng.randint(1, 28)
        if rng.random() < 0.7:
            return f"{words.MONTHS[month]} {day}, {year}"
        return f"{month + 1}/{day}/{year % 100:02d}"

    def address(self) -> list[str]:
        street = f"{self.rng.randint(10, 999)} {self.rng.choice(words.STREETS)} Street"
        return [self.company(), street, f"{self.rng.choice(words.CITIES)} {self.rng.randint(10000, 99999)}"]

    def number(self) -> str:
        return f"{self.rng.randint(1, 999):,}" if self.rng.random() < 0.5 else f"{self.rng.randint(10, 999) / 10:.1f}"

    def code(self) -> str:
        return f"{self.rng.choice('ABCDKMPRST')}-{self.rng.randint(100, 9999)}"

    def money(self, most: float = 90_000) -> str:
        return f"{self.rng.uniform(5, most) ** self.rng.uniform(0.6, 1):,.2f}"
