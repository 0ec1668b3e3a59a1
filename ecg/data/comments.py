"""A header's comments -> age, sex and diagnoses, as the Challenge, PhysioNet's other databases and people write them.

Odd values of age and sex count as unknown, and never raise an error. A diagnosis that is no code and no name of a class
is kept as it is written, for own classes, or to be named as not understood.
"""

import math
import re
from collections.abc import Iterable, Mapping

from ecg.classes import NO_DIAGNOSIS, split_diagnoses
from ecg.errors import printable

OLDEST = 130  # years; a higher age is a typing error and counts as unknown
OLDER = 1  # year: ">89" is 90, as PTB-XL counts it
KEYS = {"gender": "sex", "geschlecht": "sex", "sexe": "sex", "sexo": "sex", "sesso": "sex", "性别": "sex"}
KEYS |= {"geslacht": "sex", "płeć": "sex", "пол": "sex", "leeftijd": "age", "wiek": "age", "возраст": "age"}
KEYS |= {"alter": "age", "âge": "age", "edad": "age", "idade": "age", "età": "age", "年龄": "age"}
KEYS |= {"diagnosis": "dx", "diagnoses": "dx"}
FACT = re.compile(  # a key at the beginning of a comment, or one more on the same line: "#Age: 56 Sex: F"
    rf"(?<![\w:/])(?:patient'?s?[ _]*)?(age/sex|age|sex|dx|rx|hx|sx|{'|'.join(KEYS)})"
    r"(?:\s*[(\[]([^)\]:]*)[)\]]|[ _](?:in )?(years|months|days))?\s*[:：=]",
    re.IGNORECASE,
)
FREE_TEXT = ("rx", "hx", "sx")
CHALLENGE = ("Age", "Sex", "Dx", "Rx", "Hx", "Sx")
PHYSIONET = re.compile(r"<(\w+)>:\s*([^<]*)")  # "#<age>: 60 <sex>: F <diagnoses> ...", as MIT's databases do
MIT_BIH = re.compile(r"#\s*(\d{1,3}|\?)\s+([MF?])(\s.*)?")  # "# 69 M 1085 1629 x1"
AGE = re.compile(r"[^\w<≤-]*?([>≥]?)\s*(\d[\d.]*(?:,\d(?!\d))?)\+?(\s*)-?([^\W\d_]*)")
RANGE = re.compile(r"\W*\d[\d.]*\s*[-–]\s*\d")
UNITS = {  # of ages: years in one, and its names
    1.0: re.compile(r"y|yo|yrs?|years?|j|jahre?n?|a|ans?|années?|años?|anos?|ann[oi]|jaar|jr|år|lat|лет|год|года|岁"),
    1 / 12: re.compile(r"mo|mon|mths?|months?|monate?n?|mois|m[eê]s|meses|mes[ei]|月"),
    7 / 365: re.compile(r"w|wks?|weeks?|wochen?|semaines?|semanas?"),
    1 / 365: re.compile(r"d|days?|t|tage?n?|jours?|d[ií]as?|giorn[oi]|天"),
}
SEXES = {
    "female": re.compile(r"f(em(ale)?)?|w|woman|weiblich|frau|femme|féminin|mujer|fem[ei]nino|donna|femmina|女性?"),
    "male": re.compile(r"m|masc|male|man|männlich|mann|homme|masculin|hombre|varón|masculino|uomo|maschio|男性?"),
}
PLAIN_CODES = re.compile(r"[\d,]*")
LABEL_VALUES = dict.fromkeys(("1", "t", "y", "yes", "pos", "positive"), "true")
LABEL_VALUES |= dict.fromkeys(("0", "f", "n", "no", "neg", "negative"), "false")


