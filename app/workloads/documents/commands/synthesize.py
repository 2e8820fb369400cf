"""jobs/synthesize.py on document pages: its flags, and the work."""

import time
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.workloads.declaration import SynthesizeFlags

if TYPE_CHECKING:
    from app.workloads.documents.synthetic.data_sets import SyntheticDocuments


@dataclass(frozen=True)
class SynthesizeDocuments(SynthesizeFlags):
    """What both sets share; they also share documents where their seeds are the same."""

    height: int = 1000
    """Pixels of a page; below about 800 its text cannot be read any more."""
    num_corrupt: int = 0
    """Files that cannot be read, for the tools that must cope with them."""
    texts: str | None = None
    """Another folder for each page's text as it was written, as QS-OCR has it: jobs/ocr.py --import takes it over."""

    @abstractmethod
    def which(self) -> "SyntheticDocuments": ...

    def synthesize(self, num_processes: int) -> None:
        from app.console import say
        from app.data.synthetic_folder import follow
        from app.workloads.documents.synthetic import data_sets

        start_s = time.monotonic()
        which = self.which()
        missing = data_sets.open_set(self.out, which, self.texts)
        done = data_sets.write_pages(self.out, which, missing, num_processes, self.texts)
        follow(self.out, done, len(missing), which.num_pages, "pages")
        data_sets.finish_set(self.out, which)
        duration_s = time.monotonic() - start_s
        rate = f"{len(missing)} made in {duration_s:.1f} s, {len(missing) / duration_s:.1f} a second"
        say(f"{self.out}: {which.name}, {which.num_pages} pages; {rate}; its leaks are in {data_sets.TRUTH}")


@dataclass(frozen=True)
class SynthesizeRvlCdip(SynthesizeDocuments):
    """Document pages of 16 classes as RVL-CDIP has them: images/ and labels/{train,val,test}.txt."""

    num_pages: int = 320
    """Pages of all classes and splits together: 80 % train, 10 % validation, 10 % test; a multiple of 160 is
    balanced."""

    def which(self) -> "SyntheticDocuments":
        from app.workloads.documents.synthetic.data_sets import SyntheticDocuments

        return SyntheticDocuments("rvl-cdip", self.num_pages, 0, self.height, self.num_corrupt, self.seed)


@dataclass(frozen=True)
class SynthesizeTobacco(SynthesizeDocuments):
    """Document pages of 10 classes as Tobacco3482 has them: a folder a class."""

    num_pages: int = 200
    """Pages of all classes together, in the real shares."""
    per_class: int = 10
    """Pages that a partition will take of each class; each class gets half as many more, or its share."""

    def which(self) -> "SyntheticDocuments":
        from app.workloads.documents.synthetic.data_sets import SyntheticDocuments

        return SyntheticDocuments("tobacco", self.num_pages, self.per_class, self.height, self.num_corrupt, self.seed)
