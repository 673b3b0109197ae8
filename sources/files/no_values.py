"""What programs write into a cell that has no value. The one table of it.

Excel translates its errors; those of other programs are English. Compared in lower case.
"""

import re
from typing import Final

_EXCEL: Final = """
#n/a #null! #div/0! #value! #ref! #name? #num! #getting_data #spill! #calc! #field! #blocked! #connect! #unknown!
#busy! #external! #python! #timeout!
#i/t #nul! #division/0! #værdi! #reference! #navn? #henter_data #spild! #overløb! #beregn! #felt! #blokeret!
#forbindelse! #ukendt! #optaget! #fejl!
#verdi! #overflyt! #saknas! #värdefel! #värde! #referens! #namn? #ogiltigt! #skärning!
#nv #bezug! #wert! #zahl! #überlauf! #kalk! #feld! #blockiert! #verbinden! #unbekannt!
#valeur! #nom? #nombre! #epars! #calcul! #n/b #waarde! #verw! #naam? #getal! #leeg! #deel/0! #overloop!
#n/d #valor! #¡valor! #¡ref! #¿nombre? #nombre? #¡num! #¡nulo! #¡div/0! #valore! #rif! #nome? #nullo! #nulo! #núm!
#arg! #adr! #nazwa? #liczba! #zero! #dziel/0! #puuttuu! #arvo! #viittaus! #nimi? #luku! #tyhjä! #jako/0!
"""
"""English, Danish, Norwegian and Swedish, German, French and Dutch, Spanish and Italian, Polish and Finnish."""

ERRORS: Final = frozenset({*_EXCEL.split(), "#error!", "#n/a n/a", "#henter data"})
"""With Google Sheets' `#ERROR!` and Bloomberg's `#N/A N/A`."""

BARE_ERRORS: Final = frozenset(error.rstrip("!?") for error in ERRORS)
"""The same without their last sign, as some programs write them."""

LOADING: Final = frozenset(
    f"{word}{dots}" for word in ("loading", "indlæser", "henter", "laster") for dots in ("...", "…")
)
"""What Google Sheets shows until a value has come."""

_ZEROS: Final = ("00000000-0000-0000-0000-000000000000", "0" * 32, "0000-00-00", "0000-00-00 00:00:00")
_PHRASES: Final = ("not set", "no value", "not available", "ikke angivet", "invalid date", "00-01-1900", "1900-01-00")
_NO_IDS: Final = r"null \n nil nan nat na none undefined n/a n.a. n.a"
_IN_BRACKETS: Final = """
tom tomme blank empty leer vide ingen intet ukendt unknown
record list table value binary error function type tabel liste fejl post værdi binær funktion
"""
NO_IDS: Final = frozenset({*_NO_IDS.split(), *_PHRASES, *_ZEROS})
"""Of databases and languages, where a value is empty; R writes NA, Excel shows a day 0, .NET has an empty GUID."""
NO_IDS_IN_BRACKETS: Final = NO_IDS | {*_IN_BRACKETS.split()}
"""The same in brackets of any kind; of pivot tables and Power Query, where a value is empty or is no text."""
PRINTED_OBJECTS: Final = re.compile(
    r"\[object \w+\]|<[\w. ]+ object at 0x[0-9a-f]+>|\[*l?[a-z]\w*(?:\.\w+)+;?@[0-9a-f]+"
    r"|(?:system|microsoft|java|javax)(?:\.\w+)+(?:\[\]|`[0-9]\[.*\])?|(?:error|fejl) 20[0-9]{2}"
)
"""What programs write of a value that is no text: the name of its class, or Visual Basic's number of an error."""
