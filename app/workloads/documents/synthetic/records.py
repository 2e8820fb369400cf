"""Layouts of synthetic forms, questionnaires, specifications, budgets and invoices: boxes, numbers and tables."""

from collections.abc import Sequence
from random import Random

from app.workloads.documents.synthetic.correspondence import signature
from app.workloads.documents.synthetic.ink import Canvas, Type
from app.workloads.documents.synthetic.text import Writer


def _print_type(rng: Random) -> Type:
    return Type(rng.choice(("sans", "roman", "serif", "grotesk", "mono")), rng.choice((13.5, 14, 15)))


def _bold(type_: Type, factor: float = 1.0) -> Type:
    family = "sans" if type_.family in ("grotesk", "typewriter") else type_.family
    return Type(family, type_.size * factor, "bold")


def _title(page: Canvas, writer: Writer, y: float, type_: Type) -> float:
    """The page's title, and a company over it on some; returns the y under it."""
    left = page.rng.random() < 0.4
    x = 60.0 if left else page.width / 2
    align: str = "left" if left else "center"
    for text, face in ((writer.company(), type_.scaled(0.7, "regular")), (writer.title(), type_)):
        if face is type_ or page.rng.random() < 0.6:
            page.text(x, y, text, face, align="left" if align == "left" else "center")
            y += face.size * 1.5
    return y + 8


