"""What synthetic pages talk about: words shared by all, by a group of classes, and a class's own.

Related classes share a group's words, so that no single word gives a class away.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class ClassWords:
    """The vocabulary of a class."""

    group: str
    titles: tuple[str, ...]
    labels: tuple[str, ...]
    """Labels of fields, columns and sections."""
    nouns: tuple[str, ...]
    phrases: tuple[str, ...]
    """Whole sentences, without the full stop."""


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.strip().split("|"))


NOUNS = _split(
    "company office program project department copy number question answer system group member group service plan "
    "meeting process record product brand review request decision problem change result period week month year "
    "section page list order staff division president director manager person case point market tobacco cigarette "
    "smoke leaf filter paper package test level effect position agreement subject action basis information"
)
ADJECTIVES = _split(
    "new final general national current recent special local previous important available necessary complete main "
    "additional possible large small early late total first second annual public private direct regular standard common"
)
VERBS = _split(
    "received completed reviewed discussed prepared considered provided included required reported changed continued "
    "indicated approved presented developed followed described requested established expected produced supported used"
)
PREPOSITIONS = _split("for with during under before after about within from in through against between")
ADVERBS = _split("generally recently therefore however usually now finally often again also today previously")

GENERIC = ClassWords(
    "common",
    _lines("Attachment|Page Two|Continued|General Notes|Section One|Summary|Enclosure|Copy|Part A|Information"),
    _lines("Name|Date|Number|Item|Code|Place|Remarks|Reference|Kind|Status|Group|Section|Total|Time"),
    NOUNS,
    _lines("This page was left as it was|The rest is given on the next page|See the other side|No change since then"),
)

GROUPS: dict[str, tuple[str, ...]] = {
    "common": NOUNS,
    "correspondence": _split(
        "letter message reply enclosure discussion suggestion appointment schedule visit call telephone thanks "
        "interest opportunity arrangement conference invitation conversation comments attorney counsel travel file"
    ),
    "science": _split(
        "study analysis nicotine tar sample method experiment data measurement compound exposure animals rats carbon "
        "monoxide inhalation laboratory temperature concentration condensate toxicity hypothesis variance tissue"
    ),
    "finance": _split(
        "cost amount payment dollars expense account balance price rate tax budget cash funds purchase estimate "
        "allocation salary overhead supplies equipment contract vendor fiscal quarter"
    ),
    "marketing": _split(
        "consumer brand advertising campaign promotion smokers taste flavor menthol segment sales share retail display "
        "media image strategy target magazine coupon awareness competition young adult"
    ),
    "personnel": _split(
        "employee applicant education experience degree university address signature birth school employment training "
        "skills position supervisor response background interview participant occupation"
    ),
}

CLASSES: dict[str, ClassWords] = {
    "letter": ClassWords(
        "correspondence",
        _lines("Dear Sir|Dear Madam|Dear Friend|Re your letter|In reply to yours|Personal and Private"),
        _lines("Our reference|Your reference|Enclosures|Telephone|Cable address|Copies to"),
        _split("gratitude regards courtesy kindness pleasure wishes acknowledgment gentlemen correspondence favor"),
        _lines(
            "Thank you very much for your letter|We look forward to hearing from you|I am pleased to enclose a copy"
            "|Please accept our best wishes|It was a pleasure to meet you|With kindest personal regards"
        ),
    ),
    "form": ClassWords(
        "personnel",
        _lines("Application Form|Request for Approval|Registration Form|Authorization Form|Change Notice|Project Form"),
        _lines(
            "Applicant|Social security no|Approved by|Department|Signature|Effective date|Form number|Requested by"
            "|Authorized by|Cost center"
        ),
        _split("approval authorization registration blank box checkmark carbon initials copies routing requisition"),
        _lines(
            "Please print or type|Do not write in this space|Complete all items and return|Retain the yellow copy"
            "|For office use only|Attach a second sheet if needed"
        ),
    ),
    "email": ClassWords(
        "correspondence",
        _lines("RE: Update|FW: Question|RE: Tomorrow|Conference call|Your message|RE: Draft"),
        _lines("From|To|Cc|Subject|Sent|Attachments|Importance"),
        _split("email attachment inbox forward server download link website voicemail deadline draft fyi internet"),
        _lines(
            "Please see the attached file|Let me know what you think|I forwarded your message to the team"
            "|Call me when you get this|Original message follows|See you tomorrow"
        ),
    ),
    "handwritten": ClassWords(
        "correspondence",
        _lines("Note|To do|Notes of the call|Remember|Phone notes|From my desk"),
        _lines("To call|Ask|Check|Later|Urgent|Done"),
        _split("note scribble pencil reminder ask tonight lunch maybe check bob jim bill mary notebook"),
        _lines("Call Jim back|Ask Bob about it|Check with Mary|Talk on Monday|Not sure about this|Must do it today"),
    ),
    "advertisement": ClassWords(
        "marketing",
        _lines("Come to the Flavor|New! Taste More|Smooth and Mild|Now Lower in Tar|The Pleasure is Back|Rich Taste"),
        _lines("Free offer|Regular|King size|Menthol|Lights|Mail to"),
        _split("pleasure satisfaction fresh cool rich smooth mild lights kings lowest warning surgeon pack carton"),
        _lines(
            "Taste the difference|Send no money now|Available wherever fine cigarettes are sold"
            "|Warning: smoking is dangerous to your health|Limited time only|You deserve the best"
        ),
    ),
    "scientific report": ClassWords(
        "science",
        _lines("Progress Report|Research Report|Technical Report|Final Report of the Study|Laboratory Report"),
        _lines("Objective|Procedure|Results|Conclusions|Project no|Notebook|Charge number|Appendix"),
        _split("progress report project objective notebook appendix summary investigator phase findings pilot chemist"),
        _lines(
            "The objective of this project was met|Work on the second phase continues|Results are shown in the appendix"
            "|Samples were sent to the laboratory|This report covers the last quarter|Further work is recommended"
        ),
    ),
    "scientific publication": ClassWords(
        "science",
        _lines("Effects of Smoke on Cells|A Study of Nicotine in Rats|Mortality and Smoking|On Carcinogens in Mice"),
        _lines("Abstract|Introduction|Materials and Methods|Discussion|References|Table 1|Figure 2"),
        _split("journal abstract literature et al mortality carcinoma tumors mice mutagenic enzyme lung cohort figure"),
        _lines(
            "These findings agree with the literature|The difference was significant|Mice were exposed for two years"
            "|The authors thank the foundation|Similar tumors were found by others|Mean values are given in the table"
        ),
    ),
    "specification": ClassWords(
        "science",
        _lines("Product Specification|Material Specification|Standard Specification|Quality Standard|Test Standard"),
        _lines("Tolerance|Minimum|Maximum|Material|Circumference|Length mm|Weight mg|Porosity|Supersedes|Grade"),
        _split("tolerance specification supplier diameter millimeters porosity adhesive plug tipping moisture grade"),
        _lines(
            "The supplier shall meet this standard|Tolerances are given in millimeters|This issue supersedes the last"
            "|Deviations need approval|Each lot shall be inspected|Moisture shall not exceed the maximum"
        ),
    ),
    "file folder": ClassWords(
        "correspondence",
        _lines("Confidential File|Central Files|Archive Box|Correspondence Folder|Legal File|Closed File"),
        _lines("Folder|Box|Drawer|Retain until|Shelf|Destroy after"),
        _split("folder archive drawer box cabinet closed shelf tab retention storage index divider"),
        _lines("Return to central files|Do not remove from file|Retain for seven years|Closed at the end of the year"),
    ),
    "news article": ClassWords(
        "marketing",
        _lines("Senate Votes on Smoking|Tobacco Firms Go to Court|Health Chief Warns Smokers|Leaf Prices Rise Again"),
        _lines("Washington|Staff writer|Business|Editorial|Continued on page|Late edition"),
        _split("senator congress court jury lawsuit governor newspaper spokesman critics reporters editor officials"),
        _lines(
            "A spokesman declined to comment|Critics of the industry disagreed|The jury returned its verdict yesterday"
            "|Officials said on Tuesday|The senator told reporters|Shares fell in heavy trading"
        ),
    ),
    "budget": ClassWords(
        "finance",
        _lines("Annual Budget|Budget Proposal|Operating Budget|Forecast and Actual|Capital Budget"),
        _lines("Actual|Forecast|Variance|Proposed|Salaries|Travel|Overhead|Supplies|Total budget|Year to date"),
        _split("budget forecast variance allocation proposed actual spending capital operating revised headcount"),
        _lines(
            "The revised budget is shown below|Overhead is fifty percent of salaries|Spending is under the forecast"
            "|All figures are in thousands|Unspent funds return to the reserve"
        ),
    ),
    "invoice": ClassWords(
        "finance",
        _lines("Invoice|Statement of Account|Invoice for Services|Bill|Purchase Invoice"),
        _lines("Quantity|Unit price|Amount|Description|Invoice no|Terms|Ship to|Sold to|Amount due|Your order"),
        _split("invoice remittance shipment terms net freight subtotal billing customer delivery discount due"),
        _lines(
            "Please remit to the address above|Terms net thirty days|Payment is due upon receipt"
            "|Make checks payable to the company|Thank you for your order"
        ),
    ),
    "presentation": ClassWords(
        "marketing",
        _lines("Key Findings|Strategy for Growth|Where We Are|Next Steps|Agenda|Marketing Overview|Our Vision"),
        _lines("Objectives|Background|Issues|Opportunities|Timeline|Conclusions|Overview"),
        _split("slide agenda vision growth overview objectives opportunities challenges initiatives trends goals"),
        _lines("Build the core brand|Win at retail|Focus on key trends|Grow share every year|Questions and discussion"),
    ),
    "questionnaire": ClassWords(
        "personnel",
        _lines("Smoking Survey|Consumer Questionnaire|Screening Interview|Health Survey|Opinion Survey"),
        _lines("Yes|No|Never|Sometimes|Always|Do not know|Agree|Disagree|Refused|Male|Female"),
        _split("questionnaire respondent survey opinion interviewer household smoker cigarettes yesterday often agree"),
        _lines(
            "How often do you smoke|Which brand do you usually buy|What is your age group|Do you agree or disagree"
            "|How many people live in your home|Have you ever tried to stop|Would you say it tastes better"
        ),
    ),
    "resume": ClassWords(
        "personnel",
        _lines("Curriculum Vitae|Resume|Biographical Sketch|Personal History|Professional Record"),
        _lines("Education|Experience|Publications|Honors|Professional societies|Place of birth|Languages|References"),
        _split("professor doctorate bachelor fellowship honors publications society graduate thesis award hospital"),
        _lines(
            "Member of the chemical society|Assistant professor of medicine|Graduated with honors"
            "|Doctor of philosophy in chemistry|Postdoctoral fellow|Married with two children"
        ),
    ),
    "memo": ClassWords(
        "correspondence",
        _lines("Memorandum|Interoffice Memorandum|Inter-office Correspondence|Internal Memo|Office Memo"),
        _lines("To|From|Date|Subject|Copies|Distribution|Through"),
        _split("memorandum memo distribution staff internal headquarters task committee assignment interoffice policy"),
        _lines(
            "This is to confirm our discussion|Please advise your staff of this policy"
            "|As discussed in the staff meeting|Your comments are requested by Friday|The committee will meet next week"
        ),
    ),
}
"""By the names of classes.RVL_CDIP."""

FIRST_NAMES = _split(
    "James Mary Robert Helen William Carol George Ruth Thomas Anne Charles Susan Frank Alice Peter Jane"
)
LAST_NAMES = _split(
    "Miller Johnson Wagner Carter Hughes Osborne Reed Collins Parker Bennett Foster Gray Harris Kelly Morgan Russell "
    "Stevens Turner Walters Young Dawson Ellis Fletcher Gibson"
)
CITIES = _lines("Richmond, Virginia|New York, N.Y.|Winston-Salem, N.C.|Louisville, Kentucky|Durham, N.C.|Chicago, Ill.")
STREETS = _split("Main Park Broad Church Maple Oak Third Fifth Madison Liberty Franklin Cherry")
COMPANIES = _lines(
    "Carolina Leaf Company|American Filter Corporation|Council for Research|Hill and Partners|National Paper Company"
    "|Virginia Testing Laboratories|Union Tobacco Company|Eastern Research Institute|Atlantic Products Inc."
)
MONTHS = _split("January February March April May June July August September October November December")
