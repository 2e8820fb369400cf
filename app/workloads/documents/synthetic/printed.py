"""Layouts of synthetic advertisements, reports, publications, news articles and slides; the table of all layouts."""

from collections.abc import Callable

from app.workloads.documents.synthetic import correspondence as correspondence
from app.workloads.documents.synthetic import records as records
from app.workloads.documents.synthetic.ink import Canvas, Family, Type
from app.workloads.documents.synthetic.text import Writer


def _fitted(page: Canvas, text: str, type_: Type, width: float) -> Type:
    """The type, smaller where the text would be wider."""
    return type_.scaled(min(1.0, width / max(1.0, page.text_width(text, type_))))


def advertisement(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    dark = rng.random() < 0.25
    ink = 255 if dark else 0
    if dark:
        page.box(0, 0, page.width, 1000, 0, rng.randint(20, 90))
    face = Type(rng.choice(("sans", "roman", "serif")), rng.uniform(52, 84), "bold")
    y, margin = rng.uniform(30, 90), rng.uniform(30, 70)
    if rng.random() < 0.5:
        bottom = y + rng.uniform(300, 480)
        page.picture(margin, y, page.width - margin, bottom)
        y = bottom + 25
    for _ in range(rng.randint(1, 2)):
        text = writer.title()
        big = _fitted(page, text, face, page.width - 2 * margin)
        page.text(page.width / 2, y, text, big, ink, "center")
        y += big.size * 1.4
    if y < 450:
        height = rng.uniform(200, 380)
        side = rng.uniform(0, 150)
        page.picture(margin + side, y + 10, page.width - margin - rng.uniform(0, 150), y + height)
        y += height + 25
    words = Type(face.family, rng.uniform(19, 27))
    for _ in range(rng.randint(2, 4)):
        text = writer.phrase()
        page.text(page.width / 2, y, text, _fitted(page, text, words, page.width - 80), ink, "center")
        y += words.size * 1.5
    if y < 800 and not dark:
        y = page.paragraph(margin + 60, y + 8, page.width - 2 * margin - 120, writer.paragraph(3), Type("roman", 16))
    if rng.random() < 0.6:
        x = rng.uniform(60, page.width - 200)
        page.box(x, 815, x + 120, 965, 3, 235)
        page.box(x, 815, x + 120, 865, 1, 70)
        page.text(x + 60, 885, writer.noun().upper()[:9], Type("sans", 16, "bold"), 0, "center")
    if not dark:
        page.box(page.width - 330, 940, page.width - 30, 985, 1, 255)
        text = writer.phrase()
        page.text(page.width - 180, 950, text, _fitted(page, text, Type("sans", 14), 285), 0, "center")


def scientific_report(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    body = Type(rng.choice(("typewriter", "mono", "roman", "serif")), rng.choice((14, 14.5, 15)))
    bold = Type("roman" if body.family == "typewriter" else body.family, body.size * 1.05, "bold")
    left, y = rng.uniform(80, 115), rng.uniform(50, 90)
    width = page.width - left - rng.uniform(60, 95)
    if rng.random() < 0.55:
        page.text(left, y, writer.company(), body)
        page.text(left + width, y, writer.date(), body, align="right")
        y += 45
        title = writer.headline()
        y = page.paragraph(left + 40, y, width - 60, title, bold.scaled(1.25)) + 10
        page.text(page.width / 2, y, writer.name(), body, align="center")
        y += 45
    else:
        page.text(page.width / 2, y - 25, f"- {rng.randint(2, 60)} -", body, align="center")
    end = rng.uniform(700, 920)
    while y < end:
        if rng.random() < 0.75:
            page.text(left, y, writer.label().upper(), bold)
            y += body.size * 2
        y = page.paragraph(left, y, width, writer.paragraph(rng.randint(3, 6)), body, rng.choice((1.35, 1.7)))
        y += body.size
        draw = rng.random()
        if draw < 0.3 and y < 700:
            plot(page, left + 90, y, left + width - 90, y + rng.uniform(140, 220), writer)
            y += 250
        elif draw < 0.55 and y < 740:
            header = [writer.label() for _ in range(4)]
            rows = [[writer.code(), *(writer.number() for _ in range(3))] for _ in range(rng.randint(3, 6))]
            y = records.table(page, left + 30, y, left + width - 30, header, rows, body.scaled(0.95), False, 0.3) + 20


def plot(page: Canvas, x0: float, y0: float, x1: float, y1: float, writer: Writer) -> None:
    """Axes with one or two curves of points, and a caption."""
    rng = page.rng
    page.rule(x0, y0, x0, y1, 2)
    page.rule(x0, y1, x1, y1, 2)
    for _ in range(rng.randint(1, 2)):
        level, slope = rng.uniform(0.1, 0.5), rng.uniform(-0.1, 0.5)
        curve = [
            (x0 + (x1 - x0) * i / 7, y1 - (y1 - y0) * min(0.95, level + slope * i / 7 + rng.uniform(-0.05, 0.05)))
            for i in range(8)
        ]
        page.pen(curve)
        for x, y in curve:
            page.oval(x - 3, y - 3, x + 3, y + 3, 1, rng.choice((0, 255)))
    page.text((x0 + x1) / 2, y1 + 8, f"{writer.label()}: {writer.item()}", Type("roman", 13.5), align="center")


def scientific_publication(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    body = Type(rng.choice(("roman", "roman", "serif", "grotesk")), rng.choice((12.5, 13, 13.5)))
    left, y = rng.uniform(45, 65), rng.uniform(35, 50)
    right, gap = page.width - left, 22.0
    page.text(left, y, writer.title(), body.scaled(0.9, "italic"))
    page.text(right, y, str(rng.randint(2, 990)), body.scaled(0.95), align="right")
    y += 30
    if rng.random() < 0.6:
        title = Type(body.family if body.family != "grotesk" else "sans", 24, "bold")
        y = page.paragraph(left, y, right - left, writer.headline(), title, 1.2) + 8
        page.text(left, y, f"{writer.name()}, {writer.name()} and {writer.name()}", body)
        y = page.paragraph(left + 40, y + 30, right - left - 80, writer.paragraph(4), body.scaled(0.98, "italic")) + 12
    column, top = (right - left - gap) / 2, y
    for x in (left, left + column + gap):
        y = top
        if rng.random() < 0.3:
            plot(page, x + 20, y, x + column - 15, y + 150, writer)
            y += 195
        while y < 930:
            if rng.random() < 0.4:
                page.text(x, y + 3, writer.label(), Type("roman", body.size * 1.1, "bold"))
                y += body.size * 1.8
            above = y
            y = page.paragraph(x, y, column, "  " + writer.paragraph(rng.randint(3, 6)), body, 1.25, True, 955)
            if y == above:
                break


def news_article(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    body = Type(rng.choice(("roman", "serif")), 13 if rng.random() < 0.5 else 13.5)
    left, y = rng.uniform(25, 55), rng.uniform(30, 60)
    right = page.width - left - (rng.uniform(0, 170) if rng.random() < 0.4 else 0)  # a clipping may be narrow
    if rng.random() < 0.5:
        text = f"{writer.label()} - {writer.date()}"
        page.text(left, y, text, Type("sans", 14))
        page.rule(left, y + 24, right, y + 24, 2)
        y += 34
    head = Type(rng.choice(("roman", "sans", "serif")), rng.uniform(34, 52), "bold")
    y = page.paragraph(left, y, right - left, writer.headline(), head, 1.15) + 10
    page.text(left, y, f"{writer.usual('news article', 'By')} {writer.name()}", body.scaled(1.05, "bold"))
    y += 28
    num_columns = rng.choice((3, 3, 4)) if right - left > 600 else 3
    gap = 14.0
    column = (right - left - gap * (num_columns - 1)) / num_columns
    bottom, photo = rng.uniform(700, 970), rng.randrange(num_columns * 2)
    for number in range(num_columns):
        x, top = left + number * (column + gap), y
        if number == photo:
            page.picture(x, top, x + column, top + column)
            top += column + 12
        while top < bottom - 30:
            above = top
            text = writer.paragraph(rng.randint(2, 3))
            top = page.paragraph(x, top, column, text, body, 1.22, False, bottom)
            if top == above:
                break
        if number and rng.random() < 0.5:
            page.rule(x - gap / 2, y, x - gap / 2, bottom)


def presentation(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    face: Family = rng.choice(("sans", "serif", "roman"))
    title = Type(face, rng.uniform(30, 44), "bold")
    body = Type(face, rng.uniform(20, 28))
    top = 60.0 if page.width > 900 else rng.uniform(90, 260)
    left, bottom = rng.uniform(50, 90), (940.0 if page.width > 900 else top + rng.uniform(480, 640))
    style = rng.randrange(3)
    if style == 0:
        page.box(left - 25, top - 30, page.width - left + 25, bottom, 3)
    elif style == 1:
        page.box(left - 25, top - 15, page.width - left + 25, top + 60, 0, 205)
    text = writer.title()
    page.text(page.width / 2, top, text, _fitted(page, text, title, page.width - 2 * left), align="center")
    y = top + 95
    if rng.random() < 0.3:
        bars(page, left + 60, y + 20, page.width - left - 60, bottom - 70, writer)
        return
    while y < bottom - 60:
        page.oval(left + 12, y + 11, left + 23, y + 22, 1, 0)
        y = page.paragraph(left + 45, y, page.width - 2 * left - 60, writer.phrase(), body, 1.3, False, bottom)
        for _ in range(rng.choice((0, 0, 1, 2))):
            if y < bottom - 50:
                page.text(left + 80, y, f"- {writer.item()}", body.scaled(0.8))
                y += body.size * 1.2
        y += body.size * 0.7
        if rng.random() < 0.07:
            break


def bars(page: Canvas, x0: float, y0: float, x1: float, y1: float, writer: Writer) -> None:
    """A chart of bars with labels under them."""
    rng, small = page.rng, Type("sans", 16)
    num_bars = rng.randint(3, 5)
    step = (x1 - x0) / num_bars
    page.rule(x0, y1, x1, y1, 3)
    for i in range(num_bars):
        x, height = x0 + step * (i + 0.2), (y1 - y0) * rng.uniform(0.2, 0.95)
        page.box(x, y1 - height, x + step * 0.6, y1, 2, rng.choice((60, 120, 180, 255)))
        page.text(x + step * 0.3, y1 - height - 24, f"{rng.randint(3, 95)}%", small, align="center")
        text = writer.label()
        page.text(x + step * 0.3, y1 + 8, text, _fitted(page, text, small, step - 8), align="center")


LAYOUTS: dict[str, Callable[[Canvas, Writer], None]] = {
    "letter": correspondence.letter,
    "form": records.form,
    "email": correspondence.email,
    "handwritten": correspondence.handwritten,
    "advertisement": advertisement,
    "scientific report": scientific_report,
    "scientific publication": scientific_publication,
    "specification": records.specification,
    "file folder": correspondence.file_folder,
    "news article": news_article,
    "budget": records.budget,
    "invoice": records.invoice,
    "presentation": presentation,
    "questionnaire": records.questionnaire,
    "resume": correspondence.resume,
    "memo": correspondence.memo,
}
"""By the names of classes.RVL_CDIP."""
