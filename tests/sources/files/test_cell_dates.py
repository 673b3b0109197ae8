"""Days and times as exports write them."""

import re
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.files.cell_dates import TimeTexts, localise, read_day, read_moment, rfc3339
from sources.files.date_formats import MomentError, check_format

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
DANISH = "%d-%m-%Y %H:%M"


@pytest.mark.parametrize(
    ("cell", "pattern", "written"),
    [
        pytest.param("03-05-2018 14:05", DANISH, "2018-05-03T14:05:00+02:00", id="Danish summer"),
        pytest.param("3-1-2018 9:05", DANISH, "2018-01-03T09:05:00+01:00", id="Danish winter without zeros"),
        pytest.param("2018-05-03T14:05:09.120+02:00", None, "2018-05-03T14:05:09.120+02:00", id="ISO with zone"),
        pytest.param("2018-05-03T12:05:09Z", None, "2018-05-03T12:05:09Z", id="ISO in UTC"),
        pytest.param("2018-05-03 14:05", None, "2018-05-03T14:05:00+02:00", id="ISO without zone"),
        pytest.param("28-10-2018 02:30", DANISH, "2018-10-28T02:30:00+02:00", id="hour that occurs twice is the first"),
        pytest.param("May 3 2018 02 PM", "%b %d %Y %I %p", "2018-05-03T14:00:00+02:00", id="format beyond digits"),
        pytest.param("2018-05-03 14:05:09.1299999 +02:00", None, "2018-05-03T14:05:09.129+02:00", id="SQL Server"),
        pytest.param("2018-05-03 12:05:09.120+02", None, "2018-05-03T12:05:09.120+02:00", id="Postgres"),
        pytest.param("20180503T120509Z", None, "2018-05-03T12:05:09Z", id="ISO, short"),
        pytest.param("2018-05-03T10", None, "2018-05-03T10:00:00+02:00", id="ISO hour"),
        pytest.param("\u200e3-5-2018\xa0 14:05\u200b", DANISH, "2018-05-03T14:05:00+02:00", id="invisible characters"),
        pytest.param('="03-05-2018 14:05"', DANISH, "2018-05-03T14:05:00+02:00", id="kept as a text"),
        pytest.param("3-5-2018 14:05", "%d-%m-%Y  %H:%M ", "2018-05-03T14:05:00+02:00", id="blanks in the format"),
        pytest.param("03-05-2018 12:05 am", "%d-%m-%Y %I:%M %p", "2018-05-03T00:05:00+02:00", id="midnight"),
        pytest.param("20180503140509123", "%Y%m%d%H%M%S%f", "2018-05-03T14:05:09.123+02:00", id="parts that touch"),
        pytest.param(
            "2018-05-03 14:05:09.1299999", "%Y-%m-%d %H:%M:%S.%f", "2018-05-03T14:05:09.129+02:00", id="seven digits"
        ),
        *(
            pytest.param(f"03-05-2018 14:05 {zone}", DANISH + " %z", f"2018-05-03T14:05:00{written}", id=zone)
            for zone, written in (("Z", "Z"), ("UTC", "Z"), ("gmt", "Z"), ("GMT+1", "+01:00"), ("UTC-05:30", "-05:30"))
        ),
        pytest.param("03-05-2018 14:05 +0100", DANISH + " %z", "2018-05-03T14:05:00+01:00", id="format with zone"),
        pytest.param(datetime(2018, 5, 3, 14, 5, 9, 120_999), None, "2018-05-03T14:05:09.120+02:00", id="workbook"),
        pytest.param(datetime(2018, 12, 31, 23, 59, 59, 999_800), None, "2018-12-31T23:59:59.999+01:00", id="cut"),
    ],
)
def test_moments_that_can_be_read(cell: str | date, pattern: str | None, written: str):
    """A date and time becomes an instant with its offset, Danish where none is written."""
    assert rfc3339(read_moment(cell, pattern, COPENHAGEN)) == written


