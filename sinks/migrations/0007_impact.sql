-- The published figures. An annual one is counted in impact_annual_figures alone; the views and the report read it.

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_annual_figures ${ON_CLUSTER} AS
WITH kind = 'company' AS firm
SELECT outcome, level, toString(name) AS cluster,
       uniqExactIf(company_id, firm) AS companies, uniqExactIf(company_id, firm AND under_50) AS companies_under_50, uniqExactIf(company_id, firm AND isNull(employees)) AS companies_unknown_size,
       uniqExactIf(company_id, firm AND reported) AS reported_companies, uniqExactIf(company_id, firm AND reported AND under_50) AS reported_companies_under_50,
       uniqExactIf(company_id, firm AND derived) AS derived_companies, uniqExactIf(company_id, firm AND derived AND under_50) AS derived_companies_under_50,
       uniqExactIf(company_id, kind = 'other') AS participants_other,
       uniqExactIf(company_id, company_id NOT IN (SELECT company_id FROM ${DATABASE}.company_known(known = {known:DateTime64(3, 'UTC')}))) AS companies_without_register_row
FROM (SELECT outcome, arrayJoin(['national unique', 'cluster']) AS level, if(level = 'cluster', cluster, '') AS name, company_id, kind, employees, under_50, reported, derived
      FROM ${DATABASE}.fact(from = makeDate32(least({year:UInt16}, 2200), 1, 1), to = makeDate32(least({year:UInt16}, 2200), 12, 31), as_at = makeDate32(least({year:UInt16}, 2200), 12, 31), known = {known:DateTime64(3, 'UTC')}))
GROUP BY outcome, level, name  -- not GROUPING SETS: a query for one level pays for one
SETTINGS ${PINNED}
COMMENT 'How an annual figure is counted: distinct companies per outcome in a calendar year, of the country (level national unique, cluster empty) and of each cluster, as known at an instant (UTC). clustertrack report, impact_annual and impact_cluster read it and say what the columns mean; companies_without_register_row count with unknown attributes. SELECT * FROM ${DATABASE}.impact_annual_figures(year = 2020, known = ''2200-01-01 00:00:00'')';

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_annual_as_known ${ON_CLUSTER} AS
SELECT outcome, companies, companies_under_50, companies_unknown_size, reported_companies, reported_companies_under_50, derived_companies, derived_companies_under_50, participants_other
FROM ${DATABASE}.impact_annual_figures(year = {year:UInt16}, known = {known:DateTime64(3, 'UTC')})
WHERE level = 'national unique'
SETTINGS ${PINNED}
COMMENT 'impact_annual as it would have been computed at an instant (UTC); always gives the same figures. SELECT * FROM ${DATABASE}.impact_annual_as_known(year = 2020, known = ''2021-03-01 00:00:00'')';

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_annual ${ON_CLUSTER} AS
SELECT * FROM ${DATABASE}.impact_annual_as_known(year = {year:UInt16}, known = '2200-01-01 00:00:00')
SETTINGS ${PINNED}
COMMENT 'Distinct companies per outcome in a calendar year (1970 to 2148, else an error), helped = any activity; public bodies are counted apart as participants_other, unknown sizes as companies_unknown_size. companies counts outcomes reported by the cluster or derived from the event type; reported_ and derived_ columns count one basis (helped needs none). Size, region, industry and mergers as at 31 December. SELECT * FROM ${DATABASE}.impact_annual(year = 2020)';

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_cluster ${ON_CLUSTER} AS
SELECT outcome, shown AS level, if(shown = 'cluster', f.cluster, '') AS cluster, sum(f.companies) AS companies, sum(f.companies_under_50) AS companies_under_50,
       sum(f.reported_companies) AS reported_companies, sum(f.reported_companies_under_50) AS reported_companies_under_50,
       sum(f.derived_companies) AS derived_companies, sum(f.derived_companies_under_50) AS derived_companies_under_50, sum(f.participants_other) AS participants_other
FROM ${DATABASE}.impact_annual_figures(year = {year:UInt16}, known = '2200-01-01 00:00:00') AS f
ARRAY JOIN if(f.level = 'cluster', ['cluster', 'sum over clusters'], [f.level]) AS shown
GROUP BY outcome, level, cluster
SETTINGS ${PINNED}
COMMENT 'The three published numbers for a year, column level: cluster (distinct companies of one cluster), sum over clusters (a company in two clusters counts twice), national unique (every company once). Basis and public bodies as in impact_annual. SELECT * FROM ${DATABASE}.impact_cluster(year = 2020) ORDER BY outcome, level, cluster';

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_annual_at_activity ${ON_CLUSTER} AS
SELECT outcome, if(grouping(band) = 1, 'all', band) AS size_band, uniqExactIf(company_id, kind = 'company') AS companies, uniqExactIf(company_id, kind = 'company' AND under_50) AS companies_under_50,
       uniqExactIf(company_id, kind = 'other') AS participants_other
FROM (SELECT outcome, size_band_then AS band, under_50_then AS under_50, company_id, kind
      FROM ${DATABASE}.fact(from = makeDate32(least({year:UInt16}, 2200), 1, 1), to = makeDate32(least({year:UInt16}, 2200), 12, 31), as_at = makeDate32(least({year:UInt16}, 2200), 12, 31), known = '2200-01-01 00:00:00'))
GROUP BY GROUPING SETS ((outcome), (outcome, band))
SETTINGS ${PINNED}
COMMENT 'Like impact_annual, but sized on the day of each activity: companies_under_50 = companies that were below 50 at one of their activities or more. A company that grew is in several bands, so bands do not add up. size_band = ''all'' = any size. SELECT * FROM ${DATABASE}.impact_annual_at_activity(year = 2020)';

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

CREATE VIEW IF NOT EXISTS ${DATABASE}.impact_rolling ${ON_CLUSTER} AS
SELECT * FROM ${DATABASE}.impact_rolling_basis(from = {from:Date32}, to = {to:Date32}, window_days = {window_days:UInt16}, basis = 'both')
SETTINGS ${PINNED}
COMMENT 'Distinct companies (no public bodies) per outcome in the window_days days ending on each day; kind, size and mergers as at the to day. from and to from 1970-01-01 to 2149-06-06, window_days 1 to 65535, else an error; a window that is longer than that begins on 1970-01-01. An outcome without any company in the whole span has no rows. SELECT * FROM ${DATABASE}.impact_rolling(from = ''2020-01-01'', to = ''2020-12-31'', window_days = 365)';
