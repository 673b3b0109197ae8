"""What programs write into a cell that has no value. The one table of it.

Excel translates its errors; those of other programs are English. Compared in lower case.
"""

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

_NO_IDS: Final = r"""
null (null) <null> [null] \n nil nan nat <na> none undefined n/a
(tom) (tomme) (blank) (empty) (none) (leer) (vide)
[record] [list] [table] [value] [binary] [error]
"""
NO_IDS: Final = frozenset({*_NO_IDS.split(), "[object object]"})
"""Of databases and languages, of pivot tables, of Power Query and JavaScript, where a value is empty or is no text."""
