"""The demo's second half: scanned pages in; image and text classifiers, their ensemble and classified new pages out.

One process without Ray does each job: at this size Ray's start would take longer than the work.
"""

from dataclasses import dataclass
from pathlib import Path

from demo_steps import Step, Steps, newer

NUM_STEPS = 12
HERE = ["--launcher", "local"]
SEED, NEW_SEED = 1, 2
"""Seeds of the sets that train and test, and of pages of neither."""


@dataclass(frozen=True)
class Size:
    """How much the demo does: expected are four minutes on two cores; OCR of 160 pages is about 75 s of it."""

    num_rvl_pages: int = 800
    rvl_height: int = 400
    """Pixels; enough for a network that sees 64, too few for OCR, which nobody asks for here."""
    num_tobacco_pages: int = 160
    per_class: int = 10
    """Pages of each of Tobacco3482's classes: 8 train and 2 validate, the others test."""
    tobacco_height: int = 1000
    image_size: int = 64
    image_model: str = "test_resnet.r160_in1k"
    rvl_epochs: int = 6
    image_epochs: int = 20
    vocabulary_size: int = 1500
    hidden_size: int = 64
    num_layers: int = 2
    max_length: int = 128
    text_epochs: int = 30
    text_rate: float = 2e-3
    wanted_gain: float | None = 2.0
    """Image and text alone must be right this many times as often as the most frequent class would be."""


FULL = Size()
QUICK = Size(
    num_rvl_pages=64,
    rvl_height=200,
    num_tobacco_pages=50,
    tobacco_height=500,
    per_class=3,
    rvl_epochs=1,
    image_epochs=1,
    text_epochs=1,
    wanted_gain=None,
)


def walk(size: Size, folder: Path, show: Steps) -> None:
    """The way of the pages, a job after the other; NUM_STEPS of them."""
    from app.console import say

    raw, stores = folder / "data", folder / "stores"
    rvl, tobacco, bert = stores / "rvl-cdip", stores / "tobacco", folder / "bert"
    make_sets(size, raw, show)
    prepare_sets(size, raw, stores, show)
    show.run(
        Step(
            "Read Tobacco3482's pages by OCR, on every core",
            ["ocr", "--store", str(tobacco), "--source", str(raw / "tobacco"), *HERE],
        )
    )
    show.run(
        Step(
            "Make a small BERT: its word pieces learned from that text, its weights random",
            ["vocabulary", "--store", str(tobacco), "--out", str(bert), "--partition", "0", *bert_sizes(size)],
            have=newer(bert / "twofold.json"),
        )
    )
    train(size, rvl, tobacco, folder, show)
    from app.run_folder.run import ENSEMBLE, PREDICTIONS, RECORD, SHEET

    ensemble, records = folder / ENSEMBLE.name, [folder / name / RECORD.name for name in ("image", "text")]
    show.run(
        Step(
            "Score image, text and both on pages that they have never seen",
            [
                *("evaluate", "documents-ensemble", "--image", str(folder / "image"), "--text", str(folder / "text")),
                *("--store", str(tobacco), "--out", str(folder), *HERE),
            ],
            have=newer(ensemble, *records),
        )
    )
    check(ensemble, size.wanted_gain)
    say(f"(all of it is small: {size.num_tobacco_pages} pages, networks of well under a million weights)")
    predict(size, folder, raw, show, newer(folder / PREDICTIONS / SHEET.name, *records))


def make_sets(size: Size, raw: Path, show: Steps) -> None:
    seed = ["--seed", str(SEED)]
    pages = ["--num-pages", str(size.num_rvl_pages), "--height", str(size.rvl_height)]
    show.run(
        Step(
            "Generate synthetic scanned pages of 16 classes, in the format of RVL-CDIP",
            ["synthesize", "rvl-cdip", "--out", str(raw / "rvl-cdip"), *pages, *seed],
        )
    )
    pages = ["--num-pages", str(size.num_tobacco_pages), "--per-class", str(size.per_class)]
    pages += ["--height", str(size.tobacco_height)]
    show.run(
        Step(
            "And of 10 classes, in that of Tobacco3482; some of them are also in the first set, as in truth",
            ["synthesize", "tobacco", "--out", str(raw / "tobacco"), *pages, *seed],
        )
    )


