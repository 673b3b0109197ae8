-- The one core of all figures: activity x outcome with the company that counts.

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
       if(c.kind != '', c.kind, if(a.company_id IN (SELECT company_id FROM ${DATABASE}.institution_at(as_at = {as_at:Date32}, known = {known:DateTime64(3, 'UTC')})), 'other', 'company')) AS kind
FROM
(
    SELECT *, arrayDistinct(arrayConcat(reported, derived, ['helped'])) AS outcomes
    FROM ${DATABASE}.activity_at(known = {known:DateTime64(3, 'UTC')})
    WHERE occurred_on BETWEEN {from:Date32} AND {to:Date32}
      -- Days that no activity can have would give an answer that reads as if nobody was helped. A subquery is checked without rows, too.
      AND (SELECT throwIf({from:Date32} < toDate32('1970-01-01') OR {to:Date32} > toDate32('2149-06-06') OR {from:Date32} > {to:Date32},
                          'The days asked for must be from 1970-01-01 to 2149-06-06 (years 1970 to 2148), the first not after the last')) = 0
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
