-- The same figures whatever the server, its profiles or a session are set to: each view of figures says itself by which
-- settings it is counted, PINNED of sinks/pinned_settings.py. And days beyond those that an activity can have are an error: they
-- wrapped round, and the empty answer read as nobody was helped.

DROP VIEW IF EXISTS ${DATABASE}.activity_at ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.activity_at ${ON_CLUSTER} AS
SELECT * FROM
(
SELECT source, activity_id, revision, company_id, cluster, event_type,
       if(reported = '', [], splitByChar(',', reported)) AS reported, if(derived = '', [], splitByChar(',', derived)) AS derived, occurred_on
FROM ${DATABASE}.activity FINAL
WHERE {known:DateTime64(3, 'UTC')} >= toDateTime64('2200-01-01 00:00:00', 3, 'UTC') AND is_deleted = 0
UNION ALL
SELECT source, activity_id, revision, company_id, cluster, event_type, reported, derived, occurred_on
FROM
(
    SELECT * FROM ${DATABASE}.activity_revision
    WHERE {known:DateTime64(3, 'UTC')} < toDateTime64('2200-01-01 00:00:00', 3, 'UTC') AND known_at <= {known:DateTime64(3, 'UTC')}
    ORDER BY source, activity_id, revision DESC, known_at
    LIMIT 1 BY source, activity_id
)
WHERE is_deleted = 0
)
SETTINGS ${PINNED}
COMMENT 'Activities, one row each, as known at an instant (UTC), retractions left out. SELECT * FROM ${DATABASE}.activity_at(known = ''2200-01-01 00:00:00'') is the present state, at once; an earlier instant reads the history';

DROP VIEW IF EXISTS ${DATABASE}.company_known ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.company_known ${ON_CLUSTER} AS
SELECT * EXCEPT (is_deleted)
FROM
(
    SELECT company_id, valid_from, is_deleted, name, legal_form, kind, employees, employees_is_band, nuts, industry_scheme, industry, successor_id, ceased_on
    FROM ${DATABASE}.company_version
    WHERE known_at <= {known:DateTime64(3, 'UTC')}
    ORDER BY company_id, valid_from, revision DESC, known_at
    LIMIT 1 BY company_id, valid_from
)
WHERE is_deleted = 0
SETTINGS ${PINNED}
COMMENT 'Versions of companies as known at an instant (UTC). SELECT * FROM ${DATABASE}.company_known(known = ''2200-01-01 00:00:00'') WHERE company_id = ..';

DROP VIEW IF EXISTS ${DATABASE}.company_canonical ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.company_canonical ${ON_CLUSTER} AS
WITH RECURSIVE
link AS
(
    SELECT company_id, argMax(successor_id, valid_from) AS successor
    FROM
    (   -- company_known, of companies that ever had a successor only: read again on every step of the walk
        SELECT company_id, valid_from, is_deleted, successor_id
        FROM ${DATABASE}.company_version
        WHERE known_at <= {known:DateTime64(3, 'UTC')} AND valid_from <= {as_at:Date32}
          AND company_id IN (SELECT company_id FROM ${DATABASE}.company_version WHERE successor_id != 0)
        ORDER BY company_id, valid_from, revision DESC, known_at
        LIMIT 1 BY company_id, valid_from
    )
    WHERE is_deleted = 0 AND successor_id != 0
    GROUP BY company_id
),
walk AS
(
    SELECT company_id, [company_id] AS path, successor AS node FROM link
    UNION ALL
    SELECT w.company_id AS company_id, arrayPushBack(w.path, w.node) AS path, l.successor AS node
    FROM walk AS w INNER JOIN link AS l ON l.company_id = w.node
    WHERE NOT has(w.path, w.node)
)
SELECT company_id,
       argMax((path, node), length(path)) AS last,
       has(last.1, last.2) AS in_cycle,
       if(in_cycle, company_id, last.2) AS canonical_id,
       arrayPushBack(last.1, last.2) AS chain
