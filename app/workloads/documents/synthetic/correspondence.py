"""Layouts of synthetic letters, memos, e-mails, notes by hand, resumes and file folders.

A layout draws on a canvas what a writer writes; the writer's class need not be the layout's.
"""

from random import Random

from app.workloads.documents.synthetic.ink import Canvas, Family, Type
from app.workloads.documents.synthetic.text import Writer

OFFICE_FAMILIES: tuple[Family, ...] = ("typewriter", "mono", "roman", "serif", "sans")


def office_type(rng: Random) -> Type:
    """What typewriters and office printers set."""
    return Type(rng.choice(OFFICE_FAMILIES), rng.choice((14, 14.5, 15, 16)))


def letter(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    body = office_type(rng)
    left, step = rng.uniform(70, 125), body.size * 1.3
    right = page.width - left * rng.uniform(0.8, 1)
    y = _letterhead(page, writer, rng.uniform(35, 60), left)
    y += rng.uniform(10, 40)
    page.text(left if rng.random() < 0.5 else page.width * 0.6, y, writer.date(), body)
    y += step * rng.uniform(1.5, 3)
    if rng.random() < 0.4:
        page.text(page.width * 0.55, y, f"{writer.label()}: {writer.code()}", body)
        y += step * 1.5
    for line in [writer.name(), *writer.address()]:
        page.text(left, y, line, body)
        y += step
    y += step
    opening = writer.title() if rng.random() < 0.5 else f"{writer.usual('letter', 'Dear')} {writer.name()}"
    page.text(left, y, opening + ":", body)
    y += 2 * step
    leading, end = rng.choice((1.2, 1.3, 1.45)), rng.uniform(600, 790)
    indent = "  " if rng.random() < 0.5 else ""
    while y < end:
        y = page.paragraph(left, y, right - left, indent + writer.paragraph(rng.randint(2, 4)), body, leading)
        y += step * 0.8
    signature(page, writer, left if rng.random() < 0.5 else page.width * 0.52, y, body)


def _letterhead(page: Canvas, writer: Writer, y: float, left: float) -> float:
    rng = page.rng
    head = Type(rng.choice(("roman", "serif", "sans")), rng.uniform(19, 30), "bold")
    centre = page.width / 2
    company, *rest = writer.address()
    kind = rng.randrange(4)
    if kind == 0:
        page.text(centre, y, company.upper(), head, align="center")
        page.text(centre, y + head.size * 1.5, ", ".join(rest), head.scaled(0.5, "regular"), align="center")
    elif kind == 1:
        page.oval(left, y, left + 55, y + 55, 3, rng.choice((None, 60, 160)))
        page.text(left + 70, y + 5, company, head)
        page.text(left + 70, y + head.size * 1.6, ", ".join(rest), head.scaled(0.5, "regular"))
        y += 15
    elif kind == 2:
        page.text(left, y, company, head)
        page.rule(left, y + head.size * 1.5, page.width - left, y + head.size * 1.5, 2)
        for i, line in enumerate(rest):
            page.text(page.width - left, y + head.size * 1.7 + 13 * i, line, head.scaled(0.5, "regular"), align="right")
    return y + head.size * 2.6


def signature(page: Canvas, writer: Writer, x: float, y: float, body: Type) -> None:
    """Closing words, a stroke of a pen and the name under it."""
    page.text(x, y, writer.usual("letter", "Sincerely", "Very truly yours", "Yours truly", "Best regards") + ",", body)
    page.cursive(x + 5, y + 55, writer.name(), page.rng.uniform(17, 26), page.rng.choice((2, 3)), 0.45)
    page.text(x, y + 75, writer.name(), body)
    if page.rng.random() < 0.5:
        page.text(x, y + 75 + body.size * 1.3, writer.item(), body)


def memo(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    body = office_type(rng)
    left, y, step = rng.uniform(65, 110), rng.uniform(40, 90), body.size * 1.35
    right = page.width - left * 0.8
    head = Type(rng.choice(("sans", "serif", "roman")), rng.uniform(20, 34), "bold")
    align = rng.choice((("left", left), ("center", page.width / 2)))
    page.text(align[1], y, writer.title().upper(), head, align=align[0])
    if rng.random() < 0.5:
        page.text(right, y, writer.company(), head.scaled(0.5), align="right")
    y += head.size * 2.2
    for name in writer.labels(("To", "From", "Date", "Subject", "Copies")[: rng.randint(4, 5)]):
        page.text(left, y, name + ":", Type(body.family, body.size, "bold"))
        page.text(left + 140, y, writer.value_of(name), body)
        y += step * rng.choice((1.4, 1.6))
    page.rule(left, y + 5, right, y + 5, rng.choice((1, 2, 3)))
    y += step * 1.5
    end = rng.uniform(480, 860)
    while y < end:
        if rng.random() < 0.2:
            for i in range(rng.randint(2, 4)):
                y = page.paragraph(left + 35, y, right - left - 35, f"{i + 1}. {writer.sentence()}", body, 1.25)
        else:
            y = page.paragraph(left, y, right - left, writer.paragraph(rng.randint(2, 5)), body, 1.3)
        y += step * 0.8
    if rng.random() < 0.6:
        page.cursive(right - 150, y + 20, rng.choice("ABCDR") + "jm", 24, 2, 0.5)
    page.text(left, min(y + step, 950), f"{writer.label()}: {writer.name()}", body)


def email(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    body = Type(rng.choice(("sans", "mono", "grotesk", "roman")), rng.choice((13.5, 14, 15)))
    bold = Type("sans" if body.family == "grotesk" else body.family, body.size, "bold")
    left, y, step = rng.uniform(50, 85), rng.uniform(40, 80), body.size * 1.4
    right = page.width - left
    if rng.random() < 0.6:
        page.text(left, y, writer.name(), bold.scaled(1.25))
        page.rule(left, y + step * 1.4, right, y + step * 1.4, 4)
        y += step * 1.8
    for depth in range(rng.randint(1, 3)):
        names = writer.labels(("From", "Sent", "To", "Cc", "Subject"))[: rng.randint(4, 5)]
        indent = max(110.0, *(page.text_width(name, bold) + 25 for name in names))
        for name in names:
            page.text(left, y, name + ":", bold)
            page.text(left + indent, y, writer.value_of(name), body)
            y += step
        y += step
        for _ in range(rng.randint(1, 3)):
            y = page.paragraph(left, y, right - left, writer.paragraph(rng.randint(1, 4)), body)
            y += step * 0.7
        page.text(left, y, f"{writer.usual('email', 'Thanks,', 'Regards,', '')} {writer.name()}", body)
        y += step * 2
        if y > 780:
            break
        if depth == 0 and rng.random() < 0.7:
            page.text(left, y, f"-----{writer.phrase()}-----", body)
            y += step * 1.3


def handwritten(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    size, slant = rng.uniform(15, 25), rng.uniform(0.1, 0.6)
    left, y = rng.uniform(30, 90), rng.uniform(70, 140)
    weight = rng.choice((2, 2, 3))
    if rng.random() < 0.4:  # a ruled pad
        for line in range(round(y), 970, round(size * 1.9)):
            page.rule(0, line, page.width, line, 1, 170)
    if rng.random() < 0.6:
        page.text(left, 30, writer.title(), Type("serif", rng.uniform(15, 24), "italic"))
    if rng.random() < 0.5:
        page.text(page.width - 60, 30, writer.date(), Type("sans", 15), align="right")
    end = rng.uniform(350, 950)
    while y < end:
        start = left + rng.choice((0, 0, 0, 25, 60))
        y += size * rng.uniform(1.7, 2.1)
        text, x = writer.sentence().split(), start
        while text and x < page.width - rng.uniform(80, 180):
            x = page.cursive(x, y + rng.uniform(-2, 2), text.pop(0), size * rng.uniform(0.9, 1.1), weight, slant)
        if rng.random() < 0.12:
            page.rule(start, y + 6, x, y + rng.uniform(0, 12), weight, 40)
        if rng.random() < 0.08:
            y += size * 1.5
    if rng.random() < 0.3:
        x, top = rng.uniform(left, 500), rng.uniform(150, end)
        page.oval(x, top, x + rng.uniform(90, 200), top + rng.uniform(40, 80), weight)


def resume(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    body = Type(rng.choice(("roman", "serif", "typewriter", "sans")), rng.choice((14, 14.5, 15)))
    bold = Type("roman" if body.family == "typewriter" else body.family, body.size, "bold")
    left, y, step = rng.uniform(60, 100), rng.uniform(45, 90), body.size * 1.35
    hang = left + rng.choice((0, 150, 190))
    page.text(page.width / 2, y, writer.title().upper(), bold.scaled(1.25), align="center")
    y += step * 1.8
    for line in (writer.name(), *writer.address()[1:]):
        page.text(page.width / 2, y, line, body, align="center")
        y += step
    y += step
    while y < rng.uniform(820, 930):
        page.text(left, y, writer.label().upper() + ":", bold)
        y += step if hang == left else 0
        for _ in range(rng.randint(2, 5)):
            year = rng.randint(1950, 1992)
            entry = rng.choice((f"{writer.item()}, {writer.company()}", writer.phrase(), writer.item()))
            page.text(hang + 10, y, f"{year}-{year % 100 + rng.randint(1, 6)}", body)
            y = page.paragraph(hang + 100, y, page.width - hang - 170, entry, body, 1.3)
            if y > 930:
                break
        y += step * 0.9


def file_folder(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    ink = Type(rng.choice(("sans", "typewriter", "mono")), rng.uniform(16, 24))
    texts = [writer.title(), f"{writer.label()} {writer.number()}", writer.phrase(), writer.code()]
    lines = texts[: rng.randint(2, 4)]
    x, y = rng.uniform(60, page.width - 330), rng.choice((rng.uniform(20, 80), rng.uniform(200, 600)))
    width, height = rng.uniform(230, 290), ink.size * 1.4 * len(lines) + rng.uniform(15, 70)
    kind = rng.randrange(3)
    if kind == 0:  # the tab of a folder
        page.pen([(0, y + height), (x - 20, y + height), (x, y), (x + width, y), (x + width + 20, y + height),
                  (page.width, y + height)], 2, 60)  # fmt: skip
    elif kind == 1:
        page.box(x, y, x + width, y + height, rng.choice((1, 3)))
    else:
        page.box(0, 0, page.width, 1000, 0, rng.randint(190, 235))
        page.box(x, y, x + width, y + height, 1, 255)
    for i, line in enumerate(lines):
        factor = min(1.0, (width - 24) / max(1.0, page.text_width(line, ink)))
        page.text(x + 12, y + 10 + i * ink.size * 1.4, line, ink.scaled(max(0.62, factor)))
    if rng.random() < 0.4:
        page.cursive(rng.uniform(60, 300), rng.uniform(300, 900), writer.noun(), rng.uniform(25, 45), 3)
    if rng.random() < 0.3:
        page.rule(0, 980, page.width, 980 - rng.uniform(0, 15), 3, 90)