@pytest.mark.parametrize(
    ("cell", "pattern", "reason"),
    [
        pytest.param("", DANISH, "is empty", id="empty"),
        pytest.param("03-05-2018", DANISH, "is not written as", id="day in a format with a clock"),
        pytest.param("2018-05-03", None, "day without a time of day", id="ISO day alone"),
        pytest.param("20180503", None, "day without a time of day", id="ISO day alone, short"),
        pytest.param(date(2018, 5, 3), None, "day without a time of day", id="workbook day"),
        pytest.param("31-02-2018 10:00", DANISH, "is not written as", id="no such day"),
        pytest.param("2018-02-31T10:00:00Z", None, "is not a time like", id="no such ISO day"),
        pytest.param("i morgen", None, "is not a time like", id="words"),
        pytest.param("25-03-2018 02:30", DANISH, "does not exist in Europe/Copenhagen", id="hour that was skipped"),
        pytest.param("2018-03-25T02:00:00", None, "does not exist", id="first minute of the skipped hour"),
        pytest.param("20180503101112123", None, "is not a time like", id="17 digits"),
        pytest.param("201805031011121", None, "is not a time like", id="15 digits"),
        pytest.param("20180503101112", None, "is not a time like", id="14 digits"),
        pytest.param("2018-05-03+02:00", None, "day without a time of day", id="XML day"),
        pytest.param("2018-05-03Z", None, "day without a time of day", id="XML day in UTC"),
        pytest.param("2018-W18-4T10:00", None, "is not a time like", id="week"),
        pytest.param("2018-05-03 10:00-11:00", None, "is not a time like", id="from ten to eleven"),
        pytest.param("2018-05-03x10:00", None, "is not a time like", id="another separator"),
        pytest.param("2018-05-03T24:00:00", None, "is not a time like", id="24 hours"),
        pytest.param("03-05-2018 9.5", "%d-%m-%Y %H.%M", "both their digits", id="a minute of one digit"),
        pytest.param("20180503 10509", "%Y%m%d %H%M%S", "both their digits", id="a clock that lost a zero"),
        pytest.param("2018111010", "%Y%m%d%H%M", "both their digits", id="a time that lost zeros"),
        pytest.param("03-05-2018 13:05 PM", "%d-%m-%Y %I:%M %p", "no such day or time", id="thirteen of twelve hours"),
    ],
)
def test_moments_that_are_refused(cell: str | date, pattern: str | None, reason: str):
    """Anything but a certain instant is refused, with a reason; this machine's clock is never used."""
    with pytest.raises(MomentError, match=reason):
        read_moment(cell, pattern, COPENHAGEN)


@pytest.mark.parametrize(
    ("cell", "pattern", "day"),
    [
        pytest.param("03-05-2018", "%d-%m-%Y", "2018-05-03", id="Danish"),
        pytest.param("2018-05-03", None, "2018-05-03", id="ISO"),
        pytest.param("2018-05-03T23:30:00Z", None, "2018-05-04", id="instant counts by the Danish day"),
        pytest.param("25-03-2018 02:30", DANISH, "2018-03-25", id="only the day of a skipped hour counts"),
        pytest.param("2018-05-03+02:00", None, "2018-05-03", id="XML day"),
        pytest.param("20180503", None, "2018-05-03", id="ISO, short"),
        pytest.param("1.5.18", "%d.%m.%y", "2018-05-01", id="one digit between separators"),
        pytest.param("03052018", "%d%m%Y", "2018-05-03", id="parts that touch"),
        pytest.param("3MAY2018", "%d%b%Y", "2018-05-03", id="SAS"),
        pytest.param("3. maj 2018", "%d. %B %Y", "2018-05-03", id="Danish month"),
        pytest.param("03-okt.-18", "%d-%b-%y", "2018-10-03", id="Danish short month"),
        pytest.param("3. maj 2018", "%d. %b. %Y", "2018-05-03", id="a month without the dot"),
        pytest.param("3. Sept. 2018", "%d. %b %Y", "2018-09-03", id="a month with a dot"),
        pytest.param("December 31, 2018", "%B %d, %Y", "2018-12-31", id="English month"),
        pytest.param("31-12-2018 00:00:00", "%d-%m-%Y 00:00:00", "2018-12-31", id="midnight as a text"),
        pytest.param(date(2018, 5, 3), None, "2018-05-03", id="workbook day"),
        pytest.param(datetime(2018, 5, 3, 23, 59), None, "2018-05-03", id="workbook time"),
    ],
)
def test_days(cell: str | date, pattern: str | None, day: str):
    """A day is read from a day or from an instant."""
    assert read_day(cell, pattern, COPENHAGEN) == day