def prepare_sets(size: Size, raw: Path, stores: Path, show: Steps) -> None:
    pixels = ["--image-size", str(size.image_size)]
    tobacco = stores / "tobacco"
    partition = ["--num-partitions", "1", "--per-class", str(size.per_class)]
    show.run(
        Step(
            "Verify and store Tobacco3482, with a random partition into training, validation and test",
            ["prepare", "documents", *between(raw / "tobacco", tobacco), *pixels, *partition, *HERE],
        )
    )
    show.run(
        Step(
            "And RVL-CDIP, less the pages that are also in Tobacco3482",
            [
                *("prepare", "documents", *between(raw / "rvl-cdip", stores / "rvl-cdip"), *pixels),
                *("--compare-with", str(tobacco), *HERE),
            ],
        )
    )


def train(size: Size, rvl: Path, tobacco: Path, folder: Path, show: Steps) -> None:
    runs = ["--runs", str(folder), *HERE]
    network = ["--task.model", size.image_model, "--task.image-size", str(size.image_size)]
    begun = ["--task.weights", "random", "--epochs", str(size.rvl_epochs), "--evaluate-every-epochs", "3"]
    begun += ["--batch-size", "16", "--optimizer.learning-rate", "0.4"]
    show.run(
        Step(
            "Train a small network on the images of RVL-CDIP",
            ["train", "document-image", "--store", str(rvl), "--name", "image-rvl-cdip", *begun, *network, *runs],
        )
    )
    begun = ["--task.weights", str(folder / "image-rvl-cdip"), "--epochs", str(size.image_epochs)]
    begun += ["--batch-size", "8", "--optimizer.learning-rate", "0.8", "--evaluate-every-epochs", "5"]
    on_tobacco = ["--store", str(tobacco), "--task.partition", "0"]
    show.run(
        Step(
            "Go on with it on the images of Tobacco3482",
            ["train", "document-image", *on_tobacco, "--name", "image", *begun, *network, *runs],
        )
    )
    reader = ["--task.model", str(folder / "bert"), "--task.num-layers", str(size.num_layers)]
    reader += ["--task.max-length", str(size.max_length), "--optimizer.learning-rate", str(size.text_rate)]
    length = ["--epochs", str(size.text_epochs), "--evaluate-every-epochs", "5", "--batch-size", "16"]
    show.run(
        Step(
            "Train the small BERT on the text of Tobacco3482",
            ["train", "document-text", *on_tobacco, "--name", "text", *reader, *length, *runs],
        )
    )


def predict(size: Size, folder: Path, raw: Path, show: Steps, have: Path | None) -> None:
    new = raw / "new"
    pages = ["--num-pages", "10", "--per-class", "0", "--height", str(size.tobacco_height), "--seed", str(NEW_SEED)]
    show.run(
        Step(
            "Generate a few synthetic pages that are in no set",
            ["synthesize", "tobacco", "--out", str(new), *pages],
        )
    )
    models = ["--image-model", str(folder / "image"), "--text-model", str(folder / "text")]
    show.run(
        Step(
            "Classify them by image, by text and by both, beside the truth",
            [
                *("predict", "documents", "--input", str(new), "--labelled", *models),
                *("--out", str(folder / "predictions"), *HERE),
            ],
            have=have,
        )
    )


def check(ensemble: Path, wanted_gain: float | None) -> None:
    """Raises TrainingError when image or text alone is hardly better than chance, or both together are worse."""
    from app.console import say
    from app.errors import TrainingError
    from app.run_folder.run import ENSEMBLE

    found = ENSEMBLE.read(str(ensemble.parent))
    accuracy = {name: method["mean"] for name, method in found["accuracy"].items()}
    told = ", ".join(f"{name} {value:.0%}" for name, value in accuracy.items())
    if wanted_gain is None:
        say(f"accuracy: {told} (a quick demo: not judged)")
        return
    poor = [name for name in ("image", "text") if accuracy[name] < wanted_gain * found["chance"]]
    if poor:
        raise TrainingError(
            f"{' and '.join(poor)} alone did not learn: accuracy {told}; expected {wanted_gain:g} times the "
            f"{found['chance']:.0%} of always naming the most frequent class"
        )
    say(f"accuracy: {told}; the most frequent class alone: {found['chance']:.0%}")


def between(source: Path, store: Path) -> list[str]:
    return ["--source", str(source), "--store", str(store)]


def bert_sizes(size: Size) -> list[str]:
    return [
        *("--vocabulary-size", str(size.vocabulary_size), "--hidden-size", str(size.hidden_size)),
        *("--num-layers", str(size.num_layers), "--max-length", str(size.max_length)),
    ]