def form(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    small = _print_type(rng).scaled(0.92)
    left, y = rng.uniform(35, 70), rng.uniform(35, 60)
    right = page.width - left
    y = _title(page, writer, y, _bold(small, rng.uniform(1.4, 2)))
    filled = Type(rng.choice(("typewriter", "mono")), 15)
    end = rng.uniform(560, 860)
    while y < end:
        height = rng.choice((42, 46, 52, 64))
        x, edges = left, _cuts(rng, left, right, rng.randint(1, 4))
        for edge in edges:
            page.box(x, y, edge, y + height)
            name = writer.label()
            page.text(x + 5, y + 3, name, small)
            if rng.random() < 0.75:
                value = writer.value_of(name)
                factor = min(1.0, (edge - x - 16) / page.text_width(value, filled))
                if factor > 0.75:
                    page.text(x + 12, y + height - 23, value, filled.scaled(factor))
                elif rng.random() < 0.6:
                    page.cursive(x + 12, y + height - 6, value.split()[0], 12)
            x = edge
        y += height
        if rng.random() < 0.18:
            y += 10
            for _ in range(rng.randint(2, 4)):
                page.box(left + 5, y + 2, left + 17, y + 14)
                if rng.random() < 0.5:
                    page.pen([(left + 5, y + 2), (left + 17, y + 15)])
                page.text(left + 28, y - 1, writer.phrase(), small)
                y += 24
    page.text(left, y + 12, writer.phrase() + ".", small)
    if rng.random() < 0.7:
        page.cursive(left + 30, y + 75, writer.name(), 20)
    page.rule(left, y + 82, left + 260, y + 82)
    page.text(left, y + 86, writer.label(), small)
    page.text(right, 970, f"{writer.label()} {writer.code()}", small.scaled(0.9), align="right")


def _cuts(rng: Random, left: float, right: float, num_pieces: int) -> list[float]:
    """Right edges of pieces of about equal width."""
    step = (right - left) / num_pieces
    return [left + step * (i + 1) + rng.uniform(-0.2, 0.2) * step for i in range(num_pieces - 1)] + [right]


def questionnaire(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    body = _print_type(rng)
    left, y, step = rng.uniform(55, 90), rng.uniform(40, 70), body.size * 1.35
    y = _title(page, writer, y, _bold(body, 1.5))
    y = page.paragraph(left, y, page.width - 2 * left, writer.paragraph(2), body.scaled(0.95, "italic"))
    number, in_rows = rng.randint(1, 30), rng.random() < 0.5
    end = rng.uniform(760, 900)
    while y < end:
        y += step * 0.8
        question = writer.phrase() if rng.random() < 0.5 else writer.sentence().rstrip(".")
        page.text(left, y, f"{number}.", _bold(body))
        y = page.paragraph(left + 40, y, page.width - 2 * left - 40, question + "?", body)
        answers = [writer.label() for _ in range(rng.randint(2, 5))]
        x = left + 55
        for i, answer in enumerate(answers):
            across = in_rows and x + 70 + page.text_width(answer, body) < page.width - left
            if i and not across:
                x, y = left + 55, y + step
            tick_box(page, x, y + 3)
            x += 24 + page.text(x + 24, y, answer, body) + 24
            if not in_rows:
                page.text(page.width - left, y, f"{i + 1}", body, align="right")
        y += step * 1.2
        number += 1


def tick_box(page: Canvas, x: float, y: float) -> None:
    page.box(x, y, x + 13, y + 13)
    if page.rng.random() < 0.25:
        page.pen([(x - 2, y + 4), (x + 5, y + 14), (x + 18, y - 6)], 2)


def specification(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    body = _print_type(rng)
    left, y, step = rng.uniform(60, 85), rng.uniform(35, 55), body.size * 1.4
    right = page.width - left
    page.box(left, y, right, y + 78)
    page.rule(right - 210, y, right - 210, y + 78)
    page.text(left + 10, y + 8, writer.company(), body)
    page.text(left + 10, y + 38, writer.title(), _bold(body, 1.35))
    for i in range(3):
        page.text(right - 202, y + 5 + 24 * i, f"{writer.label()}: {writer.code()}", body.scaled(0.9))
    y += 100
    section, end = 1, rng.uniform(780, 900)
    while y < end:
        page.text(left, y, f"{section}.0", _bold(body))
        page.text(left + 50, y, writer.label().upper(), _bold(body))
        y += step * 1.1
        for i in range(rng.randint(1, 3)):
            page.text(left + 25, y, f"{section}.{i + 1}", body)
            y = page.paragraph(left + 75, y, right - left - 75, writer.paragraph(rng.randint(1, 2)), body) + 4
        if section % 2 == 0 or rng.random() < 0.3:
            header = [writer.label() for _ in range(rng.randint(3, 4))]
            rows = [[writer.label(), *(writer.number() for _ in header[1:])] for _ in range(rng.randint(3, 5))]
            if y + 25 * len(rows) < 880:
                y = table(page, left + 40, y + 4, right - 20, header, rows, body.scaled(0.95), ruled=True)
        section += 1
        y += 6
    page.rule(left, 960, right, 960)
    page.text(left, 965, f"{writer.label()} {writer.date()}", body.scaled(0.85))


def table(
    page: Canvas,
    x0: float,
    y: float,
    x1: float,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    type_: Type,
    ruled: bool,
    first_share: float = 0.4,
) -> float:
    """A table whose first column is text and whose others are figures; returns the y under it."""
    step = type_.size * 1.65
    others = (x1 - x0) * (1 - first_share) / max(1, len(header) - 1)
    rights = [x0 + (x1 - x0) * first_share + others * (i + 1) for i in range(len(header) - 1)]
    top = y
    for number, cells in enumerate([header, *rows]):
        face = _bold(type_, 0.92) if number == 0 else type_
        page.text(x0 + 6, y + 3, cells[0], face)
        for right, cell in zip(rights, cells[1:], strict=True):
            page.text(right - 7, y + 3, cell, face, align="right")
        y += step
        if ruled or number == 0:
            page.rule(x0, y, x1, y)
    if ruled:
        page.box(x0, top, x1, y)
        for right in [x0 + (x1 - x0) * first_share, *rights[:-1]]:
            page.rule(right, top, right, y)
    return y


def budget(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    body = Type(rng.choice(("mono", "typewriter", "sans", "roman")), rng.choice((13.5, 14, 14.5)))
    left, y = rng.uniform(45, 75), rng.uniform(45, 90)
    right = page.width - left
    y = _title(page, writer, y, _bold(body, 1.4))
    page.text(page.width / 2, y, f"{writer.label()} {rng.randint(1965, 1999)}", body, align="center")
    y += body.size * 2.5
    num_columns, ruled, end = rng.randint(3, 5), rng.random() < 0.3, rng.uniform(650, 860)
    while y < end:
        header = [writer.label() for _ in range(num_columns)]
        rows = [
            [_short(writer), *(f"{rng.randint(1, 99_000):,}" for _ in header[1:])]
            for _ in range(min(rng.randint(5, 12), int((920 - y) / body.size / 1.65) - 2))
        ]
        if len(rows) < 2:
            break
        rows.append(
            [writer.usual("budget", "Total", "Net total"), *(f"${rng.randint(100_000, 990_000):,}" for _ in header[1:])]
        )
        y = table(page, left, y, right, header, rows, body, ruled, 0.34 if num_columns > 4 else 0.4)
        page.rule(left + (right - left) * 0.42, y + 3, right, y + 3, 2)
        y += rng.uniform(20, 45)
    page.text(left, min(y, 955), writer.sentence(), body.scaled(0.9))


def _short(writer: Writer) -> str:
    """A row's name of one or two words."""
    name = writer.label() if writer.rng.random() < 0.4 else writer.noun()
    return name[0].upper() + name[1:]


def invoice(page: Canvas, writer: Writer) -> None:
    rng = page.rng
    body = Type(rng.choice(("sans", "roman", "mono", "typewriter")), rng.choice((14, 14.5, 15)))
    left, y, step = rng.uniform(50, 75), rng.uniform(40, 65), body.size * 1.35
    right = page.width - left
    title, head = writer.title().upper(), _bold(body, 1.7)
    head = head.scaled(min(1.0, 320 / page.text_width(title, head)))
    page.text(left, y, writer.company(), _bold(body, 1.15))
    page.text(right, y, title, head, align="right")
    for i, line in enumerate(writer.address()[1:]):
        page.text(left, y + step * (i + 1.6), line, body)
    for i in range(3):
        page.text(right, y + step * (i + 2.2), f"{writer.label()}: {writer.code()}", body, align="right")
    y += step * 6
    half = (left + right) / 2
    for x, name in ((left, writer.label()), (half + 10, writer.label())):
        page.text(x + 8, y + 4, name + ":", _bold(body, 0.95))
        for i, line in enumerate(writer.address()):
            page.text(x + 14, y + step * (i + 1.4), line, body.scaled(0.95))
        if rng.random() < 0.7:
            page.box(x, y, x + half - left - 10, y + step * 4.8)
    y += step * 5.8
    header = writer.labels(("Description", "Quantity", "Unit price", "Amount"))
    rows = [
        [_short(writer), str(rng.randint(1, 400)), writer.money(900), writer.money()] for _ in range(rng.randint(3, 11))
    ]
    y = table(page, left, y, right, header, rows, body, rng.random() < 0.6, 0.45)
    for name in (writer.label(), writer.usual("invoice", "Total", "Amount due")):
        page.text(right - 150, y + 8, name, _bold(body), align="right")
        page.text(right - 7, y + 8, "$" + writer.money(), body, align="right")
        y += step * 1.3
    page.text(left, y + 30, writer.phrase() + ".", body)
    if rng.random() < 0.4:
        signature(page, writer, left, min(y + 70, 850), body)
    elif rng.random() < 0.6:
        stamp = Type("sans", 26, "bold")
        page.box(right - 240, y + 60, right - 60, y + 105, 3)
        page.text(
            right - 150,
            y + 66,
            writer.usual("invoice", "paid", "approved", "received").upper()[:10],
            stamp,
            60,
            "center",
        )