FROM walk
GROUP BY company_id
SETTINGS ${PINNED}
COMMENT 'Companies that had been merged into another as at a day, followed to the end of the chain; a successor stays in force until another is named or its version withdrawn. in_cycle = 1: the chain comes back on itself, the company then counts as itself; repair the register. SELECT * FROM ${DATABASE}.company_canonical(as_at = ''2020-12-31'', known = ''2200-01-01 00:00:00'') WHERE in_cycle';

DROP VIEW IF EXISTS ${DATABASE}.company_at ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.company_at ${ON_CLUSTER} AS
WITH own AS
(
    SELECT company_id,
           arraySort(v -> v.1, groupArray((valid_from, ifNull(ceased_on, toDate32('2299-12-31')), (employees, nuts, industry_scheme, industry, name, legal_form, kind)))) AS registered,
           -- a version from ceased_on or later takes the attributes of the last one before that day
           arrayMap((v, i) -> (v.1, registered[if(v.2 <= v.1 AND registered[1].1 < v.2, arrayLastIndex(u -> u.1 < v.2, registered), i)].3), registered, arrayEnumerate(registered)) AS versions,
           arrayMap(v -> (v.1, v.2.1), versions) AS sizes,
           versions[greatest(1, arrayLastIndex(v -> v.1 <= {as_at:Date32}, versions))].2 AS v
    FROM ${DATABASE}.company_known(known = {known:DateTime64(3, 'UTC')})
    GROUP BY company_id
)
SELECT m.company_id AS company_id,
       m.canonical_id AS canonical_id,
       m.in_cycle AS in_cycle,
       m.sizes AS sizes,
       c.v.1 AS employees,
       if(c.v.2 = '', 'unknown', c.v.2) AS nuts,
       if(c.v.2 = '', 'unknown', left(c.v.2, 4)) AS region,
       if(c.v.3 = '', 'unknown', c.v.3) AS industry_scheme,
       if(c.v.4 = '', 'unknown', c.v.4) AS industry,
       if(c.v.4 = '', 'unknown', left(c.v.4, 2)) AS division,
       c.v.5 AS name,
       if(c.v.6 = '', 'unknown', c.v.6) AS legal_form,
       if(c.v.7 = '', 'company', c.v.7) AS kind
FROM
(
    SELECT o.company_id AS company_id, o.sizes AS sizes, k.in_cycle AS in_cycle, if(ifNull(k.canonical_id, 0) = 0, o.company_id, k.canonical_id) AS canonical_id
    FROM own AS o
    LEFT JOIN ${DATABASE}.company_canonical(as_at = {as_at:Date32}, known = {known:DateTime64(3, 'UTC')}) AS k ON k.company_id = o.company_id
) AS m
LEFT JOIN own AS c ON c.company_id = m.canonical_id
SETTINGS ${PINNED}
COMMENT 'One row per company in the register with canonical_id, the company it counts as after mergers, and that company''s attributes as at a day: a first version reaches back, a ceased company keeps its last ones from before that day, one that the register lacks counts as kind company. sizes = own employees by valid_from. SELECT * FROM ${DATABASE}.company_at(as_at = ''2020-12-31'', known = ''2200-01-01 00:00:00'')';