@pytest.mark.parametrize(
    ("cell", "pattern"),
    [
        *((cell, "%d-%m-%Y") for cell in ("", "i foråret", "31-02-2018", "2018", "03-05-18")),
        *((cell, "%d%m%Y") for cell in ("1122018", "3052018", "1012019", "112018")),
        ("10519", "%d%m%y"),
        ("2018111", "%Y%m%d"),
        ("3. mai 2018", "%d. %B %Y"),
        *((cell, None) for cell in ("2019-W01", "2016W01", "2018-W18-4", "2018-123", "2018-12-31Z")),
        *((cell, None) for cell in ("2018-05-03-01:00", "2018-12-31 23:00-1")),
        *((cell, None) for cell in ("1546297200", "43465", "20181231233000000", "2018-12-31 13:00-16:00")),
    ],
)
def test_days_that_are_refused(cell: str, pattern: str | None):
    """Anything but a day is refused, and so is one that lost a digit."""
    with pytest.raises(MomentError):
        read_day(cell, pattern, COPENHAGEN)


@given(st.datetimes(datetime(1980, 1, 1), datetime(2037, 12, 31)).map(lambda moment: moment.replace(fold=0)))
def test_localise_is_the_zone(naive: datetime):
    """The shortcut for days without a change gives what the zone gives; skipped hours are those that do not return."""
    expected = naive.replace(tzinfo=COPENHAGEN)
    returns = expected.astimezone(timezone(timedelta(0))).astimezone(COPENHAGEN).replace(tzinfo=None) == naive
    if not returns:
        with pytest.raises(MomentError):
            localise(naive, COPENHAGEN)
        return
    moment = localise(naive, COPENHAGEN)
    assert moment.utcoffset() == expected.utcoffset()
    assert moment.replace(tzinfo=None) == naive


@given(
    st.datetimes(datetime(1000, 1, 1), datetime(2100, 1, 1)),
    st.sampled_from(
        (
            "%d-%m-%Y %H:%M:%S",
            "%Y%m%d %H:%M",
            DANISH,
            "%Y%m%d%H%M%S",
            "%d%b%Y:%H:%M:%S",
            "%B %d, %Y %I:%M %p",
            "%Y-%m-%d-%H.%M.%S.%f",
            "%m/%d/%y kl. %H.%M",
        )
    ),
)
def test_formats_read_what_they_write(moment: datetime, pattern: str):
    """The fast way of reading a format agrees with strptime."""
    text = moment.strftime(pattern)
    expected = datetime.strptime(text, pattern)  # noqa: DTZ007  (compared without a zone)
    expected = expected.replace(microsecond=expected.microsecond // 1000 * 1000)
    assert read_moment(text, pattern + "", ZoneInfo("UTC")).replace(tzinfo=None) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        DANISH,
        "%Y%m%d %H:%M:%S.%f%z",
        "%d. %B %Y %I:%M %p",
        "%d/%m-%y %H",
        "%d-%m-%Y kl. %H:%M",
        "den %d. %B %Y klokken %H.%M",
        "%Y-%m-%dT%H:%M:%S.000%z",
        "kl. %H:%M d. %d/%m %Y",
        "Oprettet: %d-%m-%Y %Ht%Mm",
    ],
)
def test_formats_that_are_read(pattern: str):
    """One year, month, day and time of day each."""
    check_format(pattern, clock=True)


