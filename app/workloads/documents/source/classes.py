"""The classes of the two data sets, in the order of their label numbers; names as the data sets write them."""

RVL_CDIP = (
    "letter",
    "form",
    "email",
    "handwritten",
    "advertisement",
    "scientific report",
    "scientific publication",
    "specification",
    "file folder",
    "news article",
    "budget",
    "invoice",
    "presentation",
    "questionnaire",
    "resume",
    "memo",
)
"""16 classes; the numbers in its labels/*.txt (Harley, Ufkes and Derpanis, ICDAR 2015)."""

TOBACCO = ("ADVE", "Email", "Form", "Letter", "Memo", "News", "Note", "Report", "Resume", "Scientific")
"""10 classes; the folders of Tobacco3482 (Kumar, Ye and Doermann, 2014)."""