DROP VIEW IF EXISTS ${DATABASE}.fact ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.fact ${ON_CLUSTER} AS
SELECT a.source AS source, a.activity_id AS activity_id, a.occurred_on AS occurred_on,
       if(a.event_type = '', 'unknown', a.event_type) AS event_type,
       if(a.cluster = '', 'unknown', a.cluster) AS cluster,
       outcome,
       outcome = 'helped' OR has(a.reported, outcome) AS reported,
       outcome = 'helped' OR has(a.derived, outcome) AS derived,
       a.company_id AS reported_company_id,
       if(ifNull(c.canonical_id, 0) = 0, a.company_id, c.canonical_id) AS company_id,
       c.employees AS employees,
       ifNull(multiIf(isNull(employees), 'unknown', employees < 2, toString(employees), employees < 5, '2-4', employees < 10, '5-9', employees < 20, '10-19', employees < 50, '20-49',
               employees < 100, '50-99', employees < 200, '100-199', employees < 500, '200-499', employees < 1000, '500-999', '1000+'), 'unknown') AS size_band,
       ifNull(employees < 50, 0) AS under_50,
       c.sizes[greatest(1, arrayLastIndex(v -> v.1 <= a.occurred_on, c.sizes))].2 AS employees_then,
       ifNull(multiIf(isNull(employees_then), 'unknown', employees_then < 2, toString(employees_then), employees_then < 5, '2-4', employees_then < 10, '5-9', employees_then < 20, '10-19', employees_then < 50, '20-49',
               employees_then < 100, '50-99', employees_then < 200, '100-199', employees_then < 500, '200-499', employees_then < 1000, '500-999', '1000+'), 'unknown') AS size_band_then,
       ifNull(employees_then < 50, 0) AS under_50_then,
       if(c.nuts = '', 'unknown', c.nuts) AS nuts,
       if(c.region = '', 'unknown', c.region) AS region,
       if(c.industry_scheme = '', 'unknown', c.industry_scheme) AS industry_scheme,
       if(c.industry = '', 'unknown', c.industry) AS industry,
       if(c.division = '', 'unknown', c.division) AS division,
       if(c.legal_form = '', 'unknown', c.legal_form) AS legal_form,
       if(c.kind = '', 'company', c.kind) AS kind
FROM
(
    SELECT *, arrayDistinct(arrayConcat(reported, derived, ['helped'])) AS outcomes
    FROM ${DATABASE}.activity_at(known = {known:DateTime64(3, 'UTC')})
    WHERE occurred_on BETWEEN {from:Date32} AND {to:Date32}
      -- Days that no activity can have would give an answer that reads as nobody was helped. As a subquery it is asked without rows, too.
      AND (SELECT throwIf({from:Date32} < toDate32('1970-01-01') OR {to:Date32} > toDate32('2149-06-06') OR {from:Date32} > {to:Date32},
                          'The days asked for must lie from 1970-01-01 to 2149-06-06 (years 1970 to 2148), the first not after the last')) = 0
      -- As known at an earlier instant, what was never in these days is left out before versions are sorted: most of the history.
      AND ({known:DateTime64(3, 'UTC')} >= toDateTime64('2200-01-01 00:00:00', 3, 'UTC') OR cityHash64(source, activity_id) GLOBAL IN
      (
          SELECT cityHash64(source, activity_id) FROM ${DATABASE}.activity_revision
          WHERE {known:DateTime64(3, 'UTC')} < toDateTime64('2200-01-01 00:00:00', 3, 'UTC') AND occurred_on BETWEEN {from:Date32} AND {to:Date32}
      ))
) AS a
LEFT JOIN ${DATABASE}.company_at(as_at = {as_at:Date32}, known = {known:DateTime64(3, 'UTC')}) AS c ON c.company_id = a.company_id
ARRAY JOIN a.outcomes AS outcome
SETTINGS ${PINNED}
COMMENT 'For your own breakdowns: one row per activity and outcome (helped = any activity) between two days (1970-01-01 to 2149-06-06, else an error), company_id after mergers and attributes as at the day as_at, *_then = size of the reported company on the activity day, everything as known at an instant. Count with uniqExact(company_id), companies only: WHERE kind = ''company''. SELECT region, size_band, uniqExact(company_id) FROM ${DATABASE}.fact(from = ''2020-01-01'', to = ''2020-12-31'', as_at = ''2020-12-31'', known = ''2200-01-01 00:00:00'') WHERE kind = ''company'' AND outcome = ''new_ideas'' AND derived GROUP BY ALL';