@pytest.mark.parametrize(
    ("pattern", "clock", "message"),
    [
        pytest.param("%d-%m-%Y", True, "no hour", id="no time of day"),
        pytest.param("%d-%m", False, "no year", id="no year"),
        pytest.param("%m-%Y", False, "no day", id="no day"),
        pytest.param("%d-%m-%Y %d", False, "the day twice", id="twice"),
        pytest.param("%d-%m-%Y %y", False, "the year twice", id="twice in another way"),
        pytest.param("%d-%m-%Y %H:%M %p", True, "needs %I and %p", id="24 hours with a half of the day"),
        pytest.param("%d-%m-%Y %I:%M", True, "needs %I and %p", id="12 hours without one"),
        pytest.param("%d-%m-%Y %H:%S", True, "a second and no minute", id="seconds without minutes"),
        pytest.param("%Y-%m-%d %H:%M %Z", True, "%z reads Z, UTC, GMT and +02:00", id="name of a zone"),
        pytest.param("%c", True, "%c, which is not read", id="as the machine likes it"),
        pytest.param("%-d-%m-%Y", False, "%-, which is not read (%d and %m read one digit too)", id="glibc's own"),
        pytest.param("%d-%m-%Y%", False, "%, which is not read", id="percent at the end"),
        pytest.param("dd-MM-yyyy HH:mm", True, "has no %: write '%d-%m-%Y %H:%M'", id="Excel"),
        pytest.param("dd.MM.åååå tt:mm:ss", True, "has no %: write '%d.%m.%Y %H:%M:%S'", id="Excel in Danish"),
        pytest.param("dato", False, "has no %: known are %Y or %y", id="no format"),
        *(
            pytest.param(pattern, False, f"has {text!r} as a text, which reads no zone: write %z", id=f"zone {text}")
            for pattern, text in (
                ("%Y-%m-%dT%H:%M:%SZ", "Z"),
                ("%d-%m-%Y %H:%M UTC", "UTC"),
                ("%d-%m-%Y %H:%M GMT", "GMT"),
                ("%Y-%m-%dT%H:%M:%S+00:00", "+00:00"),
                ("%Y-%m-%dT%H:%M:%S.000Z", "Z"),
                ("%Y-%m-%d 00:00:00 +0000", "+0000"),
                ("%Y-%m-%dT00:00:00Z", "Z"),
                ("UTC %Y-%m-%d %H:%M", "UTC"),
                ("%Y-%m-%d %H:%M -01", "-01"),
            )
        ),
        *(
            pytest.param(f"%d-%m-%Y %H:%M {text}", True, f"has {text!r} as a text with the time", id=text)
            for text in ("CET", "cest", "CEST", "EST", "BST", "dansktid")
        ),
        pytest.param("%d-%m-%Y %H:%M PM", True, "has 'PM' as a text: write %I for the hour and %p", id="PM"),
        pytest.param("%d-%m-%Y %H:%M a.m.", True, "has 'a.m' as a text: write %I", id="a.m."),
        pytest.param("%Y-%m-%d 23:00", False, "has the digits '2300' as a text", id="a clock as a text"),
        pytest.param("20%y-%m-%d", False, "has the digits '20' as a text: write %Y", id="a century as a text"),
    ],
)
def test_formats_that_are_not_read(pattern: str, clock: bool, message: str):
    """What reads no instant, or another one on another machine, is refused when the mapping is read."""
    with pytest.raises(MomentError, match=re.escape(message)):
        check_format(pattern, clock=clock)


@pytest.mark.parametrize(
    ("pattern", "advice"),
    [
        ("M/d/yyyy h:mm AM/PM", "%m/%d/%Y %I:%M %p"),
        ("yyyy-MM-dd'T'HH:mm:ss", "%Y-%m-%dT%H:%M:%S"),
        ("yyyy-MM-dd'T'HH:mm:ss'Z'", "%Y-%m-%dT%H:%M:%S%z"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "%Y-%m-%dT%H:%M:%S.%f%z"),
        ("yyyy-mm-ddThh:mm:ssZ", "%Y-%m-%dT%H:%M:%S%z"),
        ("dd/MM/yyyy HH:mm:ss.fff", "%d/%m/%Y %H:%M:%S.%f"),
        ("d. MMMM yyyy HH:mm", "%d. %B %Y %H:%M"),
        ("[$-406]d. mmmm yyyy hh:mm;@", "%d. %B %Y %H:%M"),
        ("yyyyMMddHHmmss", "%Y%m%d%H%M%S"),
        ("MM/dd/yyyy hh:mm tt", "%m/%d/%Y %I:%M %p"),
        ("dd-mm-åååå tt:mm:ss", "%d-%m-%Y %H:%M:%S"),
        ("DD-MM-ÅÅÅÅ tt:mm", "%d-%m-%Y %H:%M"),
        ("m/d/yy h:mm", "%m/%d/%y %H:%M"),
        ("d/M/yyyy H.mm", "%d/%m/%Y %H.%M"),
        ("hh:mm dd-mm-yyyy", "%H:%M %d-%m-%Y"),
        ("DD/MM/YYYY HH24:MI:SS", "%d/%m/%Y %H:%M:%S"),
        ("dd-MON-yy HH12:MI AM", "%d-%b-%y %I:%M %p"),
        ("dd-MON-yy", None),
        ("dddd d. MMMM yyyy HH:mm", None),
        ("unix", None),
        ("epoch", None),
        ("General", None),
        ("iso8601", None),
        ("ISO 8601", None),
        ("uge", None),
        ("mm:ss", None),
    ],
)
def test_advice_for_formats_of_other_programs(pattern: str, advice: str | None):
    """What is advised translates the whole format, and can be written as it is; without such a one nothing is."""
    with pytest.raises(MomentError) as caught:
        check_format(pattern, clock=True)
    advised = re.findall(": write '(.*)'", str(caught.value))
    assert advised == ([advice] if advice else [])
    for one in advised:
        check_format(one, clock=True)