def split_lines(text: str) -> list[str]:
    """The lines of a header. Only line feeds and carriage returns end one, unlike in ``str.splitlines``."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def parse_comments(lines: Iterable[str]) -> dict[str, str]:
    """The ``#Key: value`` comments, keys in small letters. The values of a repeated key are joined by a comma.

    >>> parse_comments(["#Age (months): 6 Gender: F", "#Dx: 426783006", "#Dx: 39732003"])
    {'age': '6 months', 'sex': 'F', 'dx': '426783006,39732003'}
    """
    comments: dict[str, str] = {}
    for line in lines:
        line = line.strip()
        if not line.startswith("#"):
            continue
        for key, value in _facts(line):
            comments[key] = f"{comments[key]},{value}" if key in comments else value
    return comments


def _facts(line: str) -> list[tuple[str, str]]:
    """The keys and values of one comment."""
    key, colon, value = line.lstrip("# \t").partition(":")
    if key in CHALLENGE and ":" not in value:  # the usual form, parsed fast
        return [(key.lower(), value.strip())]
    if "<" in line and (found := PHYSIONET.findall(line)):
        return [(KEYS.get(key.lower(), key.lower()), value.strip()) for key, value in found]
    text = line.lstrip("# \t")
    # Of a line with another first key, such as "Gestational Age", no other key counts; nor does one in small letters
    # within prose: "#Age: 50, menopause age: 48".
    matches = list(FACT.finditer(text)) if FACT.match(text) else []
    if not text[:1].islower():
        matches = [match for match in matches if match.start() == 0 or not match.group()[0].islower()]
    free = next((i for i, match in enumerate(matches) if match.group(1).lower() in FREE_TEXT), len(matches))
    matches = matches[: free + 1]
    if not matches:
        if mit_bih := MIT_BIH.fullmatch(line):
            return [("age", mit_bih.group(1)), ("sex", mit_bih.group(2))]
        return [(key.strip().lower(), value.strip())] if colon else []
    facts: list[tuple[str, str]] = []
    for match, following in zip(matches, [*matches[1:], None]):
        key = match.group(1).lower()
        value = text[match.end() : following.start() if following else None].strip()
        if value and following:
            value = value.rstrip(",; \t")
        unit = match.group(2) or match.group(3)
        if key == "age/sex":
            facts += zip(("age", "sex"), value.split("/"))
        else:
            facts.append((KEYS.get(key, key), f"{value} {unit}" if unit else value))
    return facts


def parse_age(text: str) -> float | None:
    """The age in years; None for other text and impossible ages. "6M" is ambiguous, "006M" is DICOM's for months.

    >>> [parse_age(text) for text in ("74", "56 years", "8 Monate", ">89", "56 M", "006M", "6M", "300")]
    [74.0, 56.0, 0.6666666666666666, 90.0, 56.0, 0.5, None, None]
    """
    match = AGE.match(text)
    if not match or RANGE.match(text):
        return None
    above, number, blank, unit = match.groups()
    if unit in ("F", "f") or unit == "M" and blank:  # the sex
        unit = ""
    unit = unit.lower()
    if unit == "m" and re.fullmatch(r"\d{3}", number):
        unit = "month"
    years = 1.0 if not unit else next((years for years, names in UNITS.items() if names.fullmatch(unit)), math.nan)
    try:
        age = float(number.replace(",", ".")) * years
    except ValueError:
        return None
    age += OLDER if above else 0
    return age if 0 <= age <= OLDEST else None


def parse_sex(text: str) -> str | None:
    """ "female", "male" or None.

    >>> [parse_sex(text) for text in ("F", "M (male)", "weiblich", "M/F", "Unknown")]
    ['female', 'male', 'female', None, None]
    """
    words = re.findall(r"[^\W\d_]+", re.split(r"[,;]", text)[0].lower())
    found = {next((sex for sex, names in SEXES.items() if names.fullmatch(word)), None) for word in words}
    return found.pop() if len(found) == 1 else None


def parse_diagnoses(comments: Mapping[str, str]) -> tuple[str, ...]:
    """The codes and names in ``#Dx``, and comments such as ``# Chagas label: True`` (2025) in small letters."""
    text = comments.get("dx", "")
    if PLAIN_CODES.fullmatch(text):  # the usual form, parsed fast
        codes = list(dict.fromkeys(code for code in text.split(",") if code))
    else:
        codes = split_diagnoses(text)
    for key, value in comments.items():
        if key.endswith(" label") and value.casefold() not in NO_DIAGNOSIS:
            codes.append(f"{key}: {LABEL_VALUES.get(value.casefold(), value.casefold())}")
    return tuple(codes)


def format_not_understood(numbers: Mapping[str, int]) -> str:
    """One line that names the diagnoses that are not understood, the most frequent first, with their ``numbers``."""
    most = sorted(numbers.items(), key=lambda item: -item[1])[:10]
    names = ", ".join(f"{name} ({number:,})" for name, number in most)
    return printable(f"not understood in #Dx, and so not used: {names}{' ...' if len(numbers) > 10 else ''}")
