"""The survey's tables, of two wheels on PyPI (``experiments.wheels``): 43 of KEEL and 20 of R's packages.

KEEL's are its wheel's balanced ones. Those of R's packages have gaps, dates and text. The first twelve are, of every
package of which a table has all three, the first that has; the other eight, of the first packages of which a table has
gaps and text, the first that has; all in alphabetical order, of the tables with 100 to 20000 rows and 4 columns or
more. What is predicted of them was named before any of them was tried.
"""

from dataclasses import dataclass

_KEEL_NAMES = (
    "australian",
    "banana",
    "bands",
    "breast",
    "bupa",
    "chess",
    "contraceptive",
    "crx",
    "german",
    "hayes-roth",
    "heart",
    "housevotes",
    "ionosphere",
    "iris",
    "led7digit",
    "letter",
    "magic",
    "mammographic",
    "marketing",
    "monk-2",
    "movement_libras",
    "mushroom",
    "optdigits",
    "penbased",
    "phoneme",
    "pima",
    "ring",
    "saheart",
    "satimage",
    "segment",
    "sonar",
    "spambase",
    "splice",
    "tae",
    "texture",
    "tic-tac-toe",
    "titanic",
    "twonorm",
    "vehicle",
    "vowel",
    "wdbc",
    "wine",
    "wisconsin",
)
_R_TARGETS = {
    "Ecdat/HHSCyberSecurityBreaches": "Individuals.Affected",
    "bakeoff/bakers": "percent_technical_top3",
    "dragracer/rpdr_contestants": "age",
    "dslabs/polls_us_election_2016": "rawpoll_trump",
    "modeldata/hotel_rates": "avg_price_per_room",
    "mosaicData/Gestation": "wt",
    "openintro/cpu": "tdp",
    "palmerpenguins/penguins_raw": "Species",
    "pscl/AustralianElectionPolling": "ALP",
    "stevedata/ESS10NO": "eu_vote",
    "tidyr/billboard": "wk5",
    "vcd/Bundesliga": "HomeGoals",
    "AER/Fatalities": "fatal",
    "DAAG/antigua": "harvwt",
    "HLMdiag/ahd": "sbvalue",
    "HSAUR/BtheB": "bdi.2m",
    "HistData/OldMaps": "lat",
    "ISLR/Hitters": "Salary",
    "MASS/OME": "OME",
    "Stat2Data/Caterpillars": "Instar",
}


@dataclass(frozen=True)
class Table:
    """A table of the survey.

    Attributes:
        name: such as "keel/iris" or "AER/Fatalities".
        target: the column that experts predict.
        classes: whether the target holds classes; a clustering is then compared with them.
    """

    name: str
    target: str
    classes: bool


TABLES = {
    table.name: table
    for table in (
        *(Table(f"keel/{name}", "class", True) for name in _KEEL_NAMES),
        *(Table(name, target, target in ("Species", "eu_vote", "OME")) for name, target in _R_TARGETS.items()),
    )
}
