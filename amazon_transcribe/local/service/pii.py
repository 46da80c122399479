"""Rules that find personal information in English words, as spoken and as written.

A number is judged by its digits, by the word right behind it, and by the cue before it: the
last word, a few words back, that says what is counted. Checksums stand in for a missing cue.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

__all__ = ["TYPES", "Span", "count_safe_words", "find_pii"]

TYPES = (
    "BANK_ACCOUNT_NUMBER",
    "BANK_ROUTING",
    "CREDIT_DEBIT_NUMBER",
    "CREDIT_DEBIT_CVV",
    "CREDIT_DEBIT_EXPIRY",
    "PIN",
    "EMAIL",
    "PHONE",
    "SSN",
)
"""What there are rules for, by the service's names."""


class Span(NamedTuple):
    """A piece of personal information among words.

    :param begin: Its first word, counted from 0.
    :param end: The word behind its last.
    :param entity_type: One of `TYPES`.
    """

    begin: int
    end: int
    entity_type: str


def find_pii(
    words: Sequence[str], types: Collection[str] = TYPES, before: Sequence[str] = ()
) -> list[Span]:
    """Return the personal information among words, in their order.

    :param words: The words, each with the punctuation behind it.
    :param types: What is looked for.
    :param before: Words that were said before: they hold cues and beginnings.
    """
    shift = len(before)
    return [
        Span(max(begin - shift, 0), end - shift, kind)
        for begin, end, kind in _find([*before, *words], types)
        if end > shift
    ]


def count_safe_words(
    words: Sequence[str], types: Collection[str] = TYPES, before: Sequence[str] = ()
) -> int:
    """Return how many of the first words hold no number and no address, complete or not.

    That goes for any cue and any end, as a recogniser may hear both differently in a moment.
    A single digit is safe once another word follows it: people say "one" for much else.
    """
    said = [*before, *words]
    plain = [_plain(word) for word in said]
    unsafe = [len(said)]
    if any(kind != "EMAIL" for kind in types):
        runs = _runs(said, plain, ())
        unsafe += [r.begin for r in runs if len(r.digits) > 1 or r.reach == len(said)]
    if "EMAIL" in types:
        unsafe += _parts_of_emails(said, plain)
    return max(min(unsafe) - len(before), 0)


def _find(said: Sequence[str], types: Collection[str]) -> list[Span]:
    plain = [_plain(word) for word in said]
    found = _emails(said, plain) if "EMAIL" in types else []
    taken = {at for email in found for at in range(email.begin, email.end)}
    for run in _runs(said, plain, taken):
        kind = _judge(run, plain)
        if kind is not None and kind in types:
            # A month belongs to a date only.
            begin = run.begin + (run.month and kind != "CREDIT_DEBIT_EXPIRY")
            found.append(Span(begin, run.end, kind))
    return sorted(found)


def _plain(word: str) -> str:
    return word.replace("\u2019", "'").strip(".,?!;:\"'#").casefold()


def _ends_sentence(word: str) -> bool:
    return word.endswith((".", "?", "!"))


# Numbers