DROP VIEW IF EXISTS ${DATABASE}.impact_annual_as_known ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_annual_as_known ${ON_CLUSTER} AS
WITH kind = 'company' AS firm
SELECT outcome,
       uniqExactIf(company_id, firm) AS companies, uniqExactIf(company_id, firm AND under_50) AS companies_under_50, uniqExactIf(company_id, firm AND isNull(employees)) AS companies_unknown_size,
       uniqExactIf(company_id, firm AND reported) AS reported_companies, uniqExactIf(company_id, firm AND reported AND under_50) AS reported_companies_under_50,
       uniqExactIf(company_id, firm AND derived) AS derived_companies, uniqExactIf(company_id, firm AND derived AND under_50) AS derived_companies_under_50,
       uniqExactIf(company_id, kind = 'other') AS participants_other
FROM ${DATABASE}.fact(from = makeDate32(least({year:UInt16}, 2200), 1, 1), to = makeDate32(least({year:UInt16}, 2200), 12, 31), as_at = makeDate32(least({year:UInt16}, 2200), 12, 31), known = {known:DateTime64(3, 'UTC')})
GROUP BY outcome
SETTINGS ${PINNED}
COMMENT 'impact_annual as it would have been computed at an instant (UTC); gives the same figures for ever. SELECT * FROM ${DATABASE}.impact_annual_as_known(year = 2020, known = ''2021-03-01 00:00:00'')';

DROP VIEW IF EXISTS ${DATABASE}.impact_annual ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_annual ${ON_CLUSTER} AS
SELECT * FROM ${DATABASE}.impact_annual_as_known(year = {year:UInt16}, known = '2200-01-01 00:00:00')
SETTINGS ${PINNED}
COMMENT 'Distinct companies per outcome in a calendar year (1970 to 2148, else an error), helped = any activity; public bodies are counted apart as participants_other, unknown sizes as companies_unknown_size. companies counts outcomes reported by the cluster or derived from the event type; reported_ and derived_ columns count one basis (helped needs none). Size, region, industry and mergers as at 31 December. SELECT * FROM ${DATABASE}.impact_annual(year = 2020)';

DROP VIEW IF EXISTS ${DATABASE}.impact_annual_at_activity ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_annual_at_activity ${ON_CLUSTER} AS
SELECT outcome, if(grouping(band) = 1, 'all', band) AS size_band, uniqExactIf(company_id, kind = 'company') AS companies, uniqExactIf(company_id, kind = 'company' AND under_50) AS companies_under_50,
       uniqExactIf(company_id, kind = 'other') AS participants_other
FROM (SELECT outcome, size_band_then AS band, under_50_then AS under_50, company_id, kind
      FROM ${DATABASE}.fact(from = makeDate32(least({year:UInt16}, 2200), 1, 1), to = makeDate32(least({year:UInt16}, 2200), 12, 31), as_at = makeDate32(least({year:UInt16}, 2200), 12, 31), known = '2200-01-01 00:00:00'))
GROUP BY GROUPING SETS ((outcome), (outcome, band))
SETTINGS ${PINNED}
COMMENT 'Like impact_annual, but sized on the day of each activity: companies_under_50 = companies that were below 50 at one of their activities or more. A company that grew is in several bands, so bands do not add up. size_band = ''all'' = any size. SELECT * FROM ${DATABASE}.impact_annual_at_activity(year = 2020)';

DROP VIEW IF EXISTS ${DATABASE}.impact_annual_by ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_annual_by ${ON_CLUSTER} AS
WITH kind = 'company' AS firm
SELECT outcome,
       arrayStringConcat(arrayFilter((n, g) -> g = 0, ['cluster', 'region', 'industry', 'size_band', 'event_type'],
           [grouping(d_cluster), grouping(d_region), grouping(d_industry), grouping(d_size_band), grouping(d_event_type)]), ', ') AS breakdown,
       if(grouping(d_cluster) = 1, 'all', d_cluster) AS cluster, if(grouping(d_region) = 1, 'all', d_region) AS region,
       if(grouping(d_industry) = 1, 'all', d_industry_scheme) AS industry_scheme, if(grouping(d_industry) = 1, 'all', d_industry) AS industry,
       if(grouping(d_size_band) = 1, 'all', d_size_band) AS size_band, if(grouping(d_event_type) = 1, 'all', d_event_type) AS event_type,
       uniqExactIf(company_id, firm) AS companies, uniqExactIf(company_id, firm AND under_50) AS companies_under_50,
       uniqExactIf(company_id, firm AND reported) AS reported_companies, uniqExactIf(company_id, firm AND reported AND under_50) AS reported_companies_under_50,
       uniqExactIf(company_id, firm AND derived) AS derived_companies, uniqExactIf(company_id, firm AND derived AND under_50) AS derived_companies_under_50,
       uniqExactIf(company_id, kind = 'other') AS participants_other