def test_advice_for_a_day_where_a_time_is_needed():
    """The owner learns how it is written, and what is missing."""
    with pytest.raises(MomentError, match=r"has no %: written as '%d-%b-%y' it has no hour: .* give exported_at"):
        check_format("dd-MON-yy", clock=True)
    with pytest.raises(MomentError, match=r"has no %: write '%d-%b-%y'$"):
        check_format("dd-MON-yy", clock=False)


@pytest.mark.parametrize(
    ("cell", "pattern", "zone", "day"),
    [
        pytest.param("2018-12-31T23:00:00Z", None, "UTC", "2019-01-01", id="UTC"),
        pytest.param("2018-12-31T23:30:00", None, "UTC", "2019-01-01", id="UTC by the mapping"),
        pytest.param("31-12-2018 23:30", DANISH, "UTC", "2019-01-01", id="in a format"),
        pytest.param(datetime(2018, 12, 31, 23, 30), None, "UTC", "2019-01-01", id="cell of a workbook"),
        pytest.param("2019-01-01T00:30:00+05:00", None, "Europe/Copenhagen", "2018-12-31", id="far east"),
        pytest.param("2018-12-31", None, "UTC", "2018-12-31", id="a day"),
        pytest.param("31-12-2018", "%d-%m-%Y", "America/New_York", "2018-12-31", id="a day in a format"),
        pytest.param(date(2018, 12, 31), None, "UTC", "2018-12-31", id="a day of a workbook"),
        pytest.param("2018-03-25T02:30:00", None, "Europe/Copenhagen", "2018-03-25", id="an hour that was skipped"),
    ],
)
def test_the_day_in_denmark(cell: str | date, pattern: str | None, zone: str, day: str):
    """A day is that day; an instant, however it is written, is its day in Denmark."""
    assert read_day(cell, pattern, ZoneInfo(zone)) == day


@pytest.mark.parametrize("cell", ["9999-12-31T23:59:59.9999999-01:00", "0001-01-01T00:00:00+01:00"])
def test_ends_of_the_calendar(cell: str):
    """What programs write for "never" is no time, and stops nothing."""
    for read in (read_moment, read_day):
        with pytest.raises(MomentError, match="the end of all calendars"):
            read(cell, None, ZoneInfo("UTC"))
    with pytest.raises(MomentError, match="the end of all calendars"):
        read_day("9999-12-31 23:59:59.9999999", None, ZoneInfo("UTC"))
    never = read_moment("9999-12-31 23:59:59.9999999", None, ZoneInfo("UTC"))  # a worker calls it the future
    assert rfc3339(never) == "9999-12-31T23:59:59.999+00:00"


CELLS = st.builds(
    lambda day, clock, between: f"{day}{between}{clock}",
    st.from_regex(r"[0-3]?[0-9]-[01]?[0-9]-(1999|20[12][0-9])", fullmatch=True)
    | st.sampled_from(
        ["29-02-2019", "31-03-2019", "25-03-2018", "28-10-2018", "01-01-0001", "31-12-9999", "\uff11-1-2018", ""]
    ),
    st.from_regex(r"[0-2]?[0-9]:[0-5]?[0-9](:[0-6]?[0-9])?", fullmatch=True)
    | st.sampled_from(["24:00", "02:30", "02:30:00", " 2:30", "00:00", ""]),
    st.sampled_from([" ", "  ", "T", ""]),
)


@given(
    CELLS | st.sampled_from(["01-01-0001 00:00", "31-12-9999 23:59:59"]),
    st.sampled_from(["%d-%m-%Y %H:%M", "%d-%m-%Y %H:%M:%S"]),
    st.sampled_from(["Europe/Copenhagen", "UTC", "America/St_Johns"]),
)
def test_times_that_are_looked_up_are_the_same(cell: str, pattern: str, zone: str):
    """Looking day and time of day up apart gives what reading the cell gives, or leaves it to that."""
    times = TimeTexts.of(pattern, ZoneInfo(zone))
    assert times is not None
    for _ in range(2):
        found = times.read(cell)
        assert found is None or found == rfc3339(read_moment(cell, pattern, ZoneInfo(zone)))


@pytest.mark.parametrize(
    "pattern", [None, "%d-%m-%Y", "%d-%m-%y %H:%M", "%d-%m-%Y %I:%M %p", "%H:%M %d-%m-%Y", "%d-%m-%YT%H:%M"], ids=str
)
def test_other_formats_are_not_looked_up(pattern: str | None):
    """Only numeric formats with a space between day and time of day."""
    assert TimeTexts.of(pattern, ZoneInfo("UTC")) is None