_UNITS = {
    word: str(n)
    for n, word in enumerate("zero one two three four five six seven eight nine".split())
}
_UNITS |= {"oh": "0", "o": "0", "nought": "0"}
_TEENS = {
    word: str(n)
    for n, word in enumerate(
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split(),
        10,
    )
}
_TENS = {
    word: str(n)
    for n, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_TIMES = {"double": 2, "triple": 3}
_ZEROS = {"hundred": "00", "thousand": "000"}
_BETWEEN = {"dash", "hyphen", "slash", "space", "um", "uh", *_TIMES, *_ZEROS}
_MONTHS = set(
    "january february march april may june july august september october november december".split()
)
_WRITTEN = re.compile(r"\+?\(?\d[\d()/-]*|\+?\(?\d+\)?(?:\.\d+){2,}")
_SSN = re.compile(r"(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}")
_DATE = re.compile(r"(?:0?[1-9]|1[0-2])(?:\d\d|20\d\d)")


class _Run(NamedTuple):
    """Numbers that follow each other.

    :param begin: Its first word.
    :param end: The word behind its last number.
    :param reach: The word behind what may go on with further numbers.
    :param digits: All its digits.
    :param month: Whether it begins with the name of a month.
    :param written: Its words.
    """

    begin: int
    end: int
    reach: int
    digits: str
    month: bool
    written: str


def _runs(said: Sequence[str], plain: Sequence[str], taken: Collection[int]) -> list[_Run]:
    """Return the runs of numbers, those without digits too: they may get some."""
    runs = []
    at = 0
    while at < len(plain):
        begin = at
        month = plain[at] in _MONTHS
        at += month
        end = at
        while at < len(plain) and at not in taken:
            breaks = at > begin and _ends_sentence(said[at - 1])
            if breaks or not (_is_number(plain[at]) or plain[at] in _BETWEEN):
                break
            at += 1
            if plain[at - 1] not in _BETWEEN or plain[at - 1] in _ZEROS:
                end = at
        if at > begin:
            words = plain[begin + month : end]
            runs.append(_Run(begin, end, at, _digits(words), month, " ".join(words)))
        else:
            at += 1
    return runs


def _is_number(word: str) -> bool:
    tens, _, unit = word.partition("-")
    return (
        word in _UNITS
        or word in _TEENS
        or (tens in _TENS and (not unit or unit in _UNITS))
        or _WRITTEN.fullmatch(word) is not None
    )


def _digits(words: Sequence[str]) -> str:
    digits = ""
    times, after_tens = 1, False
    for word in (part for each in words for part in _parts(each)):
        if word in _UNITS:
            unit = _UNITS[word]
            digits = digits[:-1] + unit if after_tens and unit != "0" else digits + unit * times
        elif word in _ZEROS:
            digits += _ZEROS[word]
        elif word in _TEENS or word in _TENS:
            digits += _TEENS.get(word) or _TENS[word] + "0"
        elif word not in _BETWEEN:
            written = re.sub(r"\D", "", word)
            digits += written * times if len(written) == 1 else written
        times = _TIMES.get(word, 1)
        after_tens = word in _TENS
    return digits


def _parts(word: str) -> Sequence[str]:
    return [word] if word[0] in "+(0123456789" else word.split("-")


# What a number is

_CUES = {
    "card": "CREDIT_DEBIT_NUMBER",
    "visa": "CREDIT_DEBIT_NUMBER",
    "mastercard": "CREDIT_DEBIT_NUMBER",
    "amex": "CREDIT_DEBIT_NUMBER",
    "cvv": "CREDIT_DEBIT_CVV",
    "cvc": "CREDIT_DEBIT_CVV",
    "v v": "CREDIT_DEBIT_CVV",
    "v c": "CREDIT_DEBIT_CVV",
    "security code": "CREDIT_DEBIT_CVV",
    "verification code": "CREDIT_DEBIT_CVV",
    "expires": "CREDIT_DEBIT_EXPIRY",
    "expiry": "CREDIT_DEBIT_EXPIRY",
    "expiration": "CREDIT_DEBIT_EXPIRY",
    "expiring": "CREDIT_DEBIT_EXPIRY",
    "valid through": "CREDIT_DEBIT_EXPIRY",
    "valid thru": "CREDIT_DEBIT_EXPIRY",
    "valid until": "CREDIT_DEBIT_EXPIRY",
    "pin": "PIN",
    "passcode": "PIN",
    "account": "BANK_ACCOUNT_NUMBER",
    "checking": "BANK_ACCOUNT_NUMBER",
    "savings": "BANK_ACCOUNT_NUMBER",
    "routing": "BANK_ROUTING",
    "aba": "BANK_ROUTING",
    "social": "SSN",
    "ssn": "SSN",
    "phone": "PHONE",
    "telephone": "PHONE",
    "cell": "PHONE",
    "mobile": "PHONE",
    "fax": "PHONE",
    "call": "PHONE",
    "dial": "PHONE",
    "text": "PHONE",
    "reach": "PHONE",
    "area code": "PHONE",
    **dict.fromkeys(
        """
        order tracking invoice ticket reference confirmation flight room serial model case policy
        version part page year years street avenue highway population minutes zip bus gate
        """.split(),
        "",
    ),
}
"""What a word, or two, say of the numbers behind them; nothing for numbers of no person."""

_CUE_WORDS = 8  # between a cue and its number
_QUANTITIES = set(
    """
    dollars dollar bucks cents euros pounds percent miles kilometers meters feet inches people
    years months weeks days hours minutes seconds degrees times points items copies pages million
    thousand hundred
    """.split()
)

_BEFORE_YEARS = {"in", "since", "from"}

_LENGTHS = {
    "BANK_ACCOUNT_NUMBER": range(4, 18),
    "BANK_ROUTING": range(4, 10),
    "CREDIT_DEBIT_NUMBER": range(4, 40),  # a date and a code may follow in one breath
    "CREDIT_DEBIT_CVV": range(3, 5),
    "PIN": range(4, 13),
    "PHONE": range(7, 16),
    "SSN": range(3, 10),
}
"""How many digits a number has behind its cue. Of cards, accounts and social security numbers
people tell the last four, and they read long ones in pieces."""


def _cue(plain: Sequence[str], number: int) -> str | None:
    """Return what the last cue before a number says, if there is one."""
    seen = 0
    for at in range(number - 1, -1, -1):
        if _is_number(plain[at]) or plain[at] in _BETWEEN or plain[at] in _MONTHS:
            continue
        for cue in (" ".join(plain[max(at - 1, 0) : at + 1]), plain[at]):
            if cue in _CUES:
                return _CUES[cue]
        seen += 1
        if seen == _CUE_WORDS:
            break
    return None


def _judge(run: _Run, plain: Sequence[str]) -> str | None:
    digits = run.digits
    count = len(digits)
    cue = _cue(plain, run.begin)
    previous = plain[run.begin - 1] if run.begin else ""
    follower = plain[run.end] if run.end < len(plain) else ""
    if cue == "CREDIT_DEBIT_EXPIRY":
        date = count in (2, 4) if run.month else _DATE.fullmatch(digits)
        return cue if date else None
    if previous in _BEFORE_YEARS and re.fullmatch(r"(?:19|20)\d\d", digits):
        return None
    if _SSN.fullmatch(run.written):
        return "SSN"
    if run.written.startswith("+") and count in _LENGTHS["PHONE"]:
        return "PHONE"
    if "/" in run.written:
        of_card = cue is not None and cue.startswith("CREDIT_DEBIT") and _DATE.fullmatch(digits)
        return "CREDIT_DEBIT_EXPIRY" if of_card else None
    if follower in _QUANTITIES or "thousand" in run.written:
        return None
    if 13 <= count <= 19 and _passes_luhn(digits):
        return "CREDIT_DEBIT_NUMBER"
    if cue == "BANK_ACCOUNT_NUMBER" and _passes_aba(digits):
        return "BANK_ROUTING"
    if cue is not None:
        return cue if cue and count in _LENGTHS[cue] else None
    if re.fullmatch(r"1?[2-9]\d\d[2-9]\d{6}", digits) or re.fullmatch(r"\d{3}-\d{4}", run.written):
        return "PHONE"
    return "BANK_ROUTING" if _passes_aba(digits) else None


def _passes_luhn(digits: str) -> bool:
    """Tell whether a card may have this number (ISO/IEC 7812-1)."""
    doubled = [2 * int(digit) for digit in digits[-2::-2]]
    total = sum(map(int, digits[-1::-2])) + sum(n - 9 if n > 9 else n for n in doubled)
    return digits[0] != "0" and total % 10 == 0


def _passes_aba(digits: str) -> bool:
    """Tell whether a bank of the United States may have this routing number."""
    if not re.fullmatch(r"(?:0[0-9]|1[0-2]|2[1-9]|3[0-2]|6[1-9]|7[0-2])\d{7}", digits):
        return False
    weights = (3, 7, 1) * 3
    return sum(w * int(d) for w, d in zip(weights, digits, strict=True)) % 10 == 0


# Addresses of mail

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_HOST = re.compile(r"(?:[\w-]+\.)+([a-z]{2,})")
_IN_EMAIL = re.compile(r"@|\w\.\w")
_AT = {"at", "@"}
_JOINERS = {"dot", "underscore", "dash", "hyphen", "plus", "point"}
_TOP = set(
    "com org net edu gov mil io co uk us ca de fr eu au nz ie in ai app dev me info biz".split()
)
_NO_LOCAL = set(
    """
    an the my me you him her it us them we they is are was were be been am and or to of on
    its it's that's that as so here there look looks looked available found visit online only
    address email e-mail mail shop sold buy arrive stay meet just now live work today see
    """.split()
)
"""Words before `at` that are no part of an address."""
_EMAIL_CUES = {"email", "e-mail", "mail"}
_CUE_REACH = 10
_LOCAL_WORDS = 12
_LABEL_WORDS = 4


def _emails(said: Sequence[str], plain: Sequence[str]) -> list[Span]:
    spans: list[Span] = []
    for at, word in enumerate(plain):
        if _EMAIL.fullmatch(word):
            spans.append(Span(at, at + 1, "EMAIL"))
        elif word in _AT:
            begin = _local_begin(said, plain, at)
            end, _ = _host_end(plain, at + 1)
            if end and begin < at and (not spans or spans[-1].end <= begin):
                spans.append(Span(begin, end, "EMAIL"))
    return spans


def _parts_of_emails(said: Sequence[str], plain: Sequence[str]) -> Iterator[int]:
    """Yield the first words of all that may be, or become, a part of an address."""
    yield _local_begin(said, plain, len(plain))
    for at, word in enumerate(plain):
        if word in _AT:
            end, is_open = _host_end(plain, at + 1)
            if end or is_open:
                yield _local_begin(said, plain, at)
        elif word in {"dot", "underscore"}:
            yield _local_begin(said, plain, at)
        elif _IN_EMAIL.search(word):
            yield at


def _local_begin(said: Sequence[str], plain: Sequence[str], at: int) -> int:
    """Return where the address begins whose local part ends before a word."""
    begin = at
    while begin > max(at - _LOCAL_WORDS, 0):
        word = plain[begin - 1]
        if word in _NO_LOCAL or word in _AT or not re.fullmatch(r"[\w.+'-]+", word):
            break
        if begin < at and not _belongs(said, plain, begin):
            break
        begin -= 1
    return begin


def _belongs(said: Sequence[str], plain: Sequence[str], at: int) -> bool:
    """Tell whether a word and the one before belong to one local part."""
    if _ends_sentence(said[at - 1]):
        return False
    one, two = plain[at - 1], plain[at]
    if one in _JOINERS or two in _JOINERS or len(one) == 1 or _is_number(two):
        return True
    return not _EMAIL_CUES.isdisjoint(plain[max(at - _CUE_REACH, 0) : at - 1])


def _host_end(plain: Sequence[str], begin: int) -> tuple[int | None, bool]:
    """Return the word behind a host's name, and whether further words may change that."""
    end, spoken = None, 0
    for at in range(begin, len(plain)):
        word = plain[at]
        host = _HOST.fullmatch(word)
        if (host and host[1] in _TOP) or (word in _TOP and plain[at - 1] == "dot"):
            end = at + 1
        elif word == "dot":
            spoken = 0
        elif end is not None or word in _AT or spoken == _LABEL_WORDS:
            return end, False
        else:
            spoken += 1
    return end, True