FROM (SELECT outcome, company_id, kind, under_50, reported, derived, cluster AS d_cluster, region AS d_region, industry_scheme AS d_industry_scheme, division AS d_industry, size_band AS d_size_band, event_type AS d_event_type
      FROM ${DATABASE}.fact(from = makeDate32(least({year:UInt16}, 2200), 1, 1), to = makeDate32(least({year:UInt16}, 2200), 12, 31), as_at = makeDate32(least({year:UInt16}, 2200), 12, 31), known = '2200-01-01 00:00:00'))
GROUP BY GROUPING SETS ((outcome),
    (outcome, d_cluster), (outcome, d_region), (outcome, d_industry_scheme, d_industry), (outcome, d_size_band), (outcome, d_event_type),
    (outcome, d_cluster, d_region), (outcome, d_cluster, d_industry_scheme, d_industry), (outcome, d_cluster, d_size_band), (outcome, d_cluster, d_event_type),
    (outcome, d_region, d_industry_scheme, d_industry), (outcome, d_region, d_size_band), (outcome, d_region, d_event_type),
    (outcome, d_industry_scheme, d_industry, d_size_band), (outcome, d_industry_scheme, d_industry, d_event_type),
    (outcome, d_size_band, d_event_type))
SETTINGS ${PINNED}
COMMENT 'Distinct companies in a year per outcome and by one or two of cluster, region (NUTS 2), industry (scheme and 2-digit division), size_band, event_type; ''all'' = not broken down, ''unknown'' = not in the register. Pick one breakdown: SELECT * FROM ${DATABASE}.impact_annual_by(year = 2020) WHERE breakdown = ''cluster, size_band''. Never add rows up: a company may be in several clusters. A row may hold participants_other only. More dimensions: ${DATABASE}.fact';

DROP VIEW IF EXISTS ${DATABASE}.impact_cluster ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_cluster ${ON_CLUSTER} AS
SELECT outcome, level, if(level = 'cluster', ifNull(toString(c), ''), '') AS cluster, sum(n) AS companies, sum(n50) AS companies_under_50,
       sum(r) AS reported_companies, sum(r50) AS reported_companies_under_50, sum(d) AS derived_companies, sum(d50) AS derived_companies_under_50, sum(other) AS participants_other
FROM
(
    WITH kind = 'company' AS firm
    SELECT outcome, cluster AS c, grouping(cluster) AS g, uniqExactIf(company_id, firm) AS n, uniqExactIf(company_id, firm AND under_50) AS n50,
           uniqExactIf(company_id, firm AND reported) AS r, uniqExactIf(company_id, firm AND reported AND under_50) AS r50,
           uniqExactIf(company_id, firm AND derived) AS d, uniqExactIf(company_id, firm AND derived AND under_50) AS d50, uniqExactIf(company_id, kind = 'other') AS other
    FROM ${DATABASE}.fact(from = makeDate32(least({year:UInt16}, 2200), 1, 1), to = makeDate32(least({year:UInt16}, 2200), 12, 31), as_at = makeDate32(least({year:UInt16}, 2200), 12, 31), known = '2200-01-01 00:00:00')
    GROUP BY GROUPING SETS ((outcome), (outcome, cluster))
)
ARRAY JOIN if(g = 1, ['national unique'], ['cluster', 'sum over clusters']) AS level
GROUP BY outcome, level, cluster
SETTINGS ${PINNED}
COMMENT 'The three published numbers for a year, column level: cluster (distinct companies of one cluster), sum over clusters (a company in two clusters counts twice), national unique (every company once). Basis and public bodies as in impact_annual. SELECT * FROM ${DATABASE}.impact_cluster(year = 2020) ORDER BY outcome, level, cluster';

DROP VIEW IF EXISTS ${DATABASE}.impact_rolling_basis ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_rolling_basis ${ON_CLUSTER} AS
WITH toInt32({from:Date32}) AS a, toInt32({to:Date32}) AS b, toInt32({window_days:UInt16}) AS w,  -- days since 1970, in 32 bits: nothing wraps round
spell AS
(   -- each company's spells inside the window: an activity counts from its day until w days on; days without a gap are one spell
    SELECT outcome, company_id, max(under_50) AS small,
           arraySort(groupUniqArray(toInt32(occurred_on))) AS days,
           arrayFilter((d, i) -> i = 1 OR days[i - 1] + w < d, days, arrayEnumerate(days)) AS starts,
           arrayMap(d -> d + w, arrayFilter((d, i) -> i = length(days) OR d + w < days[i + 1], days, arrayEnumerate(days))) AS ends
    FROM ${DATABASE}.fact(from = if({from:Date32} > {to:Date32} OR {from:Date32} < toDate32('1970-01-01'), {from:Date32}, toDate32(greatest(0, toInt32({from:Date32}) - toInt32({window_days:UInt16}) + 1))),
                          to = {to:Date32}, as_at = {to:Date32}, known = '2200-01-01 00:00:00')
    WHERE kind = 'company' AND (({basis:String} = 'reported' AND reported) OR ({basis:String} = 'derived' AND derived) OR {basis:String} = 'both')
      AND (SELECT throwIf({window_days:UInt16} = 0 OR {basis:String} NOT IN ('reported', 'derived', 'both'),
                          'window_days must be 1 or more, basis reported, derived or both')) = 0
    GROUP BY outcome, company_id
),
step AS
(
    SELECT outcome, s.1 AS day, sum(s.2) AS d, sumIf(s.2, small) AS d_small
    FROM spell
    ARRAY JOIN arrayConcat(arrayMap((x, y) -> (greatest(x, a), toInt64(y > a)), starts, ends),
                           arrayMap(y -> (y, -toInt64(y > a)), ends)) AS s
    WHERE s.2 != 0 AND s.1 <= b
    GROUP BY outcome, day
)
SELECT outcome, toDate(day) AS day, companies, companies_under_50
FROM
(
    SELECT outcome, day,
           toUInt64(sum(d) OVER (PARTITION BY outcome ORDER BY day)) AS companies,
           toUInt64(sum(d_small) OVER (PARTITION BY outcome ORDER BY day)) AS companies_under_50
    FROM (SELECT outcome, day, d, d_small FROM step ORDER BY outcome, day WITH FILL FROM a TO b + 1)
    WHERE outcome != ''  -- no facts at all: the fill alone
)
SETTINGS ${PINNED}
COMMENT 'impact_rolling for one basis: basis = ''reported'', ''derived'' or ''both'', else an error. SELECT * FROM ${DATABASE}.impact_rolling_basis(from = ''2020-01-01'', to = ''2020-12-31'', window_days = 365, basis = ''reported'')';

DROP VIEW IF EXISTS ${DATABASE}.impact_rolling ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_rolling ${ON_CLUSTER} AS
SELECT * FROM ${DATABASE}.impact_rolling_basis(from = {from:Date32}, to = {to:Date32}, window_days = {window_days:UInt16}, basis = 'both')
SETTINGS ${PINNED}
COMMENT 'Distinct companies (no public bodies) per outcome in the window_days days ending on each day; kind, size and mergers as at the to day. from and to from 1970-01-01 to 2149-06-06, window_days 1 to 65535, else an error; a window that is longer than that begins on 1970-01-01. An outcome without any company in the whole span has no rows. SELECT * FROM ${DATABASE}.impact_rolling(from = ''2020-01-01'', to = ''2020-12-31'', window_days = 365)';
